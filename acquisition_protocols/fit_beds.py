"""Whether the bed positions of a PET protocol overlap on a scanner as the protocol says."""

from __future__ import annotations

from collections.abc import Iterator

from daq.model.finding import Finding, Said, error
from daq.model.protocol import AcquisitionProtocol
from daq.model.protocol_file import Repeat
from daq.model.scanner import Ring, ScannerProfile

WITHIN_PERCENT = 1.0
"""Of the axial field of view: what rounding to whole millimetres may make."""


def findings(protocol: AcquisitionProtocol, scanner: ScannerProfile) -> Iterator[Finding]:
    """Yield bed positions that leave gaps, or overlap otherwise than stated."""
    if scanner.ring is None:
        return
    for index, step in enumerate(protocol.file.steps):
        if step.repeat is not None and protocol.modality == "pet" and step.repeat.step.dimension == "length":
            yield from _positions(step.repeat, f"steps[{index}].repeat", scanner.ring, scanner.id)


def _positions(said: Repeat, key: str, ring: Ring, scanner: str) -> Iterator[Finding]:
    length_mm = ring.rings * ring.axial_pitch_mm
    apart_mm = abs(float(said.step.value))
    field = f"the axial field of view of scanner {scanner} is {length_mm:g} mm"
    if apart_mm > length_mm:
        reason = f"{field}: {apart_mm - length_mm:g} mm between two bed positions would be seen by neither"
        yield error(f"{key}.step", Said(said.step.text), reason)
        return
    there = 100 * (1 - apart_mm / length_mm)
    if said.overlap is not None and abs(there - float(said.overlap.to("%"))) > WITHIN_PERCENT:
        reason = f"{field}, of which steps of {said.step} share {there:.3g} %"
        yield error(f"{key}.overlap", Said(said.overlap.text), reason)
