"""The data behind the tab: what its routes answer."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, final

from tensorboard import errors
from tensorboard.context import RequestContext

from overfit_monitor.view.payload import MOST_RUNS, compare, details, series
from overfit_monitor.view.shown import ShownRun
from overfit_monitor_tensorboard.detail import Details, Wish
from overfit_monitor_tensorboard.log import DEFAULT_SAMPLES, Log, Place
from overfit_monitor_tensorboard.table import Listing, Table, judged_ahead

__all__ = ["DEFAULT_SAMPLES", "Backend", "Wish"]

logger = logging.getLogger(__name__)

MOST_EXPERIMENTS: Final = 4
LONGEST_NAME: Final = 200  # in a message
WAIT: Final = 0.25  # seconds that a first answer may wait for verdicts


@final
class Backend:
    """Answers the tab's questions.

    Args:
        provider: TensorBoard's data provider.
        samples: Points of a scalar tag that TensorBoard was told to keep, 0 for all.
        logdir: The local folder that is shown, None where there is none; read for exact answers only.
    """

    def __init__(self, provider: Any, *, samples: int = DEFAULT_SAMPLES, logdir: Path | None = None) -> None:
        self._log = Log(provider, samples)
        self._details = Details(self._log, logdir)
        self._lock = threading.Lock()
        self._tables: OrderedDict[str, Table] = OrderedDict()

    def judge_ahead(self) -> None:
        """Judge what is there before anybody asks; what goes wrong is said when somebody does."""
        try:
            judged_ahead(lambda: self._table("").refresh(RequestContext()))
        except Exception:
            logger.debug("overfit-monitor could not judge ahead", exc_info=True)

    def runs(self, ctx: Any, experiment: str, *, since: str | None = None, wait: float = WAIT) -> dict[str, Any]:
        """Return the table of all runs, or its rows that changed.

        Args:
            ctx: Context of the request.
            experiment: Experiment of the request.
            since: The ``token`` of an earlier answer, None for all rows.
            wait: Most seconds to wait for runs that are being judged.
        """
        table = self._table(experiment)
        table.refresh(ctx)
        return table.answer(since, wait=wait)

    def run(self, ctx: Any, experiment: str, name: str, wish: Wish) -> dict[str, Any]:
        """Return one run with its curves.

        Args:
            ctx: Context of the request.
            experiment: Experiment of the request.
            name: Name of the run, as in the table.
            wish: What to compare instead of what was chosen.

        Raises:
            tensorboard.errors.NotFoundError: There is no such run, or not all of its points can be read.
            tensorboard.errors.InvalidArgumentError: A named curve is not in the run.
        """
        return details(self.shown(ctx, experiment, [name], wish)[0])

    def series(
        self, ctx: Any, experiment: str, name: str, wish: Wish, part: tuple[int | None, int | None]
    ) -> dict[str, Any]:
        """Return the curves of a part of a run, from one step to another, thinned anew; raises as `run` does."""
        shown = self.shown(ctx, experiment, [name], wish)[0]
        head = {"schema_version": 1, "run": shown.name, "from": part[0], "to": part[1]}
        return head | series(shown, *part)

    def compare(self, ctx: Any, experiment: str, names: Sequence[str]) -> dict[str, Any]:
        """Return several runs beside each other.

        Raises:
            tensorboard.errors.NotFoundError: There is no such run.
            tensorboard.errors.InvalidArgumentError: There are too many.
        """
        if len(names) > MOST_RUNS:
            raise errors.InvalidArgumentError(f"run: at most {MOST_RUNS} runs can be compared but got {len(names)}")
        return compare(self.shown(ctx, experiment, names, Wish()))

    def shown(self, ctx: Any, experiment: str, names: Sequence[str], wish: Wish) -> list[ShownRun]:
        """Return runs as they are now; raises as `run` does."""
        listing = self._table(experiment).refresh(ctx)
        place = Place(ctx, experiment)
        return self._details.runs(place, [_find(listing, name) for name in names], listing, wish)

    def _table(self, experiment: str) -> Table:
        with self._lock:
            table = self._tables.setdefault(experiment, Table(self._log, experiment))
            self._tables.move_to_end(experiment)
            if len(self._tables) > MOST_EXPERIMENTS:
                self._tables.popitem(last=False)
            return table


def _find(listing: Listing, name: str) -> Any:
    found = listing.groups.get(name)
    if found is None:
        shown = name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}..."
        raise errors.NotFoundError(f"no run {shown!r} with scalars")
    return found
