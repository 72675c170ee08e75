"""What is said about a stop and about a motion that was lost."""

from __future__ import annotations

from dataclasses import dataclass

from daq.devices.abilities import Halt

WIRE_S = 0.25
"""By then a stop is on the wire."""
HALT_S = 1.0
"""By then it is confirmed that the axis stands."""


@dataclass(frozen=True, slots=True)
class AxisStop:
    """How one axis took a stop. `error` in words where it is not confirmed that it stands, or it went too far.

    Positions in `unit`; `wire_s` until its controller had the command, `halted_s` until it stood, both since the stop
    was asked for; None where that is not known.
    """

    axis: str
    unit: str
    stands: bool
    wire_s: float | None = None
    halted_s: float | None = None
    position: float | None = None
    overtravel: float | None = None
    max_overtravel: float | None = None
    error: str = ""


@dataclass(frozen=True, slots=True)
class StopReport:
    """How a stop of everything went. `stands`: every axis is confirmed to stand. `ok`: and in time, and not too far."""

    ok: bool
    stands: bool
    wire_s: float | None
    """Until the last controller had the command."""
    halted_s: float | None
    """Until the last axis stood."""
    axes: tuple[AxisStop, ...]
    text: str


@dataclass(frozen=True, slots=True)
class MotionLoss:
    """Positions are no longer to be trusted: why, of which axes, and whether they moved when it happened."""

    text: str
    axes: tuple[str, ...]
    was_moving: bool


def stop_of(halt: Halt, waited_s: float) -> AxisStop:
    """Return how an axis stopped that stands. `waited_s` passed between the request and its beginning."""
    wire_s = None if halt.wire_s is None else halt.wire_s + waited_s
    error = ""
    if halt.too_far:
        error = f"{halt.axis} went on for {halt.overtravel:g} {halt.unit}, {halt.max_overtravel:g} is allowed"
    elif wire_s is not None and wire_s > WIRE_S:
        error = f"{halt.axis} took the stop after {wire_s:.3f} s, {WIRE_S:g} s is allowed"
    return AxisStop(
        halt.axis, halt.unit, True, wire_s, halt.halted_s + waited_s, halt.position, halt.overtravel,  # noqa: FBT003
        halt.max_overtravel, error,
    )  # fmt: skip


def report_of(stops: tuple[AxisStop, ...]) -> StopReport:
    """Return the report of all axes."""
    stands = all(stop.stands for stop in stops)
    wires = [stop.wire_s for stop in stops if stop.wire_s is not None]
    halts = [stop.halted_s for stop in stops if stop.halted_s is not None]
    text = "; ".join(stop.error for stop in stops if stop.error)
    if not text:
        text = {0: "there are no axes", 1: "1 axis stands"}.get(len(stops), f"{len(stops)} axes stand")
    return StopReport(
        ok=not any(stop.error for stop in stops),
        stands=stands,
        wire_s=max(wires) if len(wires) == len(stops) and wires else None,
        halted_s=max(halts) if len(halts) == len(stops) and halts else None,
        axes=stops,
        text=text,
    )
