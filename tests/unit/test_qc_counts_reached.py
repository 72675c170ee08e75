"""Each shipped limit can be evaluated with what the shipped protocol of its test counts at the least."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import pytest

from acquisition_protocols.load import load_protocol
from daq.composition.qc.limitslist import limit_rows
from daq.model.protocol import AcquisitionProtocol
from daq.model.qc.known import ANALYSES
from daq.model.qc.limits import Limit
from daq.model.scanner import ScannerProfile
from daq.qc.camera.floodspots import PMT_MM
from daq.qc.uniformity import NEMA_PIXEL_MM
from device_profiles.scanners import load_scanner, shipped_scanners

S_PER_PS = 1e-12
IN_PEAK = 0.5
"""Of the counts of a window of 20 %: between the points of half maximum are 76 % of a bell, and a window cuts less."""
IN_FIELD = 0.7
"""Of the counts of a head: what falls beside the field of view of a crystal that goes beyond it is less than that."""
SOURCES, HOLES, SLICES_SEEN = 5, 20, 0.5
"""So many points go round, so many holes has a plate; of the counts of a phantom half lie in the slices looked at."""
IN_QUADRANTS = 0.3
"""Of the counts of a head: margins between quadrants and the field that the phantom leaves free are not looked at."""
TRUES, DELAYEDS = 0.4, 0.01
"""Shares of the prompts of a weak cylinder, pessimistic both."""
SLIT_MM = 30.0
PROBE_CPS = 50.0
"""A sealed capsule of 40 kBq of Co-57 before a probe of 1 cps/kBq, a weak one."""


def limits() -> Iterator[tuple[str, str, str]]:
    for name in shipped_scanners():
        for test, of in load_scanner(name).qc.items():
            if of.protocol is not None:
                yield from ((name, test, figure) for figure, limit in of.limits.items() if limit.counts_needed)


def seconds(protocol: AcquisitionProtocol) -> float:
    return sum((step.stop.duration_ps or 0) * S_PER_PS for step in protocol.steps)


def least_of_a_head(scanner: ScannerProfile, protocol: AcquisitionProtocol) -> float:
    """Return the fewest counts in the window of a head: its stop on counts, else the lowest rate for so long."""
    stops = [step.stop.counts for step in protocol.steps if step.stop.counts is not None]
    if stops:
        return min(stop.limit / (len(scanner.heads) if stop.head == "sum" else 1) for stop in stops)
    assert protocol.qc is not None
    assert protocol.qc.rate_cps is not None, f"{protocol.id}: nothing says how much it counts at the least"
    return protocol.qc.rate_cps[0] * seconds(protocol)


def of_slits(scanner: ScannerProfile, protocol: AcquisitionProtocol) -> float:
    """Return counts in a line of a strip: 30 mm of a slit of the mask, as NEMA NU 1 makes strips."""
    most = max(head.width_mm * head.height_mm for head in scanner.heads)
    return IN_FIELD * least_of_a_head(scanner, protocol) * SLIT_MM**2 / most


def of_rows(scanner: ScannerProfile, protocol: AcquisitionProtocol) -> float:
    """Return counts in a row of 6.4 mm: the rate of the head for as long as the bed takes for a row."""
    (step,) = protocol.steps
    assert step.sweep is not None
    assert isinstance(step.sweep.speed, float)
    assert protocol.qc is not None
    assert protocol.qc.rate_cps is not None
    return protocol.qc.rate_cps[0] * NEMA_PIXEL_MM / step.sweep.speed


def of_discs(scanner: ScannerProfile, protocol: AcquisitionProtocol) -> float:
    """Return counts in a disc as large as a photomultiplier."""
    most = max((of.crystal.width_mm * of.crystal.height_mm if of.crystal else 0.0) for of in scanner.heads)
    return least_of_a_head(scanner, protocol) * math.pi / 4.0 * PMT_MM**2 / most


def prompts(protocol: AcquisitionProtocol) -> float:
    return max(step.stop.counts.limit for step in protocol.steps if step.stop.counts is not None)


def blocks(scanner: ScannerProfile) -> float:
    ring = scanner.ring
    assert ring is not None
    return ring.detectors_per_ring / ring.module_detectors * ring.rings / ring.module_rings


def planes(scanner: ScannerProfile) -> float:
    assert scanner.ring is not None
    return scanner.ring.rings


LEAST: dict[str, Callable[[ScannerProfile, AcquisitionProtocol], float]] = {
    "all": least_of_a_head,
    "photopeak, between its points of half maximum": lambda of, by: IN_PEAK * IN_FIELD * least_of_a_head(of, by),
    "peak of the faintest line": of_slits,
    "faintest source": lambda of, by: least_of_a_head(of, by) / HOLES,
    "faintest view of a source": lambda of, by: least_of_a_head(of, by) / len(by.steps) / SOURCES,
    "mean of all slices": lambda of, by: SLICES_SEEN * least_of_a_head(of, by),
    "row": of_rows,
    "quadrants": lambda of, by: IN_QUADRANTS * least_of_a_head(of, by),
    "disc": of_discs,
    "in the window": lambda _, by: PROBE_CPS * seconds(by),
    "in the spectrum": lambda _, by: PROBE_CPS * seconds(by),
    "delayeds": lambda _, by: DELAYEDS * prompts(by),
    "singles in the photopeak": lambda of, by: TRUES * prompts(by) / blocks(of),
    "trues of the block": lambda of, by: 2.0 * TRUES * prompts(by) / blocks(of),
    "trues of the plane": lambda of, by: 2.0 * TRUES * prompts(by) / planes(of),
}
"""By what counts are per; a limit of another figure says here how its protocol reaches the counts that it needs."""


@pytest.mark.parametrize(("name", "test", "figure"), list(limits()))
def test_the_protocol_of_a_test_counts_what_its_limit_needs(name: str, test: str, figure: str) -> None:
    scanner = load_scanner(name)
    of = scanner.qc[test]
    limit: Limit = of.limits[figure]
    kind = ANALYSES[of.analysis].figure(figure)
    assert kind is not None
    assert of.protocol is not None
    if kind.per.startswith("pixel"):
        (row,) = (each for each in limit_rows(scanner, {test: of}) if each["figure"] == figure)
        assert row["counts"] >= max(limit.counts_needed, row["counts_meaningful"])
        assert limit.counts_needed >= row["counts_meaningful"] * 0.95, "its own noise forbids what it says is enough"
        return
    least = LEAST[kind.per](scanner, load_protocol(of.protocol).protocol)
    assert least >= limit.counts_needed, f"{of.protocol} gives {least:,.0f} counts per {kind.per}"
