"""The live view in a terminal: a table of many runs, the worst first, or one run with its curves; needs rich."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Any, Final, Literal, NamedTuple, Self, TextIO, final

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from overfit_monitor.following.follower import FollowedRun, Look
from overfit_monitor.following.lines import news_line, standing
from overfit_monitor.following.news import News
from overfit_monitor.following.plot import Ink, plot
from overfit_monitor.records import SEVERITIES
from overfit_monitor.reports.base import CheckedRun, Outcome, printable
from overfit_monitor.reports.sketch import bars, sketch

NEWS_SHOWN: Final = 3
# Orange and blue of Okabe and Ito, which everybody can tell apart.
_INKS: Final[dict[Ink, str]] = {"train": "#56b4e9", "val": "#e69f00", "axis": "bright_black", "mark": "bold", "": ""}
_STYLES: Final[dict[Outcome, str]] = {"fail": "bold red", "error": "yellow", "pass": "green"}
_SIGNS: Final = {"diverging": "✗", "overfitting": "✗", "underfitting": "!", "inconclusive": "?", "healthy": "✓"}
_OUTCOMES: Final[tuple[Outcome, ...]] = ("fail", "error", "pass")
_MARKS: Final = {"best_step": "▲", "onset_step": "◆", "alarm_step": "‼", "stop_step": "■"}
_ROWS_ABOVE_AND_BELOW: Final = 4
_LEAST_PLOT: Final = 5


@final
class Screen:
    """Shows how the runs stand, drawn anew at every look.

    Args:
        stream: The terminal.
        clock: Seconds that never go back, the same as the follower's.
    """

    def __init__(self, stream: TextIO, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._console = Console(file=stream, highlight=False)
        self._live = Live(console=self._console, screen=True, auto_refresh=False, redirect_stdout=False)
        self._look: Look | None = None
        self._said: list[tuple[str, str]] = []
        self._news: deque[tuple[str, str, str]] = deque(maxlen=NEWS_SHOWN)

    def __enter__(self) -> Self:
        self._live.start()
        self.tick()  # the first look may take long
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()
        for at, text in self._said:  # what was done must not go with the screen
            print(at, text, file=self._console.file, flush=True)

    def show(self, look: Look, news: Sequence[News]) -> None:
        """Show how everything stands, and what is new."""
        self._look = look
        for each in news:
            if each.kind != "found":
                self._tell(news_line(each), "bold red" if each.kind == "alarm" else "")
        self.tick()

    def say(self, text: str) -> None:
        """Tell one line, which is told again when the view ends."""
        self._said.append((time.strftime("%H:%M:%S"), _flat(text)))
        self._tell(text, "")
        self.tick()

    def tick(self) -> None:
        """Draw everything anew."""
        self._live.update(self._drawn(), refresh=True)

    def _tell(self, text: str, style: str) -> None:
        self._news.append((time.strftime("%H:%M:%S"), _flat(text), style))

    def _drawn(self) -> Group:
        width, height = self._console.size
        look = self._look
        foot = [_line((f"{at} ", "bright_black"), (text, style)) for at, text, style in self._news]
        foot.append(_line(("Ctrl-C ends with the verdict so far", "bright_black")))
        room = height - len(foot)
        if look is None or not look.runs:
            body: list[Any] = [*_waiting(look)]
        elif len(look.runs) == 1:
            body = one_run(look.runs[0], width, room, self._clock())
        else:
            body = many_runs(look, width, room, self._clock())
        filled = sum(1 if isinstance(each, Text) else _height(each) for each in body)
        return Group(*body, *[Text("")] * max(0, room - filled), *foot)


def one_run(run: FollowedRun, width: int, height: int, now: float) -> list[Any]:
    """Return the lines that show one run: verdict, figures, curves, findings and what to do."""
    checked = run.checked
    above = [
        _line(
            (f"{_SIGNS[checked.verdict]} {checked.verdict}", _STYLES[checked.outcome]), (f"  {_flat(run.name)}", "bold")
        ),
        _line((f"{standing(run).partition(', ')[2]}{_updated(run, now)}", "")),
    ]
    below = [
        _line((f"{f.severity}: ", _severity_style(f.severity)), (_flat(f.message), "")) for f in checked.findings[:2]
    ]
    if not checked.findings and checked.reason:
        below.append(_line(("not judged: ", "yellow"), (_flat(checked.reason), "")))
    if not checked.findings and not checked.reason:
        below += [
            _line((f"not judged: {item.reason}", "bright_black"))
            for item in checked.not_judged
            if item.id == "overfitting"
        ]
    if checked.verdict != "healthy":
        below += [
            _line((f"{n}. ", "bold"), (_flat(a.title), "")) for n, a in enumerate(checked.recommendations[:3], start=1)
        ]
    below = _wrapped(below, width)
    marks = {sign: getattr(checked, name) for name, sign in _MARKS.items()}
    legend = _line(("━ validation ", _INKS["val"]), ("━ train  ", _INKS["train"]), *_legend(checked))
    room = height - len(above) - len(below) - 2
    rows = plot(run.train, run.val, width=width, height=room, marks=marks) if room >= _LEAST_PLOT else []
    curves = [_line(*((cell.char, _INKS[cell.ink]) for cell in row)) for row in rows]
    return [*above, *([legend, *curves] if curves else []), Text(""), *below][:height]


def many_runs(look: Look, width: int, height: int, now: float) -> list[Any]:
    """Return the table of runs, worst first, as many as there is room for."""
    runs = sorted(look.runs, key=_urgency)
    counts = Counter(run.checked.verdict for run in runs)
    told = ", ".join(f"{count} {verdict}" for verdict, count in counts.most_common())
    unread = f", {len(look.result.errors)} not read" if look.result.errors else ""
    head = _line((f"{len(runs)} runs: ", "bold"), (told + unread, _STYLES[look.result.outcome]))
    room = max(1, height - 3)
    shown = runs if len(runs) <= room else runs[: room - 1]
    table = Table(box=None, expand=True, pad_edge=False, padding=(0, 1), header_style="bright_black")
    columns = [column for column in _COLUMNS if width >= column.width]
    for each in columns:
        ratio = 1 if each.name == "run" else None
        table.add_column(each.name, justify=each.justify, no_wrap=True, overflow="ellipsis", ratio=ratio)
    for run in shown:
        table.add_row(*(column.cell(_Shown(run, width, now)) for column in columns))
    hidden = runs[len(shown) :]
    rest = Counter(run.checked.verdict for run in hidden).most_common()
    more = ", ".join(f"{count} {verdict}" for verdict, count in rest)
    return [head, Text(""), table, *([_line((f"… and {more}", "bright_black"))] if hidden else [])]


class _Shown(NamedTuple):
    """What a cell of the table is made from."""

    run: FollowedRun
    width: int
    now: float


class _Column(NamedTuple):
    """A column of the table, and from which width of the terminal on there is room for it."""

    name: str
    justify: Literal["left", "right"]
    width: int
    cell: Callable[[_Shown], Text]


def _verdict(shown: _Shown) -> Text:
    checked = shown.run.checked
    return Text(f"{_SIGNS[checked.verdict]} {checked.verdict}", _STYLES[checked.outcome])


def _sparkline(shown: _Shown) -> Text:
    val, width = shown.run.val, 20 if shown.width >= 110 else 12
    drawn = bars(sketch(val.steps, val.values, mode=shown.run.checked.metrics.mode, width=width))
    return Text("".join(drawn), _INKS["val"])


def _number(pick: Callable[[CheckedRun], float | None]) -> Callable[[_Shown], Text]:
    def cell(shown: _Shown) -> Text:
        value = pick(shown.run.checked)
        return Text("" if value is None else str(value) if isinstance(value, int) else f"{value:.4g}")

    return cell


_COLUMNS: Final = (
    _Column("verdict", "left", 0, _verdict),
    _Column("run", "left", 0, lambda shown: Text(_flat(shown.run.name))),
    _Column("validation", "left", 70, _sparkline),
    _Column("last", "right", 104, _number(lambda checked: checked.last_value)),
    _Column("best", "right", 112, _number(lambda checked: checked.best_value)),
    _Column("best at", "right", 60, _number(lambda checked: checked.best_step)),
    _Column("onset", "right", 76, _number(lambda checked: checked.onset_step)),
    _Column("alarm", "right", 60, _number(lambda checked: checked.alarm_step)),
    _Column("gap", "right", 124, _number(lambda checked: checked.gap.raw)),
    _Column("step", "right", 0, _number(lambda checked: checked.step)),
    _Column("grew", "right", 80, lambda shown: Text(_ago(shown.run, shown.now), "bright_black")),
)


def _urgency(run: FollowedRun) -> tuple[int, int, int, str]:
    severity = max((SEVERITIES.index(f.severity) for f in run.checked.findings), default=-1)
    verdict = list(_SIGNS).index(run.checked.verdict)
    return _OUTCOMES.index(run.checked.outcome), -severity, verdict, run.name


def _waiting(look: Look | None) -> list[Text]:
    errors = look.result.errors if look else ()
    lines = [_line((f"{error.source}: {_flat(error.message)}", "bright_black")) for error in errors[:10]]
    return [_line(("reading the logs" if look is None else "waiting for runs", "bold")), *lines]


def _legend(checked: CheckedRun) -> list[tuple[str, str]]:
    names = {name: name.removesuffix("_step") for name in _MARKS}
    told = [f"{_MARKS[name]} {names[name]} {value}" for name in _MARKS if (value := getattr(checked, name)) is not None]
    return [("  ".join(told), "")]


def _updated(run: FollowedRun, now: float) -> str:
    if run.state != "there":
        return f"; its file is {run.state}"
    return f"; grew {_ago(run, now)} ago" if run.grown is not None else ""


def _ago(run: FollowedRun, now: float) -> str:
    if run.state == "gone":
        return "gone"
    if run.state == "being written":
        return "written"
    if run.grown is None:
        return ""
    seconds = now - run.grown
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _severity_style(severity: str) -> str:
    return {"error": "bold red", "warning": "yellow"}.get(severity, "bright_black")


def _wrapped(lines: Sequence[Text], width: int) -> list[Text]:
    """Return the lines, each in at most two rows."""
    console = Console(width=width)
    rows = []
    for line in lines:
        line.no_wrap = False
        rows += list(line.wrap(console, width))[:2]
    for row in rows:
        row.no_wrap = True
    return rows


def _line(*parts: tuple[str, str]) -> Text:
    return Text.assemble(*parts, no_wrap=True, overflow="ellipsis")


def _height(table: Table) -> int:
    return table.row_count + 1


def _flat(text: str) -> str:
    return " ".join(printable(text).splitlines())
