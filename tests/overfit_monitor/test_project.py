"""Settings beside the code."""

import pytest

from overfit_monitor.errors import UsageError
from overfit_monitor.project import load_settings

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
    ],
)
def test_what_is_wrong_is_one_line_with_the_file(write, content, message):
    with pytest.raises(UsageError, match=message):
        load_settings(write("x.toml", content))


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(UsageError, match=r"nix\.toml: No such file"):
        load_settings(tmp_path / "nix.toml")
