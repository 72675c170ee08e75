"""Which events are sent at which moment: what the host has enabled, and what has befallen modules."""

from __future__ import annotations

import math

from daq.model import tofpet2 as t
from simulators.faults.board import FaultBoard
from simulators.faults.spec import FaultSpec
from simulators.petsys.faultkinds import MODULE_KINDS
from simulators.petsys.framefaults import FRAMES_PER_S
from simulators.petsys.loop import Noise, State

NEVER = t.FRAME_ID_MASK << 10


def frame_at(seconds: float) -> int:
    """Return the first frame that begins `seconds` after the sync or later."""
    return math.ceil(seconds * FRAMES_PER_S)


def state_at(number: int, enabled: int, end: int, board: FaultBoard) -> tuple[State, int]:
    """Return the state of frame `number` of the run, and before which frame it ends. From `end` on there are no events.

    A fault that was added after its time begins at once.
    """
    if number >= end:
        return State(0), NEVER
    until, noise = end, list[Noise]()
    shifts: dict[int, int] = {}
    for fault in board.faults("udp") if board.active else ():
        spec = fault.spec
        if spec.kind not in MODULE_KINDS or spec.module is None:
            continue
        first, stop = _spell(spec)
        until = min([until, *(edge for edge in (first, stop) if edge > number)])
        if not first <= number < stop:
            continue
        if spec.kind == "silent":
            enabled &= ~(1 << spec.module)
        elif spec.kind == "noisy":
            noise.append(Noise(spec.module, spec.cps or 0.0))
        else:
            shifts[spec.module] = shifts.get(spec.module, 0) + (spec.ticks or 0)
    return State(enabled, tuple(noise), tuple(sorted(shifts.items()))), until


def _spell(spec: FaultSpec) -> tuple[int, int]:
    first = frame_at(spec.at_s or 0.0)
    return first, NEVER if spec.for_s is None else frame_at((spec.at_s or 0.0) + spec.for_s)
