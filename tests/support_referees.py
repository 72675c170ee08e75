"""Other people's programs whose licence keeps them out of our environment: each in one of its own, made when asked for.

`SCANDAQ_REFEREES` names a folder in which such environments are kept; without it the tests that need one are skipped.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = "SCANDAQ_REFEREES"
INSTALL_S = 300


def environment(name: str, *packages: str) -> Path:
    """Return the python of an environment that has these packages, made once; skip the test where none is asked for."""
    if FOLDER not in os.environ:
        pytest.skip(f"the licence of {name} wants an environment of its own: set {FOLDER} to a folder to install it in")
    home = Path(os.environ[FOLDER]) / name
    python = home / "bin" / "python"
    done = home / "installed"
    if not done.exists() or done.read_text() != " ".join(packages):
        subprocess.run([sys.executable, "-m", "venv", str(home)], check=True, timeout=INSTALL_S)
        subprocess.run([str(python), "-m", "pip", "install", "-q", *packages], check=True, timeout=INSTALL_S)
        done.write_text(" ".join(packages))
    return python
