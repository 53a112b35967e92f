"""The catalogue of rules, and the one way to ask them."""

from __future__ import annotations

from overfit_monitor.advice.augmentation import Augmentation
from overfit_monitor.advice.base import Rule
from overfit_monitor.advice.batch_size import BatchSize
from overfit_monitor.advice.clean_labels import CleanLabels
from overfit_monitor.advice.cross_validation import CrossValidation
from overfit_monitor.advice.dropout import Dropout
from overfit_monitor.advice.early_stopping import EarlyStopping
from overfit_monitor.advice.freeze_layers import FreezeLayers
from overfit_monitor.advice.hyperparameter_search import HyperparameterSearch
from overfit_monitor.advice.input_noise import InputNoise
from overfit_monitor.advice.l1_penalty import L1Penalty
from overfit_monitor.advice.label_smoothing import LabelSmoothing
from overfit_monitor.advice.larger_model import LargerModel
from overfit_monitor.advice.larger_validation_set import LargerValidationSet
from overfit_monitor.advice.learning_rate import LearningRate
from overfit_monitor.advice.less_regularization import LessRegularization
from overfit_monitor.advice.mixup import Mixup
from overfit_monitor.advice.more_data import MoreData
from overfit_monitor.advice.normalization import Normalization
from overfit_monitor.advice.order import ordered
from overfit_monitor.advice.remove_duplicates import RemoveDuplicates
from overfit_monitor.advice.schedule import Schedule
from overfit_monitor.advice.smaller_model import SmallerModel
from overfit_monitor.advice.standardize_inputs import StandardizeInputs
from overfit_monitor.advice.stochastic_depth import StochasticDepth
from overfit_monitor.advice.temperature import Temperature
from overfit_monitor.advice.token_dropout import TokenDropout
from overfit_monitor.advice.train_longer import TrainLonger
from overfit_monitor.advice.weight_averaging import WeightAveraging
from overfit_monitor.advice.weight_decay import WeightDecay
from overfit_monitor.advice.weight_decay_with_dropout import WeightDecayWithDropout
from overfit_monitor.facts import Facts
from overfit_monitor.records import Diagnosis, Recommendation

__all__ = ["CATALOGUE", "Rule", "advise"]

CATALOGUE: tuple[type[Rule], ...] = (
    # First what makes the judgement itself wrong, and what costs nothing.
    RemoveDuplicates,
    CleanLabels,
    LargerValidationSet,
    CrossValidation,
    EarlyStopping,
    Temperature,
    # What changes the training; among these the measured effect decides.
    StandardizeInputs,
    WeightDecayWithDropout,
    WeightDecay,
    Dropout,
    LabelSmoothing,
    Mixup,
    Augmentation,
    TokenDropout,
    InputNoise,
    WeightAveraging,
    LearningRate,
    Schedule,
    BatchSize,
    Normalization,
    L1Penalty,
    StochasticDepth,
    FreezeLayers,
    LessRegularization,
    TrainLonger,
    LargerModel,
    SmallerModel,
    # What costs most.
    MoreData,
    HyperparameterSearch,
)


def advise(diagnosis: Diagnosis, facts: Facts) -> tuple[Recommendation, ...]:
    """Return what to change about this run, best expected effect first; `order.ordered` says how."""
    answers = (rule().advise(diagnosis, facts) for rule in CATALOGUE)
    return ordered(tuple(answer for answer in answers if answer is not None), facts)
