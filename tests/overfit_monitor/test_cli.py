"""The command line, as it is called."""

import json
import os
import subprocess
import sys
from importlib.metadata import EntryPoint, version
from pathlib import Path
from xml.etree import ElementTree as ET

import jsonschema
import pytest

from overfit_monitor import extensions
from overfit_monitor.analyzer import Analyzer
from overfit_monitor.cli import COMMANDS, main
from overfit_monitor.monitor import Monitor
from overfit_monitor.reports.json import schema


def table(curve, epochs=40):
    rows = [(epoch, *curve(epoch)) for epoch in range(epochs)]
    return "epoch,loss,val_loss\n" + "".join(f"{epoch},{train},{val}\n" for epoch, train, val in rows)


def wobble(epoch):
    return 0.001 * ((epoch * 7) % 5)


OVERFIT = table(lambda e: (1 / (1 + e), 0.5 + 0.02 * abs(e - 12) + wobble(e)))
HEALTHY = table(lambda e: (1 / (1 + e), 1.1 / (1 + e) + wobble(e)))
YOUNG = table(lambda e: (1.0, 1.0), epochs=3)
BLIND = "epoch,train_loss\n0,1\n1,2\n"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, content in {"overfit": OVERFIT, "healthy": HEALTHY, "young": YOUNG, "blind": BLIND, "empty": ""}.items():
        Path(f"{name}.csv").write_text(content, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        ("healthy.csv", 0),
        ("overfit.csv", 1),
        ("young.csv", 0),
        ("blind.csv", 2),
        ("empty.csv", 2),
        ("missing.csv", 2),
        ("healthy.csv empty.csv", 2),
        ("overfit.csv empty.csv", 1),
        ("healthy.csv overfit.csv", 1),
        ("overfit.csv --fail-on diverging", 0),
        ("overfit.csv --fail-on diverging,overfitting", 1),
        ("overfit.csv --fail-on diverging --fail-on overfitting", 1),
        ("young.csv --fail-on inconclusive", 1),
        ("healthy.csv --fail-on nonsense", 2),
        ("healthy.csv --metric nonsense", 2),
        ("healthy.csv --patience -1", 2),
        ("healthy.csv --patience x", 2),
        ("healthy.csv --format xml", 2),
        ("healthy.csv --config missing.toml", 2),
        ("healthy.csv --output missing/x.txt", 2),
        ("healthy.csv --train loss", 2),
        ("healthy.csv --val loss --metric loss", 2),
        ("healthy.csv --val nonsense", 2),
        ("overfit.csv --val val_loss --train loss", 1),
        ("overfit.csv --mode max --fail-on overfitting", 0),
        ("overfit.csv --metric val_loss --mode min", 1),
        ("healthy.csv --max-gap 1", 0),
        ("healthy.csv --max-gap 0", 1),
        ("overfit.csv --fail-on diverging --max-gap 50%", 1),
        ("healthy.csv --max-gap much", 2),
        ("healthy.csv --baseline missing.json", 2),
        ("healthy.csv --baseline 0.5", 2),
        ("healthy.csv --stopping-baseline 0.5", 2),
        ("healthy.csv --stopping-baseline 0.5 --patience 3", 0),
        ("overfit.csv --exit-zero", 0),
        ("empty.csv --exit-zero", 2),
        ("overfit.csv --format json --explain", 2),
        ("healthy.csv --output jsn=x", 2),
        ("healthy.csv --output json=x --output junit=x", 2),
        ("healthy.csv --output json=-", 0),
        ("healthy.csv --output json=- --output markdown=-", 2),
        ("", 2),
    ],
)
def test_exit_status(arguments, status, capsys):
    assert main(["check", *arguments.split()]) == status
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err
    assert (out + err).strip()


def test_a_folder_without_runs(tmp_path, capsys):
    (tmp_path / "bare").mkdir()
    assert main(["check", "bare"]) == 2
    assert "bare: no run was found in this folder" in capsys.readouterr().out


def test_without_a_command_there_is_the_help(capsys):
    assert main([]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("usage: overfit-monitor [OPTION ...] COMMAND ...\n")


COMMANDS_WITH_HELP = [
    [],
    *([name] for name in COMMANDS if name != "demo"),
    ["baseline", "update"],
    ["baseline", "show"],
]


@pytest.mark.parametrize("command", COMMANDS_WITH_HELP, ids=" ".join)
def test_every_help_has_examples_and_fits_a_terminal(command, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    assert main([*command, "--help"]) == 0
    out = capsys.readouterr().out
    assert "examples" in out
    assert out.splitlines()[0].startswith(" ".join(["usage: overfit-monitor", *command]))
    assert [line for line in out.splitlines() if len(line) > 80] == []


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["chekc"], "unknown command 'chekc'. Did you mean 'check'"),
        (["check"], "PATH is missing; 'overfit-monitor check --help' has examples."),
        (
            ["check", "a", "--fail-onn", "error"],
            "unknown option --fail-onn. Did you mean --fail-on? 'overfit-monitor c",
        ),
        (["check", "a", "--zzz=1"], "unknown option --zzz. 'overfit-monitor check --help' lists all."),
        (["check", "a", "--format", "jsn"], "unknown --format 'jsn'. Did you mean 'json' or 'junit'? Known: "),
        (["check", "a", "--jobs", "x"], "--jobs must be a whole number but got 'x'."),
        (["check", "a", "--min-delta", "x"], "--min-delta must be a number but got 'x'."),
        (["check", "a", "--baseline"], "--baseline needs a value; 'overfit-monitor check --help' has examples."),
        (["check", "a", "--baseline", "no.json"], "--baseline: there is no file no.json; 'overfit-monitor baseline up"),
        (["check", "a", "--config", "no.toml"], "--config: there is no file no.toml."),
        (["check", "a", "--stopp", "1"], "ambiguous option: --stopp could match --stopping-baseline, --stopping-thr"),
        (["schema", "chek"], "unknown schema 'chek'. Did you mean 'check'?"),
        (["schema", "check", "x"], "'x' is one argument too many; 'overfit-monitor schema --help' has examples."),
        (["baseline", "updat"], "unknown action 'updat'. Did you mean 'update'?"),
        (
            ["baseline", "show", "overfit.csv", "--outptu"],
            "unknown option --outptu. 'overfit-monitor baseline show --help'",
        ),
        (["watch", "a", "--idle", "-1"], "--idle: must be seconds above 0 but got '-1'."),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_is_wrong_with_a_command_is_one_line(arguments, told, capsys):
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"overfit-monitor: {told}")
    assert err.count("\n") == 1


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"overfit-monitor {version('overfit-monitor')}\n"


def test_text(capsys):
    assert main(["check", "healthy.csv", "overfit.csv", "empty.csv"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("FAIL   overfitting  overfit  ")
    assert ", onset " in lines[0]
    assert lines[1].startswith("       error: ")
    assert "error  not read     empty.csv: line 1: the file is empty" in lines
    assert lines[-1] == "fail: 1 of 2 runs: 1 overfitting; passed: 1 healthy; 1 not judged (exit status 1)"


def test_json_is_valid_and_errors_are_said_beside_it(capsys):
    assert main(["check", "overfit.csv", "blind.csv", "empty.csv", "--format", "json"]) == 1
    out, err = capsys.readouterr()
    told = json.loads(out)
    jsonschema.validate(told, schema())
    assert told["outcome"] == "fail"
    assert [(run["run"], run["verdict"], run["outcome"]) for run in told["runs"]] == [
        ("overfit", "overfitting", "fail"),
        ("blind", "inconclusive", "error"),
    ]
    assert told["runs"][1]["reason"].startswith("no validation metric was found; train metrics: 'loss'")
    assert told["errors"] == [{"source": "empty.csv", "run": None, "message": "line 1: the file is empty"}]
    assert err == "overfit-monitor: empty.csv: line 1: the file is empty\n"


def test_output_goes_to_the_file(capsys):
    assert main(["check", "overfit.csv", "--format", "junit", "--output", "report.xml"]) == 1
    out, err = capsys.readouterr()
    why, where = err.splitlines()
    assert out == ""
    assert why.startswith("overfit-monitor: overfit: error: overfitting: validation is ")
    assert where == "overfit-monitor: fail: 1 run: 1 overfitting; the report is in report.xml"
    assert ET.parse("report.xml").getroot().get("failures") == "1"


def test_several_outputs_beside_the_terminal(capsys):
    asked = ["--output", "json=a.json", "--output", "junit=b.xml", "--output", "markdown=c.md", "--output", "sarif=d"]
    assert main(["check", "overfit.csv", *asked]) == 1
    out, err = capsys.readouterr()
    assert out.startswith("FAIL   overfitting  overfit  ")
    assert err == ""
    assert json.loads(Path("a.json").read_text(encoding="utf-8"))["outcome"] == "fail"
    assert ET.parse("b.xml").getroot().get("failures") == "1"
    assert Path("c.md").read_text(encoding="utf-8").startswith("## ❌ overfit-monitor: fail: 1 run: 1 overfitting")
    assert json.loads(Path("d").read_text(encoding="utf-8"))["version"] == "2.1.0"
    assert main(["check", "overfit.csv", "--format", "json", "--output", "e.json", "--output", "text=f.txt"]) == 1
    assert capsys.readouterr().out == ""
    assert json.loads(Path("e.json").read_text(encoding="utf-8"))["outcome"] == "fail"
    assert Path("f.txt").read_text(encoding="utf-8") == out


def test_nothing_is_written_half(monkeypatch, capsys):
    kept = Path("report.json")
    kept.write_text("before", encoding="utf-8")
    kept.chmod(0o640)
    Path("link.json").symlink_to(kept)

    def full(self, target):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", full)
        assert main(["check", "healthy.csv", "--output", "json=report.json"]) == 2
    assert capsys.readouterr().err == "overfit-monitor: --output report.json: No space left on device\n"
    assert kept.read_text(encoding="utf-8") == "before"
    assert not list(Path().glob(".*.tmp"))
    assert main(["check", "healthy.csv", "--output", "json=link.json"]) == 0
    assert Path("link.json").is_symlink()
    assert json.loads(kept.read_text(encoding="utf-8"))["outcome"] == "pass"
    assert kept.stat().st_mode & 0o777 == 0o640
    assert main(["check", "healthy.csv", "--output", "json=/dev/null"]) == 0


def test_quiet_and_explained(capsys):
    assert main(["check", "overfit.csv", "--quiet"]) == 1
    assert capsys.readouterr() == ("", "")
    assert main(["check", "overfit.csv", "empty.csv", "--quiet"]) == 1
    assert capsys.readouterr() == ("", "overfit-monitor: empty.csv: line 1: the file is empty\n")
    assert main(["check", "overfit.csv", "--explain"]) == 1
    assert "\n\nRun overfit. Overfitting: validation is " in capsys.readouterr().out


def test_annotations_and_the_summary_of_the_step(monkeypatch, capsys):
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "summary.md")
    Path("summary.md").write_text("# before\n", encoding="utf-8")
    assert main(["check", "overfit.csv", "--format", "github"]) == 1
    out, err = capsys.readouterr()
    assert out.startswith("::error title=overfitting%3A overfit::error: overfitting: validation is ")
    assert err == ""
    told = Path("summary.md").read_text(encoding="utf-8")
    assert told.startswith("# before\n## ❌ overfit-monitor: fail: 1 run: 1 overfitting\n")
    assert main(["check", "overfit.csv"]) == 1
    assert Path("summary.md").read_text(encoding="utf-8") == told


def test_names_of_the_project(capsys):
    Path("own.csv").write_text(OVERFIT.replace("loss,val_loss", "fit_loss,probe_loss"), encoding="utf-8")
    assert main(["check", "own.csv"]) == 2
    Path("names.toml").write_text('[names]\ntrain = ["fit"]\nval = ["probe"]\n', encoding="utf-8")
    assert main(["check", "own.csv", "--config", "names.toml"]) == 1
    assert "compared: probe_loss with fit_loss, lower is better\n" in capsys.readouterr().out
    assert main(["check", "own.csv"]) == 2


def test_a_baseline_from_update_to_check(capsys):
    for seed in range(3):
        for where, factor in (("before", 1.0), ("same", 1.01), ("worse", 1.5)):
            Path(where, "exp").mkdir(parents=True, exist_ok=True)
            curve = table(lambda e, f=factor + 0.02 * seed: (1 / (1 + e), f * (1.1 / (1 + e) + 0.2) + wobble(e)))
            Path(where, "exp", f"seed{seed}.csv").write_text(curve, encoding="utf-8")
    update = ["baseline", "update", "before", "--output", "main.json", "--seeds", "*/seed*"]
    assert main(update) == 0
    assert "exp/seed*  3      loss (lower is better)" in capsys.readouterr().out
    assert main(["baseline", "show", "main.json"]) == 0
    assert "1 group\n" in capsys.readouterr().out
    assert main(["check", "same", "--baseline", "main.json"]) == 0
    assert "beside the baseline: 3 the same within noise" in capsys.readouterr().out
    assert main(["check", "worse", "--baseline", "main.json", "--format", "json"]) == 1
    told = json.loads(capsys.readouterr().out)
    jsonschema.validate(told, schema())
    assert {run["baseline"]["standing"] for run in told["runs"]} == {"worse"}
    assert {run["rule"] for run in told["runs"]} == {"baseline"}
    Path("pyproject.toml").write_text('[tool.overfit-monitor]\nbaseline = "main.json"\n', encoding="utf-8")
    assert main(["check", "worse"]) == 1
    capsys.readouterr()
    assert main(["baseline", "update", "worse", "--output", "main.json"]) == 0
    assert capsys.readouterr().out.startswith("changed  exp/seed*: worse by ")
    assert main(["check", "worse"]) == 0


def test_a_baseline_is_not_written_from_what_could_not_be_judged(capsys):
    assert main(["baseline", "update", "healthy.csv", "blind.csv", "--output", "main.json"]) == 2
    assert "1 could not be judged, so nothing was written; --keep-going" in capsys.readouterr().err
    assert not Path("main.json").exists()
    assert main(["baseline", "update", "healthy.csv", "blind.csv", "--output", "main.json", "--keep-going"]) == 2
    assert list(json.loads(Path("main.json").read_text(encoding="utf-8"))["groups"]) == ["healthy"]
    assert main(["baseline", "update", "blind.csv", "--output", "other.json", "--keep-going"]) == 2
    assert not Path("other.json").exists()


@pytest.mark.parametrize("name", ["check", "config", "baseline"])
def test_schemas(name, capsys):
    assert main(["schema", name]) == 0
    jsonschema.Draft202012Validator.check_schema(json.loads(capsys.readouterr().out))


def test_an_unknown_metric_names_what_was_seen(capsys):
    main(["check", "healthy.csv", "--metric", "los"])
    assert "unknown metric 'los'. Did you mean 'loss'? Known: 'loss'." in capsys.readouterr().out


def test_settings_come_from_the_project_and_the_command_line_goes_before(capsys):
    Path("pyproject.toml").write_text('[tool.overfit-monitor]\nfail-on = "diverging"\npatience = 3\n', encoding="utf-8")
    assert main(["check", "overfit.csv", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["runs"][0]["stop_step"] == 15
    assert main(["check", "overfit.csv", "--format", "json", "--fail-on", "error", "--patience", "5"]) == 1
    assert json.loads(capsys.readouterr().out)["runs"][0]["stop_step"] == 17
    Path("other.toml").write_text('val = "val_loss"\npatience = 7\n', encoding="utf-8")
    assert main(["check", "overfit.csv", "--format", "json", "--config", "other.toml"]) == 1
    told = json.loads(capsys.readouterr().out)["runs"][0]
    assert (told["stop_step"], told["metrics"]) == (19, {"train": None, "val": "loss", "mode": "min", "also": {}})


def test_settings_go_before_those_of_the_journal(capsys):
    with Monitor("run", sinks={}, patience=3) as monitor:
        for step in range(30):
            monitor.log(step=step, val={"loss": abs(step - 12.0)})
    for more, stop in (([], 15), (["--patience", "5"], 17)):
        main(["check", "run", "--format", "json", *more])
        assert json.loads(capsys.readouterr().out)["runs"][0]["stop_step"] == stop


def test_a_fault_of_ours_is_one_line(monkeypatch, capsys):
    monkeypatch.setattr(Analyzer, "replay", lambda self, observations: 1 / 0)
    assert main(["check", "healthy.csv"]) == 2
    message = "internal error, please report: ZeroDivisionError: division by zero (--debug shows where)"
    assert capsys.readouterr().err == f"overfit-monitor: {message}\n"
    with pytest.raises(ZeroDivisionError):
        main(["check", "healthy.csv", "--debug"])


def test_interrupted(monkeypatch, capsys):
    def interrupt(self, observations):
        raise KeyboardInterrupt

    monkeypatch.setattr(Analyzer, "replay", interrupt)
    assert main(["check", "healthy.csv"]) == 2
    assert capsys.readouterr().err == "overfit-monitor: interrupted\n"


def registered(monkeypatch, value):
    point = EntryPoint("demo", value, "overfit_monitor.commands")
    monkeypatch.setattr(extensions, "registered", lambda kind: (point,) if kind == "commands" else ())


def test_demo_is_handed_its_arguments(monkeypatch, tmp_path):
    (tmp_path / "demo_of_test.py").write_text(
        "def main(arguments):\n    return 40 + len(arguments)\n", encoding="utf-8"
    )
    monkeypatch.syspath_prepend(tmp_path)
    registered(monkeypatch, "demo_of_test:main")
    assert main(["demo", "--help", "x"]) == 42


def test_demo_without_its_packages(monkeypatch, capsys):
    registered(monkeypatch, "no_such_framework.demo:main")
    assert main(["demo"]) == 2
    assert capsys.readouterr().err == (
        "overfit-monitor: the demo needs more packages (No module named 'no_such_framework'): "
        'pip install "overfit-monitor[demo]"\n'
    )


def test_demo_that_is_not_registered(monkeypatch, capsys):
    monkeypatch.setattr(extensions, "registered", lambda kind: ())
    assert main(["demo"]) == 2
    assert 'pip install "overfit-monitor[demo]"' in capsys.readouterr().err


def process(*arguments, **more):
    command = [sys.executable, "-m", "overfit_monitor", *arguments]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False, **more)


def test_it_runs_as_a_module():
    done = process("check", "overfit.csv")
    assert done.returncode == 1
    assert "\x1b" not in done.stdout
    assert done.stderr == ""


def test_a_terminal_that_cannot_show_bars_gets_them_as_text():
    environment = os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    done = process("check", "overfit.csv", env=environment)
    assert done.returncode == 1
    assert "\\u2588" in done.stdout


def test_a_reader_that_goes_away_is_no_crash():
    command = f"{sys.executable} -m overfit_monitor check healthy.csv --format json"
    piped = f"({command}; echo $? >&2) | true"
    done = subprocess.run(["/bin/sh", "-c", piped], capture_output=True, text=True, check=False)
    assert done.stderr.strip() in {"0", "2"}  # the pipe may have taken all before it was closed


def test_colour_only_for_a_terminal_that_wants_it(monkeypatch, capsys):
    for variables, colored in (({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)):
        with monkeypatch.context() as patch:
            patch.delenv("NO_COLOR", raising=False)
            patch.setenv("TERM", "xterm")
            for name, value in variables.items():
                patch.setenv(name, value)
            patch.setattr(sys.stdout, "isatty", lambda: True)
            main(["check", "healthy.csv"])
        assert ("\x1b[32m" in capsys.readouterr().out) is colored


def test_a_table_needs_no_framework():
    asked = (
        "import sys; from overfit_monitor.cli import main; main(['check', 'overfit.csv']); "
        "print(*({'torch', 'keras', 'tensorflow', 'tensorboard', 'scipy.stats', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, encoding="utf-8", check=True)
    assert done.stdout.splitlines()[-1] == ""


def test_how_many_processes_is_passed_on(capsys):
    assert main(["check", "healthy.csv", "--jobs", "0"]) == 2
    assert "jobs must be at least 1 but got 0" in capsys.readouterr().err
    assert main(["check", "healthy.csv", "overfit.csv", "--jobs", "2", "--quiet"]) == 1


@pytest.mark.parametrize("where", ["overfit.csv", "./overfit.csv", "link.csv"])
@pytest.mark.parametrize("command", [["check", "overfit.csv"], ["check", "."], ["report", "overfit.csv"]])
def test_no_report_is_written_over_a_log(command, where, capsys):
    Path("link.csv").symlink_to("overfit.csv")
    before = Path("overfit.csv").read_bytes()
    assert main([*command, "--output", where]) == 2
    assert "that is one of the logs, which would be lost." in capsys.readouterr().err
    assert Path("overfit.csv").read_bytes() == before


@pytest.mark.parametrize(
    ("output", "told"),
    [
        ("", "--output : the name of the file is missing."),
        ("json=", "--output json=: the name of the file is missing."),
        (".", "--output .: that is a folder."),
        ("none/a.json", "--output none/a.json: there is no folder none."),
    ],
)
def test_an_output_that_cannot_be_written_is_told_before_the_work(output, told, capsys, monkeypatch):
    monkeypatch.setattr("overfit_monitor.check.check", None)  # it is not reached
    assert main(["check", "overfit.csv", "--output", output]) == 2
    assert capsys.readouterr().err == f"overfit-monitor: {told}\n"


def test_what_is_asked_for_on_standard_output_takes_the_place_of_the_text(capsys):
    assert main(["check", "overfit.csv", "--output", "json=-", "--output", "junit=a.xml"]) == 1
    out, err = capsys.readouterr()
    assert json.loads(out)["outcome"] == "fail"
    assert err.endswith("fail: 1 run: 1 overfitting; the report is in a.xml\n")


@pytest.mark.parametrize("format", ["text", "github"])
def test_the_status_that_is_told_is_the_one_it_ends_with(format, capsys):
    assert main(["check", "overfit.csv", "--format", format, "--exit-zero"]) == 0
    assert capsys.readouterr().out.endswith("fail: 1 run: 1 overfitting (exit status 0)\n")
    assert main(["check", "empty.csv", "--format", format, "--exit-zero"]) == 2
    assert capsys.readouterr().out.endswith("(exit status 2)\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")
def test_a_full_standard_output_is_one_line():
    command = [sys.executable, "-m", "overfit_monitor", "check", "overfit.csv"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.splitlines()[0] == "overfit-monitor: standard output: No space left on device"
