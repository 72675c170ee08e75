"""The rule of coincidences in plain Python, one pair at a time, and what is needed to hold `Pairer` against it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from daq.model.coincidence import PairingRule, Policy
from daq.model.scanner import Ring

RING = Ring(
    radius_mm=50.0, rings=4, detectors_per_ring=24, axial_pitch_mm=4.0, module_detectors=3, module_rings=2, sectors=8,
    minimum_sector_difference=1,
)  # fmt: skip
COLUMNS = ("time_ps", "detector_a", "detector_b", "tof_ps", "energy_a_kev", "energy_b_kev", "kind")


@dataclass(frozen=True)
class Single:
    time_ps: int
    detector: int
    energy_kev: float


@dataclass
class Reference:
    """Every opener against every later single; nothing is clever, nothing is shared with the product but names."""

    rule: PairingRule
    most_partners: int = 64
    most_held: int = 1 << 20
    rows: list[tuple[Any, ...]] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    def run(self, singles: list[Single]) -> None:
        """Pair singles in this order, from one beginning to the next."""
        used: set[int] = set()
        for i, opener in enumerate(singles):
            for kind, start in ((0, 0), (1, self.rule.delay_ps)):
                if start is None:
                    continue
                inside = [
                    j
                    for j in range(i + 1, len(singles))
                    if 0 <= singles[j].time_ps - opener.time_ps - start <= self.rule.half_window_ps
                ]
                if len(inside) > self.most_partners or (kind == 1 and self.is_crowded(i, singles)):
                    self.count("overfull_prompt", "overfull_delayed", kind)
                    continue
                for j in self.left(opener, [(j, singles[j]) for j in inside], kind):
                    self.rows.append(self.row(opener, singles[j], kind, start))
                    self.count("prompts", "delayeds", kind)
                    used |= {i, j} if kind == 0 else set()
        self.add("unpaired", len(singles) - len(used))

    def is_crowded(self, i: int, singles: list[Single]) -> bool:
        """Return True where so many singles follow before the end of the delayed window that they are not all held."""
        far = i + self.most_held
        reach_ps = self.rule.half_window_ps + (self.rule.delay_ps or 0)
        return far < len(singles) and singles[far].time_ps - singles[i].time_ps <= reach_ps

    def left(self, opener: Single, inside: list[tuple[int, Single]], kind: int) -> list[int]:
        """Return the partners that the policy leaves, as the table of GATE 9's manual has it."""
        partners = []
        for j, single in inside:
            why = self.forbids(opener.detector, single.detector)
            if why:
                self.add(f"rejected_{why}", 1)
            if why != "detector":
                partners.append((j, single, not why))
        goods = [(j, single) for j, single, good in partners if good]
        if len(partners) < 2:
            return [j for j, _ in goods]
        self.count("multiples_prompt", "multiples_delayed", kind)
        taken = self.taken(partners, goods)
        self.add("rejected_multiple", len(goods) - len(taken))
        keeps = {
            Policy.KEEP_IF_ANY_IS_GOOD: bool(goods),
            Policy.KEEP_IF_ONLY_ONE_GOOD: len(goods) == 1,
            Policy.KEEP_IF_ALL_ARE_GOODS: len(goods) == len(partners),
        }
        if keeps.get(self.rule.policy, False):
            self.count("kept_multiples_prompt", "kept_multiples_delayed", kind)
        return taken

    def taken(self, partners: list[tuple[int, Single, bool]], goods: list[tuple[int, Single]]) -> list[int]:
        winner = strongest([(j, single) for j, single, _ in partners])
        is_good = winner in [j for j, _ in goods]
        match self.rule.policy:
            case Policy.TAKE_ALL_GOODS:
                return [j for j, _ in goods]
            case Policy.TAKE_WINNER_OF_GOODS:
                return [strongest(goods)] if goods else []
            case Policy.TAKE_WINNER_IF_IS_GOOD:
                return [winner] if is_good else []
            case Policy.TAKE_WINNER_IF_ALL_ARE_GOODS:
                return [winner] if len(goods) == len(partners) else []
            case Policy.KILL_ALL_IF_MULTIPLE_GOODS:
                return [goods[0][0]] if len(goods) == 1 else []
            case _:
                return []

    def forbids(self, one: int, other: int) -> str:
        places = [place(self.rule.ring, number) for number in (one, other)]
        if None in places:
            return "unknown"
        if one == other:
            return "detector"
        (ring_1, sector_1), (ring_2, sector_2) = (here for here in places if here)
        sectors = self.rule.ring.sectors
        least = self.rule.minimum_sector_difference
        least = self.rule.ring.minimum_sector_difference if least is None else least
        if min((sector_1 - sector_2) % sectors, (sector_2 - sector_1) % sectors) < least:
            return "sector"
        most = self.rule.max_ring_difference
        return "axial" if most is not None and abs(ring_1 - ring_2) > most else ""

    def row(self, opener: Single, partner: Single, kind: int, start: int) -> tuple[Any, ...]:
        a, b = sorted((opener, partner), key=lambda single: single.detector)
        later = partner.time_ps - opener.time_ps - start
        return (
            opener.time_ps, a.detector, b.detector, later if a is opener else -later, a.energy_kev, b.energy_kev, kind,
        )  # fmt: skip

    def count(self, prompt: str, delayed: str, kind: int) -> None:
        self.add((prompt, delayed)[kind], 1)

    def add(self, name: str, number: int) -> None:
        self.counts[name] = self.counts.get(name, 0) + number


def strongest(candidates: list[tuple[int, Single]]) -> int:
    """Return the first of those with the highest energy; no number is below all numbers."""
    energies = [-math.inf if math.isnan(single.energy_kev) else single.energy_kev for _, single in candidates]
    return candidates[energies.index(max(energies))][0]


def place(ring: Ring, number: int) -> tuple[int, int] | None:
    """Return ring and sector of a detector number, None where there is no crystal."""
    for layer in range(ring.layers):
        for axial in range(ring.rings):
            crystal = number - layer * ring.layer_step - axial * ring.ring_step
            if 0 <= crystal < ring.detectors_per_ring:
                if crystal % ring.module_detectors in ring.virtual_positions:
                    return None
                return axial, int(crystal / (ring.detectors_per_ring / ring.sectors))
    return None


def columns_of(singles: list[Single]) -> dict[str, Any]:
    return {
        "time_ps": np.array([single.time_ps for single in singles], np.int64),
        "detector": np.array([single.detector for single in singles], np.uint32),
        "energy_kev": np.array([single.energy_kev for single in singles], np.float32),
    }


def rows_of(columns: dict[str, Any]) -> list[tuple[Any, ...]]:
    return list(zip(*(columns[name].tolist() for name in COLUMNS), strict=True))


def cut(columns: dict[str, Any], cuts: list[int]) -> list[dict[str, Any]]:
    """Return the rows in pieces, cut at the given rows."""
    edges = [0, *sorted(min(edge, len(columns["time_ps"])) for edge in cuts), len(columns["time_ps"])]
    return [{name: column[begin:end] for name, column in columns.items()} for begin, end in pairwise(edges)]
