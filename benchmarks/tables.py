"""Tables as the documentation shows them, and the shares in them."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from scipy.stats import beta


def show(title: str, header: Sequence[object], rows: Sequence[Sequence[object]]) -> None:
    """Print a Markdown table with aligned columns."""
    cells = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    lines = ["| " + " | ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) + " |" for row in cells]
    lines.insert(1, "|" + "|".join("-" * (w + 2) for w in widths) + "|")
    print(f"\n{title}\n", *lines, sep="\n", flush=True)


def progress(text: str) -> None:
    """Tell on standard error how far it is, so that the tables can be redirected."""
    print(text, file=sys.stderr, flush=True)


def upper_limit(hits: int, runs: int, confidence: float = 0.95) -> float:
    """Return the upper limit of a share (Clopper and Pearson 1934), one-sided; 1 without runs."""
    return 1.0 if hits >= runs else float(beta.ppf(confidence, hits + 1, runs - hits))


def interval(hits: int, runs: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return both limits of a share (Clopper and Pearson 1934); 0 to 1 without runs."""
    outside = (1.0 - confidence) / 2.0
    low = float(beta.ppf(outside, hits, runs - hits + 1)) if hits else 0.0
    return low, upper_limit(hits, runs, 1.0 - outside)


def share(hits: int, runs: int) -> str:
    """Return a share with its upper 95 % limit, as text."""
    return f"{hits / runs:.3f} (≤ {upper_limit(hits, runs):.3f})" if runs else "no runs"
