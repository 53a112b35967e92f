"""The command, with real files that grow, real processes that are stopped, and a real terminal."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from overfit_monitor.check import check
from overfit_monitor.cli import main
from overfit_monitor.testing import curves

CURVE = curves.overfit(60)
HEALTHY = curves.falling(60)
HEADER = "epoch,train_loss,val_loss\n"
SLEEPER = [sys.executable, "-c", "import time; time.sleep(60)"]


def rows(curve, begin=0, end=60):
    return "".join(f"{step},{curve.train[step]!r},{curve.val[step]!r}\n" for step in range(begin, end))


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("healthy.csv").write_text(HEADER + rows(HEALTHY), encoding="utf-8")
    Path("overfit.csv").write_text(HEADER + rows(CURVE), encoding="utf-8")


@pytest.fixture
def sleeper():
    process = subprocess.Popen(SLEEPER)
    yield process
    process.kill()
    process.wait()


@pytest.mark.parametrize("name", ["healthy.csv", "overfit.csv", "none.csv"])
def test_it_ends_with_the_verdict_of_check(name, capsys):
    status = main(["watch", name, "--timeout", "0.01", "--format", "json"])
    out, err = capsys.readouterr()
    assert (status, out) == (main(["check", name, "--format", "json"]), capsys.readouterr().out)
    assert "ended: 0.01 seconds are over" in err


def test_a_growing_file_until_the_alarm(capsys):
    def write():
        with Path("log.csv").open("w", encoding="utf-8") as file:
            for piece in re.findall(r"(?s).{1,97}", HEADER + rows(CURVE)):  # cut anywhere
                file.write(piece)
                file.flush()
                time.sleep(0.005)

    writer = threading.Thread(target=write)
    writer.start()
    status = main(["watch", "log.csv", "--until", "alarm", "--timeout", "60"])
    writer.join()
    out, err = capsys.readouterr()
    assert status == 1
    assert "log: ALARM: error: overfitting: validation is" in err
    assert "ended: alarm in log" in err
    assert out.startswith("FAIL   overfitting  log  ")


def test_idle_and_until_stop(capsys):
    assert main(["watch", "healthy.csv", "--idle", "0.01"]) == 0
    assert "ended: nothing was written for 0.01 seconds" in capsys.readouterr().err
    assert main(["watch", "overfit.csv", "--until", "stop", "--timeout", "60"]) == 1
    assert "ended: stop in overfit" in capsys.readouterr().err


def test_stop_pid_and_stop_file(sleeper, capsys):
    assert main(["watch", "overfit.csv", "--stop-pid", str(sleeper.pid), "--stop-file", "to/stop"]) == 1
    assert sleeper.wait(60) == -signal.SIGTERM
    err = capsys.readouterr().err
    assert f"process {sleeper.pid} was sent SIGTERM because of overfit: error: overfitting: " in err
    assert err.count("was sent") == 1
    assert f"ended: process {sleeper.pid} has ended" in err
    lines = Path("to/stop").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "overfit-monitor: stop: alarm"
    assert "best step: 22" in lines
    assert [path.name for path in Path("to").iterdir()] == ["stop"]


def test_a_signal_of_another_name_and_a_process_that_ends_by_itself(sleeper, monkeypatch, capsys):
    from overfit_monitor.following import Follower

    main(["watch", "overfit.csv", "--stop-pid", str(sleeper.pid), "--signal", "sigint"])
    assert sleeper.wait(60) == 1 or sleeper.returncode == -signal.SIGINT  # Python turns it into an exception
    look = Follower.look
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as short:  # until its input ends, after the first look
        monkeypatch.setattr(Follower, "look", lambda self: (look(self), short.stdin.close())[0])
        assert main(["watch", "healthy.csv", "--stop-pid", str(short.pid)]) == 0
    assert "was sent" not in capsys.readouterr().err.split("has ended")[1]


def test_a_process_with_a_number_that_was_given_out_again_is_left_alone(sleeper, monkeypatch):
    from overfit_monitor.following import process as module

    process = module.OtherProcess(sleeper.pid)
    assert process.runs
    monkeypatch.setattr(module, "_started", lambda pid: "another time")
    assert not process.runs
    assert process.signal(signal.SIGTERM) == f"process {sleeper.pid} had ended already; nothing was signalled"
    assert sleeper.poll() is None


def test_start_times_without_proc(sleeper, monkeypatch):
    from overfit_monitor.following import process as module

    monkeypatch.setattr(module, "PROC", Path("/none"))
    try:
        process = module.OtherProcess(sleeper.pid)
    except module.UsageError as error:
        pytest.skip(str(error))  # no command ps here
    assert process.runs
    sleeper.kill()
    sleeper.wait()
    assert not process.runs


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--stop-pid", "0"], "--stop-pid must be the number of another process, above 1, but got 0."),
        (["--stop-pid", str(2**22 + 1)], "there is no such process"),
        (["--stop-pid", str(os.getppid()), "--signal", "TREM"], "unknown --signal 'TREM'. Did you mean 'TERM'"),
        (["--exec", "no-such-command x"], "there is no command 'no-such-command' here"),
        (["--exec", "'"], '--exec "\'": no closing quotation.'),
        (["--exec", ""], "--exec must be a command"),
        (["--stop-file", "healthy.csv"], "it is there already, and not ours"),
        (["--stop-file", "healthy.csv/stop"], "--stop-file healthy.csv/stop: "),
        (["--webhook", "ftp://h/secret"], "webhook must be an address that begins with https:// or http://"),
        (["--timeout", "-1"], "must be seconds above 0 but got '-1'"),
        (["--patience", "-1"], "patience must be greater than or equal to 0"),
    ],
)
def test_what_cannot_be_right_is_one_line_before_anything_is_watched(arguments, message, capsys):
    assert main(["watch", "healthy.csv", *arguments]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert "secret" not in err
    assert "Traceback" not in err


def test_a_stop_file_of_an_earlier_watch_is_removed():
    Path("stop").write_text("overfit-monitor: stop: alarm\n", encoding="utf-8")
    assert main(["watch", "healthy.csv", "--stop-file", "stop", "--timeout", "0.01"]) == 0
    assert not Path("stop").exists()


def test_exec_is_told_everything_by_its_environment(capsys):
    code = "import json, os; open('told', 'w').write(json.dumps(dict(os.environ)))"
    Path("tell.py").write_text(code, encoding="utf-8")
    assert main(["watch", "overfit.csv", "--until", "alarm", "--exec", f"{sys.executable} tell.py"]) == 1
    told = json.loads(Path("told").read_text(encoding="utf-8"))
    (run,) = check(["overfit.csv"]).runs
    assert {name: told[f"OVERFIT_MONITOR_{name}"] for name in ("RUN", "VERDICT", "SOURCE", "EVENT", "REASON")} == {
        "RUN": "overfit",
        "VERDICT": "overfitting",
        "SOURCE": "overfit.csv",
        "EVENT": "alarm",
        "REASON": run.reason,
    }
    steps = {name: told[f"OVERFIT_MONITOR_{name.upper()}"] for name in ("step", "best_step", "alarm_step", "stop_step")}
    assert steps == {name: str(getattr(run, name)) for name in steps}


def test_a_command_that_fails_is_told_and_watching_goes_on(capsys):
    script = "echo broken >&2; exit 3"
    assert main(["watch", "overfit.csv", "--idle", "0.5", "--shell", "--exec", script]) == 1
    err = capsys.readouterr().err
    assert "--exec for overfit ended with status 3: broken" in err
    assert err.count("--exec runs for overfit") == 1
    assert "ended: nothing was written" in err


def test_a_command_that_does_not_end_is_left_to_itself(monkeypatch, capsys):
    monkeypatch.setattr("overfit_monitor.following.acts.LAST_WAIT", 0.05)
    assert main(["watch", "overfit.csv", "--until", "alarm", "--exec", "sleep 3"]) == 1
    assert "still runs" in capsys.readouterr().err


def test_it_costs_next_to_nothing_where_nothing_happens(monkeypatch):
    looks, waits = [], []
    from overfit_monitor.following import Follower
    from overfit_monitor.following.lines import Lines
    from overfit_monitor.following.watching import Ends, Watching

    now = [0.0]

    def sleep(seconds):
        waits.append(seconds)
        now[0] += seconds

    look = Follower.look
    monkeypatch.setattr(Follower, "look", lambda self: (looks.append(now[0]), look(self))[1])
    follower = Follower(["healthy.csv"], clock=lambda: now[0])
    ends = Ends(timeout=3600.0)
    with Path("out").open("w", encoding="utf-8") as out:
        Watching(follower, Lines(out), ends=ends, clock=lambda: now[0], sleep=sleep).run()
    assert len(looks) < 740  # an hour: once in five seconds
    assert max(waits) == 5.0
    assert waits == sorted(waits[:-1]) + waits[-1:]


def test_a_dear_look_is_followed_by_a_long_pause():
    from overfit_monitor.following import Follower
    from overfit_monitor.following.watching import Watching

    follower = Follower(["healthy.csv"])
    follower.cost = 3.0
    assert Watching(follower, None)._wait(0.25) == 30.0


def interrupted(number, *arguments):
    command = [sys.executable, "-m", "overfit_monitor", "watch", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stderr.readline()  # it has looked once
        process.send_signal(number)
        out, err = process.communicate(timeout=120)
        return process.returncode, out, err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_gives_the_verdict_so_far(number):
    status, out, err = interrupted(number, "overfit.csv")
    assert (status, out.splitlines()[-1]) == (1, "fail: 1 run: 1 overfitting (exit status 1)")
    assert err.splitlines()[-1] == "overfit-monitor: ended: interrupted"


def in_terminal(*arguments, columns=100, lines=30, variables=None):
    """Return what a command draws on a terminal, and its exit status."""
    import fcntl
    import struct
    import termios

    pid, terminal = pty.fork()
    if pid == 0:
        os.environ |= {"TERM": "xterm-256color", "COLORTERM": "", **(variables or {})}
        os.execv(sys.executable, [sys.executable, "-m", "overfit_monitor", "watch", *arguments])
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    drawn = b""
    while select.select([terminal], [], [], 120)[0]:
        try:
            piece = os.read(terminal, 1 << 16)
        except OSError:
            break
        drawn += piece
    return drawn.decode(), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_the_live_view_of_one_run():
    pytest.importorskip("rich")
    drawn, status = in_terminal("overfit.csv", "--until", "alarm", "--stop-file", "stop")
    assert status == 1, drawn
    screen, _, report = drawn.partition("\x1b[?1049l")  # the other screen is left, and the report stays
    assert "\x1b[?1049h" in screen
    for told in ("overfitting", "best 22", "Ctrl-C ends with the verdict so far", "STOP", "┤", "⠒"):
        assert told in screen
    assert "--stop-file stop was written" in report
    assert "fail: 1 run: 1 overfitting" in report


def test_without_rich_there_are_lines(tmp_path):
    (tmp_path / "none" / "rich").mkdir(parents=True)
    (tmp_path / "none" / "rich" / "__init__.py").write_text("raise ImportError('no rich')\n", encoding="utf-8")
    drawn, status = in_terminal("healthy.csv", "--timeout", "0.1", variables={"PYTHONPATH": str(tmp_path / "none")})
    assert status == 0
    assert 'the live view needs rich: pip install "overfit-monitor[watch]"' in drawn
    assert "healthy: healthy at step 59" in drawn


def test_lines_of_many_runs_are_few():
    Path("runs").mkdir()
    for number in range(12):
        Path(f"runs/{number}.csv").write_text(HEADER + rows(HEALTHY), encoding="utf-8")
    command = [sys.executable, "-m", "overfit_monitor", "watch", "runs", "--timeout", "0.1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert [line[9:] for line in done.stderr.splitlines()[:-1]] == ["12 runs found: 12 healthy"]


def test_standard_input_is_followed_and_standard_output_is_the_report_alone():
    log = HEADER + rows(CURVE)
    command = [sys.executable, "-m", "overfit_monitor", "watch", "-", "--format", "json", "--exec", "echo hello"]
    done = subprocess.run(command, input=log, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, json.loads(done.stdout)["outcome"]) == (1, "fail")
    assert "hello" in done.stderr
    assert "ended: standard input has ended" in done.stderr
