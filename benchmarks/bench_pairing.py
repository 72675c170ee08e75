"""Coincidences against plain C, and against GATE 10's own sorter. CPU time of one thread.

Inputs A, B and C: 2 M singles at 10, 50 and 100 Mcps on 60 800 crystals in 304 blocks, a fifth of them of true pairs
with a time of flight of up to 700 ps either way; window 4.5 ns, delay 100 ns, blocks next to each other do not pair.
The product takes columns in pushes of 200 000 singles and gives fresh columns; plain C, compiled here with -O3
-march=native, takes all at once. GATE's sorter takes 0.5 M singles from memory, so that the time it needs to read
them counts for it, in its own chunks of 100 000. Rows are compared before any time is printed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks import gatemodule
from benchmarks.bench_order import exponent
from benchmarks.common import Row, interleaved
from benchmarks.plainc import PlainC
from daq.model.coincidence import PairingRule, Policy
from daq.model.scanner import Ring
from daq.pipeline.pairing import Pairer
from daq.pipeline.pairing_rule import places_of

RING = Ring(
    radius_mm=410.0, rings=80, detectors_per_ring=760, axial_pitch_mm=4.0, module_detectors=20, module_rings=10,
    sectors=38, minimum_sector_difference=2,
)  # fmt: skip
RATES = {"A": 10, "B": 50, "C": 100}
"""M singles/s."""
SINGLES, PUSH, GATE_SINGLES = 2_000_000, 200_000, 500_000
WINDOW_PS, DELAY_PS, TOF_PS, JITTER_PS = 4_500, 100_000, 700, 90
PROMPTS = PairingRule(half_window_ps=WINDOW_PS, ring=RING)
BOTH = PairingRule(half_window_ps=WINDOW_PS, delay_ps=DELAY_PS, ring=RING)
LENGTHS = (250_000, 500_000, 1_000_000, 2_000_000)


def singles_at(mcps: int, count: int = SINGLES) -> dict[str, Any]:
    """Return singles in order of time: a tenth of them begins a true pair, a tenth ends one, the rest is uniform."""
    rng = np.random.default_rng(mcps)
    pairs, span_ps = count // 10, count * 10**6 // mcps
    decay = rng.integers(0, span_ps, pairs)
    tof = rng.integers(-TOF_PS, TOF_PS + 1, pairs) // 2
    ends = [np.rint(decay + sign * tof + rng.normal(0, JITTER_PS, pairs)).astype(np.int64) for sign in (1, -1)]
    time_ps = np.concatenate([*ends, rng.integers(0, span_ps, count - 2 * pairs)])
    first = rng.integers(0, RING.highest_detector + 1, pairs)
    across = (first % 760 + 380 + rng.integers(-150, 151, pairs)) % 760
    second = first // 760 * 760 + across
    detector = np.concatenate([first, second, rng.integers(0, RING.highest_detector + 1, count - 2 * pairs)])
    order = np.argsort(time_ps, kind="stable")
    return {
        "time_ps": time_ps[order],
        "detector": detector[order].astype(np.uint32),
        "energy_kev": rng.normal(511.0, 40.0, count).astype(np.float32),
    }


class Ours:
    """A sorter that runs on: each call pairs all singles, in pushes, and closes the last windows."""

    def __init__(self, rule: PairingRule, singles: dict[str, Any], *, push: int = PUSH) -> None:
        self.pairer = Pairer(rule)
        rows = len(singles["time_ps"])
        self.pushes = [{name: c[at : at + push] for name, c in singles.items()} for at in range(0, rows, push)]

    def __call__(self) -> None:
        """Pair; what comes out is let go of at once, as behind a writer."""
        for part in self.pushes:
            self.pairer.push(part)
        self.pairer.flush()

    def rows(self) -> dict[str, Any]:
        blocks = [*(self.pairer.push(part) for part in self.pushes), self.pairer.flush()]
        return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}


def same(what: str, ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    """Raise unless all columns are equal."""
    for name, column in theirs.items():
        if not np.array_equal(ours[name], column):
            raise AssertionError(f"{what}, {name}: the rows disagree")


def run() -> list[Row]:
    """Return the rows of the table."""
    singles = {name: singles_at(mcps) for name, mcps in RATES.items()}
    return [*against_c(singles), *against_gate(singles_at(RATES["A"], GATE_SINGLES)), by_singles(singles["A"])]


def against_c(singles: dict[str, dict[str, Any]]) -> list[Row]:
    plain, places = PlainC(2 * SINGLES), places_of(RING)
    candidates: dict[str, Any] = {}
    for name, columns in singles.items():
        for what, rule in (("prompts", PROMPTS), ("both", BOTH)):
            ours = Ours(rule, columns)
            same(f"input {name}, {what}", ours.rows(), plain(columns, rule, places))
            candidates[f"ours {name} {what}"] = ours
            candidates[f"c {name} {what}"] = lambda columns=columns, rule=rule: plain(columns, rule, places)
    median = interleaved(candidates, rounds=7)
    rows = []
    for name, mcps in RATES.items():
        prompts, both, c_prompts, c_both = (
            median[f"{who} {name} {what}"] for who in ("ours", "c") for what in ("prompts", "both")
        )
        figure = f"{SINGLES / prompts / 1e6:.0f} / {SINGLES / c_prompts / 1e6:.0f} Msingles/s"
        rows.append(Row(f"prompts at {mcps} Mcps / plain C", figure, c_prompts / prompts, 0.9, 1.3))
        figure = f"{SINGLES / both / 1e6:.0f} / {SINGLES / c_both / 1e6:.0f} Msingles/s"
        rows.append(Row(f"prompts + delayeds at {mcps} Mcps / plain C", figure, c_both / both))
        floor, aim = (1 / 5, 1 / 3.5) if name == "A" else (None, None)
        figure = f"prompts + delayeds take {both / prompts:.2f} times prompts alone"
        rows.append(Row(f"prompts / both at {mcps} Mcps", figure, prompts / both, floor, aim))
    return rows


def against_gate(singles: dict[str, Any]) -> list[Row]:
    try:
        module = gatemodule.sorter()
    except gatemodule.UnavailableError as why:
        return [Row("prompts / GATE 10", f"not measured: {why}")]
    singles["time_ps"] += np.arange(GATE_SINGLES)  # GATE's order of equal times is not said: there are none
    tree = gatemodule.tree_of(singles, PROMPTS)
    candidates: dict[str, Any] = {}
    for policy, name in gatemodule.NAMES.items():
        rule = PROMPTS.model_copy(update={"policy": policy})
        candidates[f"ours {policy}"] = ours = Ours(rule, singles)
        candidates[f"GATE {policy}"] = lambda rule=rule: gatemodule.pairs(module, tree, rule, window_ps=WINDOW_PS)
        rows, theirs = ours.rows(), candidates[f"GATE {policy}"]()
        first, second = (theirs[f"GlobalTime{which}"].to_numpy().astype(np.int64) for which in (1, 2))
        lower = np.minimum(theirs["detector1"], theirs["detector2"])
        gates = {"time_ps": first, "tof_ps": second - first, "detector_a": lower}
        same(f"{policy} ({name})", {**rows, "tof_ps": np.abs(rows["tof_ps"])}, gates)
    median = interleaved(candidates, rounds=5)
    table = [row_of(policy, median) for policy in gatemodule.NAMES]
    mine = [median[f"ours {policy}"] for policy in gatemodule.NAMES]
    return [*table, Row("fastest policy / slowest", f"{len(mine)} policies", min(mine) / max(mine), None, 0.85)]


def row_of(policy: Policy, median: dict[str, float]) -> Row:
    mine, theirs = median[f"ours {policy}"], median[f"GATE {policy}"]
    figure = f"{GATE_SINGLES / mine / 1e6:.0f} / {GATE_SINGLES / theirs / 1e6:.2f} Msingles/s"
    return Row(f"{policy} at 10 Mcps / GATE 10", figure, theirs / mine, 50.0, 150.0)


def by_singles(singles: dict[str, Any]) -> Row:
    candidates = {
        str(length): Ours(BOTH, {name: column[:length] for name, column in singles.items()}, push=LENGTHS[0] // 2)
        for length in LENGTHS
    }
    median = interleaved(dict(candidates), rounds=7)
    slope = exponent({length: median[str(length)] for length in LENGTHS})
    figure = f"exponent {slope:.3f}, {LENGTHS[0] / 1e6:g} to {LENGTHS[-1] / 1e6:g} M singles"
    return Row("pairing, growth with singles", figure, 1 - abs(slope - 1), 0.95, 1.0)
