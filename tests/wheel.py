"""Build the wheel and run the core tests against it in a bare environment, from another folder.

A forgotten file or a framework imported by the core shows here and nowhere else.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ["pytest", "hypothesis", "pytest-timeout", "jsonschema"]


def main() -> int:
    """Return pytest's exit status."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        subprocess.run([sys.executable, "-m", "build", "--wheel", "--outdir", folder, str(ROOT)], check=True)
        wheel = next(place.glob("*.whl"))
        venv.create(place / "venv", with_pip=True)
        python = place / "venv" / "bin" / "python"
        subprocess.run([python, "-m", "pip", "install", "--quiet", f"{wheel}", *TOOLS], check=True)
        shutil.copytree(ROOT / "tests" / "overfit_monitor", place / "tests" / "overfit_monitor")
        shutil.copy(ROOT / "tests" / "conftest.py", place / "tests")
        shutil.copytree(ROOT / "docs", place / "docs")
        shutil.copy(ROOT / "pyproject.toml", place)
        command = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"]
        return subprocess.run(command, cwd=place, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
