"""What makes the movements of a step possible, whatever the scanner."""

from __future__ import annotations

from collections.abc import Iterator

from daq.model.finding import ABSENT, Finding, Said, error, warning
from daq.model.protocol import ProtocolKind
from daq.model.protocol_file import ProtocolFile, Repeat, StepFile, SweepFile
from daq.model.protocol_steps import kind_of
from daq.model.quantity import Quantity

_SWEEPING = frozenset({ProtocolKind.WHOLE_BODY, ProtocolKind.SPECT, ProtocolKind.GATED, ProtocolKind.PET})
_TURN_DEG = 360
_SPEED_OF = {"length": "speed", "angle": "angular speed"}
SLOWEST_CM_PER_MIN, FASTEST_CM_PER_MIN = 4, 30
"""Whole-body sweeps of people: I-131 and Lu-177 from 4 cm/min, Tc-99m 10 to 15; beyond 30 it is a slip of units."""


def motion(file: ProtocolFile, step: StepFile, key: str) -> Iterator[Finding]:
    """Demand sweeps of the kinds that move, with positions and a speed that belong together."""
    is_a = kind_of(file, step)
    if step.sweep is None:
        if is_a is ProtocolKind.WHOLE_BODY:
            yield error(f"{key}.sweep", ABSENT, "a whole-body step moves: give axis, from, to and speed")
        if is_a is ProtocolKind.SPECT and step.repeat is None:
            yield error(f"{key}.repeat", ABSENT, "SPECT turns the heads: give repeat (step and shoot) or sweep")
        return
    if is_a is ProtocolKind.SPECT and step.repeat is None:
        yield from _rotation(step.sweep, f"{key}.sweep")
    elif step.sweep.views is not None:
        yield error(f"{key}.sweep.views", step.sweep.views, f"only of a rotation of SPECT; this step is {is_a}")
    if is_a not in _SWEEPING:
        yield error(f"{key}.sweep", Said("given"), f"a {is_a} step does not move")
    if step.sweep.axis in step.set:
        reason = f"also set to {step.set[step.sweep.axis]}; a sweep says itself where it begins"
        yield error(f"{key}.sweep.axis", step.sweep.axis, reason)
    yield from _sweep(step.sweep, f"{key}.sweep", whole_body=is_a is ProtocolKind.WHOLE_BODY)


def _rotation(sweep: SweepFile, key: str) -> Iterator[Finding]:
    """Demand of a continuous rotation that it turns, and how many projections it gives."""
    if sweep.begin.dimension != "angle":
        yield error(f"{key}.from", Said(sweep.begin.text), "SPECT turns the heads: from, to and speed are angles")
        return
    if sweep.views is None:
        reason = "say into how many projections of equal angle the rotation is divided"
        yield error(f"{key}.views", ABSENT, reason)
    if abs(sweep.end.value - sweep.begin.value) > _TURN_DEG:
        reason = f"from {sweep.begin} it is more than a turn: angles are seen twice"
        yield warning(f"{key}.to", Said(sweep.end.text), reason)


def _sweep(sweep: SweepFile, key: str, *, whole_body: bool) -> Iterator[Finding]:
    if sweep.begin.dimension != sweep.end.dimension:
        reason = f"from = {sweep.begin} is {sweep.begin.dimension}, to is {sweep.end.dimension}"
        yield error(f"{key}.to", Said(sweep.end.text), reason)
        return
    if sweep.begin.value == sweep.end.value:
        yield error(f"{key}.to", Said(sweep.end.text), "the sweep ends where it begins")
    wanted = _SPEED_OF[sweep.begin.dimension]
    if sweep.speed.dimension != wanted:
        reason = f"is {sweep.speed.dimension}; an axis that is set in {sweep.begin.dimension} needs {wanted}"
        yield error(f"{key}.speed", Said(sweep.speed.text), reason)
    elif whole_body:
        yield from _whole_body(sweep, key)
    yield from _suits(sweep, key)


def _suits(sweep: SweepFile, key: str) -> Iterator[Finding]:
    """Demand a speed that suits the tracer, where the protocol says which do."""
    if sweep.speed_range is None:
        return
    slowest, fastest = sweep.speed_range
    if {slowest.dimension, fastest.dimension} != {sweep.speed.dimension}:
        yield error(f"{key}.speed_range", Said("given"), f"speed = {sweep.speed} is {sweep.speed.dimension}")
    elif slowest.value > fastest.value:
        yield error(f"{key}.speed_range", Said(slowest.text), f"must not be above the fastest, {fastest}")
    elif not slowest.value <= sweep.speed.value <= fastest.value:
        yield error(f"{key}.speed", Said(sweep.speed.text), f"speed_range says {slowest} to {fastest}")


def _whole_body(sweep: SweepFile, key: str) -> Iterator[Finding]:
    if sweep.begin.dimension != "length":
        yield error(f"{key}.from", Said(sweep.begin.text), "a whole-body sweep goes along the bed, in mm or cm")
        return
    yield from _speed(sweep.speed, f"{key}.speed")
    for each in sweep.speed_range or ():
        yield from _speed(each, f"{key}.speed_range")


def _speed(said: Quantity, key: str) -> Iterator[Finding]:
    if said.dimension != "speed":
        return
    speed = said.to("cm/min")
    if not SLOWEST_CM_PER_MIN <= speed <= FASTEST_CM_PER_MIN:
        reason = (
            f"is {float(speed):g} cm/min; a whole-body sweep is {SLOWEST_CM_PER_MIN} to {FASTEST_CM_PER_MIN} cm/min "
            "(bone with Tc-99m usually 10 to 15)"
        )
        yield error(key, Said(said.text), reason)


def repeat(file: ProtocolFile, step: StepFile, key: str) -> Iterator[Finding]:
    """Demand repetitions that go somewhere."""
    said = step.repeat
    if said is None:
        return
    if step.sweep is not None:
        yield error(f"{key}.repeat", Said("given"), "a step either repeats at standstill or sweeps, not both")
    if said.axis in step.set:
        reason = f"also set to {step.set[said.axis]}; a repetition says itself where it begins"
        yield error(f"{key}.repeat.axis", said.axis, reason)
    if said.begin.dimension != said.step.dimension:
        reason = f"from = {said.begin} is {said.begin.dimension}, step is {said.step.dimension}"
        yield error(f"{key}.repeat.step", Said(said.step.text), reason)
    elif said.step.value == 0:
        yield error(f"{key}.repeat.step", Said(said.step.text), "all repetitions would be at the same place")
    elif kind_of(file, step) is ProtocolKind.SPECT:
        yield from _stops(said, f"{key}.repeat")
    yield from _also(step, said, f"{key}.repeat.also")


def _stops(said: Repeat, key: str) -> Iterator[Finding]:
    """Demand stops around the patient, none of which sees again what another has seen."""
    if said.step.dimension != "angle":
        yield error(f"{key}.step", Said(said.step.text), "SPECT turns the heads: from and step are angles")
    elif abs(said.step.value) * said.count > _TURN_DEG:
        reason = f"{said.count} stops go more than a turn round: angles are seen twice"
        yield warning(f"{key}.step", Said(said.step.text), reason)


def _also(step: StepFile, said: Repeat, key: str) -> Iterator[Finding]:
    """Demand a position for each repetition, of axes that nothing else sets."""
    for axis, places in said.also.items():
        if len(places) != said.count:
            yield error(f"{key}.{axis}", Said(f"{len(places)} positions"), f"one for each of {said.count} repetitions")
        if len({place.dimension for place in places}) > 1:
            yield error(f"{key}.{axis}", Said("lengths and angles"), "an axis is set in one of them")
        if axis in step.set or axis == said.axis:
            yield error(f"{key}.{axis}", Said("given"), "also set otherwise: it is not known where it is to stand")
