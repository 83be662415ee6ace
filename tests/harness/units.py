"""Criterion's programs: run, counted, and failed by a sanitizer's report, which Criterion itself overlooks."""
import glob, os, re, subprocess

from .leaks import is_a_librarys_own

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def run(results, program, directory, env):
    name = "unit/" + os.path.basename(program)
    reports = f"{directory}/sanitizer-{os.path.basename(program)}"
    env = {**os.environ, **env, "ASAN_OPTIONS": f"log_path={reports}:detect_leaks=1", "UBSAN_OPTIONS": f"log_path={reports}:print_stacktrace=1",
           "LSAN_OPTIONS": f"suppressions={TOP}/tests/harness/lsan.supp:print_suppressions=0"}
    try:
        done = subprocess.run([program, "-j2", "--timeout", "240"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=600, env=env)
        out, code = done.stdout.decode(errors="replace"), done.returncode
    except subprocess.TimeoutExpired as late:
        out, code = (late.stdout or b"").decode(errors="replace"), "a time-out"
    out = re.sub(r"\x1b\[[0-9;]*m", "", out)
    found = re.search(r"Tested: (\d+) \| Passing: (\d+) \| Failing: (\d+) \| Crashing: (\d+)", out)
    tested, passing = (int(found[1]), int(found[2])) if found else (0, 0)
    texts = []
    for file in sorted(glob.glob(reports + "*")):
        with open(file, errors="replace") as report:
            texts.append(report.read())
    if texts and all(is_a_librarys_own(text) for text in texts) and passing == tested:
        texts, code = [], 0
    texts = [text[:3000] for text in texts]
    results.passed += passing
    if texts or code != 0 or tested != passing or not found:
        results.failed += max(tested - passing, 1) - 1
        said = "\n".join(re.findall(r"^\[(?:----|FAIL)\].*$", out, re.M))[:4000]
        results.fail(name, f"ended with {code}\n{said}\n{out[-4000:]}\n" + "\n".join(texts))
    else:
        print(f"ok   {name}: {passing} tests", flush=True)
