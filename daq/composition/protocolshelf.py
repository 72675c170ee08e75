"""The protocols that this station has, and which of them a patient may be acquired with here."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daq.composition.protocolplan import instrument_for
from daq.errors import ScandaqError
from daq.model.finding import errors
from daq.model.parts import parts_of

if TYPE_CHECKING:
    from acquisition_protocols.load import LoadedProtocol
    from daq.composition.equipment import Equipment

_OF_PET = "pet"
_Stamp = tuple[str, int, int]


class ProtocolShelf:
    """Knows protocols by the stamps of their files: who asks often is not answered by reading each time."""

    def __init__(self, equipment: Equipment) -> None:
        self._equipment = equipment
        self._told: dict[Path, tuple[tuple[_Stamp, ...], dict[str, Any] | None]] = {}
        self._reading = asyncio.Lock()

    @property
    def modalities(self) -> frozenset[str]:
        """Return the modalities of the worklist that concern the station, in DICOM's letters."""
        found = {"PT" if profile.modality == _OF_PET else "NM" for _, profile in self._equipment.instruments.values()}
        return frozenset(found)

    async def known(self) -> Collection[str]:
        """Return the ids of all protocols."""
        return await asyncio.to_thread(self._available)

    async def fitting(self) -> list[dict[str, Any]]:
        """Return those that a patient may be acquired with here: the site's own first, then by title."""
        async with self._reading:
            return await asyncio.to_thread(self._fitting)

    def _available(self) -> dict[str, Path]:
        from acquisition_protocols.load import available

        folder = self._equipment.site.protocols
        return available([folder] if folder else [])

    def _fitting(self) -> list[dict[str, Any]]:
        there = self._available()
        self._told = {path: told for path, told in self._told.items() if path in set(there.values())}
        found = []
        for name, path in there.items():
            stamp = _stamp(path)
            if (kept := self._told.get(path)) is None or kept[0] != stamp:
                self._told[path] = kept = stamp, self._look(name)
            if kept[1] is not None:
                found.append(kept[1])
        return sorted(found, key=lambda each: (not each["own"], each["title"]))

    def _look(self, name: str) -> dict[str, Any] | None:
        """Return what is told of a protocol, None where it is none of a patient, or does not fit the station."""
        from acquisition_protocols.load import is_shipped, load_protocol
        from acquisition_protocols.rules import check

        folder = self._equipment.site.protocols
        try:
            loaded = load_protocol(name, [folder] if folder else [])
            protocol = loaded.protocol
            _, profile = instrument_for(self._equipment, protocol)
            wrong = errors(check(protocol, scanner=self._equipment.scanner, instrument=profile))
        except ScandaqError:
            return None
        if wrong or not protocol.of_patient or protocol.qc is not None:
            return None
        return {**_about(loaded), "own": not is_shipped(loaded.path)}


def _about(loaded: LoadedProtocol) -> dict[str, Any]:
    protocol = loaded.protocol
    return {
        "id": protocol.id, "title": protocol.title, "version": protocol.version, "signed": loaded.state == "signed",
        "orientation": str(protocol.patient_orientation), "nuclide": protocol.radionuclide,
        "administration": protocol.requirements.administration, "sessions": list(protocol.sessions),
        "kind": str(protocol.kind),
        "parts": {str(session): parts_of(protocol.of_session(session).steps) for session in protocol.sessions},
        "still": [step.name for step in protocol.steps if step.continuable],
    }  # fmt: skip


def _stamp(path: Path) -> tuple[_Stamp, ...]:
    """Return what changes when a protocol does, or its signatures."""
    stamps = []
    for file in sorted(path.parent.glob(f"{path.stem}*")):
        try:
            told = file.stat()
        except OSError:
            continue
        stamps.append((file.name, told.st_mtime_ns, told.st_size))
    return tuple(stamps)
