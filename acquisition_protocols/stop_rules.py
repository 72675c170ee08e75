"""What ends a step: something does, in good order, and limits do not contradict each other."""

from __future__ import annotations

from collections.abc import Iterator

from daq.model.finding import ABSENT, Finding, Said, error, warning
from daq.model.protocol_file import ProtocolFile, StepFile, StopFile
from daq.model.protocol_steps import step_duration_ps, sweep_of

_PS_PER_S = 10**12


def stop(file: ProtocolFile, step: StepFile, key: str) -> Iterator[Finding]:
    """Demand an end, and limits that do not contradict each other."""
    said, duration_ps = step.stop, step_duration_ps(step)
    timed = duration_ps is not None or said.host is not None
    if not (timed or said.manual or said.counts or said.beats or said.as_step):
        yield error(f"{key}.stop", ABSENT, _nothing_ends(step))
    if (said.counts or said.beats) and not timed and not said.manual:
        yield _endless(said, f"{key}.stop")
    if said.host is not None and duration_ps is not None and said.host.ps < duration_ps:
        reason = f"a backstop comes last; the step itself takes {duration_ps / _PS_PER_S:g} s"
        yield error(f"{key}.stop.host", Said(said.host.text), reason)
    yield from _stop_and_phases(step, key)
    yield from _stop_and_sweep(step, key)
    yield from _as_step(file, step, key)


def _nothing_ends(step: StepFile) -> str:
    if step.sweep is None:
        return "nothing ends this step: give counts, time, or manual = true"
    return "nothing ends this step should the axis never arrive: give host, longer than the sweep takes"


def _endless(said: StopFile, key: str) -> Finding:
    if said.counts is not None:
        reason = "counts that never come would never end it: add time or host as a backstop"
        return warning(f"{key}.counts", Said(said.counts.limit.text), reason)
    reason = "beats that never come would never end it: add time or host as a backstop"
    return warning(f"{key}.beats", Said(str(said.beats)), reason)


def _stop_and_phases(step: StepFile, key: str) -> Iterator[Finding]:
    frames_ps = sum(phase.frames * phase.frame.ps for phase in step.phases)
    if not frames_ps or step.stop.time is None or step.stop.time.ps == frames_ps:
        return
    text = f"its frames take {frames_ps / _PS_PER_S:g} s"
    if step.stop.time.ps < frames_ps:
        yield error(f"{key}.stop.time", Said(step.stop.time.text), f"{text}: the last of them would be missing")
    else:
        yield warning(f"{key}.stop.time", Said(step.stop.time.text), f"{text}: what comes after is in no frame")


def _stop_and_sweep(step: StepFile, key: str) -> Iterator[Finding]:
    if step.sweep is None or step.sweep.begin.dimension != step.sweep.end.dimension:
        return
    takes_s = sweep_of(step.sweep).duration_s
    for name, limit in (("time", step.stop.time), ("host", step.stop.host)):
        if limit is not None and limit.seconds < takes_s:
            reason = f"the sweep takes {takes_s:.6g} s at {step.sweep.speed}: its end would be missing"
            yield error(f"{key}.stop.{name}", Said(limit.text), reason)


def _as_step(file: ProtocolFile, step: StepFile, key: str) -> Iterator[Finding]:
    """Demand of the second of two paired views that it has the time of the first, and nothing else ends it."""
    name, key = step.stop.as_step, f"{key}.stop"
    if name is None:
        return
    before = _before(file, step)
    first = before.get(name)
    if first is None:
        known = ", ".join(before) or "none"
        yield error(f"{key}.as_step", name, f"no such step comes before it in this session; there are {known}")
        return
    if first.repeat is not None or first.sweep is not None:
        yield error(f"{key}.as_step", name, "that step repeats or moves: it has no time of its own")
    for other in ("counts", "time", "beats"):
        if getattr(step.stop, other) is not None:
            yield error(f"{key}.{other}", Said("given"), f"{name!r} tells the time of both views of the pair")
    longest = first.stop.host
    if step.stop.host is not None and longest is not None and step.stop.host.ps < longest.ps:
        reason = f"a backstop comes last; {name!r} may take {longest}"
        yield error(f"{key}.host", Said(step.stop.host.text), reason)


def _before(file: ProtocolFile, step: StepFile) -> dict[str, StepFile]:
    """Return the steps by name that record in the same session, before one of them."""
    there: dict[str, StepFile] = {}
    for each in file.steps:
        if each is step:
            break
        if each.session == step.session and each.kind != "hand_over":
            there[each.name] = each
    return there
