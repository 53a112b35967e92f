"""The monitor's own state beside the one that ``BackupAndRestore`` keeps, so that both come back together."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, final

import keras
import numpy as np

from overfit_monitor import Monitor
from overfit_monitor_keras.weights import BestWeights

_STATE: Final = "overfit-monitor-{}.json"
_WEIGHTS: Final = "overfit-monitor-weights-{}.npz"
# A crash may fall between our saving and that of Keras, which is then one epoch behind.
_KEPT: Final = 2


@final
class Backup:
    """Saves what decides after every epoch, and finds it again in the fit that goes on.

    It lives in the folder of ``keras.callbacks.BackupAndRestore``, which removes the folder when the fit ends well.
    Weights are written only when they are better than those before.

    Args:
        folder: That folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @classmethod
    def of(cls, callbacks: Any) -> Backup | None:
        """Return the backup beside the one among these callbacks, None where there is none in a local folder."""
        if isinstance(callbacks, keras.callbacks.CallbackList):
            callbacks = callbacks.callbacks
        given = callbacks if isinstance(callbacks, Iterable) else [callbacks]
        for callback in given:
            if isinstance(callback, keras.callbacks.BackupAndRestore):
                folder = os.fspath(callback.backup_dir)
                return None if "://" in folder else cls(Path(folder))
        return None

    def save(self, core: Monitor, best: BestWeights, epoch: int) -> None:
        """Save the state after an epoch."""
        self._folder.mkdir(parents=True, exist_ok=True)
        if best.step is not None and not (weights := self._path(_WEIGHTS, best.step)).exists():
            _replace(weights, lambda path: _save_weights(path, best.weights))
        state = {"epoch": epoch, "best": best.step, "monitor": core.state_dict()}
        _replace(self._path(_STATE, epoch), lambda path: path.write_text(json.dumps(state)))
        self._forget()

    def restore(self, core: Monitor, best: BestWeights, epoch: int) -> bool:
        """Bring monitor and best weights to the latest state before an epoch; return whether there was one.

        Raises:
            OSError: A file cannot be read.
            ValueError: A file is damaged.
        """
        states = [state for path in self._states() if (state := json.loads(path.read_text()))["epoch"] < epoch]
        if not states:
            return False
        state = states[-1]
        core.load_state_dict(state["monitor"])
        weights = self._path(_WEIGHTS, state["best"])
        if state["best"] is not None and weights.exists():
            with np.load(weights) as arrays:
                best.load([arrays[name] for name in arrays.files], state["best"])
        return True

    def _path(self, name: str, number: object) -> Path:
        return self._folder / name.format(number)

    def _states(self) -> list[Path]:
        return sorted(self._folder.glob(_STATE.format("*")), key=lambda path: path.stat().st_mtime_ns)

    def _forget(self) -> None:
        states = self._states()
        for old in states[:-_KEPT]:
            old.unlink(missing_ok=True)
        used = {json.loads(path.read_text())["best"] for path in states[-_KEPT:]}
        for weights in self._folder.glob(_WEIGHTS.format("*")):
            if weights not in {self._path(_WEIGHTS, step) for step in used}:
                weights.unlink(missing_ok=True)


def _save_weights(path: Path, weights: list[Any]) -> None:
    with path.open("wb") as file:
        np.savez(file, *weights)


def _replace(path: Path, write: Any) -> None:
    beside = path.with_name(f"{path.name}.new")
    write(beside)
    beside.replace(path)
