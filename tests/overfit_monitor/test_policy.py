"""What each run is judged by, in layers."""

import pytest

from overfit_monitor.errors import UsageError
from overfit_monitor.gate import Limit, MaxGap, judge
from overfit_monitor.policy import Layer, Policies, layered
from overfit_monitor.project import load_project
from overfit_monitor.records import Diagnosis, Finding, Gap, MetricChoice


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ([{"patience": 1}, {"patience": 2}], {"patience": 2}),
        ([{"patience": 1}, {}], {"patience": 1}),
        ([{"metric": "loss", "mode": "min"}, {"metric": "acc"}], {"metric": "acc"}),
        ([{"metric": "acc", "mode": "max"}, {"metric": "acc"}], {"metric": "acc", "mode": "max"}),
        ([{"mode": "min"}, {"metric": "acc", "mode": "max"}], {"metric": "acc", "mode": "max"}),
        ([{"metric": None, "mode": "auto"}, {"mode": "max"}], {"metric": None, "mode": "max"}),
    ],
)
def test_layers(layers, expected):
    assert layered(*layers) == expected


PROJECT = """
fail_on = "overfitting"
patience = 5
[[policy]]
runs = "finetune/*"
fail-on = ["error", "inconclusive"]
max_gap = "10%"
[[policy]]
runs = ["finetune/big*", "other"]
max_gap = 0.5
patience = 9
stopping_baseline = 0.3
"""


@pytest.fixture
def project(tmp_path):
    path = tmp_path / "x.toml"
    path.write_text(PROJECT, encoding="utf-8")
    return load_project(path)


@pytest.mark.parametrize(
    ("run", "settings", "limit"),
    [
        ("main", {"patience": 5}, Limit.parse(["overfitting"])),
        ("finetune/a/b", {"patience": 5}, Limit.parse(["error,inconclusive"], "10%")),
        ("finetune/big1", {"patience": 9, "baseline": 0.3}, Limit.parse(["error,inconclusive"], 0.5)),
        ("other", {"patience": 9, "baseline": 0.3}, Limit.parse(["overfitting"], 0.5)),
        ("Other", {"patience": 5}, Limit.parse(["overfitting"])),
    ],
)
def test_the_last_policy_that_fits_goes_before_the_others(project, run, settings, limit):
    assert project.policies().of(run) == (settings, limit)


def test_the_command_line_goes_before_all(project):
    policies = project.policies({"fail_on": ["healthy"], "patience": 1})
    assert policies.of("finetune/big1") == ({"patience": 1, "baseline": 0.3}, Limit.parse(["healthy"], 0.5))


def test_policies_that_fit_nothing_are_known(project):
    assert [layer.runs for layer in project.policies().unused(["main", "other"])] == [("finetune/*",)]


def test_layers_must_be_right_together():
    late = Policies(layers=(Layer(("x",), {"baseline": 0.5}),))
    with pytest.raises(UsageError, match="baseline must be given together with patience"):
        late.check()
    assert Policies(base={"patience": 3}, layers=late.layers).check()


def gapped(raw=None, real=None, error=None, best=2.0, train="loss"):
    gap = Gap(raw=raw, like_for_like=real, standard_error=error)
    return Diagnosis(verdict="healthy", step=9, best_value=best, metrics=MetricChoice(train=train, val="loss"), gap=gap)


RISES = Finding(id="overfitting", severity="error", message="it rises.")


@pytest.mark.parametrize(
    ("diagnosis", "most", "outcome", "reason"),
    [
        (gapped(0.3), 0.3, "pass", None),
        (gapped(0.31), 0.3, "fail", "the generalization gap of loss at step 9 is 0.31 (as logged, not like for like), "
         "above the limit of 0.3"),
        (gapped(0.31), "15%", "fail", "the generalization gap of loss at step 9 is 0.31, 15.5% of the best validation "
         "value (as logged, not like for like), above the limit of 15%"),
        (gapped(0.31), "16%", "pass", None),
        (gapped(0.31, 0.1, 0.02), 0.2, "pass", None),
        (gapped(-0.31, 0.21, 0.02), "0.2", "fail", "the generalization gap of loss at step 9 is 0.21 ± 0.02 (train "
         "measured as validation is), above the limit of 0.2"),
        (gapped(-5.0), 0, "pass", None),
        (gapped(train=None), 0.2, "error", "the generalization gap is not known: there is no train metric beside the "
         "validation metric"),
        (gapped(), 0.2, "error", "the generalization gap is not known: train or validation has no finite value "
         "at step 9"),
        (gapped(0.3, best=0.0), "10%", "error", "no share of the best validation value can be told, for it is 0"),
        (gapped(9.0).model_copy(update={"findings": (RISES,)}), 0.2, "fail", "error: overfitting: it rises."),
    ],
)  # fmt: skip
def test_the_largest_gap(diagnosis, most, outcome, reason):
    judged = judge(diagnosis, Limit.parse([], most))
    assert (judged.outcome, judged.reason) == (outcome, reason)


@pytest.mark.parametrize("given", ["x", "", "-1", "nan", "inf", "10 percent", "%"])
def test_what_is_no_gap(given):
    with pytest.raises(UsageError, match=r"--max-gap must be a number of at least 0, such as 0\.2 or 10%, but got"):
        MaxGap.parse(given)


@pytest.mark.parametrize(("given", "shown"), [("10%", "10%"), (0.25, "0.25"), ("0.5 ", "0.5"), ("12.5%", "12.5%")])
def test_a_gap_is_shown_as_it_was_given(given, shown):
    assert str(MaxGap.parse(given)) == shown
