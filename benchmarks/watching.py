"""What watching costs, beside ``tail -F``: CPU time where nothing happens, and where a log grows.

python benchmarks/watching.py [--seconds 20]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from overfit_monitor.testing import curves

WATCH = [sys.executable, "-m", "overfit_monitor", "watch", "--plain", "--interval", "5"]
HEADER = "epoch,train_loss,val_loss\n"


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=20.0)
    seconds = parser.parse_args().seconds
    print("CPU time over wall time, start-up left out, in per cent of one core\n")
    print(f"{'log':<34}{'rows/s':>8}{'watch':>9}{'tail -F':>9}{'alarm after':>13}")
    for name, files, rows, rate in (
        ("one file of 200 rows", 1, 200, 0),
        ("500 files of 200 rows", 500, 200, 0),
        ("one file, from empty", 1, 0, 10),
        ("one file of 10,000 rows", 1, 10_000, 10),
        ("40 files of 200 rows", 40, 200, 40),
    ):
        with tempfile.TemporaryDirectory() as folder:
            paths = [Path(folder, f"{number}.csv") for number in range(files)]
            for path in paths:
                path.write_text(HEADER + _rows(curves.falling(max(rows, 1)), 0, rows), encoding="utf-8")
            ours = _share([*WATCH, folder], paths, rows, rate, seconds)
            tail = _share(["tail", "-F", "-q", "-n0", *map(str, paths)], paths, rows, rate, seconds)
            told = "" if rate else "-"
            if not rows:
                told = f"{_delay(Path(folder, 'late.csv')):.2f} s"
            print(f"{name:<34}{rate:>8}{ours:>8.2f}%{tail:>8.2f}%{told or '-':>13}")


def _share(command: list[str], paths: list[Path], rows: int, rate: float, seconds: float) -> float:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    if command[0] != "tail":
        process.stderr.readline()  # it has looked once
    time.sleep(10.0)  # the way from quick to slow looks
    done = threading.Event()
    writer = threading.Thread(target=_write, args=(paths, rows, rate, done))
    writer.start()
    before, begun = _cpu(process.pid), time.monotonic()
    time.sleep(seconds)
    share = 100 * (_cpu(process.pid) - before) / (time.monotonic() - begun)
    done.set()
    writer.join()
    process.terminate()
    process.wait()
    return share


def _write(paths: list[Path], step: int, rate: float, done: threading.Event) -> None:
    curve = curves.falling(100_000 if rate else 1)
    while rate and not done.wait(len(paths) / rate):
        for path in paths:
            with path.open("a", encoding="utf-8") as file:
                file.write(_rows(curve, step, step + 1))
        step += 1


def _delay(path: Path) -> float:
    """Return the seconds from the line that raises the alarm to the alarm, the median of five."""
    curve = curves.overfit(60)
    delays = []
    for _ in range(5):
        path.write_text(HEADER + _rows(curve, 0, 20), encoding="utf-8")
        process = subprocess.Popen(
            [*WATCH, str(path), "--until", "alarm"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(5.0)
        with path.open("a", encoding="utf-8") as file:
            file.write(_rows(curve, 20, 60))
        begun = time.monotonic()
        process.wait()
        delays.append(time.monotonic() - begun)
    return sorted(delays)[2]


def _rows(curve: curves.Curve, begin: int, end: int) -> str:
    return "".join(f"{step},{curve.train[step]!r},{curve.val[step]!r}\n" for step in range(begin, end))


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
