"""What runs are judged by: the arguments, in groups that the commands share, and what the user chose with them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from overfit_monitor.cli.parsing import existing
from overfit_monitor.errors import UsageError

if TYPE_CHECKING:
    from overfit_monitor.baseline import Baseline
    from overfit_monitor.examination import Examined
    from overfit_monitor.facts import Facts
    from overfit_monitor.policy import Policies
    from overfit_monitor.project_config import CheckConfig
    from overfit_monitor.readers.pairing import Names
    from overfit_monitor.reports.base import Unjudged

COMPARED: Final = ("metric", "mode")
STOPPING: Final = ("patience", "min_delta", "stopping_baseline", "start_from_epoch", "stopping_threshold")


class Chosen(NamedTuple):
    """What the user chose, on the command line and in the project.

    Attributes:
        policies: What every run is judged by.
        names: The columns that are compared, None to go by the names in the files.
        project: The settings of the project, as they stand in its file; None without one.
        facts: What is known of model, optimizer and data, None where nothing was said.
        baseline: What the runs are held against, None without one, or where the command takes none.
    """

    policies: Policies
    names: Names | None
    project: CheckConfig | None
    facts: Facts | None = None
    baseline: Baseline | None = None

    @property
    def seeds(self) -> list[str]:
        """The project's patterns for runs that are seeds of one configuration."""
        return [] if self.project is None else self.project.seeds


def add_judging(command: argparse.ArgumentParser, *, gate: bool = True, baseline: bool = True) -> None:
    """Add all arguments that say what runs are judged by, for `chosen`.

    Args:
        command: The parser of the command.
        gate: Whether it says which runs fail.
        baseline: Whether it holds them against a baseline.
    """
    if gate:
        _add_policy(command)
    if baseline:
        group = command.add_argument_group("baseline")
        group.add_argument(
            "--baseline", metavar="FILE", help="fail only on what got worse than in this file of 'baseline update'"
        )
        add_seeds(group)
    add_compared(command)
    _add_stopping(command)
    command.add_argument(
        "--facts",
        type=existing,
        metavar="FILE",
        help="YAML, TOML or JSON with what is known of model, optimizer and data",
    )


def add_compared(command: argparse.ArgumentParser) -> None:
    """Add the arguments that say which metric is compared, and where settings are."""
    command.add_argument(
        "--config", type=existing, metavar="FILE", help="TOML or YAML file with settings, instead of pyproject.toml"
    )
    what = command.add_argument_group("what is compared")
    what.add_argument("--metric", metavar="NAME", help="metric to compare; default: loss, or else one known by name")
    what.add_argument("--mode", choices=("min", "max", "auto"), help="whether lower or higher is better; default: auto")
    what.add_argument("--val", metavar="NAME", help="column or tag of the validation metric, as in the file")
    what.add_argument("--train", metavar="NAME", help="column or tag of the train metric; with --val")


def add_seeds(command: argparse._ArgumentGroup | argparse.ArgumentParser) -> None:
    """Add ``--seeds``."""
    command.add_argument(
        "--seeds",
        action="append",
        metavar="PATTERN",
        help="names of runs that are seeds of one configuration, such as '*/seed*': the last * stands for the seed, "
        "the others tell configurations apart; may be repeated",
    )


def add_speed(command: argparse.ArgumentParser) -> None:
    """Add the arguments that say where many files are read and judged."""
    speed = command.add_argument_group("many files")
    speed.add_argument(
        "--jobs", type=int, metavar="N", help="processes; default: one a core where there are many files"
    )
    speed.add_argument(
        "--engine", choices=("processes", "ray", "dask"), default="processes", help="where they run; default: processes"
    )


def chosen(options: argparse.Namespace) -> Chosen:
    """Return what the user chose with the arguments of `add_judging`, or those of `add_compared` alone.

    The project's conventions for names are in force from here on.

    Args:
        options: The arguments.

    Raises:
        UsageError: The settings cannot be read, or cannot be right together.
    """
    from overfit_monitor.policy import Policies
    from overfit_monitor.project import load_if_any

    project = load_if_any(options.config)
    names = names_of(options, {} if project is None else {"val": project.val, "train": project.train})
    over = told(options, (*COMPARED, *STOPPING, "fail_on", "max_gap"))
    if "stopping_baseline" in over:
        over["baseline"] = over.pop("stopping_baseline")
    if project is None:
        policies = Policies(over=over).check()
    else:
        from overfit_monitor.readers.conventions import adopt

        adopt(project.conventions())
        policies = project.policies(over)
    for layer in (over, policies.base, *(layer.given for layer in policies.layers)):
        compared(dict(layer), names)
    facts = _facts(options.facts) if getattr(options, "facts", None) is not None else None
    return Chosen(policies, names, project, facts, _baseline(options, project) if "baseline" in options else None)


def examined_runs(
    options: argparse.Namespace, choice: Chosen, *, measured: bool = False, shown: bool = False
) -> tuple[list[Examined], list[Unjudged]]:
    """Judge every run by itself, with a bar, and return them with what could not be judged.

    Args:
        options: The arguments: ``paths``, ``quiet``, and those of `add_speed`.
        choice: What `chosen` made of them.
        measured: As for `overfit_monitor.check.examine_all`.
        shown: As for `overfit_monitor.check.examine_all`.
    """
    from overfit_monitor.check import examine_all
    from overfit_monitor.progress import bar

    with bar("runs", quiet=options.quiet) as progress:
        return examine_all(
            options.paths,
            policies=choice.policies,
            names=choice.names,
            facts=choice.facts,
            measured=measured,
            shown=shown,
            progress=progress,
            jobs=options.jobs,
            engine=options.engine,
        )


def names_of(options: argparse.Namespace, project: dict[str, Any]) -> Names | None:
    """Return the columns that the user named, on the command line or else in the project; None for none.

    Takes ``val`` and ``train`` out of the project's settings.

    Raises:
        UsageError: A train column is named alone.
    """
    from overfit_monitor.readers.pairing import Names

    from_project = project.pop("val", None), project.pop("train", None)
    val, train = (options.val, options.train) if options.val or options.train else from_project
    if val is None and train is not None:
        raise UsageError("--train needs --val: the validation metric is what is judged.")
    return None if val is None else Names(val=val, train=train)


def compared(settings: dict[str, Any], names: Names | None) -> dict[str, Any]:
    """Return the settings without a metric that named columns make superfluous.

    Raises:
        UsageError: Both are given.
    """
    if names is not None and settings.pop("metric", None) is not None:
        raise UsageError("metric cannot go together with --val, which names it already.")
    return settings


def told(options: argparse.Namespace, names: Sequence[str]) -> dict[str, Any]:
    """Return the options of these names that were given."""
    return {name: value for name in names if (value := getattr(options, name, None)) is not None}


def _facts(file: Path) -> Facts:
    from overfit_monitor.facts_file import load_facts

    return load_facts(file)


def _baseline(options: argparse.Namespace, project: CheckConfig | None) -> Baseline | None:
    given = options.baseline
    file = _file(given) if given is not None else None if project is None else project.baseline.file
    if file is None:
        return None
    from overfit_monitor.baseline import Baseline, BaselineRules
    from overfit_monitor.baseline_file import load_baseline

    rules = BaselineRules() if project is None else project.baseline
    seeds = options.seeds or ([] if project is None else project.seeds)
    return Baseline(load_baseline(file), source=str(file), rules=rules, seeds=tuple(seeds))


def _file(given: str) -> Path:
    path = Path(given)
    try:
        value: float | None = float(given)
    except ValueError:
        value = None
    if path.exists():
        return path
    if value is None:
        raise UsageError(
            f"--baseline: there is no file {given}; 'overfit-monitor baseline update runs/ --output {given}' writes it."
        )
    raise UsageError(
        f"--baseline must be a file that 'overfit-monitor baseline update' wrote but got {given}; "
        f"the value to beat, as in Keras, is --stopping-baseline {given}."
    )


def _add_stopping(command: argparse.ArgumentParser) -> None:
    """Add the arguments of the stopping policy."""
    stopping = command.add_argument_group("stopping policy, as in Keras")
    stopping.add_argument("--patience", type=int, metavar="N", help="default: stop on evidence, not on a count")
    stopping.add_argument("--min-delta", type=float, metavar="X", help="smallest change that is an improvement")
    stopping.add_argument(
        "--stopping-baseline",
        type=float,
        metavar="X",
        help="value to beat, which Keras calls baseline; with --patience",
    )
    stopping.add_argument("--start-from-epoch", type=int, metavar="N", help="evaluations to wait for")
    stopping.add_argument("--stopping-threshold", type=float, metavar="X", help="stop as soon as the metric is as good")


def _add_policy(command: argparse.ArgumentParser) -> None:
    """Add the arguments that say what makes a run fail."""
    policy = command.add_argument_group("what fails")
    policy.add_argument(
        "--fail-on",
        action="append",
        metavar="WORDS",
        help="verdicts (healthy, overfitting, underfitting, diverging, inconclusive) or a severity (info, warning, "
        "error) from which on a run fails; several with commas or by repeating; default: error",
    )
    policy.add_argument(
        "--max-gap",
        metavar="X",
        help="largest generalization gap (validation minus train) at the last step, in the metric's units, or as a "
        "share of the best validation value, such as 10%%; like for like where that was measured",
    )
