"""Runs and facts to ask rules of advice with: what is known of six ordinary trainings, and of none."""

from __future__ import annotations

from typing import get_args

from overfit_monitor.advice.base import Rule
from overfit_monitor.facts import DataFacts, Facts, Framework, LayerFacts, LayerKind, LossFacts, OptimizerFacts
from overfit_monitor.records import Diagnosis, Finding, MetricChoice, Verdict

OVERFIT = Diagnosis(
    verdict="overfitting",
    step=39,
    best_step=12,
    onset_step=14,
    alarm_step=20,
    metrics=MetricChoice(train="loss", val="loss", mode="min"),
    findings=(
        Finding(
            id="overfitting",
            severity="error",
            message="validation is 0.25 worse than its best around step 12.",
            onset_step=14,
            alarm_step=20,
            evidence={"rise": 0.25, "rise_relative": 0.5, "noise": 0.01, "train_change": -0.3},
        ),
    ),
)
BARE = Diagnosis(verdict="overfitting")
"""The least that can be known of an overfitting run: no step, no finding, no evidence."""


def dense_network(framework: Framework | None = "torch") -> Facts:
    """Return all facts of a wide dense classifier with Adam and nothing against overfitting."""
    return Facts(
        framework=framework,
        layers=(
            LayerFacts(name="0", kind="linear", parameters=33_280, width=512),
            LayerFacts(name="2", kind="linear", parameters=262_656, width=512),
            LayerFacts(name="4", kind="linear", parameters=5_130, width=10),
        ),
        optimizer=OptimizerFacts(name="Adam", learning_rate=0.001, weight_decay=0.0, decoupled=False),
        loss=LossFacts(
            name="CategoricalCrossentropy" if framework == "keras" else "CrossEntropyLoss",
            classification=True,
            label_smoothing=0.0,
        ),
        data=DataFacts(n_train=200, n_val=100, batch_size=32, steps_per_epoch=7, image=False, augmented=False),
        early_stopping=False,
    )


def image_network(framework: Framework | None = "torch") -> Facts:
    """Return all facts of a convolutional classifier with batch normalization and SGD, run on images."""
    return dense_network(framework).model_copy(
        update={
            "layers": (
                LayerFacts(name="0", kind="conv", parameters=320, width=32),
                LayerFacts(name="1", kind="norm", parameters=64, width=32),
                LayerFacts(name="4", kind="linear", parameters=204_900, width=100),
                LayerFacts(name="6", kind="linear", parameters=1_010, width=10),
            ),
            "optimizer": OptimizerFacts(name="SGD", learning_rate=0.1, weight_decay=0.0, decoupled=False),
            "data": DataFacts(n_train=1000, n_val=500, batch_size=100, image=True, augmented=False),
        }
    )


def text_network(framework: Framework | None = "torch") -> Facts:
    """Return all facts of a transformer on token ids that is fine-tuned with AdamW."""
    names = ("embedding", "blocks.0", "blocks.1", "blocks.2", "blocks.3", "head")
    kinds: list[LayerKind] = ["embedding", "attention", "attention", "attention", "attention", "linear"]
    return dense_network(framework).model_copy(
        update={
            "layers": tuple(
                LayerFacts(name=name, kind=kind, parameters=4096, width=64)
                for name, kind in zip(names, kinds, strict=True)
            ),
            "optimizer": OptimizerFacts(
                name="AdamW", learning_rate=1e-4, weight_decay=0.01, decoupled=True, schedule="LinearLR"
            ),
            "data": DataFacts(n_train=500, n_val=100, batch_size=128, image=False, kind="text", augmented=False),
            "residual_blocks": names[1:5],
            "pretrained": True,
        }
    )


def table_network(framework: Framework | None = "torch") -> Facts:
    """Return all facts of a narrow, strongly regularized network on raw columns with copies and wrong labels."""
    dense = dense_network(framework)
    return dense.model_copy(
        update={
            "layers": (
                LayerFacts(name="0", kind="linear", parameters=328, width=8),
                LayerFacts(name="1", kind="dropout", rate=0.5),
                LayerFacts(name="2", kind="linear", parameters=72, width=8),
                LayerFacts(name="3", kind="linear", parameters=72, width=8),
                LayerFacts(name="4", kind="linear", parameters=27, width=3),
            ),
            "optimizer": OptimizerFacts(
                name="AdamW", learning_rate=0.01, weight_decay=0.2, decoupled=True, schedule="none"
            ),
            "data": DataFacts(
                n_train=600, n_val=100, batch_size=256, steps_per_epoch=3, image=False, kind="tabular", features=40,
                unscaled=12, constant=1, label_noise=0.05, duplicates=7, augmented=False,
            ),
        }
    )  # fmt: skip


def deep_network(framework: Framework | None = "torch") -> Facts:
    """Return all facts of five dense layers without normalization."""
    sizes = [33_280, *[262_656] * 3, 5_130]
    layers = [LayerFacts(name=str(2 * i), kind="linear", parameters=n, width=512) for i, n in enumerate(sizes)]
    layers[-1] = layers[-1].model_copy(update={"width": 10})
    return dense_network(framework).model_copy(update={"layers": tuple(layers)})


def known_cases() -> tuple[Facts, ...]:
    """Return every set of facts that the checks ask a rule with, nothing known included."""
    frameworks: tuple[Framework | None, ...] = (*get_args(Framework), None)
    makers = (dense_network, deep_network, image_network, text_network, table_network)
    known = [make(framework) for framework in frameworks for make in makers]
    return (*known, *(Facts(framework=framework) for framework in frameworks))


def runs_against(rule: type[Rule]) -> tuple[Diagnosis, ...]:
    """Return a run for each verdict and each finding that the rule is against, and one that was best very early."""
    runs = [_with(name) for name in rule.against]
    return (*runs, *(run.model_copy(update={"best_step": best}) for run in runs for best in (1, 38)))


def _with(name: str) -> Diagnosis:
    if name == "overfitting":
        return OVERFIT
    finding = Finding(id=name, severity="warning", message=f"{name} is seen.", evidence={"examples_factor": 4.0})
    verdict = name if name in get_args(Verdict) else "healthy"
    return OVERFIT.model_copy(update={"verdict": verdict, "findings": (finding,)})
