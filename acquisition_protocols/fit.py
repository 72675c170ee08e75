"""Whether a protocol fits a scanner: its axes, their limits and speeds, its heads, its field of view."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from daq.model import coincidence_rules
from daq.model.finding import Finding, Said, error
from daq.model.geometry import VIEW_ANGLE_DEG, View
from daq.model.protocol import AcquisitionProtocol, Sweep
from daq.model.protocol_file import StepFile
from daq.model.protocol_steps import sweep_of
from daq.model.quantity import Quantity
from daq.model.scanner import LinearAxis, RotaryAxis, ScannerProfile

_WITHIN_DEG = 1.0
"""Heads are this well at the angle that their views say; a nominal view is no better."""


def findings(protocol: AcquisitionProtocol, scanner: ScannerProfile) -> Iterator[Finding]:
    """Yield what the scanner cannot do."""
    yield from _kind_of_scanner(protocol, scanner)
    for index, step in enumerate(protocol.file.steps):
        yield from _positions(step, f"steps[{index}]", scanner)
        yield from _sweep(step, f"steps[{index}].sweep", scanner, protocol.file.time_lapse or 1)
        yield from _views(step.views, f"steps[{index}].views", scanner)
    yield from _pairing(protocol, scanner)


def _kind_of_scanner(protocol: AcquisitionProtocol, scanner: ScannerProfile) -> Iterator[Finding]:
    if protocol.modality == "gamma_camera" and scanner.ring is not None:
        yield error("modality", protocol.modality, f"scanner {scanner.id} is a PET ring without heads")
        return
    if protocol.modality == "pet" and scanner.ring is None:
        yield error("modality", protocol.modality, f"scanner {scanner.id} has heads, no ring")
    wanted = protocol.file.instrument.heads
    if wanted is not None and len(scanner.heads) < wanted:
        yield error("instrument.heads", wanted, f"scanner {scanner.id} has {len(scanner.heads)}")
    collimators = protocol.requirements.collimators
    if collimators and scanner.collimators and not set(collimators) & scanner.collimators.keys():
        reason = f"scanner {scanner.id} has {', '.join(scanner.collimators)}"
        yield error("requirements.collimators", Said(" or ".join(collimators)), reason)


def _axis(
    name: str, key: str, said: Quantity, scanner: ScannerProfile
) -> tuple[LinearAxis | RotaryAxis | None, list[Finding]]:
    axis = scanner.axes.linear.get(name) or scanner.axes.rotary.get(name)
    if axis is None:
        known = ", ".join([*scanner.axes.linear, *scanner.axes.rotary]) or "none"
        return None, [error(key, name, f"scanner {scanner.id} has no such axis; it has {known}")]
    dimension, unit = ("angle", "deg") if isinstance(axis, RotaryAxis) else ("length", "mm or cm")
    if dimension != said.dimension:
        return None, [error(key, Said(said.text), f"axis {name} of scanner {scanner.id} is set in {unit}")]
    return axis, []


def _positions(step: StepFile, key: str, scanner: ScannerProfile) -> Iterator[Finding]:
    """Demand that every axis is there and every position within its limits."""
    for name, position in step.set.items():
        yield from _reached(name, f"{key}.set.{name}", position, position.text, scanner)
    if step.repeat is not None:
        for name, places in step.repeat.also.items():
            for position in dict.fromkeys(places):
                yield from _reached(name, f"{key}.repeat.also.{name}", position, position.text, scanner)
    if step.repeat is None or step.repeat.begin.dimension != step.repeat.step.dimension:
        return
    begin, each = step.repeat.begin, step.repeat.step
    last = begin.value + (step.repeat.count - 1) * each.value
    yield from _reached(step.repeat.axis, f"{key}.repeat.from", begin, begin.text, scanner)
    end = Quantity(each.text, last, begin.dimension)
    if scanner.axes.linear.get(step.repeat.axis) or scanner.axes.rotary.get(step.repeat.axis):
        yield from _reached(step.repeat.axis, f"{key}.repeat.step", end, each.text, scanner, last=step.repeat.count)


def _reached(
    name: str, key: str, position: Quantity, text: str, scanner: ScannerProfile, *, last: int | None = None
) -> Iterator[Finding]:
    axis, found = _axis(name, key, position, scanner)
    yield from found
    if axis is None:
        return
    low, high, unit = _limits(axis)
    at = float(position.value)
    if not low <= at <= high:
        where = f"is {at:g} {unit}" if last is None else f"brings stop {last} to {at:g} {unit}"
        yield error(
            key, Said(text), f"{where}; axis {name} of scanner {scanner.id} goes from {low:g} to {high:g} {unit}"
        )


def _sweep(step: StepFile, key: str, scanner: ScannerProfile, times: int) -> Iterator[Finding]:
    if step.sweep is None:
        return
    name = step.sweep.axis
    axis, found = _axis(name, f"{key}.axis", step.sweep.begin, scanner)
    yield from found
    if axis is None:
        return
    yield from _reached(name, f"{key}.from", step.sweep.begin, step.sweep.begin.text, scanner)
    yield from _reached(name, f"{key}.to", step.sweep.end, step.sweep.end.text, scanner)
    usual = sweep_of(step.sweep)
    faster = replace(usual, speed=usual.speed * times)
    yield from _speed(faster, f"{key}.speed", step.sweep.speed.text, axis, scanner)


def _speed(
    sweep: Sweep, key: str, text: str, axis: LinearAxis | RotaryAxis, scanner: ScannerProfile
) -> Iterator[Finding]:
    fastest = axis.max_speed_deg_per_s if isinstance(axis, RotaryAxis) else axis.max_speed_mm_per_s
    if sweep.speed > fastest:
        reason = (
            f"is {sweep.speed:g} {sweep.unit}/s; axis {sweep.axis} of scanner {scanner.id} moves at most "
            f"{fastest:g} {sweep.unit}/s"
        )
        yield error(key, Said(text), reason)


def _limits(axis: LinearAxis | RotaryAxis) -> tuple[float, float, str]:
    if isinstance(axis, RotaryAxis):
        return axis.min_deg, axis.max_deg, "deg"
    return axis.min_mm, axis.max_mm, "mm"


def _views(views: tuple[View, ...], key: str, scanner: ScannerProfile) -> Iterator[Finding]:
    """Demand views that the heads can have at the same time, however the patient lies."""
    heads = sorted(scanner.heads, key=lambda head: head.number)
    if len(views) > len(heads):
        yield error(key, [view.value for view in views], f"scanner {scanner.id} has {len(heads)} heads")
        return
    angles = [VIEW_ANGLE_DEG.get(view) for view in views]
    for index, angle in enumerate(angles[1:], start=1):
        if angles[0] is None or angle is None:
            continue
        wanted, there = _apart(angles[0], angle), _apart(heads[0].angle_deg, heads[index].angle_deg)
        if abs(wanted - there) > _WITHIN_DEG:
            reason = (
                f"{views[0]} and {views[index]} are {wanted:g} deg apart, the heads {heads[0].id} and "
                f"{heads[index].id} of scanner {scanner.id} are {there:g}"
            )
            yield error(f"{key}[{index}]", views[index].value, reason)


def _apart(a_deg: float, b_deg: float) -> float:
    turn = abs(a_deg - b_deg) % 360.0
    return min(turn, 360.0 - turn)


def _pairing(protocol: AcquisitionProtocol, scanner: ScannerProfile) -> Iterator[Finding]:
    """Demand a rule of pairing that makes sense with the ring, and loses no true pair of its field of view."""
    if protocol.coincidence is not None and scanner.ring is not None:
        yield from coincidence_rules.findings(protocol.coincidence.rule(scanner.ring))
