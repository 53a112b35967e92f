"""Runs in log folders as tests: exit status, selection, xdist and reports, in every combination."""

import json
from xml.etree import ElementTree as ET

import pytest

from overfit_monitor.baseline_file import as_json, summarized
from overfit_monitor.examination import examine
from overfit_monitor.policy import Policies
from overfit_monitor.readers import read_runs

pytest_plugins = ["pytester"]

OVERFIT, GOOD, SHORT = "runs/overfit.json", "runs/good.json", "runs/short.json"
LOGS = "--overfit-logs"
COUNTED = ("passed", "failed", "errors", "skipped", "deselected", "warnings")
PASSING = "def test_it():\n    pass\n"


@pytest.mark.parametrize(
    ("arguments", "tests", "status", "outcomes"),
    [
        ([LOGS, GOOD], "", 0, {"passed": 1}),
        ([LOGS, OVERFIT], "", 1, {"failed": 1}),
        ([LOGS, "runs"], "", 1, {"failed": 1, "passed": 2}),  # too short is an answer, as in `check`
        ([LOGS, "runs", "--overfit-fail-on=inconclusive,overfitting"], "", 1, {"failed": 2, "passed": 1}),
        ([LOGS, "runs", "--overfit-fail-on=diverging"], "", 0, {"passed": 3}),
        ([LOGS, GOOD, LOGS, OVERFIT], "", 1, {"failed": 1, "passed": 1}),
        ([LOGS, GOOD], PASSING, 0, {"passed": 2}),
        ([LOGS, OVERFIT], PASSING, 1, {"failed": 1, "passed": 1}),
        ([LOGS, "runs", "test_it.py"], PASSING, 1, {"failed": 1, "passed": 3}),
        # Selection.
        ([LOGS, "runs", "-k", "good"], PASSING, 0, {"passed": 1, "deselected": 3}),
        ([LOGS, "runs", "-m", "overfit_logs"], PASSING, 1, {"failed": 1, "passed": 2, "deselected": 1}),
        ([LOGS, "runs", "-m", "not overfit_logs"], PASSING, 0, {"passed": 1, "deselected": 3}),
        ([LOGS, "runs", "--deselect", "overfit-logs::overfit"], "", 0, {"passed": 2, "deselected": 1}),
        ([LOGS, "runs", "-k", "nothing"], "", 5, {"deselected": 3}),
        ([LOGS, "runs", "-x"], "", 1, {"passed": 1, "failed": 1}),
        # What could not be judged is an error, and no gate opens unseen.
        ([LOGS, "nowhere"], "", 1, {"errors": 1}),
        ([LOGS, "nowhere", LOGS, GOOD], PASSING, 1, {"errors": 1, "passed": 2}),
        ([LOGS, "empty"], "", 1, {"errors": 1}),
        ([LOGS, "bad.csv"], "", 1, {"errors": 1}),
        ([LOGS, "trainonly.csv"], "", 1, {"errors": 1}),
        ([LOGS, "reward.csv"], "", 1, {"errors": 1}),  # a metric whose direction is not known
        # Nothing is judged.
        (["--collect-only", LOGS, OVERFIT], "", 0, {}),
        (["--collect-only", "-q", LOGS, "nowhere"], "", 0, {}),
        ([], "", 5, {}),
        ([], PASSING, 0, {"passed": 1}),
        (["--overfit-fail-on", "overfitting"], PASSING, 0, {"passed": 1}),
        # Wrong usage.
        ([LOGS, GOOD, "--overfit-fail-on", "overfiting"], PASSING, 4, {}),
        ([LOGS, GOOD, "--overfit-config", "nowhere.toml"], PASSING, 4, {}),
        ([LOGS, GOOD, "--overfit-max-gap", "wide"], PASSING, 4, {}),
        ([LOGS, GOOD, "--overfit-baseline", "nowhere.json"], PASSING, 4, {}),
        ([LOGS, GOOD, "--overfit-baseline", GOOD], PASSING, 4, {}),
        ([LOGS, "-"], PASSING, 4, {}),
    ],
)
def test_exit_status(project, arguments, tests, status, outcomes):
    project.mkdir("empty")
    (project.path / "bad.csv").write_text("epoch,loss,val_loss\n")
    (project.path / "trainonly.csv").write_text("epoch,loss\n1,2\n2,1\n")
    (project.path / "reward.csv").write_text("epoch,train_reward,val_reward\n1,2,2\n2,1,1\n")
    if tests:
        project.makepyfile(test_it=tests)
    result = project.runpytest_inprocess("-W", "error", "--strict-markers", *arguments)
    assert result.ret == status, result.stdout.str()
    counts = {} if status == 4 else result.parseoutcomes()
    assert {name: count for name, count in counts.items() if name in COUNTED} == outcomes
    result.stdout.no_fnmatch_line("*INTERNALERROR*")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([LOGS, "runs", "--overfit-fail-on", "overfiting"], "ERROR: *'overfiting'. Did you mean 'overfitting'?*"),
        ([LOGS, "runs", "--overfit-config", "nowhere.toml"], "ERROR: *nowhere.toml: No such file or directory"),
        ([LOGS, "-"], "ERROR: --overfit-logs cannot read standard input: write it to a file."),
    ],
)
def test_wrong_usage_is_one_line(project, arguments, said):
    result = project.runpytest_inprocess(*arguments)
    result.stderr.fnmatch_lines([said])
    assert "Traceback" not in result.stderr.str() + result.stdout.str()


def test_what_is_listed_and_told(project):
    listed = project.runpytest_inprocess(LOGS, "runs", "--collect-only", "-q")
    assert listed.outlines[:3] == ["overfit-logs::good", "overfit-logs::overfit", "overfit-logs::short"]
    told = project.runpytest_inprocess(LOGS, "runs", LOGS, "nowhere")
    told.stdout.fnmatch_lines(
        [
            "collected 4 items",
            "overfit-logs .F.E*",
            "*ERROR at setup of overfit-logs::nowhere*",
            "could not judge: */nowhere: no such file or folder",
            "*__ overfit-logs::overfit __*",
            "error: overfitting: validation is*",
            "  validation  █*  best 0.5909, last 1.105",
            "  source      */runs/overfit.json",
            "*== overfitting ==*",
            "fail  overfitting   overfit-logs::overfit  best 10, onset 10, alarm 22, last 39  █*",
            "error               overfit-logs::nowhere",
            "pass  healthy       overfit-logs::good     best 39, last 39  █*",
            "pass  inconclusive  overfit-logs::short    best 3, last 3  █*",
            "4 runs: 1 failed, 1 could not be judged, 2 passed",
        ]
    )


def test_many_that_pass_are_counted(project):
    table = (project.path / GOOD).read_text()
    many = project.mkdir("many")
    for run in range(25):
        (many / f"run{run:02}.json").write_text(table)
    result = project.runpytest_inprocess(LOGS, "many", LOGS, OVERFIT)
    assert sum(line.startswith("pass ") for line in result.outlines) == 20
    result.stdout.fnmatch_lines(["fail *", "... and 5 more that pass (-v shows them)", "26 runs: 1 failed, 25 passed"])
    assert sum(line.startswith("pass ") for line in project.runpytest_inprocess(LOGS, "many", "-v").outlines) == 25


def test_junit_has_a_case_for_each_run(project):
    project.runpytest_inprocess("-W", "error", LOGS, "runs", LOGS, "nowhere", "--junitxml", "report.xml")
    (suite,) = ET.parse(project.path / "report.xml").getroot()
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("4", "1", "1")
    cases = {case.get("name"): case for case in suite.iter("testcase")}
    assert cases.keys() == {"good", "overfit", "short", "nowhere"}
    assert {case.get("classname") for case in cases.values()} == {"overfit-logs"}
    properties = {p.get("name"): p.get("value") for p in cases["overfit"].iter("property")}
    assert (properties["overfit_verdict"], properties["overfit_best_step"]) == ("overfitting", "10")
    assert "no such file" in cases["nowhere"].find("error").text
    assert "overfitting: validation is" in cases["overfit"].find("failure").text


def test_the_ini_file_gates_a_whole_session_only(project):
    project.makeini("[pytest]\noverfit_logs =\n    runs\noverfit_fail_on =\n    diverging\n    inconclusive\n")
    project.makepyfile(test_it=PASSING)
    whole = project.runpytest_inprocess("-W", "error")
    whole.assert_outcomes(failed=1, passed=3)
    whole.stdout.fnmatch_lines(["fail  inconclusive  overfit-logs::short*"])
    project.runpytest_inprocess("test_it.py").assert_outcomes(passed=1)
    project.runpytest_inprocess("test_it.py", LOGS, GOOD).assert_outcomes(passed=2)
    below = project.mkdir("below")  # paths of the ini file are from its folder
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(below)
        project.runpytest_inprocess("-c", "../tox.ini", "--rootdir", "..").assert_outcomes(failed=1, passed=2)


def test_the_project_says_what_is_compared_and_what_fails(project):
    (project.path / "pyproject.toml").write_text(
        '[tool.overfit-monitor]\nval = "te"\ntrain = "tr"\nmode = "min"\nfail_on = ["healthy"]\n'
    )
    table = json.loads((project.path / GOOD).read_text())
    (project.path / "own.json").write_text(json.dumps({"tr": table["loss"], "te": table["val_loss"]}))
    result = project.runpytest_inprocess(LOGS, "own.json")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*the verdict is healthy*"])
    (project.path / "other.toml").write_text('val = "te"\nmode = "min"\nfail_on = "overfitting"\n')
    project.runpytest_inprocess(LOGS, "own.json", "--overfit-config", "other.toml").assert_outcomes(passed=1)


@pytest.fixture
def baseline(project):
    """Return the file of a baseline of the logs as they are."""
    runs, _ = read_runs([project.path / "runs"])
    judged = [examine(run, Policies(), measured=True) for run in runs]
    path = project.path / "main.json"
    path.write_text(as_json(summarized((each.checked, each.measured) for each in judged)))
    return path


def test_only_what_got_worse_fails_beside_a_baseline(project, baseline):
    arguments = (LOGS, "runs", "--overfit-baseline", "main.json", "-W", "error")
    project.runpytest_inprocess(*arguments).assert_outcomes(passed=3)
    project.runpytest_inprocess(*arguments, "--overfit-fail-on=healthy").assert_outcomes(passed=2, failed=1)
    content = json.loads((project.path / GOOD).read_text())
    content["val_loss"] = [value + 0.3 for value in content["val_loss"]]
    (project.path / GOOD).write_text(json.dumps(content))
    (project.path / SHORT).unlink()
    worse = project.runpytest_inprocess(*arguments, "--junitxml", "report.xml")
    worse.assert_outcomes(failed=1, passed=1)
    worse.stdout.fnmatch_lines(
        [
            "*__ overfit-logs::good __*",
            "  baseline    *",
            "fail  healthy       overfit-logs::good *",
            "remark: 'short' is in the baseline */main.json, but there is no such run",
            "2 runs: 1 failed, 1 passed",
        ]
    )
    assert 'name="overfit_baseline" value="worse"' in (project.path / "report.xml").read_text()


def test_a_group_that_vanished_is_an_error_where_the_project_says_so(project, baseline):
    (project.path / "pyproject.toml").write_text(
        '[tool.overfit-monitor.baseline]\nfile = "main.json"\nvanished = "error"\n'
    )
    (project.path / SHORT).unlink()
    result = project.runpytest_inprocess(LOGS, "runs")
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(["*ERROR at setup of overfit-logs::short*", "could not judge: *there is no such run"])


def test_policies_of_the_project_are_for_the_runs_they_name(project):
    table = '[[tool.overfit-monitor.policy]]\nruns = "{}"\nfail_on = "diverging"\n'
    (project.path / "pyproject.toml").write_text(table.format("over*") + table.format("test_it.py::*"))
    project.runpytest_inprocess(LOGS, "runs").assert_outcomes(passed=3)
    (project.path / "pyproject.toml").write_text(table.format("nothing*"))
    result = project.runpytest_inprocess(LOGS, "runs")
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["remark: the policy for 'nothing[*]' fits none of the runs"])


def test_names_are_understood_by_the_conventions_of_the_project(project):
    (project.path / "pyproject.toml").write_text('[tool.overfit-monitor.names]\nval = ["probe"]\n')
    table = json.loads((project.path / OVERFIT).read_text())
    (project.path / "own.json").write_text(json.dumps({"loss": table["loss"], "probe_loss": table["val_loss"]}))
    result = project.runpytest_inprocess(LOGS, "own.json")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["  compared    probe_loss with loss, lower is better"])


def test_a_policy_of_the_project_may_name_a_test(project, training):
    (project.path / "pyproject.toml").write_text(
        '[[tool.overfit-monitor.policy]]\nruns = "test_it.py::*"\nfail_on = "diverging"\nmetric = "accuracy"\n'
    )
    project.makepyfile(test_it=training("overfit", end="assert_generalizes(TABLES['overfit'])"))
    project.runpytest_inprocess().assert_outcomes(passed=1)


def test_workers_judge_each_run_once(project, training):
    pytest.importorskip("xdist")
    project.makepyfile(test_it=training("overfit"))
    (project.path / "pyproject.toml").write_text('[[tool.overfit-monitor.policy]]\nruns = "x"\nmetric = "loss"\n')
    logs = (LOGS, "runs", LOGS, "nowhere")
    result = project.runpytest_inprocess("-W", "error", "-p", "xdist.plugin", "-n2", *logs, "--junitxml", "r.xml")
    result.assert_outcomes(failed=2, passed=2, errors=1)
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        ["*== overfitting ==*", "remark: *'x'*", "5 runs: 2 failed, 1 could not be judged, 2 passed"]
    )
    (suite,) = ET.parse(project.path / "r.xml").getroot()
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("5", "2", "1")


def test_a_name_of_a_run_cannot_break_the_report(project):
    logs = project.mkdir("odd")
    text = (project.path / OVERFIT).read_text()
    names = ["a::b", "x[1]", "ünï 𝜆", "red\x1b[31m", "<&>", "-k"]
    for name in names:
        (logs / f"{name}.json").write_text(text)
    result = project.runpytest_inprocess("-W", "error", LOGS, "odd", "--junitxml", "report.xml")
    result.assert_outcomes(failed=len(names))
    assert "\x1b" not in result.stdout.str()
    assert len(list(ET.parse(project.path / "report.xml").getroot().iter("testcase"))) == len(names)


def test_only_what_failed_is_judged_again(project):
    project.runpytest_inprocess(LOGS, "runs")
    project.runpytest_inprocess(LOGS, "runs", "--lf").assert_outcomes(failed=1, deselected=2)


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        ([LOGS, GOOD], 0),
        (["-p", "no:overfit_monitor"], 0),
        (["-p", "no:overfit_monitor", LOGS, GOOD], 4),
    ],
)
def test_the_plugin_is_found_by_its_entry_point_and_can_be_left_out(project, monkeypatch, arguments, status):
    monkeypatch.delenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD")
    monkeypatch.delenv("PYTEST_PLUGINS")
    project.makepyfile(test_it=PASSING)
    assert project.runpytest_inprocess("-p", "no:hypothesispytest", *arguments).ret == status


def test_nothing_heavy_is_loaded_before_a_run_is_judged(project):
    heavy = ("numpy", "scipy", "pydantic", "overfit_monitor", "torch", "tensorflow", "keras")
    source = f"import sys\ndef test_it():\n    assert not sys.modules.keys() & set({heavy})\n"
    project.makepyfile(test_it=source, curves="")
    project.runpytest_subprocess("-W", "error").assert_outcomes(passed=1)
    project.makepyfile(test_it=source.replace("test_it():", "test_it(overfit_guard):").replace("not sys", "sys"))
    project.runpytest_subprocess("-W", "error").stdout.fnmatch_lines(["*nothing was logged*"])
