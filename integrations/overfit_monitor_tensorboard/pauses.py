"""Where a training stood still, by the wall times of a curve.

TensorBoard's default loader forgets what a run logged beyond the step at which it was taken up again: no step goes back
in what is left, and a restart looks like a pause. A pause is no proof of one, so that is what is said.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from overfit_monitor.view.series import Curve

LONGER: Final = 20.0  # times the usual time for as many steps
SHORTEST: Final = 60.0  # seconds
FEWEST: Final = 10  # points that tell what is usual
_UNITS: Final = ((86_400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"))


def pauses(curve: Curve) -> list[str]:
    """Return a note on the longest pause of a curve, none where all its steps took about as long.

    A pause is a minute at least, and `LONGER` times as long as so many steps take in the median: a single slow
    evaluation, or the uneven distances of a sample, are none.
    """
    if curve.times is None or len(curve) < FEWEST:
        return []
    known = np.flatnonzero(np.isfinite(curve.times))
    steps, times = curve.steps[known], curve.times[known]
    took, apart = np.diff(times), np.diff(steps)
    usual = float(np.median(took / apart)) if len(took) else 0.0
    found = np.flatnonzero((took >= SHORTEST) & (took >= LONGER * usual * apart)) if usual > 0.0 else took[:0]
    if not len(found):
        return []
    longest = int(found[np.argmax(took[found])])
    before, after = int(steps[longest]), int(steps[longest + 1])
    more = f" (and {len(found) - 1} shorter)" if len(found) > 1 else ""
    passed = f"{_span(float(took[longest]))} passed, {_span(usual)} a step is usual{more}"
    return [
        f"Between steps {before} and {after} {passed}: the training stood still, or was taken up again at {after}. "
        "TensorBoard's default loader leaves out what was logged before a restart, so that none can be marked here; "
        "exact marks it where the files are local."
    ]


def _span(seconds: float) -> str:
    size, unit = next(((size, unit) for size, unit in _UNITS if seconds >= size), (1.0, "s"))
    return f"{seconds / size:.2g} {unit}"
