"""What makes a pairing rule impossible or senseless, in words and with what to do instead.

Windows and delays by physics: the two photons of one annihilation differ by at most the time that light needs along
the longest line of response that is accepted, plus what the detectors add; and a delayed window counts randoms only
when no photon of the same annihilation can be in it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from daq.model.coincidence import PairingRule
from daq.model.finding import ABSENT, Finding, Said, error, warning
from daq.model.geometry import LIGHT_MM_PER_PS, minimum_half_window_ps
from daq.model.scanner import Ring

_WIDE = 3
"""A half window this many times the least one that loses nothing lets in randoms for no true pair."""
_NARROW_FIELD = 0.1
"""A field of view below this share of the ring's radius is hardly what somebody wants."""


def sector_difference(rule: PairingRule) -> int:
    """Return how many sectors two detectors must be apart at least: the rule's own number, else the ring's."""
    own = rule.minimum_sector_difference
    return rule.ring.minimum_sector_difference if own is None else own


def ring_difference(rule: PairingRule) -> int:
    """Return how many rings two detectors may be apart at most."""
    most = rule.ring.rings - 1
    return most if rule.max_ring_difference is None else min(rule.max_ring_difference, most)


def field_share(ring: Ring, sectors_apart: int) -> float:
    """Return the radius of the field of view that pairs so many sectors apart cover, as a share of the detectors'.

    The nearest two detectors that may pair are so many crystals apart; their line is a tangent of the field of view.
    """
    per_sector = ring.detectors_per_ring // ring.sectors
    crystals = max(sectors_apart - 1, 0) * per_sector + min(sectors_apart, 1)
    return max(0.0, math.cos(math.pi * crystals / ring.detectors_per_ring))


def longest_line_mm(rule: PairingRule) -> float:
    """Return the longest part, inside the field of view, of a line of response that the rule accepts.

    It goes through the axis, as far along it as the ring difference lets it.
    """
    ring = rule.ring
    across = 2 * (ring.radius_mm + ring.interaction_depth_mm)
    along = ring_difference(rule) * ring.axial_pitch_mm
    return field_share(ring, sector_difference(rule)) * math.hypot(across, along)


def findings(rule: PairingRule, *, order_bound_ps: int = 0, key: str = "coincidence") -> Iterator[Finding]:
    """Yield what is impossible or senseless in a rule; keys are those of a protocol's section `key`.

    `order_bound_ps` is how far out of order times may still be where singles are paired: nothing behind the readout's
    ordering, whatever disorder it allows in what arrives, for it sorts by time and what comes later than that is never
    paired; the bound of the front end where a front end sorts and the readout does not.
    """
    if sector_difference(rule) > rule.ring.sectors // 2:
        yield _no_sectors(rule, key)
        return
    yield from _sectors(rule, key)
    yield from _rings(rule, key)
    yield from _half_window(rule, key)
    yield from _delay(rule, order_bound_ps, key)


def _no_sectors(rule: PairingRule, key: str) -> Finding:
    sectors = rule.ring.sectors
    reason = (
        f"no two of {sectors} sectors are more than {sectors // 2} apart, the shorter way round: nothing could be "
        f"paired; at most {sectors // 2}"
    )
    return error(f"{key}.minimum_sector_difference", sector_difference(rule), reason)


def _sectors(rule: PairingRule, key: str) -> Iterator[Finding]:
    where, apart, ring = f"{key}.minimum_sector_difference", sector_difference(rule), rule.ring
    if apart == 0:
        reason = "photons scattered from a detector to its neighbour are paired; 1 or more leaves them out"
        yield warning(where, apart, reason)
    share = field_share(ring, apart)
    if share < _NARROW_FIELD:
        reason = (
            f"pairs that far apart see no more than {share * (ring.radius_mm + ring.interaction_depth_mm):.0f} mm "
            f"around the axis; the ring's own is {ring.minimum_sector_difference}"
        )
        yield warning(where, apart, reason)


def _rings(rule: PairingRule, key: str) -> Iterator[Finding]:
    said, rings = rule.max_ring_difference, rule.ring.rings
    if said is not None and said >= rings:
        reason = f"no two of {rings} rings are more than {rings - 1} apart: this limits nothing; leave it out"
        yield warning(f"{key}.max_ring_difference", said, reason)


def _half_window(rule: PairingRule, key: str) -> Iterator[Finding]:
    line_mm, sigma_ps = longest_line_mm(rule), rule.timing_sigma_ps or 0
    least_ps, said = minimum_half_window_ps(line_mm, timing_sigma_ps=sigma_ps), Said(f"{rule.half_window_ps} ps")
    line = f"the longest line of response in the field of view is {line_mm:.0f} mm, which light needs "
    line += f"{line_mm / LIGHT_MM_PER_PS:.0f} ps for"
    timing = f", plus 3 sigma of the timing, {3 * sigma_ps} ps" if sigma_ps else ""
    if rule.half_window_ps < least_ps:
        reason = f"{line}{timing}; less than {least_ps} ps loses true pairs; it is half of what is called the window"
        yield error(f"{key}.half_window", said, reason)
    elif not sigma_ps:
        reason = "not stated: the half window was judged without the 3 sigma that timing adds"
        yield warning(f"{key}.timing_resolution", ABSENT, reason)
    if least_ps > 0 and rule.half_window_ps > _WIDE * least_ps:
        reason = f"{line}{timing}; {least_ps} ps lose nothing, and randoms grow with all that is more"
        yield warning(f"{key}.half_window", said, reason)


def _delay(rule: PairingRule, order_bound_ps: int, key: str) -> Iterator[Finding]:
    if rule.delay_ps is None:
        return
    sure_ps, said = 2 * rule.half_window_ps + 3 * (rule.timing_sigma_ps or 0), Said(f"{rule.delay_ps} ps")
    timing = " and 3 sigma of the timing" if rule.timing_sigma_ps else ""
    if rule.delay_ps <= sure_ps:
        reason = (
            f"true pairs would be counted as delayed ones; take more than twice the half window{timing}, {sure_ps} ps"
        )
        yield error(f"{key}.delay", said, reason)
    elif rule.delay_ps <= sure_ps + order_bound_ps:
        reason = (
            f"times may be out of order by {order_bound_ps} ps where singles are paired, so that true pairs could be "
            f"counted as delayed ones; take more than {sure_ps + order_bound_ps} ps, or put singles in order before"
        )
        yield error(f"{key}.delay", said, reason)
