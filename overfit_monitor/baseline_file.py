"""What runs were like, in a small file that is committed and reviewed.

For each configuration (a *group*: one run, or its seeds) it has what was compared, the best values, the last ones
and the gaps, the verdicts, and how many seeds failed.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Final

from pydantic import Field, ValidationError, model_validator

from overfit_monitor.comparison import Measured, NoiseFrom
from overfit_monitor.errors import UsageError, from_validation
from overfit_monitor.records import SCHEMA_VERSION, Mode, Record, Verdict
from overfit_monitor.reports.base import CheckedRun

DIGITS: Final = 5  # more than any noise leaves of a value, few enough to read in a review
ANY: Final = "*"
MOST_STARS: Final = 3

Finite = Annotated[float, Field(allow_inf_nan=False)]
Values = tuple[Finite | None, ...]
Judged = tuple[CheckedRun, Measured]


class Group(Record):
    """One configuration as it was: one run, or its seeds in the order of their names.

    Attributes:
        metric: Name of the validation metric, None where there was none.
        mode: ``min`` where lower is better, ``max`` where higher is better.
        best: Best validation value of each seed, None without a finite one.
        last: Validation value of each seed at its last step, None where not finite.
        gap: Generalization gap of each seed at its last step, like for like where measured; None where unknown.
        noise: Of a single run: what it tells itself of the noise of its best value, see `Measured`.
        noise_from: What tells it.
        near: Of a single run: number of evaluations that could as well have been the best.
        verdicts: Number of seeds by verdict.
        failed: Number of seeds that were at or above their limit.
    """

    metric: str | None
    mode: Mode = "min"
    best: Values = Field(min_length=1)
    last: Values
    gap: Values
    noise: float | None = Field(default=None, ge=0.0, allow_inf_nan=False)
    noise_from: NoiseFrom | None = None
    near: int = Field(default=1, ge=1)
    verdicts: dict[Verdict, int] = Field(default_factory=dict)
    failed: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _as_many(self) -> Group:
        if not len(self.best) == len(self.last) == len(self.gap):
            raise ValueError("best, last and gap must have as many values, one for each seed.")
        return self

    @property
    def seeds(self) -> int:
        """Number of seeds."""
        return len(self.best)

    def measured(self) -> list[Measured]:
        """Return what each seed tells about how good it is."""
        alone = self.seeds == 1
        return [
            Measured(
                metric=self.metric,
                mode=self.mode,
                value=value,
                noise=self.noise if alone else None,
                noise_from=self.noise_from if alone else None,
                near=self.near if alone else 1,
            )
            for value in self.best
        ]


class BaselineFile(Record):
    """What runs were like before, by configuration.

    Attributes:
        schema_version: Version of this shape; fields may be added within a version.
        groups: The configurations by name; the last ``*`` in a name stands for the seed.
    """

    schema_version: int = Field(default=SCHEMA_VERSION, json_schema_extra={"const": SCHEMA_VERSION})
    groups: dict[str, Group] = Field(default_factory=dict)


def grouped(judged: Iterable[Judged], patterns: Sequence[str]) -> dict[str, list[Judged]]:
    """Return the runs by the name of their group, in the order of their names."""
    groups: dict[str, list[Judged]] = {}
    for run, measured in sorted(judged, key=lambda each: each[0].run or ""):
        groups.setdefault(group_of(run.run or "", patterns), []).append((run, measured))
    return groups


def group_of(run: str, patterns: Iterable[str]) -> str:
    """Return the name of the group that a run belongs to: its own where no pattern fits.

    The last ``*`` of a pattern stands for the seed and stays in the name; what other ``*`` stand for tells
    groups apart.

    Args:
        run: Name of the run.
        patterns: Patterns in which ``*`` stands for any text; the first that fits counts.

    Raises:
        UsageError: A pattern has more than three ``*``, which could take forever to compare.

    Example:
        >>> group_of("a/seed3", ["*/seed*"]), group_of("b/seed3", ["*/seed*"]), group_of("c", ["*/seed*"])
        ('a/seed*', 'b/seed*', 'c')
    """
    for pattern in patterns:
        if pattern == run:
            return run
        if pattern.count(ANY) > MOST_STARS:
            raise UsageError(f"a pattern for seeds may have {MOST_STARS} '*' at most, but {pattern!r} has more.")
        found = re.fullmatch("(.*)".join(map(re.escape, pattern.split(ANY))), run, re.DOTALL)
        if found and ANY in pattern:
            *others, _ = found.groups()
            parts = pattern.split(ANY)
            return "".join(text for pair in zip(parts, [*others, ANY, ""], strict=True) for text in pair)
    return run


def summarized(judged: Iterable[Judged], seeds: Sequence[str] = ()) -> BaselineFile:
    """Return the baseline of runs as they are.

    Args:
        judged: The runs, judged without a baseline, with what they tell about how good they are.
        seeds: Patterns for runs that are seeds of one configuration, see `group_of`.
    """
    return BaselineFile(groups={name: _group(members) for name, members in sorted(grouped(judged, seeds).items())})


def load_baseline(path: Path) -> BaselineFile:
    """Read a baseline.

    Raises:
        UsageError: It cannot be read, or is no baseline of this version; the message names file and place.
    """
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}: no valid JSON: {error}") from None
    if not isinstance(content, dict) or "groups" not in content:
        raise UsageError(f"{path}: no baseline: 'overfit-monitor baseline update' writes one.")
    if content.get("schema_version") != SCHEMA_VERSION:
        version = content.get("schema_version")
        raise UsageError(
            f"{path}: schema_version must be {SCHEMA_VERSION} but is {version!r}: write the baseline anew."
        )
    try:
        return BaselineFile.model_validate(content)
    except ValidationError as error:
        raise UsageError(f"{path}: {from_validation(error, Group.model_fields)}") from None


def as_json(baseline: BaselineFile) -> str:
    """Return the baseline as JSON for a review: sorted, without times, a few short lines for each group."""
    groups = [f"    {json.dumps(name)}: {_group_json(group)}" for name, group in sorted(baseline.groups.items())]
    body = "{\n" + ",\n".join(groups) + "\n  }" if groups else "{}"
    return f'{{\n  "schema_version": {baseline.schema_version},\n  "groups": {body}\n}}\n'


def gap_of(run: CheckedRun) -> float | None:
    """Return the generalization gap of a run at its last step, like for like where that was measured."""
    return run.gap.raw if run.gap.like_for_like is None else run.gap.like_for_like


def _group(members: Sequence[Judged]) -> Group:
    runs = [run for run, _ in members]
    alone = members[0][1] if len(members) == 1 else Measured()
    first = next((m for _, m in members if m.metric is not None), Measured())
    if len({(m.metric, m.mode) for _, m in members}) > 1:
        named = ", ".join(f"{run.run} by {m.metric}" for run, m in members)
        raise UsageError(f"seeds of one configuration must be judged by one metric, but these are not: {named}.")
    return Group(
        metric=first.metric,
        mode=first.mode,
        best=tuple(_rounded(run.best_value) for run in runs),
        last=tuple(_rounded(run.last_value) for run in runs),
        gap=tuple(_rounded(gap_of(run)) for run in runs),
        noise=_rounded(alone.noise, 2),
        noise_from=alone.noise_from,
        near=alone.near,
        verdicts=dict(sorted(Counter(run.verdict for run in runs).items())),
        failed=sum(run.outcome == "fail" for run in runs),
    )


def _group_json(group: Group) -> str:
    told = group.model_dump(mode="json")
    if group.noise is None:
        told = {name: value for name, value in told.items() if name not in ("noise", "noise_from", "near")}
    lines = [f"      {json.dumps(name)}: {json.dumps(value, allow_nan=False)}" for name, value in told.items()]
    return "{\n" + ",\n".join(lines) + "\n    }"


def _rounded(value: float | None, digits: int = DIGITS) -> float | None:
    return None if value is None or not math.isfinite(value) else float(f"{value:.{digits}g}")
