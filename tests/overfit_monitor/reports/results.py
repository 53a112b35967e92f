"""Results that every report is shown."""

import math

from overfit_monitor.records import Finding, MetricChoice, NotJudged, Recommendation
from overfit_monitor.reports.base import AgainstBaseline, CheckedRun, CheckResult, Columns, Unjudged
from overfit_monitor.reports.sketch import Sketch

UNSEEN = NotJudged(id="memorization", reason="no detector")
OVERFIT = CheckedRun(
    outcome="fail",
    reason="error: overfitting: it <rises> & rises.",
    rule="overfitting",
    verdict="overfitting",
    run='a "b"',
    source="runs/a",
    step=40,
    best_step=12,
    onset_step=15,
    alarm_step=20,
    metrics=MetricChoice(train="loss", val="loss"),
    findings=(
        Finding(
            id="overfitting",
            severity="error",
            message="it <rises> & rises.",
            onset_step=15,
            alarm_step=20,
            evidence={"rise": math.inf, "noise": math.nan, "count": 3, "words": None},
        ),
        Finding(id="plateau", severity="info", message="still."),
    ),
    recommendations=(
        Recommendation(
            id="stop", title="Stop at 12", why="So.", change={"a": math.nan, "b": [1, math.inf]}, code="stop()\nnow()"
        ),
        Recommendation(id="decay", title="Decay", why="So.", change={}, code="decay()"),
    ),
    not_judged=(UNSEEN,),
    notes=("line 3 left out.",),
)
HEALTHY = CheckedRun(
    outcome="pass",
    verdict="healthy",
    run="h",
    source="h.csv",
    step=9,
    metrics=MetricChoice(val="loss"),
    not_judged=(UNSEEN, NotJudged(id="plateau", reason="too few")),
)
YOUNG = CheckedRun(
    outcome="pass",
    verdict="inconclusive",
    run="y",
    source="y.csv",
    metrics=MetricChoice(val="loss"),
    not_judged=(UNSEEN, NotJudged(id="overfitting", reason="needs 8 values")),
)
BLIND = CheckedRun(
    outcome="error",
    reason="no validation metric was found",
    rule="no_validation",
    verdict="inconclusive",
    run="n",
    not_judged=(UNSEEN,),
)
UNREAD = Unjudged(source="x\x1b[31m\x00.csv", message="line 1: the file is empty")
CHECK = CheckResult(outcome="fail", runs=(HEALTHY, OVERFIT, YOUNG, BLIND), errors=(UNREAD,))
EMPTY = CheckResult(outcome="error")
WIDE = CheckedRun(
    outcome="fail",
    reason="exp/seed*: the best loss is worse by 0.1, more than the 0.03 that noise explains",
    rule="baseline",
    verdict="healthy",
    run="exp/seed1",
    source="runs/exp/seed1.csv",
    step=9,
    best_step=9,
    best_value=0.5,
    last_value=0.5,
    metrics=MetricChoice(train="loss", val="loss"),
    columns=Columns(train="train_loss", val="val_loss"),
    baseline=AgainstBaseline(
        group="exp/seed*", seeds=1, base_seeds=3, standing="worse", difference=0.1, limit=0.03, reason="worse by 0.1"
    ),
)
LET_THROUGH = OVERFIT.model_copy(
    update={
        "outcome": "pass",
        "rule": None,
        "reason": None,
        "run": "old",
        "baseline": AgainstBaseline(
            group="old",
            seeds=1,
            base_seeds=1,
            standing="same",
            reason="as good",
            tolerated="it rises (as in the baseline)",
        ),
    }
)
BESIDE = CheckResult(outcome="fail", runs=(WIDE, LET_THROUGH), remarks=("'gone' is in the baseline, but not here",))

# Everything that a name could do to a report: markup, commands of CI systems, control characters, direction marks.
HOSTILE = "a]]>|b`c\n::error::x\x1b[31m<b>\u202e%0A,:&amp;\ud800 ![i](u) @user"
HOSTILE_CHECK = CheckResult(
    outcome="fail",
    runs=tuple(
        run.model_copy(
            update={"run": HOSTILE, "source": f"{HOSTILE}.csv", "notes": (HOSTILE,), "reason": run.reason and HOSTILE}
        )
        for run in CHECK.runs
    ),
    errors=(Unjudged(source=HOSTILE, run=HOSTILE, message=HOSTILE),),
    remarks=(HOSTILE,),
)
CURVE = Sketch((0, 2, 4), (3.0, 2.0, 1.0))


def many(failed, passed=0):
    """Return a check of so many runs that failed and passed."""
    runs = [OVERFIT.model_copy(update={"run": f"bad{i}"}) for i in range(failed)]
    runs += [HEALTHY.model_copy(update={"run": f"good{i}"}) for i in range(passed)]
    return CheckResult(outcome="fail" if failed else "pass", runs=tuple(runs))
