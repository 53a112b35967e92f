"""The fixture: what passes, what fails, and what is said."""

from fnmatch import fnmatch
from xml.etree import ElementTree as ET

import pytest

from overfit_monitor.journal import FILE_NAME
from overfit_monitor.readers import read_runs
from overfit_monitor_pytest.guard import folder_of

pytest_plugins = ["pytester"]

MARK = "@pytest.mark.overfit({})"
PASSED, FAILED, ERROR = {"passed": 1}, {"failed": 1}, {"errors": 1}


@pytest.mark.parametrize(
    ("curve", "source", "arguments", "outcome", "said"),
    [
        ("overfit", {}, [], FAILED, "*overfitting: validation is 0.4856 (81%) worse than its best around step 10*"),
        ("good", {}, [], PASSED, "pass  healthy*test_training*best 39, last 39*"),
        # No verdict is no pass, unless it is allowed.
        ("short", {}, [], FAILED, "could not judge: it needs at least 6 finite validation values and has 4 (allow_*"),
        ("short", {"before": MARK.format("allow_inconclusive=True")}, [], PASSED, "pass  inconclusive*"),
        ("short", {"before": MARK.format("fail_on='inconclusive'")}, [], FAILED, "the verdict is inconclusive*"),
        ("good", {"body": "pass"}, [], FAILED, "could not judge: overfit_guard was asked for, and nothing was logged*"),
        # What fails: the marker before the option, the argument before both.
        ("overfit", {"before": MARK.format("fail_on='diverging'")}, [], PASSED, "pass  overfitting*"),
        ("overfit", {}, ["--overfit-fail-on", "diverging"], PASSED, "pass  overfitting*"),
        ("good", {}, ["--overfit-fail-on", "diverging,healthy"], FAILED, "*the verdict is healthy*"),
        ("good", {"before": MARK.format("fail_on='error'")}, ["--overfit-fail-on=healthy"], PASSED, "pass  healthy*"),
        ("overfit", {"end": "overfit_guard.check(fail_on='diverging')"}, [], PASSED, "pass  overfitting*"),
        ("good", {"before": MARK.format("max_gap=0.05")}, [], FAILED, "*generalization gap*"),
        ("good", {}, ["--overfit-max-gap", "0.05"], FAILED, "*generalization gap*"),
        ("good", {"before": MARK.format("max_gap=0.2")}, ["--overfit-max-gap", "0.05"], PASSED, "pass  healthy*"),
        ("good", {"end": "overfit_guard.check(max_gap='1%')"}, [], FAILED, "*generalization gap*"),
        ("good", {"end": "overfit_guard.check(fail_on=['healthy'])"}, [], FAILED, ">*overfit_guard.check(*"),
        # Settings of the monitor.
        ("good", {"before": MARK.format("metric='accuracy'")}, [], FAILED, "*unknown metric 'accuracy'*Known: 'loss'*"),
        # What cannot be right is an error of the setup, in one line.
        ("good", {"before": MARK.format("fail_on='helthy'")}, [], ERROR, "*unknown*'helthy'. Did you mean 'healthy'*"),
        ("good", {"before": MARK.format("patiense=3")}, [], ERROR, "*'patiense'. Did you mean 'patience'?*"),
        (
            "good",
            {"before": MARK.format("'overfitting'")},
            [],
            ERROR,
            "*takes names only, as in fail_on='overfitting'*",
        ),
        ("good", {"before": MARK.format("allow_inconclusive=1")}, [], ERROR, "*must be True or False but got 1*"),
        # A marker that nothing looks at.
        (
            "good",
            {"before": MARK.format(""), "fixtures": "", "body": "pass"},
            [],
            FAILED,
            "*does not use that fixture*",
        ),
        # A test that fails, is skipped or is expected to fail says what it says by itself.
        ("overfit", {"end": "assert 0, 'mine'"}, [], FAILED, "*AssertionError: mine*"),
        ("overfit", {"end": "pytest.skip('later')"}, [], {"skipped": 1}, "*1 skipped*"),
        ("overfit", {"before": "@pytest.mark.xfail(strict=True)"}, [], {"xfailed": 1}, "*1 xfailed*"),
    ],
)
def test_a_training(project, training, curve, source, arguments, outcome, said):
    project.makepyfile(test_it=training(curve, **source))
    result = project.runpytest_inprocess("-W", "error", *arguments)
    result.assert_outcomes(**outcome)
    result.stdout.fnmatch_lines([said])
    assert result.ret == (0 if not outcome.keys() & {"failed", "errors"} else 1)
    result.stdout.no_fnmatch_line("*INTERNALERROR*")


def test_a_failure_tells_what_a_person_needs(project, training):
    project.makepyfile(test_it=training("overfit"))
    project.runpytest_inprocess().stdout.fnmatch_lines(
        [
            "*__ test_training __*",
            "error: overfitting: validation is 0.4856 (81%) worse than its best around step 10*",
            "  steps       best 10, onset 10, alarm 22, last 39",
            "  compared    val loss with train loss, lower is better",
            "  validation  █*•╎*  best 0.5909, last 1.105",
            "  for         train improved by 0.07436 meanwhile",
            "  against     *",
            "  do          Stop early*",
            "*== overfitting ==*",
            "fail  overfitting   test_it.py::test_training  best 10, onset 10, alarm 22, last 39  █*",
            "1 run: 1 failed",
        ],
        consecutive=False,
    )


def test_the_steps_are_counted_or_given(project, training):
    loop = """for step, (train, val) in enumerate(zip(TRAIN, CURVES["overfit"])):
        diagnosis = overfit_guard.log(step=100 + 5 * step, train={"loss": train}, val={"loss": val})
        if overfit_guard.should_stop:
            break
    assert (diagnosis.best_step, overfit_guard.diagnosis.onset_step) == (150, 150)
    overfit_guard.check(fail_on="diverging")"""
    project.makepyfile(test_it=training("overfit", body=loop))
    project.runpytest_inprocess().assert_outcomes(passed=1)


def test_what_is_logged_after_a_check_is_judged_too(project, training):
    loop = """for train, val in zip(TRAIN, CURVES["overfit"]):
        overfit_guard.log(train={"loss": train}, val={"loss": val})
        if len(CURVES["overfit"]) and val == CURVES["overfit"][9]:
            overfit_guard.check(allow_inconclusive=True)"""
    project.makepyfile(test_it=training("overfit", body=loop))
    project.runpytest_inprocess().assert_outcomes(failed=1)


def test_a_value_that_is_no_number_fails_at_once(project, training):
    body = "overfit_guard.log(val={'loss': 'low'})"
    project.makepyfile(test_it=training("", body=body))
    result = project.runpytest_inprocess("-W", "error")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*val metric 'loss' must be a number but got 'low'*"])


def test_what_others_watch_is_followed(project, training):
    body = """from overfit_monitor import Monitor
    monitors = [overfit_guard.follow(Monitor(name=name)) for name in ("generator", "critic")]
    for monitor, curve in zip(monitors, ("good", "overfit")):
        for step, (train, val) in enumerate(zip(TRAIN, CURVES[curve])):
            monitor.log(step=step, train={"loss": train}, val={"loss": val})"""
    project.makepyfile(test_it=training("", body=body))
    result = project.runpytest_inprocess("-W", "error")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["critic: error: overfitting*", "fail *test_training: critic*", "pass *test_training: generator*", "2 runs: *"]
    )
    result.stdout.no_fnmatch_line("generator: *")


def test_what_is_followed_is_judged_again_where_it_went_on_after_a_check(project, training):
    body = """from overfit_monitor import Monitor
    monitor = overfit_guard.follow(Monitor())
    for step, (train, val) in enumerate(zip(TRAIN, CURVES["overfit"])):
        monitor.log(step=step, train={"loss": train}, val={"loss": val})
        if step == 9:
            overfit_guard.check(allow_inconclusive=True)"""
    project.makepyfile(test_it=training("", body=body))
    project.runpytest_inprocess().assert_outcomes(failed=1)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("overfit_guard.follow({})", "*follow takes an object with a diagnosis but got dict*"),
        (
            "overfit_guard.follow(type('Mine', (), {'diagnosis': property(lambda self: None)})())",
            "*nothing was watched yet: diagnosis is None*",
        ),
    ],
)
def test_what_cannot_be_followed(project, training, body, said):
    project.makepyfile(test_it=training("", body=body))
    result = project.runpytest_inprocess()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([said])


def test_the_journal_is_kept_where_it_is_asked_for(project, training):
    project.makepyfile(test_it=training("overfit"))
    for _ in range(2):  # the second session does not go on where the first was
        project.runpytest_inprocess("--overfit-run-dir", "kept").assert_outcomes(failed=1)
    (run,), problems = read_runs([project.path / "kept"])
    assert not problems
    assert (len(run.observations), run.source) == (40, str(project.path / "kept/test_it.py_test_training" / FILE_NAME))


@pytest.mark.parametrize(
    ("test", "folder"),
    [
        ("test_it.py::TestModel::test_training", "test_it.py_TestModel_test_training"),
        ("a/test_it.py::test_training[x y]", "a_test_it.py_test_training_x_y_-*"),
        ("test_it.py::test_training[../../etc]", "test_it.py_test_training_.._.._etc_-*"),
        ("test_it.py::test_" + 300 * "x", "test_it.py_test_" + 84 * "x" + "-*"),
    ],
)
def test_the_folder_of_a_journal_is_one_for_each_test(test, folder):
    assert fnmatch(folder_of(test), folder)
    assert folder_of(test + "[x_y]") != folder_of(test + "[x y]")


def test_a_folder_that_cannot_be_is_one_line(project, training):
    (project.path / "taken").write_text("")
    project.makepyfile(test_it=training("good"))
    result = project.runpytest_inprocess("--overfit-run-dir", "taken")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E *UsageError: --overfit-run-dir: */taken/test_it.py_test_training: Not a directory"])


def test_the_fixture_may_be_asked_for_while_the_test_runs(project, training):
    body = """overfit_guard = request.getfixturevalue("overfit_guard")
    overfit_guard.log(train={"loss": 0.1}, val={"loss": 0.2})"""
    before = "@pytest.mark.overfit(allow_inconclusive=True)"
    project.makepyfile(test_it=training("", before=before, fixtures="request", body=body))
    project.runpytest_inprocess().assert_outcomes(passed=1)


def test_a_class_may_have_the_marker_for_those_that_use_the_fixture(project, training):
    project.makepyfile(
        test_it="""
        import pytest
        from curves import CURVES, TRAIN

        @pytest.mark.overfit(fail_on="diverging")
        class TestModel:
            def test_other(self):
                pass

            @pytest.mark.overfit(allow_inconclusive=True)
            def test_training(self, overfit_guard):
                for train, val in zip(TRAIN, CURVES["overfit"]):
                    overfit_guard.log(train={"loss": train}, val={"loss": val})
        """
    )
    project.runpytest_inprocess().assert_outcomes(passed=2)


def test_a_unittest_may_use_it(project):
    project.makepyfile(
        test_it="""
        import unittest
        import pytest
        from curves import CURVES, TRAIN

        class TestModel(unittest.TestCase):
            @pytest.fixture(autouse=True)
            def guarded(self, overfit_guard):
                self.guard = overfit_guard

            def test_training(self):
                for train, val in zip(TRAIN, CURVES["overfit"]):
                    self.guard.log(train={"loss": train}, val={"loss": val})
        """
    )
    result = project.runpytest_inprocess()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["error: overfitting*"])


def test_junit_has_the_figures(project, training):
    project.makepyfile(test_it=training("overfit"))
    project.runpytest_inprocess("-W", "error", "--junitxml", "report.xml")
    (case,) = ET.parse(project.path / "report.xml").getroot().iter("testcase")
    told = {p.get("name"): p.get("value") for p in case.iter("property")}
    steps = {name: told[f"overfit_{name}_step"] for name in ("best", "onset", "alarm", "last")}
    assert steps == {"best": "10", "onset": "10", "alarm": "22", "last": "39"}
    assert (told["overfit_outcome"], told["overfit_verdict"]) == ("fail", "overfitting")
    assert float(told["overfit_last_value"]) == pytest.approx(1.105)
    assert "overfitting" in case.find("failure").get("message")
