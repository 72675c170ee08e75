"""What makes a hand-over from another machine, and a study of bed positions, possible and complete."""

from __future__ import annotations

from collections.abc import Iterator

from daq.model.finding import ABSENT, Finding, Said, error, warning
from daq.model.protocol import ProtocolKind
from daq.model.protocol_file import ProtocolFile, Repeat, StepFile
from daq.model.protocol_steps import kind_of

_ITS_OWN = frozenset({"name", "kind", "start", "instruction", "hand_over"})
_TOMOGRAPHIC = frozenset({ProtocolKind.PET, ProtocolKind.SPECT, ProtocolKind.DYNAMIC, ProtocolKind.GATED})


def hand_over(file: ProtocolFile, step: StepFile, key: str) -> Iterator[Finding]:
    """Demand of a step that records nothing that it says what is handed over, and nothing else."""
    if step.hand_over is None:
        yield error(f"{key}.hand_over", ABSENT, "a hand-over says what: ct_attenuation or overlay_check")
    for name in sorted(step.model_fields_set - _ITS_OWN):
        yield error(f"{key}.{name}", Said("given"), "a hand-over records nothing of ours and moves nothing")
    if file.modality == "probe" or file.kind not in _TOMOGRAPHIC:
        reason = f"of {file.kind} with a {file.modality} there is nothing to correct"
        yield error(f"{key}.kind", Said("hand_over"), reason)


def hand_overs(file: ProtocolFile) -> Iterator[Finding]:
    """Demand something that is recorded, one attenuation, and an overlay that is looked at after both are there."""
    handed = {index: step.hand_over for index, step in enumerate(file.steps) if step.kind == "hand_over"}
    attenuation = [index for index, what in handed.items() if what == "ct_attenuation"]
    overlay = [index for index, what in handed.items() if what == "overlay_check"]
    recording = [index for index in range(len(file.steps)) if index not in handed]
    if not recording:
        yield error("steps", Said("hand-overs alone"), "nothing is recorded")
    for index in attenuation[1:]:
        yield error(f"steps[{index}].hand_over", "ct_attenuation", "a second one: a run has one map of attenuation")
    if attenuation and not overlay:
        reason = "no overlay_check: the overlay of CT and emission is checked before the patient leaves"
        yield error(f"steps[{attenuation[0]}].hand_over", "ct_attenuation", reason)
    for index in overlay:
        if not attenuation or not recording or index < max(attenuation[0], recording[0]):
            reason = "comes after the CT and the first step that records: before them there is nothing to lay over"
            yield error(f"steps[{index}].hand_over", "overlay_check", reason)


def bed_positions(file: ProtocolFile, step: StepFile, key: str) -> Iterator[Finding]:
    """Demand overlap and order of the bed positions of PET."""
    said = step.repeat
    if said is None:
        return
    along_the_bed = file.modality == "pet" and said.begin.dimension == "length"
    if not along_the_bed:
        for name in sorted({"overlap", "first"} & said.model_fields_set):
            yield error(f"{key}.repeat.{name}", Said("given"), "only of bed positions of PET")
        return
    if said.overlap is None:
        yield warning(f"{key}.repeat.overlap", ABSENT, "say how much of the field of view two bed positions share")
    yield from _first(said, key)
    if kind_of(file, step) is ProtocolKind.DYNAMIC:
        yield error(f"{key}.repeat", Said("given"), "a dynamic step stays where it is: its frames are of one place")


def _first(said: Repeat, key: str) -> Iterator[Finding]:
    if said.first is None:
        reason = 'say where it begins: "pelvis", before the bladder fills, or "head"'
        yield warning(f"{key}.repeat.first", ABSENT, reason)
    elif said.first == "head":
        yield warning(f"{key}.repeat.first", said.first, "the bladder fills meanwhile: usual is the pelvis first")
