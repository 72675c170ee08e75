"""GATE 10's own coincidence sorter, unmodified, in this process, on singles in memory: referee and peer of `Pairer`.

It is `opengate/actors/coincidences.py` of the wheel `opengate`, fetched into a folder outside of the checkout
(`SCANDAQ_OPENGATE`, or that of the user's cache) and executed alone: importing the whole package fetches Geant4's data.
Of what the file imports, readers of ROOT files are replaced, for singles come from memory; NumPy and pandas are real.
"""

from __future__ import annotations

import os
import subprocess
import sys
import types
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from daq.model.coincidence import PairingRule, Policy
from daq.model.coincidence_rules import ring_difference, sector_difference

VERSION = "10.1.1"
MEMBER = "opengate/actors/coincidences.py"
FETCH_S = 60
NAMES = {
    Policy.TAKE_ALL_GOODS: "TakeAllGoods",
    Policy.TAKE_WINNER_OF_GOODS: "TakeWinnerOfGoods",
    Policy.TAKE_WINNER_IF_IS_GOOD: "TakeWinnerIfIsGood",
    Policy.TAKE_WINNER_IF_ALL_ARE_GOODS: "TakeWinnerIfAllAreGoods",
    Policy.KILL_ALL_IF_MULTIPLE_GOODS: "TakeIfOnlyOneGood",
    Policy.KILL_ALL: "RemoveMultiples",
}
"""GATE 10's names of the policies that it has; the `keep` policies are GATE 9's alone."""


class UnavailableError(Exception):
    """GATE's sorter cannot be had here; the text says why."""


def folder() -> Path:
    own = os.environ.get("SCANDAQ_OPENGATE")
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111 - may have no home
    return Path(own) if own else Path(cache) / "scandaq" / f"opengate-{VERSION}"


def source() -> bytes:
    """Return the text of GATE's module, fetched once; raise `UnavailableError` where that fails."""
    wheels = list(folder().glob(f"opengate-{VERSION}-*.whl"))
    if not wheels:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--retries", "1"]
        command += ["--dest", str(folder())]
        try:
            done = subprocess.run(
                [*command, f"opengate=={VERSION}"], capture_output=True, text=True, timeout=FETCH_S, check=False
            )
        except subprocess.TimeoutExpired:
            raise UnavailableError(f"pip did not fetch opengate {VERSION} within {FETCH_S} s") from None
        wheels = list(folder().glob(f"opengate-{VERSION}-*.whl"))
        if done.returncode or not wheels:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise UnavailableError(f"pip could not fetch opengate {VERSION}: {last}")
    with zipfile.ZipFile(wheels[0]) as wheel:
        return wheel.read(MEMBER)


def sorter() -> Any:
    """Return GATE's module; raise `UnavailableError` without it or without pandas."""
    try:
        import pandas  # noqa: F401 - GATE's module needs it
    except ImportError as why:
        raise UnavailableError("GATE's sorter needs pandas, which is not installed") from why
    text = source()
    stubs = {name: types.ModuleType(name) for name in ("awkward", "uproot", "opengate", "opengate.contrib")}
    stubs["opengate.contrib.root_helpers"] = types.ModuleType("opengate.contrib.root_helpers")
    stubs["awkward"].to_dataframe = lambda chunk: chunk  # type: ignore[attr-defined]
    stubs["uproot"].ReadOnlyFile = object  # type: ignore[attr-defined]
    module = types.ModuleType("gate_coincidences")
    with mock.patch.dict(sys.modules, {**stubs, module.__name__: module}):
        exec(compile(text, MEMBER, "exec"), module.__dict__)  # noqa: S102 - the referee's own text
    return module


class Tree:
    """Singles in memory, read as GATE reads a ROOT tree."""

    def __init__(self, columns: dict[str, Any]) -> None:
        import pandas as pd

        self.frame = pd.DataFrame(columns)

    def keys(self) -> list[str]:
        return list(self.frame.columns)

    def iterate(self, step_size: int) -> Iterator[Any]:
        for begin in range(0, len(self.frame), step_size):
            yield self.frame.iloc[begin : begin + step_size].reset_index(drop=True)


def tree_of(singles: dict[str, Any], rule: PairingRule) -> Tree:
    """Return singles as GATE has them: times in ps as whole floating-point numbers, places at the middle of sectors.

    So GATE's distances are those of sectors and rings, the only places that the product's rule asks for.
    """
    ring = rule.ring
    axial, crystal = np.divmod(singles["detector"].astype(np.int64), ring.detectors_per_ring)
    angle = 2 * np.pi * (crystal * ring.sectors // ring.detectors_per_ring) / ring.sectors
    return Tree({
        "EventID": np.arange(len(crystal)),
        "GlobalTime": singles["time_ps"].astype(np.float64),
        "PreStepUniqueVolumeID": np.char.add("crystal-", singles["detector"].astype(str)).astype(object),
        "TotalEnergyDeposit": singles["energy_kev"].astype(np.float64),
        "PostPosition_X": ring.radius_mm * np.cos(angle),
        "PostPosition_Y": ring.radius_mm * np.sin(angle),
        "PostPosition_Z": ring.axial_pitch_mm * axial,
        "detector": singles["detector"],
    })  # fmt: skip


def pairs(module: Any, tree: Tree, rule: PairingRule, *, window_ps: int, chunk: int = 100_000) -> Any:
    """Return GATE's coincidences as a table: the columns of the tree, once with 1 and once with 2 at the end."""
    apart, sectors = sector_difference(rule), rule.ring.sectors
    least_mm = 2 * rule.ring.radius_mm * np.sin(np.pi * (apart - 0.5) / sectors) if apart else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return module.coincidences_sorter(
            tree, float(window_ps), NAMES[rule.policy], least_mm, "xy",
            (ring_difference(rule) + 0.5) * rule.ring.axial_pitch_mm, chunk, "pd",
        )  # fmt: skip
