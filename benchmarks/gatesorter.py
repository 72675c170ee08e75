"""Run by the interpreter of `benchmarks.gate`: GATE's coincidence sorter, asked line by line in JSON.

`{"do": "write", "root": FILE, "singles": FILE.npz}` makes the ROOT file; `{"do": "sort", "root": FILE, "out": FILE,
"window_ns": W, "policy": NAME}` sorts one ROOT file into another; `"out": null` keeps the pairs in memory.
"""

from __future__ import annotations

import json
import sys
import sysconfig
import time
import types
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import uproot


def stub(name: str, **content: Any) -> None:
    module = types.ModuleType(name)
    module.__dict__.update(content)
    sys.modules[name] = module


def sorter() -> Any:
    """Import the sorter without GATE's core, Geant4, plotting and statistics, none of which it uses."""
    root = Path(sysconfig.get_paths()["purelib"]) / "opengate"
    for name in ("opengate", "opengate.actors", "opengate.contrib"):
        stub(name, __path__=[str(root.joinpath(*name.split(".")[1:]))])

    def raise_except(text: str) -> None:
        raise RuntimeError(text)

    stub("opengate.exception", raise_except=raise_except)
    stub("matplotlib", __path__=[])
    stub("matplotlib.pyplot")
    stub("scipy", __path__=[])
    stub("scipy.stats", chi2_contingency=None)
    from opengate.actors.coincidences import coincidences_sorter

    return coincidences_sorter


def write(request: dict[str, Any]) -> dict[str, Any]:
    """Write singles with the branches that GATE's digitiser gives and its sorter asks for; volumes have names."""
    singles = np.load(request["singles"])
    rows = len(singles["time_ps"])
    place = np.zeros(rows, np.float32)
    names = np.array([f"crystal-0_{number}" for number in range(int(singles["detector"].max()) + 1)])
    with uproot.recreate(request["root"]) as file:
        file["Singles"] = {
            "EventID": np.arange(rows, dtype=np.int32), "GlobalTime": singles["time_ps"] / 1000.0,
            "PreStepUniqueVolumeID": ak.Array(names)[singles["detector"]],
            "TotalEnergyDeposit": singles["energy_kev"] / np.float32(1000),
            "PostPosition_X": place, "PostPosition_Y": place, "PostPosition_Z": place,
        }  # fmt: skip
    return {"rows": rows}


def sort(request: dict[str, Any], run: Any) -> dict[str, Any]:
    """Sort and return the CPU time of that, then how many pairs there are and the sum of their times in ps."""
    begin = time.process_time()
    with uproot.open(request["root"]) as file:
        made = run(
            file["Singles"], request["window_ns"], request["policy"], None, None, None, chunk_size=500_000,
            return_type="pd", output_file_path=request["out"],
        )  # fmt: skip
    cpu_s = time.process_time() - begin
    if request["out"]:
        with uproot.open(request["out"]) as file:
            made = file["Coincidences"].arrays(["GlobalTime1", "GlobalTime2"], library="pd")
    first, second = (np.rint(made[name].to_numpy() * 1000).astype(np.int64) for name in ("GlobalTime1", "GlobalTime2"))
    return {"cpu_s": cpu_s, "pairs": len(first), "sum_ps": int(first.sum()), "tof_ps": int((second - first).sum())}


def main() -> None:
    run = sorter()
    for line in sys.stdin:
        request = json.loads(line)
        answer = write(request) if request["do"] == "write" else sort(request, run)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
