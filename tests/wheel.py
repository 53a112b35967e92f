"""Build the wheel and run the tests of the core, and some of the pytest plugin, against it in a bare environment.

From another folder: a forgotten file, a framework imported by the core, or a plugin that pytest does not find by its
entry point shows here and nowhere else.
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
# Of the plugin what shows that pytest finds and runs it there; the rest does not depend on how it was installed.
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


def main() -> int:
    """Return pytest's exit status."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        subprocess.run([sys.executable, "-m", "build", "--wheel", "--outdir", folder, str(ROOT)], check=True)
        wheel = next(place.glob("*.whl"))
        venv.create(place / "venv", with_pip=True)
        python = place / "venv" / "bin" / "python"
        subprocess.run([python, "-m", "pip", "install", "--quiet", f"{wheel}", *TOOLS], check=True)
        if forgotten := packaged() - set(ZipFile(wheel).namelist()):
            print(f"not in the wheel: {', '.join(sorted(forgotten))}", file=sys.stderr)
            return 1
        shutil.copytree(ROOT / "tests" / "overfit_monitor", place / "tests" / "overfit_monitor")
        plugin = Path("tests", "integrations", "overfit_monitor_pytest")
        (place / plugin).mkdir(parents=True)
        for name in PLUGIN:
            shutil.copy(ROOT / plugin / name, place / plugin)
        shutil.copy(ROOT / "tests" / "conftest.py", place / "tests")
        shutil.copytree(ROOT / "docs", place / "docs")
        shutil.copy(ROOT / "pyproject.toml", place)
        command = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "2", "--dist", "loadfile", "tests"]
        return subprocess.run(command, cwd=place, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
