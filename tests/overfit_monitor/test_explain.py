"""The reasoning in plain words: a table of verdicts that a reader can check, and what no text may do."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from overfit_monitor import Diagnosis, Finding, Monitor, NotJudged, Recommendation
from overfit_monitor.explain import WIDTH, explain
from overfit_monitor.records import MetricChoice
from overfit_monitor.testing import curves

LOSS = MetricChoice(train="loss", val="loss", also={"accuracy": "max"})
OVERFITTING = Finding(
    id="overfitting",
    severity="error",
    message="validation is 0.25 (50%) worse than its best around step 40. Train improved by 0.1 meanwhile.",
    onset_step=40,
    onset_range=(35, 47),
    alarm_step=52,
    evidence={"accuracy_lost": 0.034},
    speaks_for=("the rise is 79.8 in units of its noise",),
    speaks_against=("the sampling error is not known",),
    experiment="Evaluate step 41 on data that nothing has seen.",
)
CONFIDENT = Finding(
    id="confidence_overfitting",
    severity="warning",
    message="the loss rises and accuracy does not fall",
    onset_step=44,
    speaks_against=("the loss is not known",),
    experiment="Fit one temperature.",
)
ADVICE = tuple(
    Recommendation(id=id, title=title, why="It helps.", change={}, code="")
    for id, title in [("early_stopping", "Stop early: patience 21"), ("weight_decay", "Use AdamW")]
)
OVERFIT = Diagnosis(
    verdict="overfitting",
    run="exp1",
    step=99,
    best_step=41,
    best_value=0.5,
    last_value=0.75,
    onset_step=40,
    alarm_step=52,
    stop_step=60,
    metrics=LOSS,
    findings=(OVERFITTING, CONFIDENT),
    recommendations=ADVICE,
    not_judged=(NotJudged(id="a_b", reason="none"), NotJudged(id="c", reason="none"), NotJudged(id="d", reason="few")),
    notes=("step 3 came twice; the later value counts.",),
)


def test_the_whole_reasoning_of_an_overfit_run():
    assert (
        explain(OVERFIT)
        == OVERFIT.explain()
        == (
            "Run exp1. Overfitting: validation is 0.25 (50%) worse than its best around step 40.\n"
            "Train improved by 0.1 meanwhile.\n"
            "\n"
            "Compared: validation loss with train loss, lower is better, up to step 99. Looked at\n"
            "          beside it: accuracy.\n"
            "Best:     step 41 with 0.5. The last weights have 0.75, worse by 0.25 (50.0%); accuracy\n"
            "          is 0.034 lower.\n"
            "Began:    about step 40, between 35 and 47.\n"
            "Alarm:    step 52, 12 after it began.\n"
            "Stop:     step 60 is where the stopping rule would have ended the run.\n"
            "\n"
            "What speaks for it:\n"
            "  - the rise is 79.8 in units of its noise.\n"
            "\n"
            "What speaks against it, or is not known:\n"
            "  - the sampling error is not known.\n"
            "\n"
            "What would decide: evaluate step 41 on data that nothing has seen.\n"
            "\n"
            "Also seen:\n"
            "  - confidence overfitting (warning, from step 44): the loss rises and accuracy does not\n"
            "    fall.\n"
            "    But the loss is not known.\n"
            "    What would decide: fit one temperature.\n"
            "\n"
            "First: keep the weights of step 41, not the last ones.\n"
            "For the next run: stop early: patience 21. It helps. 1 more in recommendations.\n"
            "\n"
            "Not judged:\n"
            "  - a b, c: none.\n"
            "  - d: few.\n"
            "\n"
            "Remarks on the data:\n"
            "  - step 3 came twice; the later value counts.\n"
        )
    )


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"best_step": 99}, "step 99 with 0.5. It is the last one."),
        ({"last_value": None}, "step 41 with 0.5. The last value is not finite."),
        ({"best_value": None, "last_value": None}, "Best:     step 41.\n"),
        ({"last_value": 0.5}, "with 0.5. The last weights are as good; accuracy is 0.034 lower."),
        ({"last_value": 1e6}, "The last weights have 1e+06, worse by 1e+06; accuracy"),
        ({"best_value": 0.0}, "The last weights have 0.75, worse by 0.75; accuracy"),
        ({"best_value": -1.0, "last_value": -0.5}, "The last weights have -0.5, worse by 0.5 (50.0%);"),
        ({"stop_step": 99}, "Stop:     step 99, now."),
        ({"onset_step": 52}, "Alarm:    step 52.\n"),
        ({"metrics": LOSS.model_copy(update={"mode": "max"})}, "loss, higher is better"),
        ({"metrics": MetricChoice(val="loss")}, "validation loss alone, for there is no train value, lower"),
        ({"findings": (OVERFITTING.model_copy(update={"onset_range": None}),)}, "Began:    step 40.\n"),
        ({"recommendations": ADVICE[:1]}, "patience 21. It helps.\n"),
        ({"findings": (OVERFITTING.model_copy(update={"evidence": {"accuracy_lost": -0.01}}),)}, "accuracy is 0.01 hi"),
    ],
)
def test_what_is_told_of_each_number(changed, told):
    flat = explain(OVERFIT.model_copy(update=changed))
    assert told in flat or told in " ".join(flat.split())


@pytest.mark.parametrize(
    ("diagnosis", "begins", "first"),
    [
        (
            Diagnosis(verdict="healthy", step=9, best_step=7, best_value=1.0, last_value=1.1, metrics=LOSS),
            "Healthy: nothing that was looked for shows in these curves.\n",
            "First: keep the weights of step 7.\n",
        ),
        (
            Diagnosis(verdict="healthy", best_step=7, metrics=LOSS, findings=(CONFIDENT,)),
            "Healthy: no overfitting, and training holds together. Worth knowing: confidence\noverfitting.\n",
            "First: keep the weights of step 7.\n",
        ),
        (
            Diagnosis(
                verdict="inconclusive", not_judged=(NotJudged(id="overfitting", reason="it needs 6"),), best_step=1
            ),
            "Inconclusive: overfitting was not judged, because it needs 6.\n",
            "First: log more evaluations; until then the weights of step 1 are the ones to keep.\n",
        ),
        (
            Diagnosis(
                verdict="inconclusive",
                best_step=1,
                findings=(Finding(id="noisy_validation", severity="warning", message="30 examples are too few."),),
            ),
            "Inconclusive: 30 examples are too few.\n",
            "First: validate on more examples; until then the weights of step 1 are the ones to keep.\n",
        ),
        (
            Diagnosis(verdict="inconclusive"),
            "Inconclusive: overfitting cannot be judged here.\n\nCompared: nothing: no validation metric was logged.\n",
            "First: log a validation metric with finite values; without one there is nothing to go\nby.\n",
        ),
        (
            Diagnosis(
                verdict="diverging",
                best_step=4,
                findings=(Finding(id="divergence", severity="error", message="train is 9 worse"),),
            ),
            "Diverging: train is 9 worse\n",
            "First: go back to the weights of step 4 and go on with a lower learning rate.\n",
        ),
        (
            Diagnosis(verdict="underfitting", best_step=4),
            "Underfitting: the model has not learned what the data can teach it.\n",
            "First: train on, or train a larger model, before anything is regularized.\n",
        ),
    ],
)
def test_every_verdict_has_its_reason_and_its_first_step(diagnosis, begins, first):
    told = explain(diagnosis)
    assert told.startswith(begins)
    assert first in told


def test_a_healthy_run_is_given_no_advice_for_the_next():
    assert "next run" not in explain(OVERFIT.model_copy(update={"verdict": "healthy", "findings": ()}))


@pytest.mark.parametrize("make", curves.CATALOGUE, ids=lambda make: make.__name__)
def test_what_a_monitor_says_fits_the_page_and_survives_json(make):
    curve = make(100)
    diagnosis = Monitor(facts=curve.facts).replay(curve.observations())
    told = diagnosis.explain()
    assert max(map(len, told.splitlines())) <= WIDTH
    assert f"step {diagnosis.best_step} with {diagnosis.best_value:.4g}" in told
    assert Diagnosis.model_validate_json(diagnosis.model_dump_json()).explain() == told
    for finding in diagnosis.findings:
        assert " ".join(finding.message.split()) in " ".join(told.split())


@given(st.text(max_size=300), st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=2, max_size=2))
def test_no_name_and_no_number_breaks_it(text, values):
    told = explain(
        OVERFIT.model_copy(
            update={"run": text, "notes": (text,), "best_value": values[0], "last_value": values[1]},
        )
    )
    assert all(len(line) <= WIDTH or len(line.split()) <= 2 for line in told.split("\n"))
    assert all(char.isprintable() or char == "\n" for char in told)


def test_the_gap_is_split_where_the_probe_measured_it():
    monitor, around = Monitor(), np.linspace(-0.05, 0.05, 101)
    for step in range(3):
        monitor.log(step=step, train={"loss": 0.8}, val_losses=1.0 + around, probe_losses=0.5 + around)
    told = " ".join(monitor.diagnosis.explain().split())
    assert "Gap: 0.5 ± 0.0041 with train measured as validation is; 0.2 as logged, of which -0.3 comes from" in told
    assert "The loss alone tells train from validation with an AUC of 1.00 (1.00 to 1.00)." in told
    assert "Gap:" not in Monitor().log(step=0, train={"loss": 1.0}, val={"loss": 2.0}).explain()
