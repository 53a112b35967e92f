"""The tab says of a log what ``overfit-monitor check`` says of it, over both data loaders."""

import math
import random

import pytest

from overfit_monitor import Monitor
from overfit_monitor.check import check
from overfit_monitor_tensorboard.writer import event_sink

PLUGIN = "/data/plugin/overfit_monitor"
SAME = ("verdict", "onset_step", "alarm_step", "best_step", "stop_step")


def curve(n, *, turn=None, rise=0.01, noise=0.01, floor=0.2, seed=0):
    """Return a falling curve that turns up, or not."""
    dice = random.Random(seed)
    values = [floor + math.exp(-i / 12) + dice.gauss(0, noise) for i in range(n)]
    return values if turn is None else [v + rise * max(0, i - turn) for i, v in enumerate(values)]


def at(steps, values):
    return list(zip(steps, values, strict=True))


def watched(folder, train, val, **settings):
    with Monitor(folder, sinks={"tensorboard": event_sink(folder)}, strict=True, **settings) as monitor:
        for step, (a, b) in enumerate(at(train, val)):
            monitor.log(step=step, train={"loss": a}, val={"loss": b})


def write_corpus(root, write):
    """Write a log for every convention and every trap, and return the names of the runs."""
    n = 80
    train, val, good = curve(n, floor=0.05, seed=1), curve(n, turn=25, seed=2), curve(n, seed=3)
    accuracy, worse = [1 - v / 2 for v in train], [1 - v / 2 for v in val]
    steps = range(100, 100 * n + 1, 100)
    write(root / "keras" / "train", {"epoch_loss": train, "epoch_accuracy": accuracy, "epoch_learning_rate": [0.1] * n})
    write(root / "keras" / "validation", {"epoch_loss": val, "epoch_accuracy": worse})
    lightning = {"train_loss_step": at(range(10, 10 * n, 10), curve(n - 1, noise=0.2, seed=4))}
    lightning |= {"train_loss_epoch": at(steps, train), "val_loss": at(steps, val), "epoch": at(steps, range(n))}
    write(root / "lightning" / "version_0", lightning | {"lr-Adam": at(steps, [1e-3] * n)})
    hugging = {"train/loss": at(range(50, 50 * 2 * n, 50), curve(2 * n - 1, floor=0.05, seed=5))}
    hugging |= {"eval/loss": at(steps, val), "train/learning_rate": at(steps, [1e-4 * (n - i) for i in range(n)])}
    write(root / "hf", hugging | {"train/train_loss": [(100 * n, 0.4)], "train/total_flos": [(100 * n, 1e15)]})
    write(root / "sub" / "Loss_train", {"Loss": train})
    write(root / "sub" / "Loss_val", {"Loss": val})
    write(root / "tutorial", {"Loss/train": train, "Loss/test": good, "Accuracy/train": accuracy})
    write(root / "hand", {"Train Loss": train, "Val Loss": val})
    write(root / "accuracy", {"train_acc": accuracy, "val_acc": worse})
    yolo = {
        f"{split}/{part}_loss": [v * k for v in of]
        for split, of in (("train", train), ("val", val))
        for part, k in (("box", 1.0), ("cls", 0.5), ("dfl", 0.7))
    }
    write(root / "yolo", yolo | {"metrics/mAP50(B)": accuracy, "lr/pg0": [0.01] * n})
    write(root / "nan", {"train_loss": train, "val_loss": [*good[:40], *[math.nan] * (n - 40)]})
    write(root / "one nan", {"train_loss": train, "val_loss": [math.nan if i == 30 else v for i, v in enumerate(val)]})
    write(root / "infinite", {"train_loss": train, "val_loss": [math.inf if i == 3 else v for i, v in enumerate(good)]})
    write(root / "few", {"train_loss": train[:4], "val_loss": good[:4]})
    write(root / "train only", {"train_loss": train, "lr": [0.1] * n})
    warm = [0.1 if i < 50 else 0.4 for i in range(n)]
    write(root / "warm restart", {"train_loss": train, "val_loss": val, "learning_rate": warm})
    twice = [*enumerate(val[:60]), *((i, good[i]) for i in range(30, n))]
    write(
        root / "restarted",
        {"train_loss": [*enumerate(train[:60]), *((i, train[i]) for i in range(30, n))], "val_loss": twice},
    )
    write(root / "resumed", {"train_loss": train[:60], "val_loss": val[:60]})
    later = {"train_loss": list(enumerate(train))[20:], "val_loss": list(enumerate(good))[20:]}
    write(root / "resumed", later, stamp=1700000009, wall_time=5000.0)
    cut = write(root / "cut off", {"train_loss": train, "val_loss": val})
    cut.write_bytes(cut.read_bytes()[:-500])
    watched(root / "ours", train, val)
    watched(root / "ours strict", train, val, false_alarm_rate=0.01)
    write(root / "ours and theirs", {"train_loss": train, "val_loss": val})
    watched(root / "ours and theirs", train, val)


@pytest.fixture
def corpus(logs, tmp_path):
    write_corpus(tmp_path, logs.write)
    return tmp_path


def test_the_same_verdicts(corpus, serve):
    client = serve(corpus)
    rows = {row["run"]: row for row in client.get(f"{PLUGIN}/runs?wait=30").json["runs"]}
    checked = {run.run: run for run in check([corpus]).runs}
    assert rows.keys() == checked.keys()
    told = {name: {field: row[field] for field in SAME} for name, row in rows.items()}
    assert told == {name: run.model_dump(include=set(SAME)) for name, run in checked.items()}
    pairs = {name: row["metrics"] for name, row in rows.items() if row["val_tag"]}
    assert pairs == {name: checked[name].metrics.model_dump() for name in pairs}
    verdicts = {name: row["verdict"] for name, row in rows.items()}
    assert verdicts["restarted"] == verdicts["resumed"] == verdicts["tutorial"] == verdicts["infinite"] == "healthy"
    assert verdicts["nan"] == "diverging"
    assert verdicts["few"] == verdicts["train only"] == "inconclusive"
    assert {verdicts[name] for name in ("keras", "lightning/version_0", "hf", "sub", "hand", "yolo", "ours")} == {
        "overfitting"
    }
