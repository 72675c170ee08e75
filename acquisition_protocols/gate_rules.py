"""What makes a gate, a beginning of frames that is waited for, and a stop by beats possible."""

from __future__ import annotations

from collections.abc import Iterator

from daq.model.finding import ABSENT, Finding, Said, error
from daq.model.protocol import ALL, ProtocolKind
from daq.model.protocol_file import FrameZeroFile, GateFile, ProtocolFile, StepFile
from daq.model.protocol_steps import kind_of

GATED_KINDS = (ProtocolKind.GATED, ProtocolKind.SPECT)
_INTERVALS_S = {"ecg": (0.2, 3.0), "respiration": (1.0, 20.0)}
"""Intervals that a heart (20 to 300 beats a minute) and a chest can have; outside of them it is a slip of units."""
_MOST_PERCENT = 100
_OF_A_RATE = ("rate", "over", "window", "head")


def gate(file: ProtocolFile, step: StepFile, key: str) -> Iterator[Finding]:
    """Demand a gate where there must be one, and one that accepts something."""
    is_a = kind_of(file, step)
    if is_a is ProtocolKind.GATED and step.gate is None:
        yield error(f"{key}.gate", ABSENT, "a gated step says its trigger and bins")
    if step.stop.beats is not None and step.gate is None:
        yield error(f"{key}.stop.beats", step.stop.beats, "only a step with a gate has beats")
    if step.gate is None:
        return
    if is_a not in GATED_KINDS:
        yield error(f"{key}.gate", Said("given"), f'only with kind = "gated" or "spect"; this step is {is_a}')
    yield from _accepted(step.gate, f"{key}.gate")


def _accepted(said: GateFile, key: str) -> Iterator[Finding]:
    if said.tolerance is not None and said.tolerance.to("%") > _MOST_PERCENT:
        reason = "of the mean interval: above 100 % nothing is too short"
        yield error(f"{key}.tolerance", Said(said.tolerance.text), reason)
    if said.interval is None:
        return
    shortest, longest = said.interval
    if said.tolerance is not None:
        yield error(f"{key}.interval", Said("given"), "has either interval or tolerance, not both")
    if "learn" in said.model_fields_set:
        yield error(f"{key}.learn", said.learn, "with interval no mean is learned")
    if shortest.ps >= longest.ps:
        yield error(f"{key}.interval", Said(shortest.text), f"must be below the longest, {longest}")
    least_s, most_s = _INTERVALS_S[said.trigger]
    for each in said.interval:
        if not least_s <= each.seconds <= most_s:
            yield error(f"{key}.interval", Said(each.text), f"is {each.seconds:g} s; {_usual(said)}")


def _usual(said: GateFile) -> str:
    least_s, most_s = _INTERVALS_S[said.trigger]
    what = "one heart beat takes" if said.trigger == "ecg" else "one breath takes"
    return f"{what} {least_s:g} to {most_s:g} s"


def frame_zero(file: ProtocolFile, step: StepFile, key: str) -> Iterator[Finding]:
    """Demand something that frames can begin with, and an end should it never come."""
    said, key = step.frame_zero, f"{key}.frame_zero"
    if said is None:
        return
    is_a = kind_of(file, step)
    if step.sweep is not None or step.repeat is not None:
        yield error(key, Said("given"), "a step that moves or repeats begins when the axes stand")
    if said.by == "gate":
        yield from _by_gate(said, step, key)
    else:
        if is_a is not ProtocolKind.DYNAMIC:
            yield error(f"{key}.by", said.by, f"only a dynamic step waits for a bolus; this one is {is_a}")
        yield from _by_rate(file, said, key)
    if step.stop.host is None:
        yield error(f"{key}.by", said.by, "what never arrives would never end it: give stop.host")


def _by_gate(said: FrameZeroFile, step: StepFile, key: str) -> Iterator[Finding]:
    if step.gate is None:
        yield error(f"{key}.by", said.by, "only a step with a gate has triggers")
    for name in _OF_A_RATE:
        if name in said.model_fields_set:
            yield error(f"{key}.{name}", Said("given"), 'only with by = "count_rate"')


def _by_rate(file: ProtocolFile, said: FrameZeroFile, key: str) -> Iterator[Finding]:
    if said.rate is None:
        yield error(f"{key}.rate", ABSENT, 'the count rate that tells the arrival, e.g. "20 kcps"')
    if said.window != ALL and said.window not in file.windows:
        known = ", ".join(["all", *file.windows])
        yield error(f"{key}.window", said.window, f"no such energy window; there are {known}")
    if said.head != "sum" and (file.modality != "gamma_camera" or file.instrument.heads == 1):
        yield error(f"{key}.head", said.head, 'there are no heads to tell apart: "sum"')
