"""The snippets of docs/testing.md run as they stand."""

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "testing.md"
SNIPPETS = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)


@pytest.mark.parametrize("snippet", SNIPPETS)
def test_a_snippet_runs(snippet, capsys):
    exec(snippet, {})
    assert "Error" not in capsys.readouterr().err


def test_there_are_snippets():
    assert len(SNIPPETS) == 3
