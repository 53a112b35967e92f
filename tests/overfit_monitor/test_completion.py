"""Completion by real shells, each of which is given the script and the beginning of a command."""

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from overfit_monitor.cli import COMMANDS, main

BASH = """
source ./script
COMP_WORDS=("$@"); COMP_CWORD=$(( $# - 1 )); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}
function=$(complete -p overfit-monitor | sed 's/.*-F \\([^ ]*\\).*/\\1/')
$function "$1" "${@: -1}" "${@: -2:1}"
printf '%s\\n' "${COMPREPLY[@]}"
"""
# Tab completes; what is offered is written to a file, and at Ctrl-X so is the line as it stands.
ZSH = """
PS1='> '; unsetopt auto_list beep zle_bracketed_paste; bindkey '^I' complete-word
fpath=($PWD $fpath); autoload -Uz compinit; compinit -u -D
compadd() {
  (( ${argv[(I)-[AOD]]} )) || { local -a hits; builtin compadd -A hits "$@"; print -rl -- $hits >> found }
  builtin compadd "$@"
}
dump() { print -rn -- $BUFFER > line; BUFFER=; : > done }
zle -N dump; bindkey '^X' dump
overfit-monitor() { : }
: > done
"""
LISTED = [  # the words, what is offered at the last, and what is not
    (["overfit-monitor", ""], {"check", "watch", "baseline"}, {"history.csv"}),
    (["overfit-monitor", "baseline", ""], {"update", "show"}, {"check"}),
    (["overfit-monitor", "watch", "--until", ""], {"alarm", "stop", "end"}, {"history.csv"}),
    (["overfit-monitor", "check", "--format", ""], {"text", "json", "sarif"}, {"history.csv"}),
    (["overfit-monitor", "check", "--fail-on", ""], {"overfitting", "error"}, {"history.csv"}),
    (["overfit-monitor", "completion", ""], {"bash", "zsh", "fish"}, {"history.csv"}),
]
COMPLETED = [
    (["overfit-monitor", "wa"], "watch"),
    (["overfit-monitor", "watch", "--stop-p"], "--stop-pid"),
    (["overfit-monitor", "baseline", "update", "--keep"], "--keep-going"),
    (["overfit-monitor", "check", "hist"], "history.csv"),
    (["overfit-monitor", "check", "history.csv", "two"], "twofold.json"),
    (["overfit-monitor", "check", "--config", "hist"], "history.csv"),
    (["overfit-monitor", "watch", "--stop-file", "hist"], "history.csv"),
    (["overfit-monitor", "baseline", "show", "two"], "twofold.json"),
]


@pytest.fixture
def script(tmp_path, capsys, monkeypatch):
    """Return what writes the script for a shell, into a folder with two files that may be completed."""
    pytest.importorskip("shtab")
    monkeypatch.chdir(tmp_path)
    for name in ("history.csv", "twofold.json"):
        Path(name).write_text("", encoding="utf-8")

    def write(shell, name):
        if shutil.which(shell) is None:
            pytest.skip(f"{shell} is not installed: apt-get install {shell}")
        assert main(["completion", shell]) == 0
        Path(name).write_text(capsys.readouterr().out, encoding="utf-8")

    return write


def lines(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def test_bash(script):
    script("bash", "script")
    for words, offered, others in LISTED:
        told = set(lines("bash", "--norc", "-c", BASH, "bash", *words))
        assert offered <= told, words
        assert not others & told, words
    for words, completed in COMPLETED:
        assert lines("bash", "--norc", "-c", BASH, "bash", *words) == [completed]


def test_fish(script):
    script("fish", "script.fish")
    every = [words for words, *_ in (*LISTED, *COMPLETED)]
    asked = "\n".join(f"complete -C '{' '.join(words)}'; echo =" for words in every)
    told = "\n".join(lines("fish", "--no-config", "-c", f"source ./script.fish\n{asked}")).split("\n=")
    found = [{line.split("\t")[0] for line in each.splitlines() if line} for each in told]
    for (words, offered, others), given in zip(LISTED, found, strict=False):
        assert offered <= given, words
        assert not others & given, words
    for (words, completed), given in zip(COMPLETED, found[len(LISTED) :], strict=False):
        assert given == {completed}, words


class Zsh:
    """A shell at a terminal, to which keys are sent."""

    def __init__(self):
        self._terminal, inside = pty.openpty()
        environment = os.environ | {"TERM": "dumb"}
        streams = {"stdin": inside, "stdout": inside, "stderr": inside}
        self._process = subprocess.Popen(["zsh", "-f", "-i"], env=environment, start_new_session=True, **streams)
        os.close(inside)
        Path("setup.zsh").write_text(ZSH, encoding="utf-8")
        self._send("source ./setup.zsh\n")

    def complete(self, words):
        """Return what is offered at Tab, and the line after it."""
        Path("found").write_text("", encoding="utf-8")
        self._send(f"{' '.join(words)}\t\x18")
        return set(Path("found").read_text(encoding="utf-8").split()), Path("line").read_text(encoding="utf-8")

    def close(self):
        self._process.kill()
        self._process.wait()
        os.close(self._terminal)

    def _send(self, keys):
        done, seen = Path("done"), b""
        done.unlink(missing_ok=True)
        os.write(self._terminal, keys.encode())
        until = time.monotonic() + 60
        while not done.exists():
            assert time.monotonic() < until, seen.decode(errors="replace")
            if select.select([self._terminal], [], [], 0.01)[0]:
                seen += os.read(self._terminal, 1 << 16)


def test_zsh(script):
    script("zsh", "_overfit-monitor")
    shell = Zsh()
    try:
        for words, offered, others in LISTED:
            told, _ = shell.complete(words)
            assert offered <= told, words
            assert not others & told, words
        for words, completed in COMPLETED:
            assert shell.complete(words)[1].split() == [*words[:-1], completed]
    finally:
        shell.close()


@pytest.mark.parametrize(("shell", "begins"), [("bash", ""), ("zsh", "#compdef overfit-monitor"), ("fish", "")])
def test_every_command_is_in_the_script(shell, begins, capsys):
    pytest.importorskip("shtab")
    assert main(["completion", shell]) == 0
    out = capsys.readouterr().out
    assert out.startswith(begins)
    assert [name for name in COMMANDS if name not in out] == []
    assert "stop-pid" in out


def test_without_shtab(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert main(["completion", "bash"]) == 2
    assert 'pip install "overfit-monitor[completion]"' in capsys.readouterr().err
