"""What the station has to say of a protocol: what its scanner cannot do, what it takes and counts here."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from daq.composition.protocolfigures import Asked, estimate_json, estimated, expected_json, expected_of
from daq.composition.protocolform import form
from daq.composition.protocolplan import instrument_for
from daq.errors import RefusedError, ScandaqError
from daq.model.finding import Finding, error
from daq.model.protocolwords import details, tolerated
from daq.model.steptext import ends

if TYPE_CHECKING:
    from daq.composition.equipment import Equipment
    from daq.model.console.protocol_verbs import Protocol
    from daq.model.protocol import AcquisitionProtocol, Step
    from device_profiles.schema import InstrumentProfile


_OPTION = "--visible says otherwise"
"""How the shell is told of it; a form has a field of its own."""


class ProtocolFacts:
    """Of one station."""

    def __init__(self, equipment: Equipment) -> None:
        self._equipment = equipment

    def against(self, protocol: AcquisitionProtocol) -> list[Finding]:
        """Return what scanner and instrument cannot do of it, and that no instrument suits it."""
        from acquisition_protocols.rules import check

        try:
            instrument: InstrumentProfile | None = instrument_for(self._equipment, protocol)[1]
        except ScandaqError as why:
            return [error("modality", protocol.modality, str(why))]
        return check(protocol, self._equipment.scanner, instrument)

    def figures(self, protocol: AcquisitionProtocol) -> dict[str, Any]:
        """Return the estimate and the steps in words, those of a repetition together."""
        told = estimated(protocol, self._equipment.scanner, self._instrument(protocol))
        groups: dict[str, list[Step]] = {}
        takes: dict[str, list[float | None]] = {}
        for step, about in zip(protocol.steps, told.steps, strict=True):
            groups.setdefault(step.key, []).append(step)
            takes.setdefault(step.key, []).append(about.duration_s.value)
        return {
            **estimate_json(told), "tolerances": tolerated(protocol.tolerances), "stored": str(protocol.store),
            "coincidence": None if protocol.coincidence is None else str(protocol.coincidence),
            "windows": [
                {"name": each.name, "lower_kev": each.lower_kev, "upper_kev": each.upper_kev}
                for each in protocol.windows.windows
            ],
            "steps": [_step(protocol, group, takes[key]) for key, group in groups.items()],
            "hand_overs_at_end": [str(each) for each in protocol.after],
        }  # fmt: skip

    def expected(self, protocol: AcquisitionProtocol, request: Protocol) -> dict[str, Any] | None:
        """Return what an activity is expected to give. Raises what makes no sense."""
        asked = Asked(request.activity, request.after, request.visible, request.collimator)
        told = expected_of(asked, protocol, self._equipment.scanner, self._instrument(protocol))
        if told is None:
            raise RefusedError("say an activity, with its unit")
        assumes = tuple(each.replace(_OPTION, "the share says otherwise") for each in told.assumes)
        return expected_json(replace(told, assumes=assumes))

    def form(self) -> dict[str, Any]:
        """Return what a form needs, and what this station has."""
        return form(self._equipment)

    def _instrument(self, protocol: AcquisitionProtocol) -> InstrumentProfile | None:
        try:
            return instrument_for(self._equipment, protocol)[1]
        except ScandaqError:
            return None  # figures of bytes are left out then; `against` says why


def _step(protocol: AcquisitionProtocol, group: list[Step], takes: list[float | None]) -> dict[str, Any]:
    first, last = group[0], group[-1]
    known = [each for each in takes if each is not None]
    said = protocol.file.steps[int(first.key.removeprefix("steps[").removesuffix("]"))]
    return {
        "name": said.name, "times": len(group), "kind": str(first.kind), "ends": ends(first),
        "start": first.start, "pause": str(first.pause), "details": details(first),
        "views": [view.value for view in first.views], "role": first.role, "session": first.session,
        "laterality": None if first.laterality is None else first.laterality.value,
        "positions": [
            {"axis": axis, "unit": first.units[axis], "from": at, "to": _end(first, last, axis)}
            for axis, at in first.positions.items()
        ],
        "speed": None if said.sweep is None else said.sweep.speed.text, "instruction": first.instruction,
        "duration_s": sum(known) if len(known) == len(takes) else None,
        "hand_overs": [str(each) for each in first.before],
    }  # fmt: skip


def _end(first: Step, last: Step, axis: str) -> float:
    if first.sweep is not None and first.sweep.axis == axis:
        return first.sweep.end
    return last.positions[axis]
