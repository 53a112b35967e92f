"""The entry point: whatever is wrong with us, TensorBoard starts and goes on."""

import argparse
import os
import subprocess
import sys
import threading
from importlib.metadata import EntryPoint

import pytest
from tensorboard.backend import application
from tensorboard.plugins.base_plugin import TBContext

from overfit_monitor_tensorboard.plugin import OverfitPlugin

HEAVY = ["numpy", "pydantic", "scipy", "tensorflow", "torch", "google.protobuf", "overfit_monitor", "werkzeug"]


def run(code, *arguments):
    return subprocess.run([sys.executable, "-W", "ignore", "-c", code, *arguments], env=os.environ, check=True)


def test_the_module_imports_nothing_heavy():
    run(f"""
import sys, overfit_monitor_tensorboard.plugin as plugin
heavy = [name for name in {HEAVY} if name in sys.modules]
assert not heavy, heavy
""")


def test_tensorboard_starts_without_the_engine(tmp_path):
    """TensorBoard's own start-up, with an engine that cannot be imported."""
    run(
        """
import sys
import threading
sys.modules["overfit_monitor"] = None  # every import of it fails from here on
from tensorboard import default, program
from tensorboard.backend import application
from werkzeug.test import Client
from overfit_monitor_tensorboard.plugin import OverfitPlugin
board = program.TensorBoard(plugins=default.get_static_plugins() + [OverfitPlugin])
board.configure(argv=["", "--logdir", sys.argv[1], "--load_fast", "false"])
ingester = board._make_data_ingester()
client = Client(application.TensorBoardWSGIApp(board.flags, board.plugin_loaders, ingester.data_provider))
assert client.get("/data/plugins_listing").json["overfit_monitor"]["tab_name"] == "Overfit"
assert client.get("/data/plugin/scalars/tags").status_code == 200
answer = client.get("/data/plugin/overfit_monitor/runs")
assert answer.status_code == 500 and "could not answer: ModuleNotFoundError" in answer.text, answer.text
""",
        str(tmp_path),
    )


def test_every_alert_is_kept_and_nobody_elses_setting_is_touched():
    flags = argparse.Namespace(samples_per_plugin={"scalars": 5})
    OverfitPlugin().fix_flags(flags)
    assert flags.samples_per_plugin == {"scalars": 5, "overfit_monitor": 0}


def test_the_users_own_setting_stays():
    flags = argparse.Namespace(samples_per_plugin={"overfit_monitor": 7})
    OverfitPlugin().fix_flags(flags)
    assert flags.samples_per_plugin == {"overfit_monitor": 7}


@pytest.mark.parametrize("flags", [argparse.Namespace(), argparse.Namespace(samples_per_plugin=None), None])
def test_flags_of_another_shape_do_no_harm(flags):
    OverfitPlugin().fix_flags(flags)


def test_without_a_data_provider_there_is_no_tab():
    assert OverfitPlugin().load(TBContext(data_provider=None)) is None


def test_the_tab_as_tensorboard_sees_it():
    tab = OverfitPlugin().load(TBContext(data_provider=object()))
    assert tab.plugin_name == "overfit_monitor"
    assert tab.data_plugin_names() == ("scalars", "overfit_monitor")
    assert tab.is_active() is False
    metadata = tab.frontend_metadata()
    assert (metadata.tab_name, metadata.es_module_path) == ("Overfit", "/index.js")
    assert {"/index.js", "/runs", "/run"} <= set(tab.get_plugin_apps())


def test_the_name_in_the_project_file_is_one_tensorboard_takes():
    point = EntryPoint("overfit_monitor", "overfit_monitor_tensorboard.plugin:OverfitPlugin", "tensorboard_plugins")
    assert isinstance(application.make_plugin_loader(point.load()), OverfitPlugin)


def test_what_is_there_is_judged_ahead_and_apart_from_the_start(monkeypatch):
    from overfit_monitor_tensorboard import routes

    done = threading.Event()

    class Provider:
        def list_scalars(self, *_, **__):
            done.set()
            return {}

        def list_tensors(self, *_, **__):
            return {}

    monkeypatch.setattr(routes, "_AHEAD", 0.01)
    OverfitPlugin().load(TBContext(data_provider=Provider())).get_plugin_apps()
    assert done.wait(30)


def test_nothing_of_the_engine_is_imported_by_the_start():
    run(f"""
import sys
import threading
from tensorboard.plugins.base_plugin import TBContext
import tensorboard.backend.http_util, tensorboard.plugin_util
before = set(sys.modules)
from overfit_monitor_tensorboard.plugin import OverfitPlugin
apps = OverfitPlugin().load(TBContext(data_provider=object())).get_plugin_apps()
assert "/index.js" in apps
heavy = [name for name in {HEAVY} if name in sys.modules and name not in before]
assert not heavy, heavy
""")
