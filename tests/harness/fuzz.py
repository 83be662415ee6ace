"""Seconds of each fuzzer, from the inputs of tests/fuzz/corpus/NAME, and those that are made for it."""
import os, glob, subprocess, tempfile

from . import seeds

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def programs(build):
    return [path for path in sorted(glob.glob(build + "/fuzz/*")) if os.access(path, os.X_OK) and os.path.isfile(path)]


def run(results, program, seconds=5):
    results.run("fuzz/" + os.path.basename(program), lambda: one(program, seconds))


def one(program, seconds):
    name = os.path.basename(program)
    corpus = f"{TOP}/tests/fuzz/corpus/{name}"
    with tempfile.TemporaryDirectory() as found:
        seeds.write(name, os.path.dirname(os.path.dirname(program)), found)
        done = subprocess.run([program, found, *([corpus] if os.path.isdir(corpus) else []), f"-max_total_time={seconds}", "-timeout=5",
                               "-rss_limit_mb=1024", f"-artifact_prefix={found}/"],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", timeout=seconds + 120)
        assert done.returncode == 0, done.stdout[-4000:]
