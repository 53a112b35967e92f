"""Settings beside the code."""

import pytest

from overfit_monitor.errors import UsageError
from overfit_monitor.project import load_project, load_settings

TABLE = '[tool.overfit-monitor]\nmetric = "acc"\nmin-delta = 0.1\nfail-on = "overfitting"\n'
SETTINGS = {"metric": "acc", "min_delta": 0.1, "fail_on": ["overfitting"]}


@pytest.fixture
def write(tmp_path):
    def write(name, content):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def test_the_nearest_pyproject_with_the_table_counts(write, tmp_path):
    write("pyproject.toml", TABLE)
    write("a/pyproject.toml", "[project]\nname = 'x'\n")
    write("a/b/c", "")
    assert load_settings(None, start=tmp_path / "a" / "b") == SETTINGS
    write("a/b/pyproject.toml", "[tool.overfit-monitor]\n")
    assert load_settings(None, start=tmp_path / "a" / "b") == {}


def test_a_file_of_its_own_needs_no_table(write):
    assert load_settings(write("x.toml", 'metric = "acc"\nfail_on = ["error", "healthy"]\n')) == {
        "metric": "acc",
        "fail_on": ["error", "healthy"],
    }
    assert load_settings(write("y.toml", TABLE)) == SETTINGS
    assert load_settings(write("pyproject.toml", "[project]\nname = 'x'\n")) == {}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("metrc = 'acc'\n", r"x\.toml:1: unknown setting 'metrc'\. Did you mean 'metric'"),
        ("metric = \n", r"x\.toml:1: no valid TOML: .*line 1, column 10"),
        (b"\xff", r"x\.toml: no valid TOML"),
        ("tool.overfit-monitor = 3\n", r"x\.toml:1: tool\.overfit-monitor must be a table but is 3"),
        ("fail-on = 3\n", r"x\.toml:1: fail_on must be a valid list but got 3"),
        ("val = 3\n", r"x\.toml:1: val must be a valid string but got 3"),
        ("\n\nfail_on = 'overfiting'\n", r"x\.toml:3: unknown fail_on 'overfiting'\. Did you mean 'overfitting'"),
        (
            "max-gap = 'much'\n",
            r"x\.toml:1: max_gap must be a number of at least 0, such as 0\.2 or 10%, but got 'much'",
        ),
        ("patience = 1\nfalse-alarm-rate = 3\n", r"x\.toml:2: false_alarm_rate must be less than or equal to 0\.2 but"),
        (
            "[[policy]]\nruns='a'\n[[policy]]\nruns='b'\nfail-onn='x'\n",
            r"x\.toml:5: policy 2: unknown setting 'fail_onn'",
        ),
        ("[[policy]]\nfail-on='error'\n", r"x\.toml:1: policy 1: runs must be given"),
        ("[[policy]]\nruns=[]\n", r"x\.toml:2: policy 1: runs must be .*at least 1 item"),
        ("policy = 3\n", r"x\.toml:1: policy must be a valid list but got 3"),
        ("[baseline]\nfiel = 'x'\n", r"x\.toml:2: unknown setting 'fiel'\. Did you mean 'file'"),
        ("[baseline]\nnew = 'judje'\n", r"x\.toml:2: new must be 'judge', 'pass' or 'fail' but got 'judje'"),
        (
            "baseline = 0.5\n",
            r"x\.toml:1: baseline must be a file .* but got 0\.5; .* as in Keras, is stopping_baseline",
        ),
    ],
)
def test_what_is_wrong_is_one_line_with_the_file(write, content, message):
    with pytest.raises(UsageError, match=message):
        load_settings(write("x.toml", content))


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(UsageError, match=r"nix\.toml: No such file"):
        load_settings(tmp_path / "nix.toml")


def test_a_file_of_its_own_is_found_beside(write, tmp_path):
    pytest.importorskip("yaml")
    write("overfit-monitor.yaml", "fail-on: diverging\npolicy:\n  - runs: a*\n    max-gap: 5%\nbaseline: main.json\n")
    config = load_project(None, start=tmp_path)
    assert (config.fail_on, config.policy[0].max_gap) == (["diverging"], "5%")
    assert config.baseline.file == tmp_path / "main.json"
    write("pyproject.toml", "[project]\nname = 'x'\n")
    assert load_project(None, start=tmp_path) == config
    write("pyproject.toml", TABLE)
    with pytest.raises(UsageError, match=r"settings stand in overfit-monitor\.yaml and in pyproject\.toml: keep one"):
        load_project(None, start=tmp_path)


def test_lines_of_yaml(write):
    pytest.importorskip("yaml")
    with pytest.raises(UsageError, match=r"x\.yaml:3: policy 1: unknown setting 'fail_onn'"):
        load_project(write("x.yaml", "policy:\n  - runs: a\n    fail_onn: error\n"))
    with pytest.raises(UsageError, match=r"x\.yml: the content must be a table but is \[1\]"):
        load_project(write("x.yml", "- 1\n"))
    assert load_settings(write("empty.yaml", "# nothing\n")) == {}


def test_a_table_for_the_baseline(write, tmp_path):
    config = load_project(write("x.toml", "[baseline]\nfile = 'b/main.json'\nnew = 'fail'\nfalse-alarm-rate = 0.01\n"))
    assert config.baseline.model_dump() == {
        "new": "fail",
        "vanished": "note",
        "incomparable": "error",
        "false_alarm_rate": 0.01,
        "file": tmp_path / "b" / "main.json",
    }
