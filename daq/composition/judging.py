"""Whether a protocol may be used here and now: its rules, its signature, what it requires of the station."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING

from daq.composition.protocolplan import calibration_for, camera_for, instrument_for
from daq.errors import MissingError, RefusedError
from daq.model.finding import errors
from daq.model.verbs import Prepare
from daq.storage.listing import load_manifest

QC = "qc"
"""Name by which all that is missing of quality control is overridden at once."""

if TYPE_CHECKING:
    from acquisition_protocols.load import LoadedProtocol
    from daq.composition.equipment import Equipment
    from daq.model.protocol import AcquisitionProtocol


async def judged(equipment: Equipment, loaded: LoadedProtocol, request: Prepare) -> dict[str, str]:
    """Return what was overridden, each with its reason, which every file will bear; raise what speaks against it."""
    protocol = loaded.protocol
    await require_usable(equipment, loaded, request)
    draft = unsigned(loaded)
    if draft is not None and not request.draft_reason:
        raise RefusedError(f"{draft}; give a reason for using it as a draft (`--draft-reason`)")
    missing = await unmet(equipment, protocol, request)
    left = [f"{name}: {why}" for name, why in missing.items() if name not in request.overrides]
    if left:
        raise RefusedError(
            f"protocol {protocol.id} cannot be prepared: {'; '.join(left)}; "
            "each may be overridden by name with a reason, which every file will bear"
        )
    told = {name: request.overrides[name] for name in missing} | await in_spite(equipment, protocol)
    return told | ({"draft": request.draft_reason} if draft is not None else {})


async def in_spite(equipment: Equipment, protocol: AcquisitionProtocol) -> dict[str, str]:
    """Return the tests that a person has allowed patients in spite of, each with the reason."""
    if equipment.standing is None:
        return {}
    return dict((await equipment.standing.of_protocol(protocol)).in_spite)


async def require_usable(equipment: Equipment, loaded: LoadedProtocol, request: Prepare) -> None:
    """Raise `RefusedError` or `MissingError` for a protocol that this station cannot use, whatever is overridden."""
    from acquisition_protocols.rules import check

    protocol = loaded.protocol
    _, profile = instrument_for(equipment, protocol)
    found = errors(check(protocol, scanner=equipment.scanner, instrument=profile))
    if found:
        raise RefusedError(f"protocol {protocol.id}: " + "; ".join(map(str, found)))
    if protocol.file.time_lapse is not None and not equipment.site.simulated:
        raise RefusedError(
            f"protocol {protocol.id}: time_lapse = {protocol.file.time_lapse} is for simulated stations alone; "
            "a patient is acquired at the speed that the protocol was signed with"
        )
    if request.continues is not None:
        await asyncio.to_thread(_require_continuable, equipment.site.storage, request.continues)
        _require_static(protocol)


def unsigned(loaded: LoadedProtocol) -> str | None:
    """Return that nobody has signed a protocol, in words; None where somebody has."""
    if loaded.state == "signed":
        return None
    return f"protocol {loaded.protocol.id} version {loaded.protocol.version} is a {loaded.state_reason}"


async def unmet(equipment: Equipment, protocol: AcquisitionProtocol, request: Prepare) -> dict[str, str]:
    """Return the requirements that do not hold, or cannot be shown to: by name, with why."""
    return {name: why async for name, why in _unmet(equipment, protocol, request)}


async def mounted(equipment: Equipment, protocol: AcquisitionProtocol, overridden: Mapping[str, str]) -> str | None:
    """Return the collimator that is mounted: as it is sensed, or the only one that somebody's override can mean."""
    return assumed(await equipment.collimator(), protocol, overridden)


def assumed(sensed: str | None, protocol: AcquisitionProtocol, overridden: Mapping[str, str]) -> str | None:
    """Return what is sensed; where nothing is, the only collimator that somebody's override can mean."""
    wanted = protocol.requirements.collimators
    return wanted[0] if sensed is None and len(wanted) == 1 and "collimator" in overridden else sensed


async def _unmet(
    equipment: Equipment, protocol: AcquisitionProtocol, request: Prepare
) -> AsyncIterator[tuple[str, str]]:
    """Yield each requirement that does not hold, or cannot be shown to: its name, and why."""
    if (why := await _lacks_collimator(equipment, protocol.requirements.collimators)) is not None:
        yield "collimator", why
    for name, lacking in (await _lacks_quality(equipment, protocol, request.overrides)).items():
        yield name, lacking
    if (why := await equipment.voltages()) is not None:
        yield "high-voltage", why
    collimator = await mounted(equipment, protocol, request.overrides)
    for name, lacking in await asyncio.to_thread(_lacks_calibrations, equipment, protocol, collimator):
        yield name, lacking
    why = await asyncio.to_thread(_lacks_energies, equipment, protocol, collimator)
    if why is not None:
        yield "energy-calibration", why
    why = _lacks_administration(protocol.requirements.administration, request.administration, request.session)
    if why is not None:
        yield "administration", why


async def _lacks_quality(
    equipment: Equipment, protocol: AcquisitionProtocol, overrides: Mapping[str, str]
) -> dict[str, str]:
    """Return what is missing of quality control: by the name of a test that is overridden so, all others as `qc`.

    However much is overdue costs one reason: who treats an emergency must not be kept from it by a list of questions.
    """
    if equipment.standing is None:
        missing: Mapping[str, str] = {
            need.name: f"{need.name} is needed, and this station has no record of one"
            for need in protocol.requirements.qc
        }
    else:
        missing = (await equipment.standing.of_protocol(protocol)).missing
    named = {name: why for name, why in missing.items() if name in overrides}
    others = [why for name, why in missing.items() if name not in overrides]
    return named | ({QC: "; ".join(others)} if others else {})


async def _lacks_collimator(equipment: Equipment, wanted: Sequence[str]) -> str | None:
    if not wanted:
        return None
    sensed = await equipment.collimator()
    if sensed is None:
        return f"{' or '.join(wanted)} is needed, and nothing senses what is mounted"
    return None if sensed in wanted else f"{' or '.join(wanted)} is needed, {sensed} is mounted"


def _lacks_calibrations(
    equipment: Equipment, protocol: AcquisitionProtocol, collimator: str | None
) -> list[tuple[str, str]]:
    """Return the calibrations that are needed and of which a head has none that fits, or an old one: name and why."""
    needs = protocol.requirements.calibrations
    if not needs:
        return []
    camera = camera_for(equipment, protocol, collimator)
    return [(need.name, why) for need in needs if (why := camera.lacks(need, datetime.now(UTC))) is not None]


def _lacks_energies(equipment: Equipment, protocol: AcquisitionProtocol, collimator: str | None = None) -> str | None:
    """Return why windows in keV would choose among codes, None where they do not."""
    from daq.listmode.columns import decoded_columns

    _, profile = instrument_for(equipment, protocol)
    codes = camera_for(equipment, protocol, collimator).codes_for_energies if protocol.windows.windows else None
    if codes is not None:
        return f"windows are in keV: {codes}"
    used = calibration_for(equipment, protocol, profile)
    only_codes = "energy_adc" in decoded_columns(profile.layout).get("singles", ())
    if not protocol.windows.windows or used is None or not used.identity or not only_codes:
        return None
    return f"windows are in keV, and {profile.id} sends codes: no calibration of it is valid now"


def _lacks_administration(wanted: str, record: dict[str, object] | None, session: int = 1) -> str | None:
    """Return what the record lacks; where recording begins before the injection, that is of the first session."""
    wanted = "before_start" if wanted == "follows" and session > 1 else wanted
    if wanted == "none":
        return None
    if record is None:
        return "an administration record is needed, and none was given"
    if wanted == "before_start" and record.get("injected_at") is None:
        return "the injection comes before the start, and the record does not say when it was"
    if wanted == "follows" and (when := record.get("injected_at")) is not None:
        return f"recording begins before the injection, and the record says that it was at {when}"
    return None


def _require_continuable(storage: Path, identity: str) -> None:
    """Refuse to continue what was not of static views alone, by the protocol that its manifest holds."""
    from acquisition_protocols.load import checked

    named = re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", identity)
    found = sorted(storage.glob(f"*/{escape(identity)}")) if named else []
    if not found:
        raise MissingError(
            f"there is no acquisition {identity!r} in {storage}: only one that is there can be continued"
        )
    told = load_manifest(found[0]).protocol or {}
    earlier, _ = checked(str(told["toml"]).encode(), Path(f"{told.get('id')}.toml")) if "toml" in told else (None, [])
    if earlier is None:
        raise RefusedError(f"{identity} cannot be continued: its manifest does not say how it was acquired")
    _require_static(earlier, f"{identity} (")


def _require_static(protocol: AcquisitionProtocol, before: str = "(") -> None:
    if not protocol.continuable:
        raise RefusedError(
            f"{before}{protocol.id}) cannot be continued: only static views can; what there is of it is kept, "
            "acquire it again as a new view"
        )
