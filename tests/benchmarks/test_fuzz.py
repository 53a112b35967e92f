"""Damaged and hostile logs break nothing, and what would break is noticed."""

import subprocess
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
# Each format with each mutation about once.
COUNT = 240

NOTICED = """
import fuzz
watch = fuzz.Watch()
log = fuzz.logs()["Keras history"]
one = fuzz.Case(0, "Keras history", "none", log.files, log)
framed = fuzz.logs()["W&B offline"]
other = fuzz.Case(0, "W&B offline", "flipped", framed.files, framed)
real = fuzz.read_runs

def opens(paths):
    open("/etc/hostname").close()
    return real(paths)

def runs(paths):
    import subprocess
    subprocess.run(["true"])
    return real(paths)

def breaks(paths):
    raise RecursionError("too deep")

def invents(paths):
    from dataclasses import replace
    found, problems = real(paths)
    wrong = [o.model_copy(update={"val": {"loss": 0.123456}}) for o in found[0].observations]
    return [replace(found[0], observations=wrong)], problems

def mute(paths):
    return [], []

def repeats(paths):
    from dataclasses import replace
    found, problems = real(paths)  # values that stand in the log, but at other steps
    wrong = [o.model_copy(update={"step": o.step + 1}) for o in found[0].observations]
    return [replace(found[0], observations=wrong)], problems

def loses(paths):
    from dataclasses import replace
    found, problems = real(paths)
    return [replace(found[0], observations=found[0].observations[:-1])], problems

def shortens(paths):
    from dataclasses import replace
    found, problems = real(paths)
    wrong = [o.model_copy(update={"val": {"loss": 1.0}}) for o in found[0].observations]  # it is there, as train
    return [replace(found[0], observations=wrong)], problems

print(fuzz.judged(one, watch)[0])
for made in (opens, runs, breaks, invents, mute):
    fuzz.read_runs = made
    print(fuzz.judged(one, watch)[0])
fuzz.read_runs = real
fuzz.whole("Keras history")
for case, made in ((other, repeats), (other, loses), (one._replace(mutation="cut"), shortens)):
    fuzz.read_runs = made
    print(fuzz.judged(case, watch)[0])
"""


def python(*arguments):
    result = subprocess.run(
        [sys.executable, *arguments], check=False, capture_output=True, text=True, timeout=500, cwd=BENCHMARKS
    )
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-2000:]
    return result.stdout


def test_nothing_breaks():
    printed = python("fuzz.py", "--count", str(COUNT))
    totals = [line.split("|")[2:-1] for line in printed.splitlines() if line.startswith("| all ")]
    assert len(totals) == 2
    for total in totals:
        read, noted, refused, over, *broken = map(int, total)
        assert read + noted + refused + over == COUNT
        assert min(read, noted, refused) > 20
        assert broken == [0, 0, 0, 0, 0]


def test_what_would_break_is_noticed():
    assert python("-c", NOTICED).split() == [
        *("read", "opened", "opened", "crash", "invented", "crash"),
        *("invented", "lost", "invented"),
    ]
