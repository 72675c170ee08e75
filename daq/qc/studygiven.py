"""Checks of what was given: when steps began after the injection, and whether the administration record is complete."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from daq.model.protocol import AcquisitionProtocol
from daq.model.verdict import Check, Grade
from daq.qc.studyfacts import StudyFacts
from daq.qc.studysteps import Planned

_S_PER_MIN = 60.0
_S_PER_H = 3600.0


def injected(protocol: AcquisitionProtocol, planned: Sequence[Planned], facts: StudyFacts) -> Iterator[Check]:
    """Check when steps began after the injection, and that the administration record is complete."""
    for _, entry in groupby(planned, key=lambda each: each.step.key):
        yield from _begun([each for each in entry if each.seen is not None], facts)
    if protocol.requirements.administration != "none":
        yield from _administered(facts)


def _begun(entry: Sequence[Planned], facts: StudyFacts) -> Iterator[Check]:
    """Check one entry of the protocol: of the steps of a repetition the one that is farthest out, else the first."""
    window = entry[0].step.after_injection_s if entry else None
    if window is None:
        return
    limits = f"{duration_text(window[0])} to {duration_text(window[1])}"
    begun_s = [None if each.seen is None else facts.after_injection_s(each.seen.begin_ps) for each in entry]
    told = [
        (max(window[0] - at_s, at_s - window[1], 0.0), at_s, each)
        for at_s, each in zip(begun_s, entry, strict=True)
        if at_s is not None
    ]
    if not told:
        text = f"wanted {limits} after the injection, whose time nobody noted"
        yield Check("after injection", entry[0].step.name, Grade.NOT_EVALUABLE, text)
        return
    out_s, after_s, worst = max(told, key=lambda one: one[0])
    text = f"began {duration_text(after_s)} after the injection; wanted {limits}"
    beyond = window[0] if after_s < window[0] else window[1]
    yield Check("after injection", worst.step.name, Grade.DOUBTFUL if out_s else Grade.GOOD, text, after_s, beyond, "s")


def _administered(facts: StudyFacts) -> Iterator[Check]:
    what = "administration"
    if facts.administration_problem:
        yield Check(what, "", Grade.DOUBTFUL, f"the record cannot be read: {facts.administration_problem}")
    elif not facts.administered:
        yield Check(what, "", Grade.DOUBTFUL, "there is no record of what was given")
    elif facts.injected_at is None:
        yield Check(what, "", Grade.DOUBTFUL, "the record does not say when the injection was")
    elif not facts.residual_known:
        text = "the residual is not measured: the net activity is not known yet (`daq acquire residual`)"
        yield Check(what, "", Grade.NOT_EVALUABLE, text)
    else:
        yield Check(what, "", Grade.GOOD, "complete")
    if facts.extravasation:
        text = "part of the activity stayed at the injection site: the net activity overstates what circulates"
        yield Check("extravasation", "", Grade.DOUBTFUL, text)


def duration_text(seconds: float) -> str:
    """Return a time as people say it."""
    size = abs(seconds)
    if size < 2 * _S_PER_MIN:
        return f"{seconds:.0f} s"
    return f"{seconds / _S_PER_MIN:.1f} min" if size < 2 * _S_PER_H else f"{seconds / _S_PER_H:.2f} h"
