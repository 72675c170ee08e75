"""The manifest of a recovered directory: the original's where it can be read, else what the segments tell."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import daq
from daq.model.ledger import Ledger, SourceLedger
from daq.storage.manifest import Manifest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from daq.storage.streamcopy import StreamCopy
    from daq.storage.verify import Examined

Loss = dict[str, Any]
_SOURCE = re.compile("source:([0-9]{1,5})")


def recovered_manifest(found: Examined, streams: Sequence[StreamCopy], losses: list[Loss]) -> Manifest:
    """Return the manifest of a recovery; `recorded_units` are the units per source that kept batches account for."""
    units = _units(streams)
    rows_lost = any(loss.get("rows_lost") for loss in losses)
    segments = [segment for stream in streams for segment in stream.segments]
    content: dict[str, Any] = _known(found, streams) if found.manifest is None else found.manifest.model_dump()
    ledger = found.manifest.ledger if found.manifest else None
    if content.get("duration_ps") is None:
        content["duration_ps"] = max((s.latest_ps for s in streams if s.latest_ps is not None), default=None)
    return Manifest.model_validate(
        {
            **content,
            "state": "recovered",
            "sealed_utc": datetime.now(UTC).isoformat(timespec="microseconds"),
            "hashed": False,
            "ledger": _ledger(ledger, units, rows_lost=rows_lost),
            "software": {**content.get("software", {}), "recovered_by": f"scandaq {daq.__version__}"},
            "segments": segments,
            "recovered_from": str(found.directory),
            "losses": losses,
            "recorded_units": units,
        }
    )


def _known(found: Examined, streams: Sequence[StreamCopy]) -> dict[str, Any]:
    """Return the manifest keys that the schema messages tell; the rest is empty."""
    facts = next((stream.facts() for stream in streams if stream.schema), {})
    time = facts.get("time")
    time = time if isinstance(time, dict) else {}
    start_utc_ns = time.get("start_utc_ns")
    created = ""
    if type(start_utc_ns) is int and 0 <= start_utc_ns < 1 << 62:
        created = datetime.fromtimestamp(start_utc_ns / 1e9, UTC).isoformat(timespec="microseconds")
    return {
        "acquisition_id": str(facts.get("acquisition", found.directory.name)),
        "created_utc": created,
        "profile": {},
        "profile_sha256": str(facts.get("profile_sha256", "")),
        "source": "",
        "stop": "",
        "time": time,
    }


def _units(streams: Sequence[StreamCopy]) -> dict[str, int]:
    units: dict[str, int] = {}
    for stream in streams:
        for name, count in stream.counts.items():
            if found := _SOURCE.fullmatch(name):
                units[found[1]] = units.get(found[1], 0) + count
    return units


def _ledger(ledger: Ledger | None, units: dict[str, int], *, rows_lost: bool) -> Ledger | None:
    """Return the ledger with units that are lost moved from `recorded` to `disk`; None where that cannot be told."""
    if ledger is None or not rows_lost:
        return ledger
    if not units:
        return None
    sources = tuple(_source(source, units.get(str(source.source), 0)) for source in ledger.sources)
    return ledger.model_copy(update={"sources": sources})


def _source(source: SourceLedger, kept: int) -> SourceLedger:
    lost = min(max(source.recorded + source.malformed - kept, 0), source.recorded)
    return source.model_copy(update={"recorded": source.recorded - lost, "disk": source.disk + lost})
