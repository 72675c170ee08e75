"""What makes several steps a study: roles that belong together, sessions in order, windows of time, tolerances."""

from __future__ import annotations

from collections.abc import Iterator

from daq.model.finding import ABSENT, Finding, Said, error, warning
from daq.model.protocol import ProtocolKind
from daq.model.protocol_file import ProtocolFile, StepFile, TolerancesFile
from daq.model.protocol_steps import kind_of
from daq.model.quantity import Quantity

_OF_A_PROBE = frozenset({"in_vivo", "ex_vivo", "bed"})
_OF_BOTH = frozenset({"emission", "background"})
_COMPANIONS = {
    "neck": ("thigh", "syringe", "the uptake is (neck - thigh) / (syringe - residual)"),
    "thigh": ("neck", "the background of a neck"),
    "residual": ("syringe", "what is left of a syringe that was counted full"),
    "post_void": ("pre_void", "what is left after the bladder was emptied"),
}
"""Role -> roles without which it says nothing, and why."""
_FULL_PERCENT = 100
_HALF_A_TURN_DEG = 180
_PAIR = 2


def role(file: ProtocolFile, step: StepFile, key: str) -> Iterator[Finding]:
    """Demand roles that the modality has, and of a transmission that it stands still and can be told from emission."""
    if (step.role in _OF_A_PROBE) != (file.modality == "probe") and step.role not in _OF_BOTH:
        reason = f"a {file.modality} does not measure this"
        yield error(f"{key}.role", step.role, reason)
    if step.role != "transmission":
        return
    if kind_of(file, step) is not ProtocolKind.STATIC:
        yield error(f"{key}.role", step.role, "a transmission is a static view, which is laid over others")
    if not step.windows:
        reason = "a transmission names the windows of its source: the others see the patient"
        yield error(f"{key}.windows", ABSENT, reason)


def roles(file: ProtocolFile) -> Iterator[Finding]:
    """Demand what belongs together: nothing is laid over nothing, no background is without what it is of."""
    there = {step.role for step in file.steps if step.kind != "hand_over"}
    for index, step in enumerate(file.steps):
        key = f"steps[{index}].role"
        if step.role == "transmission" and "emission" not in there:
            yield error(key, step.role, "there is no emission that it could be laid over")
        *needed, why = _COMPANIONS.get(step.role, ("",))
        missing = [name for name in needed if name not in there]
        if missing:
            yield warning(key, step.role, f"no step has the role {' or '.join(missing)}: {why}")


def sessions(file: ProtocolFile) -> Iterator[Finding]:
    """Demand sessions that count from 1, without a gap, and steps in their order."""
    last = 0
    recording = ((index, step) for index, step in enumerate(file.steps) if step.kind != "hand_over")
    for index, step in recording:
        if step.session < last or step.session > last + 1:
            reason = "sessions count from 1 without a gap" if step.session > last else f"comes after session {last}"
            yield error(f"steps[{index}].session", step.session, reason)
        last = step.session


def after_injection(file: ProtocolFile) -> Iterator[Finding]:
    """Demand times after the injection that somebody knows, in the order of the steps."""
    earliest: tuple[str, Quantity] | None = None
    for index, step in enumerate(file.steps):
        if step.after_injection is None:
            continue
        key, (begins, ends) = f"steps[{index}].after_injection", step.after_injection
        if file.requirements.administration == "none":
            yield error(key, Said("given"), "nobody knows when it was: requirements.administration is none")
        if begins.ps >= ends.ps:
            yield error(key, Said(begins.text), f"must be before the latest, {ends}")
        if earliest is not None and ends.ps < earliest[1].ps:
            reason = f"step {earliest[0]!r}, which comes before it, is not before {earliest[1]}"
            yield error(key, Said(ends.text), reason)
        earliest = step.name, begins


def tolerances(file: ProtocolFile) -> Iterator[Finding]:
    """Demand tolerances of the right dimension, of something that the protocol does."""
    said, key = file.tolerances, "tolerances"
    for name in ("speed", "exposure", "rejected_beats", "live"):
        value: Quantity | None = getattr(said, name)
        if value is not None and value.to("%") > _FULL_PERCENT:
            yield error(f"{key}.{name}", Said(value.text), "a share of what was asked is at most 100 %")
    for name, dimension in (("position", "length"), ("drift", "length"), ("angle", "angle")):
        value = getattr(said, name)
        if value is not None and value.dimension != dimension:
            yield error(f"{key}.{name}", Said(value.text), f"is {value.dimension}; wanted is {dimension}")
        elif value is not None and value.value <= 0:
            yield error(f"{key}.{name}", Said(value.text), "must be above zero")
    yield from _of_nothing(file, said, key)


def _of_nothing(file: ProtocolFile, said: TolerancesFile, key: str) -> Iterator[Finding]:
    """Refuse what nothing in the protocol can be judged by: whoever wrote it believes that it is."""
    kinds = {kind_of(file, step) for step in file.steps if step.kind != "hand_over"}
    there = {
        "speed": (any(step.sweep for step in file.steps), "no step sweeps"),
        "exposure": (ProtocolKind.WHOLE_BODY in kinds, "no step sweeps over the body"),
        "rejected_beats": (any(step.gate for step in file.steps), "no step has a gate"),
        "drift": (ProtocolKind.SPECT in kinds, "no step has projections"),
    }
    for name, (is_there, why) in there.items():
        value: Quantity | None = getattr(said, name)
        if value is not None and not is_there:
            yield error(f"{key}.{name}", Said(value.text), f"{why}: it judges nothing")


def heads(file: ProtocolFile) -> Iterator[Finding]:
    """Demand an angle between heads of a camera that has two."""
    apart = file.instrument.head_separation
    if apart is None:
        return
    key = "instrument.head_separation"
    if apart.dimension != "angle" or not 0 < apart.value <= _HALF_A_TURN_DEG:
        yield error(key, Said(apart.text), 'the angle between two heads, the shorter way, e.g. "180 deg" or "90 deg"')
    if file.modality != "gamma_camera" or (file.instrument.heads or 0) < _PAIR:
        yield error(key, Said(apart.text), "only of a gamma camera with instrument.heads = 2 or more")
