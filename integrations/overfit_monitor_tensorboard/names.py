"""The names by which writer, reader and tab find each other's data."""

from __future__ import annotations

from typing import Final

PLUGIN_NAME: Final = "overfit_monitor"
# A folder of its own: a second event file beside the user's stops TensorBoard's Python loader from polling his.
SUB_FOLDER: Final = "overfit-monitor"

SCALARS: Final = "scalars"
PREFIX: Final = "overfit/"
TRAIN_TAG: Final = "overfit/train"
VAL_TAG: Final = "overfit/val"
GAP_TAG: Final = "overfit/gap"
REAL_GAP_TAG: Final = "overfit/like_for_like_gap"
PROBE_TAG: Final = "overfit/train_probe"
MEMBERSHIP_TAG: Final = "overfit/membership_auc"
BEST_TAG: Final = "overfit/best_so_far"
LEVEL_TAG: Final = "overfit/alert_level"
ALERTS_TAG: Final = "overfit/alerts"
SUMMARY_TAG: Final = "overfit/summary"
APPLIED_TAG: Final = "overfit/applied"
