"""Whether a protocol may be used here and now: its rules, its signature, what it requires of the station."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from daq.composition.protocolplan import instrument_for
from daq.errors import RefusedError
from daq.model.finding import errors
from daq.model.verbs import Prepare

if TYPE_CHECKING:
    from acquisition_protocols.load import LoadedProtocol
    from daq.composition.equipment import Equipment
    from daq.model.protocol import AcquisitionProtocol


async def judged(equipment: Equipment, loaded: LoadedProtocol, request: Prepare) -> dict[str, str]:
    """Return what was overridden, each with its reason, which every file will bear; raise what speaks against it."""
    from acquisition_protocols.rules import check

    protocol = loaded.protocol
    _, profile = instrument_for(equipment, protocol)
    found = errors(check(protocol, scanner=equipment.scanner, instrument=profile))
    if found:
        raise RefusedError(f"protocol {protocol.id}: " + "; ".join(map(str, found)))
    draft = loaded.state != "signed"
    if draft and not request.draft_reason:
        raise RefusedError(
            f"protocol {protocol.id} version {protocol.version} is a {loaded.state_reason}; "
            "give a reason for using it as a draft"
        )
    unmet = {name: why async for name, why in _unmet(equipment, protocol, request)}
    left = [f"{name}: {why}" for name, why in unmet.items() if name not in request.overrides]
    if left:
        raise RefusedError(
            f"protocol {protocol.id} cannot be prepared: {'; '.join(left)}; "
            "each may be overridden by name with a reason, which every file will bear"
        )
    return {name: request.overrides[name] for name in unmet} | ({"draft": request.draft_reason} if draft else {})


async def _unmet(
    equipment: Equipment, protocol: AcquisitionProtocol, request: Prepare
) -> AsyncIterator[tuple[str, str]]:
    """Yield each requirement that does not hold, or cannot be shown to: its name, and why."""
    wanted = protocol.requirements.collimators
    if wanted:
        mounted = await equipment.collimator()
        if mounted is None:
            yield "collimator", f"{' or '.join(wanted)} is needed, and nothing senses what is mounted"
        elif mounted not in wanted:
            yield "collimator", f"{' or '.join(wanted)} is needed, {mounted} is mounted"
    for need in (*protocol.requirements.qc, *protocol.requirements.calibrations):
        yield need.name, f"{need.name} is needed, and this station has no record of one"
    if protocol.requirements.administration == "before_start" and request.administration is None:
        yield "administration", "an administration record is needed, and none was given"
