"""Seconds of each fuzzer, from the inputs that once broke something (tests/fuzz/corpus/NAME)."""
import os, glob, subprocess, tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def programs(build):
    return [path for path in sorted(glob.glob(build + "/fuzz/*")) if os.access(path, os.X_OK) and os.path.isfile(path)]


def run(results, program, seconds=5):
    results.run("fuzz/" + os.path.basename(program), lambda: one(program, seconds))


def one(program, seconds):
    seeds = f"{TOP}/tests/fuzz/corpus/{os.path.basename(program)}"
    with tempfile.TemporaryDirectory() as found:
        done = subprocess.run([program, found, *([seeds] if os.path.isdir(seeds) else []), f"-max_total_time={seconds}", "-timeout=5",
                               "-rss_limit_mb=1024", f"-artifact_prefix={found}/"],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", timeout=seconds + 120)
        assert done.returncode == 0, done.stdout[-4000:]
