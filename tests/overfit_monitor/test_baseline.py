"""What runs were like before, and what got worse since."""

import json

import jsonschema
import pytest

from overfit_monitor.baseline import Baseline, BaselineRules
from overfit_monitor.baseline_file import BaselineFile, as_json, group_of, load_baseline, summarized
from overfit_monitor.cli.schema import schema
from overfit_monitor.comparison import Measured
from overfit_monitor.errors import UsageError
from overfit_monitor.gate import Limit, judge
from overfit_monitor.records import Diagnosis, Finding, Gap, MetricChoice
from overfit_monitor.reports import baseline as table

RISES = Finding(id="overfitting", severity="error", message="it rises.")
DIVERGES = Finding(id="divergence", severity="error", message="it comes apart.")


def run(name, best=0.5, last=None, *, finding=None, metric="loss", gap=None, limit=None):
    last = best if last is None else last
    diagnosis = Diagnosis(
        verdict="healthy" if finding is None else "overfitting" if finding is RISES else "diverging",
        run=name,
        source=f"{name}.csv",
        step=9,
        best_step=None if best is None else 5,
        best_value=best,
        last_value=last,
        metrics=MetricChoice(train="loss", val=metric),
        findings=() if finding is None else (finding,),
        gap=Gap(raw=gap),
    )
    measured = Measured(metric=metric, value=best, noise=None if best is None else 0.001, noise_from="curve", near=5)
    return judge(diagnosis, limit or Limit()), measured


def group(name, *values, **more):
    return [run(f"{name}/seed{i}", value, **more) for i, value in enumerate(values)]


def held(before, now, *, seeds=("*/seed*",), errors=(), **rules):
    baseline = Baseline(summarized(before, seeds), source="main.json", rules=BaselineRules(**rules), seeds=seeds)
    return baseline.held_against(now, list(errors))


BEFORE = group("a", 0.50, 0.51, 0.52)


@pytest.mark.parametrize(
    ("before", "now", "standing", "outcome", "reason"),
    [
        (BEFORE, group("a", 0.505, 0.515, 0.525), "same", "pass", None),
        (BEFORE, group("a", 0.40, 0.41, 0.42), "better", "pass", None),
        (BEFORE, group("a", 0.60, 0.61, 0.62), "worse", "fail", "a/seed*: the best loss is worse by 0.1, more than"),
        (BEFORE, [run("a/seed7", 0.52)], "same", "pass", None),
        (BEFORE, [run("a/seed7", 0.60)], "worse", "fail", "a/seed*: the best loss is worse by 0.09"),
        ([run("x", 0.5)], [run("x", 0.53)], "same", "pass", None),
        ([run("x", 0.5)], [run("x", 0.9)], "worse", "fail", "x: the best loss is worse by 0.4"),
        (BEFORE, [run("new", 0.9)], "new", "pass", None),
        (BEFORE, [run("new", 0.9, finding=RISES)], "new", "fail", "error: overfitting: it rises."),
        # New at its limit: what was not there before fails, what was there is let through.
        (
            [run("x")],
            [run("x", finding=RISES)],
            "same",
            "fail",
            "error: overfitting: it rises. (in the baseline it did",
        ),
        ([run("x", finding=RISES)], [run("x", finding=RISES)], "same", "pass", None),
        ([run("x", finding=RISES)], [run("x", 0.9, finding=RISES)], "worse", "fail", "x: the best loss is worse"),
        (
            BEFORE,
            group("a", 0.5, 0.51, 0.52, finding=DIVERGES),
            "same",
            "fail",
            "error: divergence: it comes apart. (in",
        ),
        # Another metric, or no finite value.
        (
            BEFORE,
            group("a", 0.5, metric="acc"),
            "incomparable",
            "error",
            "a/seed*: not comparable, because the runs were",
        ),
        (BEFORE, group("a", None, finding=DIVERGES), "incomparable", "fail", "error: divergence: it comes apart."),
    ],
)
def test_only_what_got_worse_fails(before, now, standing, outcome, reason):
    result = held(before, now)
    assert {each.baseline.standing for each in result.runs} == {standing}
    assert {each.outcome for each in result.runs} == {outcome}
    for each in result.runs:
        assert (each.reason is None) if reason is None else each.reason.startswith(reason)
        assert (each.rule is None) == (reason is None)
    assert result.outcome == outcome


def test_a_borderline_overfit_within_the_noise_of_the_seeds_is_let_through():
    before = [run(f"a/seed{i}", 0.5 + 0.01 * i, 0.5 + 0.01 * i + lost) for i, lost in enumerate((0.0, 0.05, 0.02))]
    small, large = run("a/seed5", 0.51, 0.55, finding=RISES), run("a/seed5", 0.51, 0.90, finding=RISES)
    (passed,) = held(before, [small]).runs
    assert passed.outcome == "pass"
    assert passed.baseline.tolerated == (
        "error: overfitting: it rises. (within the noise between the seeds of the baseline)"
    )
    (failed,) = held(before, [large]).runs
    assert failed.reason == "error: overfitting: it rises. (in the baseline none of 3 seeds did)"


def test_a_gap_above_its_limit_is_let_through_where_it_is_within_the_noise():
    limit = Limit.parse([], 0.3)
    before = [run(f"a/seed{i}", 0.5 + 0.01 * i, gap=gap, limit=limit) for i, gap in enumerate((0.2, 0.28, 0.25))]
    assert held(before, [run("a/seed5", 0.51, gap=0.31, limit=limit)]).outcome == "pass"
    assert held(before, [run("a/seed5", 0.51, gap=0.9, limit=limit)]).outcome == "fail"


@pytest.mark.parametrize(("rules", "outcome"), [({}, "pass"), ({"new": "fail"}, "fail"), ({"new": "pass"}, "pass")])
def test_what_becomes_of_new_runs(rules, outcome):
    result = held(BEFORE, [*BEFORE, run("new")], **rules)
    assert result.runs[-1].outcome == outcome
    bad = held(BEFORE, [run("new", finding=RISES)], **rules).runs[0]
    assert bad.outcome == ("pass" if rules.get("new") == "pass" else "fail")


def test_what_becomes_of_vanished_groups():
    both = [*BEFORE, run("x")]
    noted = held(both, BEFORE)
    assert noted.outcome == "pass"
    assert noted.remarks == ("'x' is in the baseline main.json, but there is no such run",)
    wrong = held(both, BEFORE, vanished="error")
    assert wrong.outcome == "error"
    assert wrong.errors[0].model_dump() == {
        "source": "main.json",
        "run": "x",
        "message": "in the baseline, but there is no such run",
    }


@pytest.mark.parametrize(("rule", "outcome"), [("error", "error"), ("fail", "fail"), ("note", "pass")])
def test_what_becomes_of_another_metric(rule, outcome):
    assert held([run("x")], [run("x", metric="acc")], incomparable=rule).outcome == outcome


def test_many_groups_share_the_false_alarm_rate():
    def groups(value):
        return [each for i in range(50) for each in group(f"g{i}", value, value + 0.01, value + 0.02)]

    one = held(group("g0", 0.5, 0.51, 0.52), group("g0", 0.53, 0.54, 0.55)).runs[0].baseline
    many = held(groups(0.5), groups(0.53)).runs[0].baseline
    assert (one.standing, many.standing) == ("worse", "same")
    assert many.limit > 2 * one.limit


@pytest.mark.parametrize(
    ("name", "patterns", "group"),
    [
        ("a/seed1", ["*/seed*"], "a/seed*"),
        ("a/b/seed1", ["*/seed*"], "a/b/seed*"),
        ("exp/seed1", ["exp/seed*"], "exp/seed*"),
        ("seed1-lr3", ["seed*-lr3"], "seed*-lr3"),
        ("a", ["*/seed*"], "a"),
        ("x.1", ["x?1"], "x.1"),
        ("a/seed*", ["a/seed*"], "a/seed*"),
        ("a[1]/s2", ["a[1]/s*"], "a[1]/s*"),
        ("both", ["b*", "bo*"], "b*"),
    ],
)
def test_groups(name, patterns, group):
    assert group_of(name, patterns) == group


def test_a_pattern_cannot_take_forever():
    with pytest.raises(UsageError, match=r"may have 3 '\*' at most, but '\*a\*a\*a\*' has more"):
        group_of("a" * 250, ["*a*a*a*"])


def test_the_file_is_small_sorted_and_stable(tmp_path):
    judged = [*group("b", 0.123456789, 0.2), run("a", 0.5, 0.6, finding=RISES, gap=float("inf"))]
    text = as_json(summarized(judged, ["*/seed*"]))
    assert text == as_json(summarized(judged[::-1], ["*/seed*"]))
    assert text == (
        "{\n"
        '  "schema_version": 1,\n'
        '  "groups": {\n'
        '    "a": {\n'
        '      "metric": "loss",\n'
        '      "mode": "min",\n'
        '      "best": [0.5],\n'
        '      "last": [0.6],\n'
        '      "gap": [null],\n'
        '      "noise": 0.001,\n'
        '      "noise_from": "curve",\n'
        '      "near": 5,\n'
        '      "verdicts": {"overfitting": 1},\n'
        '      "failed": 1\n'
        "    },\n"
        '    "b/seed*": {\n'
        '      "metric": "loss",\n'
        '      "mode": "min",\n'
        '      "best": [0.12346, 0.2],\n'
        '      "last": [0.12346, 0.2],\n'
        '      "gap": [null, null],\n'
        '      "verdicts": {"healthy": 2},\n'
        '      "failed": 0\n'
        "    }\n"
        "  }\n"
        "}\n"
    )
    jsonschema.validate(json.loads(text), schema("baseline"))
    path = tmp_path / "main.json"
    path.write_text(text, encoding="utf-8")
    assert as_json(load_baseline(path)) == text
    assert json.loads(as_json(BaselineFile())) == {"schema_version": 1, "groups": {}}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "no valid JSON"),
        ("[1]", "no baseline: 'overfit-monitor baseline update' writes one"),
        ('{"schema_version": 2, "groups": {}}', "schema_version must be 1 but is 2"),
        ('{"schema_version": 1, "groups": {"a": {"metric": "x", "best": [], "last": [], "gap": []}}}', "a.best must"),
        (
            '{"schema_version": 1, "groups": {"a": {"metric": "x", "best": [1], "last": [], "gap": [1]}}}',
            "as many values",
        ),
        ('{"schema_version": 1, "groups": {"a": {"metric": "x", "best": [NaN], "last": [1], "gap": [1]}}}', "finite"),
        ('{"schema_version": 1, "groups": {"a": {"metric": "x", "best": [1e999], "last": [1], "gap": [1]}}}', "finite"),
        (None, "No such file"),
    ],
)
def test_what_is_no_baseline_is_told_in_one_line(tmp_path, content, message):
    path = tmp_path / "b.json"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(UsageError) as error:
        load_baseline(path)
    assert message in str(error.value)
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


def test_seeds_of_one_configuration_have_one_metric():
    with pytest.raises(
        UsageError, match="must be judged by one metric, but these are not: a/seed0 by loss, a/seed1 by"
    ):
        summarized([run("a/seed0"), run("a/seed1", metric="acc")], ["a/seed*"])


def test_tables():
    before = summarized([*BEFORE, run("x"), run("gone")], ["*/seed*"])
    assert table.render(before).splitlines() == [
        "group    seeds  metric                  best         last         gap      verdicts   failed",
        "a/seed*  3      loss (lower is better)  0.51 ± 0.01  0.51 ± 0.01  unknown  3 healthy  0",
        "gone     1      loss (lower is better)  0.5          0.5          unknown  1 healthy  0",
        "x        1      loss (lower is better)  0.5          0.5          unknown  1 healthy  0",
        "3 groups",
    ]
    now = summarized([*group("a", 0.6, 0.61, 0.62), run("x"), run("young")], ["*/seed*"])
    assert table.changes(before, now).splitlines() == [
        "changed  a/seed*: worse by 0.1, more than the 0.023 that noise explains; noise between 3 and 3 seeds",
        "gone     gone",
        "new      young",
        "3 groups, 1 of them as before",
    ]
