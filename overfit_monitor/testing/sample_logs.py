"""A small log of each format, in the exact form its tool writes: twelve epochs of one overfitting run.

For tests of readers, and for those who write one. Each sample is files by their place in a folder.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, Final

EPOCHS: Final = range(12)
TRAIN: Final = tuple(round(1.0 / (1 + e), 4) for e in EPOCHS)
VAL: Final = tuple(round(0.6 + 0.04 * abs(e - 5), 4) for e in EPOCHS)

Files = Mapping[str, bytes]


def samples() -> dict[str, Files]:
    """Return the samples by the name of the format; each holds `TRAIN` and `VAL` as its loss."""
    return {name: make() for name, make in _MAKERS.items()}


def _text(lines: Sequence[str], end: str = "\n") -> bytes:
    return "".join(line + end for line in lines).encode()


def _curves() -> list[tuple[int, float, float]]:
    return list(zip(EPOCHS, TRAIN, VAL, strict=True))


def keras_csv() -> Files:
    """Keras' CSVLogger."""
    rows = [f"{e},{0.5 + e / 30},{t},{0.5 + e / 40},{v}" for e, t, v in _curves()]
    return {"log.csv": _text(["epoch,accuracy,loss,val_accuracy,val_loss", *rows])}


def lightning_csv() -> Files:
    """Lightning's CSVLogger: a row for validation and one for training, steps and means of each epoch."""
    rows: list[str] = []
    for e, t, v in _curves():
        rows += [f"{e},{4 * e + 1},,{t},", f"{e},{4 * e + 3},,,{v}", f"{e},{4 * e + 3},{t},,"]
    header = "epoch,step,train_loss_epoch,train_loss_step,val_loss"
    return {"lightning_logs/version_0/metrics.csv": _text([header, *rows], "\r\n")}


def yolo_csv() -> Files:
    """YOLO's results.csv: padded columns, and two parts of a loss instead of a total."""
    names = ["epoch", "train/box_loss", "train/cls_loss", "metrics/mAP50(B)", "val/box_loss", "val/cls_loss", "lr/pg0"]
    rows = [
        [str(e + 1), f"{t / 2:.5g}", f"{t / 2:.5g}", f"{0.1 + e / 20:.5g}", f"{v / 2:.5g}", f"{v / 2:.5g}", "0.01"]
        for e, t, v in _curves()
    ]
    return {"results.csv": _text([",".join(cell.rjust(23) for cell in row) for row in [names, *rows]])}


def stage_csv() -> Files:
    """By hand: a column says which split a row belongs to."""
    rows = [line for e, t, v in _curves() for line in (f"{e},train,{t},{60 + e}%", f"{e},val,{v},{50 + e}%")]
    return {"stages.csv": _text(["epoch,stage,loss,accuracy", *rows])}


def wandb_csv() -> Files:
    """The export of a chart of W&B, with the band around the curve."""
    columns = [f"quick-fox-1 - {name}{band}" for name in ("train/loss", "val/loss") for band in ("", "__MIN", "__MAX")]
    rows = [[str(e), *[str(t)] * 3, *[str(v)] * 3] for e, t, v in _curves()]
    return {"wandb_export.csv": _text([",".join(f'"{cell}"' for cell in row) for row in [["Step", *columns], *rows]])}


def keras_json() -> Files:
    """``json.dump(history.history, file)``."""
    return {"history.json": json.dumps({"loss": TRAIN, "val_loss": VAL}).encode()}


def hugging_face() -> Files:
    """Hugging Face's trainer_state.json, with its summary at the end of the log."""
    log: list[dict[str, Any]] = []
    for e, t, v in _curves():
        step = 10 * (e + 1)
        log.append({"epoch": e + 1.0, "grad_norm": 1.5, "learning_rate": 5e-05, "loss": t, "step": step})
        log.append({"epoch": e + 1.0, "eval_loss": v, "eval_runtime": 0.4, "eval_steps_per_second": 9.5, "step": step})
    log.append({"epoch": 12.0, "step": 120, "total_flos": 1e12, "train_loss": 0.3, "train_runtime": 9.0})
    state = {"best_metric": None, "epoch": 12.0, "global_step": 120, "log_history": log, "max_steps": 120}
    return {"checkpoint-120/trainer_state.json": json.dumps(state, indent=2).encode()}


def json_lines() -> Files:
    """One object a line, with the split in each."""
    lines = []
    for e, t, v in _curves():
        lines += [{"mode": "train", "epoch": e, "loss": t, "lr": 0.01}, {"mode": "val", "epoch": e, "loss": v}]
    return {"log.jsonl": _text([json.dumps(line) for line in lines])}


def mlflow_files() -> Files:
    """MLflow's file store."""
    run = "mlruns/504816/cd0ab81e"
    stamps = [1795806987349 + 1000 * e for e in EPOCHS]
    curves = {"train_loss": TRAIN, "val_loss": VAL}
    files = {
        f"{run}/metrics/{name}": _text([f"{s} {value} {e}" for s, e, value in zip(stamps, EPOCHS, values, strict=True)])
        for name, values in curves.items()
    }
    meta = ["lifecycle_stage: active", "run_id: cd0ab81e", "run_name: bold-hare-7", "status: 3"]
    return {**files, f"{run}/meta.yaml": _text(meta), f"{run}/params/lr": b"0.01"}


def mlflow_sqlite() -> Files:
    """MLflow's database, with the two tables that its metrics are in."""
    import sqlite3

    database = sqlite3.connect(":memory:")
    database.execute(
        "CREATE TABLE runs (run_uuid VARCHAR(32) NOT NULL PRIMARY KEY, name VARCHAR(250), lifecycle_stage VARCHAR(20), "
        "start_time BIGINT)"
    )
    database.execute(
        "CREATE TABLE metrics (key VARCHAR(250) NOT NULL, value FLOAT NOT NULL, timestamp BIGINT NOT NULL, "
        "run_uuid VARCHAR(32) NOT NULL, step BIGINT DEFAULT '0' NOT NULL, is_nan BOOLEAN DEFAULT '0' NOT NULL)"
    )
    database.execute("INSERT INTO runs VALUES ('cd0ab81e', 'bold-hare-7', 'active', 1)")
    points = [(n, x, 1000 * e, e) for e, t, v in _curves() for n, x in (("train_loss", t), ("val_loss", v))]
    database.executemany("INSERT INTO metrics VALUES (?, ?, ?, 'cd0ab81e', ?, 0)", points)
    database.commit()
    content = database.serialize()
    database.close()
    return {"mlflow.db": content}


def dvclive() -> Files:
    """DVCLive's plots, and the last values beside them."""
    return {
        f"dvclive/plots/metrics/{split}/loss.tsv": _text(
            ["step\tloss", *(f"{e}\t{x}" for e, x in zip(EPOCHS, values, strict=True))]
        )
        for split, values in (("train", TRAIN), ("val", VAL))
    } | {"dvclive/metrics.json": json.dumps({"train": {"loss": TRAIN[-1]}, "val": {"loss": VAL[-1]}}).encode()}


def wandb_offline(curves: Sequence[tuple[int, float, float]] | None = None) -> Files:
    """The file that W&B writes, online and offline; of other curves than ours if given (epoch, train, val)."""
    records = [_bytes(17, _bytes(1, b"6mys4nl3") + _bytes(8, b"quick-fox-1"))]
    for e, t, v in curves or _curves():
        values = {"epoch": e, "train/loss": t, "val/loss": v, "_step": e, "_runtime": 0.5 * e}
        items = [_bytes(1, _bytes(2, k.encode()) + _bytes(16, json.dumps(x).encode())) for k, x in values.items()]
        records.append(_bytes(2, b"".join(items) + _bytes(2, _key(1, 0) + _varint(e))))
    return {"wandb/offline-run-20240101_120000-6mys4nl3/run-6mys4nl3.wandb": _framed(records)}


def comet_json() -> Files:
    """Metrics as Comet's API gives them: values are text, and each point names its metric."""
    points = [
        {"metricName": name, "metricValue": str(value), "timestamp": 1000 * e, "step": e, "epoch": None,
         "runContext": None}
        for e, t, v in _curves()
        for name, value in (("train_loss", t), ("val_loss", v))
    ]  # fmt: skip
    return {"metrics.json": json.dumps(points).encode()}


def keras_console() -> Files:
    """What Keras prints: colours, carriage returns, every state of its bar."""
    text = ""
    for e, t, v in _curves():
        text += f"Epoch {e + 1}/12\n"
        for batch in (1, 16, 32):
            bar = f"\x1b[1m{batch}/32\x1b[0m \x1b[32m━━━━━━\x1b[0m\x1b[37m━━━\x1b[0m \x1b[1m1s\x1b[0m 5ms/step"
            text += f"\r{bar} - accuracy: 0.5300 - loss: {t}"
        text += f" - val_accuracy: 0.5500 - val_loss: {v}\n"
    return {"train.log": text.encode()}


def console_lines() -> Files:
    """What a logger of a plain loop prints, with bars in between and the best value so far."""
    lines = []
    for e, t, v in _curves():
        lines.append(f"\rEpoch {e}: 100%|██████████| 32/32 [00:01<00:00, 28.1it/s, loss={t * 1.1:.4f}]")
        lines.append(f"2024-01-01 12:00:{e:02d},123 - train - INFO - epoch {e} train loss {t} val loss {v} time 1.5s")
        lines.append(f"best val loss {min(VAL[: e + 1])}")
    return {"slurm-4711.out": _text(lines)}


def notebook() -> Files:
    """A notebook with the table that Hugging Face shows below a cell."""
    rows = "".join(f"<tr><td>{e + 1}</td><td>{t}</td><td>{v}</td></tr>" for e, t, v in _curves())
    header = "<tr><th>Epoch</th><th>Training Loss</th><th>Validation Loss</th></tr>"
    html = f"<div><table border='1'><thead>{header}</thead><tbody>{rows}</tbody></table></div>"
    cell = {"cell_type": "code", "source": ["trainer.train()"], "metadata": {}, "execution_count": 1}
    output = {"output_type": "display_data", "data": {"text/html": [html], "text/plain": ["<IPython HTML>"]}}
    content = {"cells": [{**cell, "outputs": [output]}], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    return {"train.ipynb": json.dumps(content, indent=1).encode()}


def pickled() -> Files:
    """A pickled history, which is refused."""
    import pickle

    return {"history.pkl": pickle.dumps({"loss": list(TRAIN), "val_loss": list(VAL)})}


_MAKERS: Final[dict[str, Callable[[], Files]]] = {
    "Keras CSVLogger": keras_csv,
    "Lightning CSVLogger": lightning_csv,
    "YOLO results.csv": yolo_csv,
    "CSV with stages": stage_csv,
    "W&B CSV export": wandb_csv,
    "Keras history": keras_json,
    "trainer_state.json": hugging_face,
    "JSON lines": json_lines,
    "MLflow files": mlflow_files,
    "MLflow SQLite": cache(mlflow_sqlite),
    "DVCLive": dvclive,
    "W&B offline": wandb_offline,
    "Comet export": comet_json,
    "Keras console": keras_console,
    "console": console_lines,
    "notebook": notebook,
    "pickle": pickled,
}


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _key(field: int, kind: int) -> bytes:
    return _varint(field << 3 | kind)


def _bytes(field: int, value: bytes) -> bytes:
    return _key(field, 2) + _varint(len(value)) + value


def _framed(records: Sequence[bytes]) -> bytes:
    """Return records in LevelDB's framing, each cut where a block of 32 KiB ends."""
    out = bytearray(b":W&B\xe1\xbe\0")
    for record in records:
        left, first = record, True
        while left or first:
            room = (1 << 15) - len(out) % (1 << 15)
            if room < 7:
                out += bytes(room)
                continue
            piece, left = left[: room - 7], left[room - 7 :]
            kind = bytes([(1 if not left else 2) if first else (4 if not left else 3)])
            out += zlib.crc32(kind + piece).to_bytes(4, "little") + len(piece).to_bytes(2, "little") + kind + piece
            first = False
    return bytes(out)
