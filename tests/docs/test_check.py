"""What docs/check.md says of settings and of formats is what there is."""

import re
from pathlib import Path

import pytest

from overfit_monitor.cli.reporting import FORMATS
from overfit_monitor.project import load_project
from overfit_monitor.project_config import CheckConfig, RunPolicy
from overfit_monitor.published import attributes

PAGE = Path(__file__).resolve().parents[2] / "docs" / "check.md"
TEXT = PAGE.read_text(encoding="utf-8")
BEGIN, END = "<!-- settings: made from the models by tests/docs/test_check.py -->\n", "<!-- end of settings -->"
TABLES = ("baseline", "names")


def rows(model, prefix=""):
    for name, text in attributes(model).items():
        if prefix == "" and name in TABLES:
            kind = model.model_fields[name].annotation
            yield f"| `{name}` | | {text} |"
            yield from rows(kind, f"{name}.")
            continue
        default = model.model_fields[name].get_default(call_default_factory=True)
        shown = "" if default in (None, [], (), {}) else f"`{default}`".lower() if default is False else f"`{default}`"
        yield f"| `{prefix}{name}` | {shown} | {text.replace('|', chr(92) + '|').replace('``', '`')} |"


def test_the_table_of_settings_is_that_of_the_models():
    table = "\n".join(["| setting | default | meaning |", "|---|---|---|", *rows(CheckConfig)]) + "\n"
    written = TEXT[TEXT.index(BEGIN) + len(BEGIN) : TEXT.index(END)]
    assert written == table


def test_every_setting_is_described():
    for model in (CheckConfig, RunPolicy):
        assert set(attributes(model)) == set(model.model_fields)


def test_every_format_is_described():
    told = re.findall(r"^\| `(\w+)` \| [\w ,]+ \| .* \|$", TEXT[: TEXT.index("## What fails")], re.MULTILINE)
    assert told == list(FORMATS)


@pytest.mark.parametrize("block", re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL))
def test_the_settings_shown_are_right(block, tmp_path):
    path = tmp_path / "pyproject.toml"
    path.write_text(block, encoding="utf-8")
    config = load_project(path)
    assert config.policies().of("finetune/big-1").limit.max_gap.relative
    assert config.policies().of("finetune/big-1").limit.severity == "warning"


def test_the_snippet_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "a.csv").write_text("epoch,loss,val_loss\n" + "1,1,1\n" * 10, encoding="utf-8")
    (snippet,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    names = {}
    exec(snippet, names)
    assert names["result"].outcome == "pass"
