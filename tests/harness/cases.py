"""Sieve's cases, which one program runs and counts; and which sections of the RFCs have none."""
import glob, os, re, subprocess

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def run(results, program):
    """A test for each file. What a sanitizer says ends the program, and so fails it."""
    files = sorted(glob.glob(TOP + "/tests/sieve/*/*.txt"))
    done = subprocess.run([program, *(os.path.relpath(file, TOP) for file in files)], cwd=TOP, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=300)
    out = done.stdout.decode(errors="replace")
    passed = re.findall(r"^ok   \S+: (\d+)$", out, re.M)
    results.passed += len(passed)
    if done.returncode != 0 or len(passed) != len(files):
        failures = re.split(r"^ok .*\n", out, flags=re.M)
        results.failed += max(len(files) - len(passed), 1) - 1
        results.fail("unit/sieve-cases", f"ended with {done.returncode}\n" + "".join(failures)[-8000:])
    else:
        print(f"ok   unit/sieve-cases: {len(passed)} files, {sum(map(int, passed))} cases", flush=True)


def coverage(results):
    done = subprocess.run([TOP + "/tests/sieve/coverage"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
    if done.returncode != 0:
        results.fail("unit/sieve-coverage", done.stdout[-8000:])
    else:
        results.passed += 1
        print(f"ok   unit/sieve-coverage: {done.stdout.strip()}", flush=True)
