"""What makes a scanner profile sensible, beyond the types of its keys."""

from __future__ import annotations

from collections.abc import Iterator

from daq.model.camera_rules import collimator_findings, head_findings
from daq.model.detector_rules import MAX_DETECTORS
from daq.model.finding import ABSENT, Finding, Said, error, warning
from daq.model.qc.rules import qc_findings
from daq.model.scanner import Head, Ring, ScannerProfile
from daq.model.scanner_safety import safety_findings


def findings(profile: ScannerProfile) -> list[Finding]:
    """Return everything there is to say about a scanner profile whose keys and types are in order."""
    found = list(_ring_or_heads(profile))
    if profile.ring is not None:
        found += ring_findings(profile.ring)
    found += [*_heads(profile.heads), *head_findings(profile.heads), *collimator_findings(profile.collimators)]
    return [*found, *_axes(profile), *safety_findings(profile), *qc_findings(profile.qc)]


def ring_findings(ring: Ring) -> list[Finding]:
    """Return everything there is to say about a ring by itself."""
    return [*_parts(ring), *_numbers(ring), *_layers(ring)]


def _ring_or_heads(profile: ScannerProfile) -> Iterator[Finding]:
    if profile.ring is None and not profile.heads:
        yield error("ring", ABSENT, "a scanner has either [ring] or at least one [[heads]]")
    if profile.ring is not None and profile.heads:
        yield error("heads", Said(f"{len(profile.heads)} heads"), "a scanner has either [ring] or [[heads]], not both")
    if profile.collimators and not profile.heads:
        yield error("collimators", Said(", ".join(profile.collimators)), "only of a scanner with [[heads]]")
    if profile.heads and profile.instrument is not None:
        yield error("instrument", profile.instrument, "only of a ring; each head names its own instrument")


def _parts(ring: Ring) -> Iterator[Finding]:
    """Demand that modules and sectors divide the ring evenly."""
    for key, whole in (
        ("module_detectors", "detectors_per_ring"),
        ("sectors", "detectors_per_ring"),
        ("module_rings", "rings"),
    ):
        part, total = getattr(ring, key), getattr(ring, whole)
        if total % part:
            yield error(f"ring.{key}", part, f"does not divide {whole} = {total}")
    if ring.minimum_sector_difference > ring.sectors // 2:
        reason = f"no two of {ring.sectors} sectors are more than {ring.sectors // 2} apart: nothing could be paired"
        yield error("ring.minimum_sector_difference", ring.minimum_sector_difference, reason)
    if ring.minimum_sector_difference == 0:
        yield warning("ring.minimum_sector_difference", 0, "a detector could be paired with its neighbour, or itself")
    for index, position in enumerate(ring.virtual_positions):
        if position >= ring.module_detectors:
            reason = f"a module has the positions 0 to {ring.module_detectors - 1}"
            yield error(f"ring.virtual_positions[{index}]", position, reason)


def _numbers(ring: Ring) -> Iterator[Finding]:
    """Demand detector numbers that are unique and fit the uint32 columns."""
    if ring.ring_step < ring.detectors_per_ring:
        reason = f"less than detectors_per_ring = {ring.detectors_per_ring}: two detectors would share a number"
        yield error("ring.ring_stride", ring.ring_stride, reason)
    if ring.layer_step < (ring.rings - 1) * ring.ring_step + ring.detectors_per_ring:
        reason = f"less than the {ring.rings} rings of one layer need: two detectors would share a number"
        yield error("ring.layer_stride", ring.layer_stride, reason)
    if ring.highest_detector >= MAX_DETECTORS:
        reason = f"the highest detector number would be {ring.highest_detector}; the column is uint32"
        yield error("ring.rings", ring.rings, reason)


def _layers(ring: Ring) -> Iterator[Finding]:
    if ring.layers > 1 and ring.layer_pitch_mm is None:
        yield error("ring.layer_pitch_mm", ABSENT, f"required with {ring.layers} layers")


def _heads(heads: tuple[Head, ...]) -> Iterator[Finding]:
    for index, head in enumerate(heads):
        before = heads[:index]
        if head.id in {other.id for other in before}:
            yield error(f"heads[{index}].id", head.id, "names a head twice")
        if head.number in {other.number for other in before}:
            yield error(f"heads[{index}].number", head.number, "two heads would share the value of the column `head`")
        if not -360 <= head.angle_deg <= 360:  # noqa: PLR2004 - a full turn
            yield error(f"heads[{index}].angle_deg", head.angle_deg, "must lie within one turn, -360 to 360")


def _axes(profile: ScannerProfile) -> Iterator[Finding]:
    for name, rotary in profile.axes.rotary.items():
        if rotary.min_deg >= rotary.max_deg:
            yield error(f"axes.rotary.{name}.min_deg", rotary.min_deg, f"must be below max_deg = {rotary.max_deg}")
    for name, linear in profile.axes.linear.items():
        if linear.min_mm >= linear.max_mm:
            yield error(f"axes.linear.{name}.min_mm", linear.min_mm, f"must be below max_mm = {linear.max_mm}")
