"""What makes the movements of a step possible, whatever the scanner."""

from __future__ import annotations

from collections.abc import Iterator

from daq.model.finding import ABSENT, Finding, Said, error
from daq.model.protocol import ProtocolKind
from daq.model.protocol_file import ProtocolFile, StepFile, SweepFile
from daq.model.protocol_steps import kind_of

_SWEEPING = frozenset({ProtocolKind.WHOLE_BODY, ProtocolKind.SPECT, ProtocolKind.GATED, ProtocolKind.PET})
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
    if is_a not in _SWEEPING:
        yield error(f"{key}.sweep", Said("given"), f"a {is_a} step does not move")
    if step.sweep.axis in step.set:
        reason = f"also set to {step.set[step.sweep.axis]}; a sweep says itself where it begins"
        yield error(f"{key}.sweep.axis", step.sweep.axis, reason)
    yield from _sweep(step.sweep, f"{key}.sweep", whole_body=is_a is ProtocolKind.WHOLE_BODY)


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


def _whole_body(sweep: SweepFile, key: str) -> Iterator[Finding]:
    if sweep.begin.dimension != "length":
        yield error(f"{key}.from", Said(sweep.begin.text), "a whole-body sweep goes along the bed, in mm or cm")
        return
    speed = sweep.speed.to("cm/min")
    if not SLOWEST_CM_PER_MIN <= speed <= FASTEST_CM_PER_MIN:
        reason = (
            f"is {float(speed):g} cm/min; a whole-body sweep is {SLOWEST_CM_PER_MIN} to {FASTEST_CM_PER_MIN} cm/min "
            "(bone with Tc-99m usually 10 to 15)"
        )
        yield error(f"{key}.speed", Said(sweep.speed.text), reason)


def repeat(file: ProtocolFile, step: StepFile, key: str) -> Iterator[Finding]:
    """Demand repetitions that go somewhere."""
    del file
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
