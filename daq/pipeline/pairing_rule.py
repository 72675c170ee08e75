"""What the kernels of pairing are told: the rule as numbers, where each detector is, and what they count."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from daq.errors import LimitError
from daq.model.coincidence import PairingRule, Policy
from daq.model.coincidence_rules import sector_difference
from daq.model.scanner import Ring

HALF_WINDOW, DELAY, POLICY, SECTOR_FROM, SECTOR_SPAN, RINGS, MOST_PARTNERS, MOST_HELD = range(8)
"""Places in the array of the rule. Sectors may pair when they are `SECTOR_FROM` to that plus `SECTOR_SPAN` apart."""

NO_LIMIT = -1
"""For `RINGS`: no ring difference is too large."""

GOOD, AXIAL, SECTOR, SAME, UNKNOWN = 0, 1, 2, 4, 8
"""Verdicts on a pair: bits that may come together, the highest one of which is the cause that counts."""

VERDICTS = 16
BY_POLICY, MULTIPLES, KEPT, OVERFULL, ROWS = range(VERDICTS, VERDICTS + 5)
"""Places in the counts of one kind, after those of the verdicts."""
COUNTS = ROWS + 1

POLICIES = (
    Policy.TAKE_ALL_GOODS, Policy.TAKE_WINNER_OF_GOODS, Policy.TAKE_WINNER_IF_IS_GOOD,
    Policy.TAKE_WINNER_IF_ALL_ARE_GOODS, Policy.KILL_ALL_IF_MULTIPLE_GOODS, Policy.KILL_ALL,
    Policy.KEEP_IF_ONLY_ONE_GOOD, Policy.KEEP_IF_ANY_IS_GOOD, Policy.KEEP_IF_ALL_ARE_GOODS,
)  # fmt: skip
"""The number of a policy is its place here."""

HERE = 1 << 15
"""Set in the place of every detector that there is: what is nowhere is too many sectors from it to pair."""
_MOST_SECTORS, _MOST_RINGS, _MOST_NUMBERS = 1 << 15, 1 << 15, 1 << 28


def numbers_of(rule: PairingRule, *, most_partners: int, most_held: int) -> npt.NDArray[np.int64]:
    """Return the rule as the kernels read it."""
    ring, apart = rule.ring, sector_difference(rule)
    if apart > ring.sectors // 2:
        raise LimitError(
            f"minimum sector difference {apart}: no two of {ring.sectors} sectors are more than {ring.sectors // 2} "
            "apart, so that nothing could be paired"
        )
    rings = rule.max_ring_difference
    return np.array(
        [
            rule.half_window_ps, rule.delay_ps or 0, POLICIES.index(rule.policy), apart, ring.sectors - 2 * apart,
            NO_LIMIT if rings is None or rings >= ring.rings else rings, most_partners, most_held,
        ],
        np.int64,
    )  # fmt: skip


def places_of(ring: Ring) -> npt.NDArray[np.uint32]:
    """Return where each detector number is [highest + 2]: ring from bit 16, `HERE`, sector; 0 where there is none.

    Gaps between modules are none. Memory is touched only where there are detectors.
    """
    if ring.sectors > _MOST_SECTORS or ring.rings > _MOST_RINGS or ring.highest_detector > _MOST_NUMBERS:
        raise LimitError(
            f"a ring of {ring.rings} rings, {ring.sectors} sectors and detector numbers up to {ring.highest_detector}: "
            f"pairing knows at most {_MOST_RINGS}, {_MOST_SECTORS} and {_MOST_NUMBERS}"
        )
    places = np.zeros(ring.highest_detector + 2, np.uint32)
    crystal = np.arange(ring.detectors_per_ring)
    sector = crystal * ring.sectors // ring.detectors_per_ring
    here = ~np.isin(crystal % ring.module_detectors, ring.virtual_positions)
    for layer in range(ring.layers):
        for number in range(ring.rings):
            first = layer * ring.layer_step + number * ring.ring_step
            places[first : first + len(crystal)] = np.where(here, number << 16 | HERE | sector, 0)
    return places


def rejected(counts: npt.NDArray[np.int64], cause: int) -> int:
    """Return how many pairs of both kinds had a verdict with `cause` as its highest bit."""
    return int(counts[:, cause : 2 * cause].sum())
