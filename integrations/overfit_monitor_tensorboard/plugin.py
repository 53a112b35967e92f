"""The entry point of the TensorBoard plugin, which imports nothing that could fail.

An error while this module is imported, or in ``fix_flags``, ends the whole
``tensorboard`` command; so everything else is imported when it is asked for.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import Any, final

from tensorboard.plugins import base_plugin

from overfit_monitor_tensorboard.names import PLUGIN_NAME, SCALARS

logger = logging.getLogger(__name__)

_ALL = 0


@final
class OverfitPlugin(base_plugin.TBLoader):  # type: ignore[misc]
    """Loads the tab."""

    def fix_flags(self, flags: Any) -> None:
        """Ask both data loaders to keep every alert; nothing is changed for any other plugin."""
        with suppress(AttributeError, TypeError):  # a future TensorBoard may keep the setting elsewhere
            flags.samples_per_plugin.setdefault(PLUGIN_NAME, _ALL)

    def load(self, context: Any) -> OverfitTab | None:
        """Return the tab, or None where TensorBoard runs without a data provider."""
        return OverfitTab(context) if context.data_provider is not None else None


@final
class OverfitTab(base_plugin.TBPlugin):  # type: ignore[misc]
    """The tab "Overfit": every run of the log with its verdict, ours or not.

    Args:
        context: TensorBoard's context of the plugin.
    """

    plugin_name = PLUGIN_NAME

    def __init__(self, context: Any) -> None:
        self._context = context

    def get_plugin_apps(self) -> dict[str, Any]:
        """Return the routes of the data and of the frontend's files."""
        from overfit_monitor_tensorboard.routes import data_apps, static_apps

        return static_apps() | data_apps(self._context)

    def is_active(self) -> bool:
        """Return False: `data_plugin_names` makes the tab active wherever there are scalars."""
        return False

    def data_plugin_names(self) -> tuple[str, ...]:
        """Return whose data the tab reads."""
        return (SCALARS, PLUGIN_NAME)

    def frontend_metadata(self) -> base_plugin.FrontendMetadata:
        """Return the name of the tab and the module that draws it."""
        return base_plugin.FrontendMetadata(es_module_path="/index.js", tab_name="Overfit")
