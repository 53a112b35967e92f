"""Changes of a live training: made together or not at all, read back, and undone on request.

An integration gives a table of settings, each with how to set it and how to read what is in force; everything else
is the same for all frameworks and stands here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, final

from overfit_monitor.errors import UsageError, unknown_name
from overfit_monitor.guard import Guard
from overfit_monitor.monitor import Monitor
from overfit_monitor.records import AppliedChange, Diagnosis, Recommendation

Undo = Callable[[], None]

PART: Final = "applying"
_STILL: Final = "the training goes on as it was"
_WORDS: Final = frozenset(["augmentation"])  # it says what kind of change the numbers beside it are
_BY_THE_WAY: Final = _WORDS | {"optimizer"}  # a limit for the number is one for the word that goes with it

_BEFORE: Final = "paste its code before the training"
NOT_LIVE: Final = {
    "batch_size": "what loads the data makes the batches",
    "deduplicate": "what loads the data holds the examples",
    "epochs": "the loop counts them",
    "epochs_factor": "the loop counts them",
    "frozen_layers": _BEFORE,
    "folds": "it takes trainings of their own",
    "l1": _BEFORE,
    "label_smoothing": "it is compiled in; paste its code before the training",
    "mixup": "it changes inputs and losses together; paste its code before the training",
    "n_train_factor": "it takes new examples",
    "n_val": "it takes a new split",
    "noise_scale": _BEFORE,
    "normalization": "it adds weights",
    "optimizer": "it takes a new optimizer",
    "patience": "the monitor stops the run already",
    "remove_mislabelled": "what loads the data holds the examples",
    "restore_best_weights": "the monitor keeps the best weights already",
    "schedule": "one that begins in the middle is another one; paste its code before the training",
    "shift": _BEFORE,
    "standardize": "the weights were learned for the inputs as they are",
    "stochastic_depth": _BEFORE,
    "temperature": "it is fitted after the training",
    "token_dropout": _BEFORE,
    "trials": "it takes trainings of their own",
    "weight_averaging": _BEFORE,
    "width_factor": "it changes the shapes of the weights",
}
"""Why a setting cannot be changed on a live model, where an integration has no way to."""


class Setting(NamedTuple):
    """One setting of a live training.

    Attributes:
        set: Sets it to a value and returns how to undo that.
        read: Returns what is in force.
    """

    set: Callable[[Any], Undo]
    read: Callable[[], Any]


class Done(NamedTuple):
    """A change that was made and read back.

    Attributes:
        before: The settings before, by name.
        after: The settings that were read back.
        undo: Puts everything back.
    """

    before: dict[str, Any]
    after: dict[str, Any]
    undo: Undo


def apply_change(settings: Mapping[str, Setting], change: Mapping[str, Any]) -> Done:
    """Make a change and read it back; where a part of it cannot be made, nothing is changed.

    Args:
        settings: What can be changed, by name.
        change: Settings by name, as in `Recommendation.change`.

    Raises:
        UsageError: A setting cannot be changed on a live model, or something that it needs is not known.
        RuntimeError: What was read back is not what was asked for; everything has been put back.
    """
    wanted = {name: value for name, value in change.items() if name not in _WORDS}
    for name in wanted:
        if name not in settings:
            raise UsageError(_cannot(name, settings))
    before = {name: settings[name].read() for name in wanted}
    undone: list[Undo] = []
    try:
        for name, value in wanted.items():
            undone.append(settings[name].set(value))
        after = {name: settings[name].read() for name in wanted}
        _check_read_back(wanted, after)
    except BaseException:
        _undo_all(undone)
        raise
    return Done(before, after, lambda: _undo_all(undone))


@final
class Changes:
    """Applies recommendations to a live training and knows how to undo them.

    Args:
        monitor: Notes what was changed.
        guard: Takes what goes wrong.
        settings: Called for what can be changed now.
        limits: Largest values, by setting, that may be applied without asking; None applies nothing by itself.
    """

    def __init__(
        self,
        monitor: Monitor,
        guard: Guard,
        settings: Callable[[], Mapping[str, Setting]],
        limits: Mapping[str, float] | None = None,
    ) -> None:
        self._monitor, self._guard, self._settings = monitor, guard, settings
        self._limits = dict(limits or {})
        self._undo: dict[str, tuple[AppliedChange, Undo]] = {}
        self._tried: set[str] = set()

    def apply(self, recommendation: Recommendation) -> AppliedChange | None:
        """Apply a recommendation and read back what is in force.

        Args:
            recommendation: One of ``diagnosis.recommendations``.

        Returns:
            What was changed, as it was read back; None where it could not be, of which a warning tells the reason.

        Raises:
            UsageError: It cannot be changed on a live model, with ``strict`` only.
        """
        try:
            return self._apply(recommendation)
        except (UsageError, RuntimeError) as error:
            if self._guard.strict:
                raise
            self._guard.complain(f"{PART} {recommendation.id}", f"{recommendation.id} was not applied: {error}")
            return None

    def undo(self, id: str) -> AppliedChange | None:
        """Put back what `apply` changed.

        Args:
            id: The recommendation's id.

        Returns:
            The change with the step after which it was undone; None where it is not applied, with a warning.

        Raises:
            UsageError: It is not applied, with ``strict`` only.
        """
        if id not in self._undo:
            self._guard.complain(f"{PART} {id}", unknown_name("applied recommendation", id, self._undo))
            return None
        change, undo = self._undo.pop(id)
        undo()
        change = change.model_copy(update={"undone_step": self._monitor.diagnosis.step})
        self._monitor.know_change(change)
        return change

    def automatic(self, diagnosis: Diagnosis) -> None:
        """Apply the first recommendation that the limits allow, where the run overfits and none is applied yet."""
        if not self._limits or diagnosis.verdict != "overfitting" or self._undo or not self._guard.on(PART):
            return
        with self._guard.protect(PART, still=_STILL):
            for recommendation in diagnosis.recommendations:
                if recommendation.id not in self._tried and self._allowed(recommendation.change):
                    self._tried.add(recommendation.id)
                    if self.apply(recommendation) is not None:
                        return

    def _apply(self, recommendation: Recommendation) -> AppliedChange:
        if recommendation.id in self._undo:
            raise UsageError(f"{recommendation.id} is applied already; undo it first.")
        done = apply_change(self._settings(), recommendation.change)
        step = self._monitor.diagnosis.step
        change = AppliedChange(id=recommendation.id, step=step, before=done.before, after=done.after)
        self._undo[recommendation.id] = (change, done.undo)
        self._monitor.know_change(change)
        return change

    def _allowed(self, change: Mapping[str, Any]) -> bool:
        numbers = {k: v for k, v in change.items() if isinstance(v, int | float) and not isinstance(v, bool)}
        within = all(value <= self._limits.get(name, -math.inf) for name, value in numbers.items())
        return bool(numbers) and set(change) - set(numbers) <= _BY_THE_WAY and within


def check_limits(limits: Any, known: frozenset[str]) -> None:
    """Check what may be applied without asking.

    Raises:
        UsageError: The limits are no numbers above 0, for settings that can be changed on a live model.
    """
    if limits is None:
        return
    if not isinstance(limits, Mapping):
        raise UsageError(f"auto_apply must be a mapping of settings to largest values but got {limits!r}.")
    for name, value in limits.items():
        if name not in known:
            raise UsageError(f"auto_apply: {unknown_name('setting', str(name), known)}")
        if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
            raise UsageError(f"auto_apply[{name!r}] must be the largest value, above 0, but got {value!r}.")


def needed(value: Any, name: str) -> Any:
    """Return a value that a change needs.

    Raises:
        UsageError: It is not known.
    """
    if value is None:
        raise UsageError(f"the {name} is not known here, so nothing of it can be changed.")
    return value


def _check_read_back(wanted: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    for name, value in wanted.items():
        if not _same(after[name], value):
            raise RuntimeError(f"{name} was set to {value!r} but read back as {after[name]!r}")


def _same(found: Any, wanted: Any) -> bool:
    if isinstance(found, float | int) and isinstance(wanted, float | int):
        return abs(found - wanted) <= 1e-6 * abs(wanted)  # Keras keeps them in single precision
    return bool(str(found).lower() == str(wanted).lower())


def _undo_all(undone: list[Undo]) -> None:
    while undone:
        undone.pop()()


def _cannot(name: str, settings: Mapping[str, Setting]) -> str:
    if name in NOT_LIVE:
        known = ", ".join(sorted(settings))
        return f"{name} cannot be changed on a live model: {NOT_LIVE[name]}. What can be changed: {known}."
    return unknown_name("setting", name, settings)
