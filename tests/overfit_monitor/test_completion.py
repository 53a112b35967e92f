"""Completion by a real shell."""

import subprocess
import sys

import pytest

from overfit_monitor.cli import COMMANDS, main

COMPLETE = """
source ./script
COMP_WORDS=("$@"); COMP_CWORD=$(( $# - 1 )); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}
function=$(complete -p overfit-monitor | sed 's/.*-F \\([^ ]*\\).*/\\1/')
$function "$1" "${@: -1}" "${@: -2:1}"
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture
def complete(tmp_path, capsys, monkeypatch):
    pytest.importorskip("shtab")
    monkeypatch.chdir(tmp_path)
    assert main(["completion", "bash"]) == 0
    (tmp_path / "script").write_text(capsys.readouterr().out, encoding="utf-8")
    (tmp_path / "history.csv").write_text("", encoding="utf-8")

    def complete(*words):
        command = ["bash", "--norc", "-c", COMPLETE, "bash", "overfit-monitor", *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()

    return complete


def test_bash(complete):
    assert set(COMMANDS) <= set(complete(""))
    assert complete("wa") == ["watch"]
    assert complete("watch", "--stop-p") == ["--stop-pid"]
    assert complete("watch", "--until", "") == ["alarm", "stop", "end"]
    assert complete("check", "hist") == ["history.csv"]
    assert complete("watch", "--stop-file", "hist") == ["history.csv"]


@pytest.mark.parametrize(("shell", "begins"), [("zsh", "#compdef overfit-monitor"), ("fish", "")])
def test_the_others(shell, begins, capsys):
    pytest.importorskip("shtab")
    assert main(["completion", shell]) == 0
    out = capsys.readouterr().out
    assert out.startswith(begins)
    assert "stop-pid" in out


def test_without_shtab(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert main(["completion", "bash"]) == 2
    assert 'pip install "overfit-monitor[completion]"' in capsys.readouterr().err
