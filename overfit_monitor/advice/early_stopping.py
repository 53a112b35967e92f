"""Stop when validation has stopped improving, and keep the best weights."""

from __future__ import annotations

import json
import math
from typing import ClassVar, final

from overfit_monitor.advice.base import Rule
from overfit_monitor.advice.wording import code_for, evidence, what_happened
from overfit_monitor.facts import Facts
from overfit_monitor.records import Diagnosis, Recommendation

SHORTEST = 5
LONGEST = 100
SHARE_OF_TIME_TO_BEST = 0.5
NOISES = 2.0


@final
class EarlyStopping(Rule):
    """Advised unless something stops the run and restores its best weights already.

    The patience is half the evaluations that the run took to its best, so that a late
    improvement is not cut off, and no less than validation took to rise by twice its own
    noise, so that noise alone does not stop the run; at least 5, at most 100.
    """

    id: ClassVar[str] = "early_stopping"

    def advise(self, diagnosis: Diagnosis, facts: Facts) -> Recommendation | None:
        """Return the recommendation, or None where the run stops by itself or has no best step."""
        if not self.may_speak(diagnosis, facts) or facts.early_stopping or diagnosis.best_step is None:
            return None
        to_best, for_noise = _evaluations_to_best(diagnosis), _evaluations_for_noise(diagnosis)
        patience = min(LONGEST, max(SHORTEST, math.ceil(SHARE_OF_TIME_TO_BEST * to_best), for_noise or 0))
        known = "Whether the run stops by itself is not known. " if facts.early_stopping is None else ""
        noise = (
            "the noise of the curve is not known"
            if for_noise is None
            else f"validation took about {for_noise} to rise by twice its own noise"
        )
        return Recommendation(
            id=self.id,
            title=f"Stop early: patience {patience}, best weights restored",
            why=f"{known}{what_happened(diagnosis)} The weights of that step are the ones to keep. Patience "
            f"{patience}: the best took {to_best} evaluations, half as many are allowed without a new best, and "
            f"{noise}.",
            change={"patience": patience, "restore_best_weights": True},
            code=_code(diagnosis, facts, patience),
            caution="Patience counts evaluations. A drop of the learning rate still to come can bring a new best "
            "after a long wait: allow for it. With a small validation set the best step is itself uncertain.",
            source="Prechelt 1998, Early Stopping - But When? (slower criteria generalize a little better and cost "
            "more time). Our own benchmark of 767 small networks: keeping the best checkpoint with patience 10 / 20 / "
            "40 ended 6.7 / 5.4 / 4.7 % above the best possible loss on average.",
        )


def _evaluations_to_best(diagnosis: Diagnosis) -> int:
    """Steps may count more than evaluations (optimizer steps in a log); the detector then tells how many there were."""
    best, last, seen = diagnosis.best_step or 0, diagnosis.step, evidence(diagnosis, "evaluations")
    interval = 1.0 if not seen or not last else max(1.0, last / seen)
    return max(1, math.ceil((best + 1) / interval))


def _evaluations_for_noise(diagnosis: Diagnosis) -> int | None:
    rise, noise, seen = (evidence(diagnosis, key) for key in ("rise", "noise", "evaluations"))
    if rise is None or noise is None or rise <= 0.0 or diagnosis.step is None:
        return None
    since_best = (seen or diagnosis.step + 1) - _evaluations_to_best(diagnosis)
    return max(1, math.ceil(min(float(LONGEST), NOISES * noise / rise * max(1.0, since_best))))


def _code(diagnosis: Diagnosis, facts: Facts, patience: int) -> str:
    name, mode = diagnosis.metrics.val or "loss", diagnosis.metrics.mode
    val, train, keras = (json.dumps(text) for text in (name, diagnosis.metrics.train or name, f"val_{name}"))
    return code_for(
        facts.framework,
        torch=f"""
            import copy

            from overfit_monitor import Monitor

            monitor = Monitor(metric={val}, mode="{mode}", patience={patience})
            best_weights = copy.deepcopy(model.state_dict())
            for epoch in range(epochs):
                train_value = train_one_epoch(model)  # your own training and validation pass
                val_value = validate(model)
                monitor.log(step=epoch, train={{{train}: train_value}}, val={{{val}: val_value}})
                if monitor.best_step == epoch:
                    best_weights = copy.deepcopy(model.state_dict())
                if monitor.should_stop:
                    break
            model.load_state_dict(best_weights)
        """,
        keras=f"""
            import keras

            early_stopping = keras.callbacks.EarlyStopping(
                monitor={keras}, mode="{mode}", patience={patience}, restore_best_weights=True
            )
            model.fit(
                x_train, y_train, validation_data=(x_val, y_val), epochs=epochs, callbacks=[early_stopping]
            )
        """,
    )
