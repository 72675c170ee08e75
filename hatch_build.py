"""Fetches the console's front-end libraries from the npm registry, by lock file, when a wheel or a tree is built.

They are copied into the package, so that a user needs pip alone. A source distribution holds them already.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).parent
PROJECT = ROOT / "console"
VENDOR = ROOT / "daq" / "gateway" / "static" / "vendor"
FILES = {
    "preact-htm.js": "htm/preact/standalone.module.js",
    "uplot.js": "uplot/dist/uPlot.esm.js",
    "uplot.css": "uplot/dist/uPlot.min.css",
}
"""Name in the package: place below node_modules."""
LICENSES = {"htm": "htm/LICENSE", "preact": "preact/LICENSE", "uplot": "uplot/LICENSE"}
WITHIN_S = 300


class CustomBuildHook(BuildHookInterface[Any]):
    """Called by hatchling before it builds."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Have the files there."""
        del version
        if (PROJECT / "package-lock.json").exists() and not is_current():
            fetch()
        build_data["artifacts"].append("daq/gateway/static/vendor/**")


def is_current() -> bool:
    """Return True where the files are those of the lock file."""
    made = VENDOR / "vendor.json"
    if not made.is_file():
        return False
    told = json.loads(made.read_text(encoding="utf-8"))
    whole = all(_sha256(VENDOR / name) == told["sha256"].get(name) for name in FILES)
    return whole and told["lock"] == _sha256(PROJECT / "package-lock.json")


def fetch() -> None:
    """Install by the lock file into a folder of its own, and copy what is needed."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for needed in ("package.json", "package-lock.json"):
            shutil.copy(PROJECT / needed, folder)
        command = ["npm", "ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        try:
            subprocess.run(command, cwd=folder, check=True, timeout=WITHIN_S, stdin=subprocess.DEVNULL)
        except FileNotFoundError:
            raise SystemExit("npm is needed to fetch the console's libraries: apt-get install npm") from None
        modules = folder / "node_modules"
        VENDOR.mkdir(parents=True, exist_ok=True)
        for target, source in FILES.items():
            shutil.copy(modules / source, VENDOR / target)
        texts = [f"{name}\n\n{(modules / place).read_text(encoding='utf-8')}" for name, place in LICENSES.items()]
        (VENDOR / "LICENSES.txt").write_text("\n\n".join(texts), encoding="utf-8")
    told = {"lock": _sha256(PROJECT / "package-lock.json"), "sha256": {name: _sha256(VENDOR / name) for name in FILES}}
    (VENDOR / "vendor.json").write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
