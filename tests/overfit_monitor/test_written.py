"""The lines on which settings stand."""

import pytest

from overfit_monitor.errors import UsageError
from overfit_monitor.written import read_written, toml_lines

TOML = '''\
# a comment
title = "x"
[tool.overfit-monitor]
fail-on = [
  "error",   # not_a_key = 1
]
"quoted key" = 1
text = """
inside = 1
"""
dotted.key = 2
[[tool.overfit-monitor.policy]]
runs = "a*"
[tool.overfit-monitor.policy.extra]
deep = 1
[[tool.overfit-monitor.policy]]
runs = "b*"
patience = 3
'''


@pytest.mark.parametrize(
    ("place", "line"),
    [
        (("title",), 2),
        (("tool", "overfit-monitor"), 3),
        (("tool", "overfit_monitor", "fail_on"), 4),
        (("tool", "overfit-monitor", "fail_on", 0), 4),
        (("tool", "overfit-monitor", "quoted key"), 7),
        (("tool", "overfit-monitor", "text"), 8),
        (("tool", "overfit-monitor", "inside"), 3),
        (("tool", "overfit-monitor", "dotted", "key"), 11),
        (("tool", "overfit-monitor", "policy", 0, "runs"), 13),
        (("tool", "overfit-monitor", "policy", 0, "extra", "deep"), 15),
        (("tool", "overfit-monitor", "policy", 1), 16),
        (("tool", "overfit-monitor", "policy", 1, "patience"), 18),
        (("nowhere",), None),
    ],
)
def test_toml(tmp_path, place, line):
    path = tmp_path / "x.toml"
    path.write_text(TOML, encoding="utf-8")
    assert read_written(path).line_of(place) == line


def test_toml_strings_over_several_lines_hold_no_settings():
    assert toml_lines("a = '''\nb = 1\n''' # end\nc = 2\n") == {("a",): 1, ("c",): 4}


YAML = "a: 1\npolicy:\n  - runs: x\n    fail-on:\n      - error\n  - runs: y\nbaseline: {file: m.json}\n"


@pytest.mark.parametrize(
    ("place", "line"),
    [
        (("a",), 1),
        (("policy",), 2),
        (("policy", 0), 3),
        (("policy", 0, "fail_on"), 4),
        (("policy", 0, "fail_on", 0), 5),
        (("policy", 1, "runs"), 6),
        (("policy", 7, "runs"), 2),
        (("baseline", "file"), 7),
        (("nowhere",), None),
    ],
)
def test_yaml(tmp_path, place, line):
    pytest.importorskip("yaml")
    path = tmp_path / "x.yaml"
    path.write_text(YAML, encoding="utf-8")
    assert read_written(path).line_of(place) == line


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.toml", "a = 1\nb = \n", r"x\.toml:2: no valid TOML: "),
        ("x.toml", "a = [1,\n\n", r"x\.toml:2: no valid TOML: "),
        ("x.yaml", "a: 1\nb: [1\nc: 2\n", r"x\.yaml:3: no valid YAML: "),
        ("x.yaml", "a: 1\n\tb: 2\n", r"x\.yaml:2: no valid YAML: "),
        ("x.yaml", "a: !!python/object:os.system x\n", r"x\.yaml:1: no valid YAML: could not determine a constructor"),
        ("x.json", "{", r"x\.json: no valid JSON: "),
        ("x.toml", b"\xff", r"x\.toml: no valid TOML: "),
    ],
)
def test_what_is_no_such_file_is_one_line(tmp_path, name, content, message):
    if name.endswith("yaml"):
        pytest.importorskip("yaml")
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UsageError, match=message) as error:
        read_written(path)
    assert "\n" not in str(error.value)
