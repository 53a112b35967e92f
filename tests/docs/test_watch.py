"""The commands of docs/watch.md do what the page says."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from overfit_monitor.testing import curves

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "watch.md").read_text(encoding="utf-8")
TRAINING = """
import time
from pathlib import Path
train, val = {train!r}, {val!r}
Path("runs/exp1").mkdir(parents=True)
with open("runs/exp1/log.csv", "w") as file:
    print("epoch,train_loss,val_loss", file=file, flush=True)
    for epoch in range(60):
        print(epoch, train[epoch], val[epoch], sep=",", file=file, flush=True)
        time.sleep(0.05 if epoch < 40 else 240)
"""


def test_two_lines_end_a_training(tmp_path):
    (lines,) = re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL)
    curve = curves.overfit(60)
    (tmp_path / "train.py").write_text(TRAINING.format(train=curve.train, val=curve.val), encoding="utf-8")
    bin = tmp_path / "bin"
    bin.mkdir()
    for name, call in (("python", ""), ("overfit-monitor", " -m overfit_monitor")):
        (bin / name).write_text(f'#!/bin/sh\nexec {sys.executable}{call} "$@"\n', encoding="utf-8")
        (bin / name).chmod(0o755)
    done = subprocess.run(
        ["bash", "-c", lines + "status=$?; wait $pid; echo watch $status training $?"],
        cwd=tmp_path,
        env=os.environ | {"PATH": f"{bin}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
        timeout=500,
    )
    assert done.stdout.splitlines()[-1] == "watch 1 training 143"  # 128 and SIGTERM
    assert "was sent SIGTERM because of exp1" in done.stderr or "because of log" in done.stderr


def test_the_webhook_snippet():
    snippet = next(text for text in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if "webhook" in text)
    names = {}
    exec(snippet, names)
    assert repr(names["monitor"]._outlets._sinks["webhook"]) == "Webhook(hooks.slack.com)"


@pytest.mark.parametrize(
    "option", sorted(set(re.findall(r"--[a-z][a-z-]*[a-z]", PAGE)) - {"--val", "--train", "--format", "--help"})
)
def test_every_option_is_one_of_watch(option, capsys):
    from overfit_monitor.cli import main

    assert main(["watch", "--help"]) == 0
    assert option in capsys.readouterr().out
