"""How long the disk lasts, in words, at the rate that a protocol expects."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from daq.model.protocol_estimate import estimate
from daq.storage.files import StorageFiles

if TYPE_CHECKING:
    from daq.composition.equipment import Equipment
    from daq.model.protocol import AcquisitionProtocol
    from device_profiles.schema import InstrumentProfile

_STORED = 3.0
"""Bytes on the disk for a byte of the front end, at most: raw words, and rows in the widest form."""
_GB, _H, _DAY = 1e9, 3600.0, 86_400.0


def space_told(storage: Path, profile: InstrumentProfile, protocol: AcquisitionProtocol, equipment: Equipment) -> str:
    """Return what is free for list mode, and how long that lasts; what cannot be known is left out."""
    place = next(folder for folder in (storage, *storage.parents) if folder.exists())
    free = StorageFiles().free_bytes(place)
    said = f"{free / _GB:,.0f} GB are free for list mode"
    about = estimate(protocol, word_bytes=profile.layout.event_bytes, row_bytes=0, scanner=equipment.scanner)
    duration_s, taken = about.duration_s.value, about.bytes.value
    if not duration_s or not taken:
        most = profile.transport.rate_max_words_per_s * profile.layout.word_bytes * _STORED
        return f"{said}: enough for {_span(free / most)} at the highest rate that the instrument sends"
    return f"{said}: enough for {_span(free / (taken / duration_s))} at the expected rate"


def _span(seconds: float) -> str:
    if seconds > 2 * _DAY:
        return f"{seconds / _DAY:,.0f} days"
    return f"{seconds / _H:.1f} h"
