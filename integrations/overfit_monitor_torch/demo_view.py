"""What the demo shows in the terminal."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.panel import Panel
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.syntax import Syntax
from rich.table import Table

from overfit_monitor.records import Diagnosis, Finding, Recommendation

if TYPE_CHECKING:
    from overfit_monitor_torch.demo import Recipe, Result

IN_FULL = 3


class View:
    """Writes to the terminal; plain lines where the output is piped."""

    def __init__(self) -> None:
        self.console = Console(highlight=False)
        self.live = self.console.is_terminal
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._shown: set[tuple[str, int | None]] = set()

    def say(self, text: str) -> None:
        """Print one line."""
        self.console.print(text)

    def intro(self, recipe: Recipe, n_val: int) -> None:
        """Say what is about to be trained."""
        self.console.rule("[bold]overfit-monitor demo")
        self.say(
            f"scikit-learn's digits (8 x 8 images, ten classes): {recipe.n_train} for training, {n_val} for "
            f"validation, the rest for the test.\nA network with two hidden layers of {recipe.width} units, AdamW, "
            f"learning rate {recipe.learning_rate:g}, no regularization: it will overfit.\n"
        )

    @contextmanager
    def training(self, title: str, epochs: int) -> Iterator[None]:
        """Show a progress bar while one training lasts."""
        self._shown.clear()
        columns = (TextColumn("{task.description}"), BarColumn(bar_width=30), TextColumn("{task.fields[now]}"))
        with Progress(*columns, console=self.console, disable=not self.live) as progress:
            self._progress = progress
            self._task = progress.add_task(title.split(":", maxsplit=1)[0], total=epochs, now="")
            if not self.live:
                self.say(title)
            yield
        self._progress = self._task = None

    def epoch(self, epoch: int, train: float, val: float, diagnosis: Diagnosis) -> None:
        """Show one epoch, and every alert the moment it is raised."""
        now = f"epoch {epoch:3d}  train {train:.4f}  validation {val:.4f}  best at {diagnosis.best_step}"
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, completed=epoch + 1, now=now)
        if not self.live and epoch % 5 == 0:
            self.say(f"  {now}")
        for finding in diagnosis.findings:
            key = (finding.id, finding.alarm_step)
            if finding.severity != "info" and key not in self._shown:
                self._shown.add(key)
                self._alert(epoch, finding)

    def outcome(self, result: Result) -> None:
        """Say how the training ended and which weights are live."""
        diagnosis = result.diagnosis
        if diagnosis.stop_step is None:
            self.say(f"Ran to the end, {result.epochs} epochs: {diagnosis.verdict}.")
        else:
            self.say(f"Stopped by itself after epoch {diagnosis.stop_step}: [bold]{diagnosis.verdict}[/bold].")
        if result.restored_step is not None:
            self.say(f"The weights of epoch {result.restored_step} are back.\n")

    def advice(self, recommendations: Sequence[Recommendation]) -> None:
        """Print the first three recommendations with value, reason and code, and what the others are."""
        if not recommendations:
            self.say("Nothing is recommended for this run.")
            return
        self.console.rule("[bold]recommendations, best expected effect first")
        for number, advice in enumerate(recommendations[:IN_FULL], start=1):
            self.console.print(f"[bold]{number}. {advice.title}[/bold]")
            self.console.print(advice.why, markup=False)
            self.console.print(Syntax(advice.code.strip(), "python", background_color="default", word_wrap=True))
            self.say("")
        for number, advice in enumerate(recommendations[IN_FULL:], start=IN_FULL + 1):
            self.console.print(f"{number}. {advice.title}", markup=False)
        self.say("")

    def compare(self, first: Result, second: Result, tried: Recommendation) -> None:
        """Show both trainings side by side, whatever the outcome."""
        table = Table(title=f"Tried: {tried.title}", title_justify="left")
        for name in ("", "as it was", "with the change"):
            table.add_column(name, justify="right" if name else "left")
        rows = {
            "epochs": (first.epochs, second.epochs),
            "kept epoch": (first.restored_step, second.restored_step),
            "verdict": (first.diagnosis.verdict, second.diagnosis.verdict),
            "test loss, kept weights": (f"{first.kept[0]:.4f}", f"{second.kept[0]:.4f}"),
            "test loss, last weights": (f"{first.last[0]:.4f}", f"{second.last[0]:.4f}"),
            "test accuracy, kept weights": (f"{first.kept[1]:.1%}", f"{second.kept[1]:.1%}"),
            "test accuracy, last weights": (f"{first.last[1]:.1%}", f"{second.last[1]:.1%}"),
        }
        for name, values in rows.items():
            table.add_row(name, *map(str, values))
        self.console.print(table)
        change = second.kept[0] / first.kept[0] - 1.0
        self.say(
            f"Test loss of the kept weights {change:+.1%}; one seed each, so a few per cent are within what another "
            "seed would change.\n"
        )

    def farewell(self, folder: Path) -> None:
        """Say where the runs lie and how to see them."""
        self.say(f"The runs lie in {folder}. To see them, then open the tab [bold]Overfit[/bold]:\n")
        command = "tensorboard" if shutil.which("tensorboard") else Path(sys.executable).with_name("tensorboard")
        self.console.print(f"    {command} --logdir {folder}\n", markup=False, soft_wrap=True)

    def _alert(self, epoch: int, finding: Finding) -> None:
        figures = ", ".join(
            f"{name} {value:.3g}" for name, value in finding.evidence.items() if isinstance(value, float)
        )
        body = f"{finding.message}\nonset: epoch {finding.onset_step}   evidence: {figures}"
        self.console.print(Panel(body, title=f"alert at epoch {epoch}: {finding.id}", style="red", expand=False))
