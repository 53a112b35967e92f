"""Build the wheel and run against it, in a bare environment, the tests whose outcome depends on how it is installed.

From another folder: a forgotten file, a module that asks for a framework or an extra, a command or a plugin that is not
found by its entry point shows here and nowhere else. What the other tests of the core find does not depend on it: they
run once, by `make unit`. That no function of the core imports a framework later is seen in all of its sources by
`test_package.py`, here that every module can be imported without any.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from zipfile import ZipFile

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ["pytest", "hypothesis", "pytest-timeout", "pytest-xdist", "jsonschema"]
CORE = [
    # Modules, the command, and the public names.
    *("test_package.py", "test_cli.py", "test_check.py", "test_monitor.py"),
    # Files of the package beside its modules: pages, schemas, effects, names of columns, samples.
    *("test_view_static.py", "test_explain.py", "advice/test_catalogue.py", "reports"),
    *("readers/test_conventions.py", "readers/test_sample_logs.py"),
    # What is said or done where an extra is not installed.
    *("doctor", "following/test_watch_command.py", "readers/test_sources.py", "test_completion.py"),
    *("test_plotting.py", "test_progress.py", "test_written.py", "test_webhook.py"),
]
# Of the plugin what shows that pytest finds and runs it there.
PLUGIN = ["conftest.py", "test_logs.py"]
NO_PACKAGE = {"__pycache__", ".mypy_cache"}


def packaged() -> set[str]:
    """Return every file of the packages, as it is called in the wheel: modules, static files and schemas alike."""
    roots = [ROOT, ROOT / "integrations"]
    packages = [ROOT / "overfit_monitor", *(path for path in (ROOT / "integrations").iterdir() if path.is_dir())]
    files = (path for package in packages for path in package.rglob("*") if path.is_file())
    return {
        path.relative_to(roots[path.is_relative_to(roots[1])]).as_posix()
        for path in files
        if not NO_PACKAGE & set(path.parts)
    }


def copy(path: Path, place: Path) -> None:
    """Copy a file or folder of the repository to the same place in another folder."""
    (place / path).parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(ROOT / path, place / path) if (ROOT / path).is_dir() else shutil.copy(ROOT / path, place / path)


def main() -> int:
    """Return pytest's exit status."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        subprocess.run([sys.executable, "-m", "build", "--wheel", "--outdir", folder, str(ROOT)], check=True)
        wheel = next(place.glob("*.whl"))
        venv.create(place / "venv")
        python = place / "venv" / "bin" / "python"
        pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-compile"]
        subprocess.run([*pip, str(wheel), *TOOLS], check=True)
        if forgotten := packaged() - set(ZipFile(wheel).namelist()):
            print(f"not in the wheel: {', '.join(sorted(forgotten))}", file=sys.stderr)
            return 1
        tests = [Path("tests", name) for name in ("conftest.py", "chromium.py")]
        tests += [Path("tests", "overfit_monitor", name) for name in CORE]
        tests += [Path("tests", "integrations", "overfit_monitor_pytest", name) for name in PLUGIN]
        for path in tests:
            copy(path, place)
        shutil.copytree(ROOT / "docs", place / "docs")
        shutil.copy(ROOT / "pyproject.toml", place)
        subprocess.run([place / "venv" / "bin" / "overfit-monitor", "--version"], cwd=place, check=True)
        command = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "2", "--dist", "loadfile", "tests"]
        return subprocess.run(command, cwd=place, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
