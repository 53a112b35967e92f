"""The package as a whole: its public names, what it imports, and what importing it costs."""

import ast
import gc
import os
import random
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

import overfit_monitor
from overfit_monitor.cli import main

PACKAGE = Path(overfit_monitor.__file__).parent
MODULES = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))
NEEDED = {"numpy", "scipy", "pydantic", "pydantic_core", "overfit_monitor"}
# Each is imported in one place, where it is used.
EXTRAS = {
    "cli/completion.py": {"shtab"},
    "following/screen.py": {"rich"},
    "plotting.py": {"matplotlib"},
    "progress.py": {"tqdm"},
    "readers/remote.py": {"fsspec"},
    "written.py": {"yaml"},
}
FRAMEWORKS = {"torch", "keras", "tensorflow", "tensorboard", "sklearn", "matplotlib", "rich"}


def test_public_names_are_sorted_and_there():
    assert overfit_monitor.__all__ == sorted(overfit_monitor.__all__)
    assert all(hasattr(overfit_monitor, name) for name in overfit_monitor.__all__)


def test_importing_it_imports_no_framework_and_no_heavy_part_of_scipy():
    code = "import sys, overfit_monitor, overfit_monitor.cli; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert not FRAMEWORKS & set(loaded)
    assert "scipy.stats" not in loaded


# What judging one healthy table has no use for. Each of these costs as much as judging many evaluations.
NOT_FOR_A_TABLE = {
    *(f"overfit_monitor.{name}" for name in ("advice", "baseline", "comparison", "duplicates", "example_tables")),
    *(f"overfit_monitor.{name}" for name in ("examples", "facts_file", "monitor", "outlets", "project_config")),
    *(f"overfit_monitor.{name}" for name in ("replay", "sampler", "view", "webhook", "written")),
    *(f"overfit_monitor.readers.{name}" for name in ("console", "journal", "json_records", "notebook", "refused")),
    *(f"overfit_monitor.stopping.{name}" for name in ("min_delta", "never", "patience", "progress_quotient")),
    *(f"overfit_monitor.cli.{name}" for name in ("baseline", "doctor", "replay", "report", "watch")),
    *("difflib", "logging", "multiprocessing", "numpy", "queue", "scipy", "tomllib", "yaml", *FRAMEWORKS),
}


def test_checking_a_table_imports_what_it_needs(tmp_path):
    noise = random.Random(0)
    down = [(1 / (1 + i / 30) + noise.gauss(0, 0.01), 1 / (1 + i / 25) + 0.1 + noise.gauss(0, 0.01)) for i in range(99)]
    rows = [f"{i},{train},{val}" for i, (train, val) in enumerate(down)]
    (tmp_path / "log.csv").write_text("\n".join(["epoch,loss,val_loss", *rows]))
    code = (
        "import sys; from overfit_monitor.cli import main; status = main(['check', 'log.csv']); "
        "print(*sys.modules); sys.exit(status)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=tmp_path)
    assert NOT_FOR_A_TABLE & set(done.stdout.splitlines()[-1].split()) == set()


@pytest.mark.parametrize("whole_process", [True, False])
def test_the_command_line_leaves_the_process_as_it_was(whole_process, monkeypatch, capsys, tmp_path):

    frozen = []
    monkeypatch.setattr(gc, "freeze", lambda: frozen.append(True))
    monkeypatch.setattr(sys, "argv", ["overfit-monitor", "check", str(tmp_path)])
    before = gc.get_threshold(), dict(os.environ)
    assert main(None if whole_process else sys.argv[1:]) == 2
    assert (gc.get_threshold(), dict(os.environ)) == before
    assert bool(frozen) is whole_process


def imported(path):
    """Return the packages that a module names in its imports, wherever in it they stand."""
    found = set()
    for node in ast.walk(ast.parse((PACKAGE / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add(node.module.partition(".")[0])
    return found


def test_nothing_is_imported_but_what_is_installed_with_it_and_the_extras():
    others = {path.as_posix(): imported(path) - sys.stdlib_module_names - NEEDED for path in MODULES}
    assert {path: names for path, names in others.items() if names} == EXTRAS


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_every_module_can_be_imported(path):
    """Also where nothing but the package is installed, as for the tests of the wheel."""
    if path.as_posix() == "following/screen.py" and find_spec("rich") is None:
        pytest.skip("the view of this extra, which is imported with it alone")
    if path.name != "__main__.py":
        parts = path.with_suffix("").parts
        import_module(".".join(("overfit_monitor", *(part for part in parts if part != "__init__"))))
