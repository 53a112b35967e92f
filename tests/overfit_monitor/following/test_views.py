"""What is drawn and written, by tables of a reader's own eyes."""

import io
import math

import pytest

from overfit_monitor.check import check
from overfit_monitor.following import FollowedRun, Follower, Look, News
from overfit_monitor.following.lines import Lines, standing
from overfit_monitor.following.plot import plot
from overfit_monitor.gate import conclude
from overfit_monitor.testing import curves

NO_MARKS = {"▲": None}


def text(rows):
    return ["".join(cell.char for cell in row).rstrip() for row in rows]


def test_a_falling_line_of_two_points():
    assert text(plot([], [(0, 2.0), (9, 1.0)], width=20, height=6, marks={"▲": 9, "◆": None})) == [
        "        2┤⠑⠤⡀      ┊",
        "         │  ⠈⠢⢄    ┊",
        "         │     ⠑⠢⡀ ┊",
        "        1┤       ⠈⠒⢄",
        "         └─────────▲",
        "          0        9",
    ]


@pytest.mark.parametrize(
    "points",
    [
        [],
        [(0, math.nan)],
        [(5, 1.0)],
        [(0, 1.0), (1, 1.0)],
        [(0, -1e308), (1, 1e308)],
        [(0, 1e-300), (10**15, 1e300)],
        [(0, math.inf), (1, 1.0), (2, math.nan), (3, 0.0)],
        [(step, math.sin(step)) for step in range(50_000)],
    ],
)
def test_every_plot_has_the_size_that_was_asked_for(points):
    for width, height in ((20, 5), (80, 12), (200, 50)):
        rows = plot(
            points, [(step, value) for step, value in points], width=width, height=height, marks={"▲": 1, "◆": 1}
        )
        assert len(rows) in (0, height)
        assert all(len(row) <= width for row in rows)
        assert bool(rows) == any(math.isfinite(value) for _, value in points)


def test_a_wide_range_is_drawn_on_a_logarithmic_axis():
    labels = [line[:9].strip() for line in text(plot([], [(0, 100.0), (9, 0.01)], width=40, height=9, marks=NO_MARKS))]
    assert [label for label in labels if label][:3] == ["100", "1", "0.01"]


def test_marks_at_one_place_stand_beside_each_other():
    *_, axis, _ = text(plot([], [(0, 2.0), (9, 1.0)], width=30, height=6, marks={"▲": 4, "◆": 4}))
    assert "▲◆" in axis


def followed(curve, tmp_path, name="run", n=None):
    log = tmp_path / f"{name}.csv"
    rows = list(zip(curve.train, curve.val, strict=True))[:n]
    text = "".join(f"{step},{train},{val}\n" for step, (train, val) in enumerate(rows))
    log.write_text("epoch,train_loss,val_loss\n" + text, encoding="utf-8")
    look = Follower([log]).look()
    assert look.result == check([log])
    return look.runs[0]


def look_at(*runs):
    return Look(conclude([run.checked for run in runs], []), runs)


def test_lines_are_one_line_each_and_safe(tmp_path):
    out = io.StringIO()
    run = followed(curves.overfit(60), tmp_path)
    Lines(out).show(look_at(run), [News("alarm", "worse\nby \x1b[31m10%", run), News("unread", "x.csv: is empty")])
    lines = [line[9:] for line in out.getvalue().splitlines()]
    assert lines == ["run: ALARM: worse by  [31m10%", "cannot read x.csv: is empty"]


def test_lines_say_how_it_stands_once_in_a_while(tmp_path):
    now = [0.0]
    out = io.StringIO()
    lines = Lines(out, every=60.0, clock=lambda: now[0])
    for step, at in ((10, 0), (20, 30), (30, 61), (30, 200)):
        now[0] = float(at)
        lines.show(look_at(followed(curves.falling(60), tmp_path, n=step)), [])
        lines.tick()
    assert [line.split(": ")[1].split(",")[0] for line in out.getvalue().splitlines()] == [
        "healthy at step 9",
        "healthy at step 29",
    ]


def test_how_a_run_stands(tmp_path):
    assert standing(followed(curves.overfit(60), tmp_path)).startswith("overfitting at step 59, loss 0.")


@pytest.fixture
def screen():
    pytest.importorskip("rich")
    from overfit_monitor.following import screen

    return screen


def drawn(parts, width):
    from rich.console import Console, Group

    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(Group(*parts))
    return console.file.getvalue().splitlines()


@pytest.mark.parametrize(("width", "height"), [(40, 12), (80, 20), (120, 36), (200, 60)])
def test_one_run_fits(width, height, screen, tmp_path):
    for make in (curves.overfit, curves.diverging, curves.falling, curves.noisy):
        lines = drawn(screen.one_run(followed(make(60), tmp_path), width, height, 0.0), width)
        assert len(lines) <= height
        assert max(map(len, lines)) <= width
        assert any("┤" in line for line in lines) or height < 20


@pytest.mark.parametrize(("width", "height"), [(40, 8), (80, 20), (120, 36)])
def test_many_runs_fit_and_the_worst_is_first(width, height, screen, tmp_path):
    runs = [followed(make(60), tmp_path, make(60).name) for make in curves.CATALOGUE]
    lines = drawn(screen.many_runs(look_at(*runs), width, height, 0.0), width)
    assert len(lines) <= height
    assert "diverging" in lines[3]
    assert lines[-1].startswith("… and ") is (len(runs) > height - 3)


def test_a_run_that_is_gone_or_hostile(screen, tmp_path):
    run = followed(curves.overfit(60), tmp_path)
    checked = run.checked.model_copy(update={"run": "[bold]x\x1b[31m\n" + "y" * 500})
    hostile = FollowedRun(("x", 0), checked, run.train, run.val, 0.0, 0, "gone")
    for parts in (screen.one_run(hostile, 80, 20, 0.0), screen.many_runs(look_at(hostile, run), 80, 20, 0.0)):
        lines = drawn(parts, 80)
        assert "\x1b" not in "".join(lines)
        assert max(map(len, lines)) <= 80
        assert any("[bold]x" in line for line in lines)
        assert any("gone" in line for line in lines)
