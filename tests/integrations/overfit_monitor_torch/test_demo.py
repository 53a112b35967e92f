"""The demo, as `make demo` runs it."""

import json
import re

import pytest

pytest.importorskip("sklearn")
pytest.importorskip("rich")

from overfit_monitor.cli import main
from overfit_monitor.records import Recommendation
from overfit_monitor_torch.demo import Recipe


def test_it_overfits_stops_advises_and_tries_the_advice(tmp_path, capsys):
    assert main(["demo", "--run-dir", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    shown = ["alert at epoch", "overfitting", "onset: epoch", "Stopped by itself", "are back", "1. ", "Tried: "]
    places = [out.index(text) for text in shown]
    assert places[0] == min(places)
    assert re.search(r"test accuracy, kept weights\s*│\s*\d+\.\d%\s*│\s*\d+\.\d%", out)
    assert "tensorboard --logdir" in out
    journals = sorted(tmp_path.rglob("overfit-monitor.jsonl"))
    assert len(journals) == 2
    kinds = [json.loads(line)["kind"] for line in journals[0].read_text().splitlines()]
    assert {"start", "facts", "observation", "alert", "stop"} <= set(kinds)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"weight_decay": 0.5}, Recipe(weight_decay=0.5)),
        ({"width_factor": 0.5}, Recipe(width=256)),
        ({"n_train_factor": 2}, Recipe(n_train=200)),
        ({"augmentation": "noise", "noise_scale": 0.1}, Recipe(noise_scale=0.1)),
        ({"patience": 3, "restore_best_weights": True}, None),
    ],
)
def test_a_recommendation_is_applied_or_refused(change, expected):
    advice = Recommendation(id="it", title="t", why="w", change=change, code="")
    assert Recipe().changed(advice) == expected
