"""Whether a study makes sense on a scanner: what its heads see where they stand, arcs, sweeps, regions."""

from __future__ import annotations

from collections.abc import Iterator

from acquisition_protocols.count_rules import shared
from daq.model.finding import Finding, Said, error, warning
from daq.model.geometry import TURN_DEG
from daq.model.orientation import views_check
from daq.model.protocol import ALL, AcquisitionProtocol, ProtocolKind, Step
from daq.model.scanner import Head, ScannerProfile

GANTRY = "gantry"
"""The axis that turns the heads."""
_WITHIN_DEG = 1.0
_HALF_A_TURN_DEG = 180.0


def findings(protocol: AcquisitionProtocol, scanner: ScannerProfile) -> Iterator[Finding]:
    """Yield what a scanner with heads cannot do of it."""
    heads = sorted(scanner.heads, key=lambda head: head.number)
    if not heads:
        return
    yield from _separation(protocol, heads, scanner.id)
    for step in reversed({step.key: step for step in reversed(protocol.steps)}.values()):  # of a repetition the first
        yield from _seen(protocol, step, heads, scanner)
        yield from _exposed(step, heads, scanner.id)
        yield from _region(protocol, step, heads)
        yield from _shared(protocol, step, heads)
    yield from _arcs(protocol, heads)


def _separation(protocol: AcquisitionProtocol, heads: list[Head], scanner: str) -> Iterator[Finding]:
    wanted = protocol.file.instrument.head_separation
    if wanted is None or len(heads) <= 1:
        return
    there = abs(heads[0].angle_deg - heads[1].angle_deg) % TURN_DEG
    there = min(there, TURN_DEG - there)
    if abs(there - float(wanted.value)) > _WITHIN_DEG:
        reason = f"heads {heads[0].id} and {heads[1].id} of scanner {scanner} are {there:g} deg apart"
        yield error("instrument.head_separation", Said(wanted.text), reason)


def _seen(protocol: AcquisitionProtocol, step: Step, heads: list[Head], scanner: ScannerProfile) -> Iterator[Finding]:
    """Refuse views that heads do not see where the step puts them."""
    gantry_deg, axis = step.positions.get(GANTRY), scanner.axes.rotary.get(GANTRY)
    if gantry_deg is None or axis is None or not axis.min_deg <= gantry_deg <= axis.max_deg:
        return
    stand = [(head.id, head.angle_deg + gantry_deg) for head in heads]
    for why in views_check(step.views, stand, protocol.patient_orientation):
        yield error(f"{step.key}.views", Said("+".join(step.views)), f"on scanner {scanner.id} {why}")


def _shared(protocol: AcquisitionProtocol, step: Step, heads: list[Head]) -> Iterator[Finding]:
    """Doubt a sum of counts that a protocol for one head wants of a view, where more heads record."""
    if not step.views or len(step.views) > 1 or (protocol.file.instrument.heads or 1) > 1 or len(heads) == 1:
        return
    for name, limit in (("stop.counts", step.stop.counts), ("minimum_counts", step.minimum_counts)):
        if limit is not None and limit.head == "sum" and limit.window != ALL:
            yield warning(f"{step.key}.{name}.head", limit.head, shared(len(heads)))


def _exposed(step: Step, heads: list[Head], scanner: str) -> Iterator[Finding]:
    """Refuse a sweep in which no row passes the whole field of view."""
    if step.sweep is None or step.kind is not ProtocolKind.WHOLE_BODY:
        return
    length_mm, way_mm = heads[0].height_mm, abs(step.sweep.end - step.sweep.begin)
    if way_mm <= length_mm:
        reason = f"the heads of scanner {scanner} are {length_mm:g} mm long: no part of the body passes all of it"
        yield error(f"{step.key}.sweep.to", Said(f"{way_mm:g} mm of way"), reason)


def _region(protocol: AcquisitionProtocol, step: Step, heads: list[Head]) -> Iterator[Finding]:
    said = protocol.file.steps[int(step.key.removeprefix("steps[").removesuffix("]"))].stop.counts
    region = None if step.stop.counts is None else step.stop.counts.region_mm
    if region is None or said is None or said.region is None:
        return
    half_x, half_y = heads[0].width_mm / 2, heads[0].height_mm / 2
    for side, half, text in zip(region, (half_x, half_y) * 2, said.region, strict=True):
        if abs(side) > half:
            reason = f"is outside of the field of view, {-half:g} to {half:g} mm"
            yield error(f"{step.key}.stop.counts.region", Said(text.text), reason)


def _arcs(protocol: AcquisitionProtocol, heads: list[Head]) -> Iterator[Finding]:
    """Warn of projections that do not go half way round the patient: nothing can be reconstructed of them."""
    for key, (begin_deg, end_deg) in _turned(protocol).items():
        covered = _union_deg([(head.angle_deg + begin_deg, head.angle_deg + end_deg) for head in heads])
        if covered < _HALF_A_TURN_DEG - _WITHIN_DEG:
            reason = f"its heads together go {covered:g} deg round the patient; half a turn is needed"
            yield warning(f"{key}", Said(f"{abs(end_deg - begin_deg):g} deg"), reason)


def _turned(protocol: AcquisitionProtocol) -> dict[str, tuple[float, float]]:
    """Return from where to where the gantry turns in each entry of SPECT, a stop's own angle included."""
    arcs: dict[str, tuple[float, float]] = {}
    for index, said in enumerate(protocol.file.steps):
        key = f"steps[{index}]"
        if not any(step.key == key and step.kind is ProtocolKind.SPECT for step in protocol.steps):
            continue
        if said.repeat is not None and said.repeat.axis == GANTRY:
            begin = float(said.repeat.begin.value)
            arcs[f"{key}.repeat"] = begin, begin + said.repeat.count * float(said.repeat.step.value)
        elif said.sweep is not None and said.sweep.axis == GANTRY:
            arcs[f"{key}.sweep"] = float(said.sweep.begin.value), float(said.sweep.end.value)
    return arcs


def _union_deg(arcs: list[tuple[float, float]]) -> float:
    """Return how much of a turn some arcs cover together."""
    if any(abs(end - begin) >= TURN_DEG for begin, end in arcs):
        return TURN_DEG
    pieces: list[tuple[float, float]] = []
    for begin, end in arcs:
        low = min(begin, end) % TURN_DEG
        high = low + abs(end - begin)
        pieces += [(low, min(high, TURN_DEG)), (0.0, max(0.0, high - TURN_DEG))]
    covered = reached = 0.0
    for low, high in sorted(pieces):
        covered += max(0.0, high - max(low, reached))
        reached = max(reached, high)
    return covered
