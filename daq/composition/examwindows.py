"""How far energy windows may be moved at this station, and another plan for an armed exam whose window is moved."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from daq.composition.protocolplan import instrument_for, protocol_plan
from daq.model.station import Actor, utc_now
from daq.model.windowchange import Allowed, WindowChange, WindowEdges, changes_of, same
from daq.services.acquisition.link import Link

if TYPE_CHECKING:
    from daq.composition.equipment import Equipment
    from daq.composition.protocolplan import Wanted
    from daq.model.protocol import AcquisitionProtocol
    from daq.model.verbs import Prepare
    from daq.services.acquisition.run import Run

_PEAK = "peak_off_percent"


def allowed_for(equipment: Equipment, protocol: AcquisitionProtocol) -> Allowed:
    """Return how far windows may be moved: as far as the scanner's peak may be off before nobody is acquired.

    That is the least suspension level of `peak_off_percent` among its tests; the usual one where it has none.
    """
    _, profile = instrument_for(equipment, protocol)
    detector, recorded = profile.detector, protocol.recorded
    low = detector.energy_min_kev if recorded is None else recorded.lower_kev
    high = detector.energy_max_kev if recorded is None else recorded.upper_kev
    levels = [] if equipment.scanner is None else [
        (bound, limit.source)
        for test in equipment.scanner.qc.values()
        if (limit := test.limits.get(_PEAK)) is not None and limit.of == "value" and limit.suspension is not None
        for bound in (limit.suspension.above, None if limit.suspension.below is None else -limit.suspension.below)
        if bound is not None and bound > 0
    ]  # fmt: skip
    if not levels:
        return Allowed(low_kev=low, high_kev=high)
    percent, source = min(levels)
    return Allowed(percent, source, low, high)


def asked_for(
    equipment: Equipment, protocol: AcquisitionProtocol, windows: Sequence[WindowEdges], by: str, reason: str
) -> tuple[WindowChange, ...]:
    """Return all that differs from the protocol file when these are wanted. Raises what `changes_of` raises."""
    if not windows:
        return protocol.changed
    allowed = allowed_for(equipment, protocol)
    return changes_of(
        protocol, windows, allowed, by=by, at_utc=utc_now(), reason=reason, before=protocol.changed
    )  # fmt: skip


def as_asked(
    equipment: Equipment, protocol: AcquisitionProtocol, request: Prepare, actor: Actor
) -> AcquisitionProtocol:
    """Return a protocol with the energy windows that are wanted for one exam. Raises what `changes_of` raises."""
    return protocol.with_windows(asked_for(equipment, protocol, request.windows, actor.user, request.reason))


async def moved(
    equipment: Equipment, wanted: Wanted, run: Run, windows: Sequence[WindowEdges], actor: Actor, reason: str
) -> Wanted:
    """Have an armed run acquire with these windows; return what it is now. Raises what checks and planning raise."""
    changes = asked_for(equipment, run.protocol, windows, actor.user, reason)
    protocol = run.protocol.with_windows(changes)
    after = replace(wanted, loaded=replace(wanted.loaded, protocol=protocol))
    plan, runtime = await asyncio.to_thread(protocol_plan, equipment, after)
    told = [each.to_json() for each in changes]
    await run.change(protocol, partial(Link.launched, plan, runtime), runtime=str(runtime), windows=told)
    return after


def audit_lines(before: AcquisitionProtocol, after: AcquisitionProtocol, run: str) -> Iterator[dict[str, str]]:
    """Yield what the audit log says of each window that has become another."""
    for old, new in zip(before.windows.windows, after.windows.windows, strict=True):
        if not same(old, new):
            yield {"what": f"{run} {old.name}", "old": str(old), "new": str(new)}
