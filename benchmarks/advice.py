"""Does the advice help? Ours, first and tried, beside the advice that everybody prints.

usage: python benchmarks/advice.py [--tasks 64] [--seed 7]
       python benchmarks/advice.py --learn [--tasks 64]

The first judges, on tasks that nothing was learned from; the second measures every change on others and writes
``overfit_monitor/effects.json``.

Every task is a training that the monitor calls overfitting. A change is the code of the recommendation, pasted in. The
loss is that of a large hidden test set at the epoch with the best validation loss, mean of three seeds, over that of
the training as it was, stopped early in the same way: so 1.000 is what early stopping alone reaches. *helps* is at
least 1 % lower, *harms* more than 2 % higher. `verify` tries the first three with seeds of its own; what it keeps is
judged on the other three.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from advice_tasks import Task, facts, task, training
from tables import show

import overfit_monitor
from overfit_monitor import Diagnosis, Recommendation, diagnose
from overfit_monitor.effects import DATA, group_of
from overfit_monitor_trials import verify
from overfit_monitor_trials.verify import NOT_TRAINED, candidates

CACHE = Path(__file__).parent / ".cache"
JUDGED, TRIED = (10, 11, 12), (0, 1, 2)
LEARN_SEED, JUDGE_SEED = 0, 7
MOST_DRAWN = 5  # for one that overfits
CLIPPED = 0.4
GROUPS = ("plain classification", "normalized classification", "regression")
COLUMNS = ("tasks", "helps", "harms", "median ratio", "tenths", "mean log")

FIXED = {
    "weight decay 0.01": "for g in optimizer.param_groups:\n    g['weight_decay'] = 0.01",
    "weight decay 1.0": "for g in optimizer.param_groups:\n    g['weight_decay'] = 1.0",
    "dropout 0.2": "0.2",
    "dropout 0.5": "0.5",
    "label smoothing 0.1": """
if isinstance(criterion, torch.nn.CrossEntropyLoss):
    criterion.register_forward_pre_hook(
        lambda m, _: setattr(m, "label_smoothing", 0.1 if torch.is_grad_enabled() else 0.0)
    )""",
    "input noise 0.2": """
def noisy(module, inputs):
    if module.training and inputs[0].is_floating_point():
        return (inputs[0] + 0.2 * torch.randn_like(inputs[0]),)
model.register_forward_pre_hook(noisy)""",
}
DROPOUT = """
for module in [m for m in model.modules() if isinstance(m, torch.nn.Linear)][1:]:
    module.register_forward_pre_hook(
        lambda m, inputs: (torch.nn.functional.dropout(inputs[0], {}, m.training), *inputs[1:])
    )"""


def fixed() -> list[Recommendation]:
    """Return the advice that is always the same."""
    codes = {n: "import torch\n" + (DROPOUT.format(c) if n.startswith("dropout") else c) for n, c in FIXED.items()}
    codes["width / 4"] = ""
    return [Recommendation(id=name, title=name, why="", change={name: True}, code=code) for name, code in codes.items()]


def overfitting(drawn: Task) -> Diagnosis | None:
    """Return the diagnosis of the training as it was, None where it does not overfit."""
    seen = training(drawn)({"seed": 0})
    found = diagnose(train=seen["train"], val=seen["val"], facts=facts(drawn))
    return found if found.verdict == "overfitting" else None


def kept(history: dict[str, list[float]]) -> float:
    """Return the test loss at the epoch with the best validation loss."""
    val = [value if math.isfinite(value) else math.inf for value in history["val"]]
    return history["test"][int(np.argmin(val))]


def losses(drawn: Task, advice: Sequence[Recommendation], change: dict[str, Any]) -> list[dict[str, list[float]]]:
    """Train with a change on the seeds that judge."""
    if "width / 4" in change:
        drawn = _narrower(drawn)
    return [training(drawn, advice)({**change, "seed": seed}) for seed in JUDGED]


def _narrower(drawn: Task) -> Task:
    values = {k: v for k, v in vars(drawn).items() if k != "width"}
    return Task(**values, width=max(4, drawn.width // 4))


def learn(number: int, *, seed: int) -> dict[str, Any] | None:
    """Return what every recommendation of a task did, None where it does not overfit."""
    torch.set_num_threads(1)
    drawn = task(number, seed=seed)
    found = overfitting(drawn)
    if found is None:
        return None
    base = np.mean([kept(h) for h in losses(drawn, (), {})])
    tried = {}
    for one in found.recommendations:
        if one.id not in NOT_TRAINED:
            tried[one.id] = float(np.mean([kept(h) for h in losses(drawn, found.recommendations, one.change)]) / base)
    return {"number": number, "kind": drawn.kind, "group": group_of(facts(drawn)), "ratios": tried}


def judge(number: int, *, seed: int) -> dict[str, Any] | None:
    """Return what ours and fixed advice did on a task, None where it does not overfit."""
    torch.set_num_threads(1)
    drawn = task(number, seed=seed)
    found = overfitting(drawn)
    if found is None:
        return None
    before = losses(drawn, (), {})
    base = np.mean([kept(h) for h in before])
    known = [*found.recommendations, *fixed()]
    trainable = [one for one in found.recommendations if one.id not in NOT_TRAINED]
    top = candidates(found, 3)
    tried = {one.id: one for one in (*trainable[:1], *top, *fixed())}
    ratios = {
        id: float(np.mean([kept(h) for h in losses(drawn, known, one.change)]) / base) for id, one in tried.items()
    }
    result = verify(training(drawn, known, test=False), found, seeds=TRIED, engine="serial", quiet=True)
    chosen = 1.0
    if result.best is not None:
        chosen = float(np.mean([kept(h) for h in losses(drawn, known, result.change)]) / base)
    return {
        "number": number,
        "kind": drawn.kind,
        "first": trainable[0].id if trainable else None,
        "top": [one.id for one in top],
        "ratios": ratios,
        "verified": chosen,
        "best": result.best,
        "cost": result.cost,
        "last": float(np.mean([h["test"][-1] for h in before]) / base),
    }


def load(
    job: Callable[..., dict[str, Any] | None], tasks: int, seed: int, *, keep: bool = True
) -> list[dict[str, Any]]:
    """Return the records of so many overfitting tasks; they are kept in the cache as they come."""
    path = CACHE / f"advice-{job.__name__}-{seed}.jsonl"
    lines = path.read_text().splitlines() if keep and path.exists() else []
    done = [json.loads(line) for line in lines]
    CACHE.mkdir(exist_ok=True)
    with ProcessPoolExecutor() as pool, path.open("a" if keep else "w") as file:
        missing = tasks - sum(bool(record) for record in done)
        numbers = range(len(done), len(done) + MOST_DRAWN * max(0, missing))
        for record in pool.map(partial(job, seed=seed), numbers):
            done.append(record or {})
            file.write(json.dumps(done[-1]) + "\n")
            file.flush()
            if sum(bool(one) for one in done) >= tasks:
                pool.shutdown(wait=False, cancel_futures=True)
                break
    return [record for record in done if record][:tasks]


def summary(ratios: Iterable[float]) -> dict[str, float]:
    """Return the figures of `overfit_monitor.records.Effect`, the mean log ratio and its standard error."""
    found = np.array(list(ratios))
    logs = np.clip(np.log(found), -CLIPPED, CLIPPED)
    low, high = np.quantile(found, [0.1, 0.9])
    figures = {
        "runs": len(found),
        "ratio": np.median(found),
        "low": low,
        "high": high,
        "helps": np.mean(found <= 0.99),
        "harms": np.mean(found > 1.02),
        "gain": logs.mean(),
        "error": logs.std(ddof=1) / math.sqrt(len(found)) if len(found) > 1 else 1.0,
    }
    return {name: round(float(value), 4) if name != "runs" else int(value) for name, value in figures.items()}


def adjusted(records: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Return the mean log ratio of every change, as if each had been measured on all of these tasks.

    Not every change can be made to every task, and some tasks have more to gain than others: least squares with a
    term for the change and a term for the task.
    """
    pairs = [
        (i, id, np.clip(math.log(q), -CLIPPED, CLIPPED)) for i, r in enumerate(records) for id, q in r["ratios"].items()
    ]
    ids = sorted({id for _, id, _ in pairs})
    design = np.zeros((len(pairs), len(records) + len(ids)))
    for row, (i, id, _) in enumerate(pairs):
        design[row, i] = design[row, len(records) + ids.index(id)] = 1.0
    terms = np.linalg.lstsq(design, np.array([value for *_, value in pairs]), rcond=None)[0]
    return dict(zip(ids, terms[len(records) :] + terms[: len(records)].mean(), strict=True))


def write_effects(records: Sequence[dict[str, Any]], fewest: int = 5) -> None:
    """Write what was learned, with where it comes from, for all tasks and by group where there are enough."""
    effects: dict[str, dict[str, Any]] = {}
    for group in ("all", *GROUPS):
        within = [record for record in records if group in ("all", record["group"])]
        gains = adjusted(within)
        for id in sorted(gains):
            found = [record["ratios"][id] for record in within if id in record["ratios"]]
            if len(found) >= (fewest if group == "all" else 2 * fewest):
                effects.setdefault(id, {})[group] = {**summary(found), "gain": round(gains[id], 4)}
    told = {
        "provenance": f"benchmarks/advice.py --learn --tasks {len(records)}: small PyTorch networks that overfit, "
        f"generated and scikit-learn's data, {len(JUDGED)} seeds each, torch {torch.__version__.split('+')[0]}",
        "effects": effects,
    }
    path = Path(overfit_monitor.__file__).with_name(DATA)
    path.write_text(json.dumps(told, indent=1) + "\n")


def print_learned(records: Sequence[dict[str, Any]]) -> None:
    """Print what every recommendation did, best first."""
    ids = {id for record in records for id in record["ratios"]}
    found = {id: summary(r["ratios"][id] for r in records if id in r["ratios"]) for id in ids}
    rows = [row(id, found[id]) for id in sorted(ids, key=lambda name: found[name]["gain"])]
    show("What each recommendation did", ["change", *COLUMNS], rows)


def print_judged(records: Sequence[dict[str, Any]]) -> None:
    """Print ours beside fixed advice."""
    named = {"first recommendation": [r["ratios"].get(r["first"], 1.0) for r in records]}
    named["verify over the top three"] = [r["verified"] for r in records]
    named["best of the top three, in hindsight"] = [min([1.0, *(r["ratios"][id] for id in r["top"])]) for r in records]
    named["the last weights, not stopped"] = [r["last"] for r in records]
    named |= {one.id: [r["ratios"][one.id] for r in records] for one in fixed()}
    rows = [row(name, summary(ratios)) for name, ratios in named.items()]
    show("On tasks that nothing was learned from", ["advice", *COLUMNS], rows)
    costs, none = [r["cost"] for r in records], np.mean([r["best"] is None for r in records])
    mean, most = np.mean(costs), max(costs)
    print(f"\nverify: {mean:.2f} trainings of the original length (at most {most:.2f}); it kept none in {none:.0%}")


def row(name: str, found: dict[str, float]) -> list[str]:
    """Return a row of the tables: a name and its figures."""
    return [
        name,
        str(found["runs"]),
        f"{found['helps']:.0%}",
        f"{found['harms']:.0%}",
        f"{found['ratio']:.3f}",
        f"{found['low']:.2f} to {found['high']:.2f}",
        f"{found['gain']:+.3f} ± {found['error']:.3f}",
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=64)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--learn", action="store_true")
    parser.add_argument("--fresh", action="store_true", help="train anew what is in the cache")
    asked = parser.parse_args()
    if asked.learn:
        learned = load(learn, asked.tasks, LEARN_SEED if asked.seed is None else asked.seed, keep=not asked.fresh)
        print_learned(learned)
        write_effects(learned)
    else:
        print_judged(load(judge, asked.tasks, JUDGE_SEED if asked.seed is None else asked.seed, keep=not asked.fresh))
