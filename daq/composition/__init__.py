"""The only place that builds concrete objects from configuration: profiles, plans, recordings."""

from __future__ import annotations

import os
import platform
import re
import secrets
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import daq
from daq.errors import MismatchError, RefusedError, UsageError
from daq.storage.manifest import Manifest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from daq.composition.processing import Asked
    from daq.model.host import HostFinding
    from daq.model.processing import Processing
    from daq.model.stop import StopCondition
    from daq.readout.parent import ReadoutProcess
    from daq.readout.plan import Plan, SourceAddress
    from device_profiles.schema import InstrumentProfile

_STORAGE_DEFAULT = "recordings"
_HIGHEST_PRIORITY = 99
_WORDS_PER_COUNT = 2.0
"""Words to allow for one counted event where a limit on counts is all that bounds a recording."""


def acquisition_id(now: datetime | None = None) -> str:
    """Return a new acquisition id: UTC time and a random tail, e.g. `20261122T140507Z-3fa9c1`."""
    moment = now or datetime.now(UTC)
    return f"{moment:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"


def new_manifest(
    profile: InstrumentProfile, *, identity: str, source: str, stop: str, simulated: bool = False
) -> Manifest:
    """Return the manifest of an acquisition that is about to begin."""
    if profile.counting_unit != profile.layout.unit:
        raise RefusedError(f"profile {profile.id}: counting_unit = {profile.counting_unit}; its packets hold no such")
    return Manifest(
        acquisition_id=identity,
        state="open",
        created_utc=datetime.now(UTC).isoformat(timespec="milliseconds"),
        profile=profile.model_dump(mode="json"),
        profile_sha256=profile.sha256,
        source=source,
        stop=stop,
        simulated=simulated,
        software=versions(),
        segments=[],
    )


def versions() -> dict[str, str]:
    """Return the versions that a manifest names."""
    return {
        "scandaq": daq.__version__,
        "python": platform.python_version(),
        **{name: version(name) for name in ("numpy", "numba", "pyarrow")},
    }


def output_directory(out: str | None, storage: str | None, identity: str) -> Path:
    """Return the directory to write: `--out` itself, else `<storage>/<date>/<id>`; it must not exist or be empty."""
    if out and storage:
        raise UsageError("--out and --storage exclude each other")
    path = Path(out) if out else Path(storage or _STORAGE_DEFAULT) / datetime.now(UTC).date().isoformat() / identity
    try:
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise RefusedError(f"{path} exists and is not empty: a recording is never written over another")
        for folder in path.absolute().parents:
            if (folder / "manifest.json").is_file() and any(folder.glob("*-00000.arrows")):
                raise RefusedError(f"{path} lies in the recording {folder}: nothing is added to a recording")
        parent = next(parent for parent in path.absolute().parents if parent.exists())
        if not parent.is_dir():
            raise RefusedError(f"{path} cannot be written: {parent} is not a directory")
        _require_writable(path, path if path.exists() else parent)
    except OSError as why:
        raise RefusedError(f"{path} cannot be written: {why.strerror}") from None
    return path


def _require_writable(path: Path, folder: Path) -> None:
    """Refuse a folder that this user cannot make files in, before any front end is asked for data."""
    if os.access(folder, os.W_OK | os.X_OK):
        return
    read_only = os.statvfs(folder).f_flag & os.ST_RDONLY
    why = "is on a read-only file system" if read_only else "is not this user's to write"
    raise RefusedError(f"{path} cannot be written: {folder} {why}")


def identity_of(out: str | None) -> str:
    """Return the acquisition id: a new one, or the name of the output directory where that can be one."""
    name = Path(out).name if out else ""
    return name if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name) else acquisition_id()


def plan_recording(
    profile: InstrumentProfile, *, sources: Sequence[str], stop_texts: list[str],
    out: str | None, storage: str | None, store_raw: bool, stall_s: float, simulated: bool,
    store_rows: bool = True, gro: bool = True, priority: int = 0, asked: Asked | None = None,
) -> tuple[Plan, Path]:  # fmt: skip
    """Return the plan of a one-step acquisition and its runtime directory; refuse what cannot work before it starts.

    `sources` are addresses as on the command line; what comes from the k-th is of source number k.
    """
    from daq.composition.countable import require_countable
    from daq.composition.processing import Asked, asked_of
    from daq.composition.sorting import Said
    from daq.model.stop import parse_stop
    from daq.readout.plan import CONTROL, Plan, Receive
    from daq.readout.registry import runtime_directory

    addresses = addresses_of(profile, sources)
    if not (store_raw or store_rows):
        raise UsageError("--no-raw and --no-rows exclude each other: nothing would be recorded")
    if not 0 <= priority <= _HIGHEST_PRIORITY:
        raise UsageError(f"--priority {priority}: from 0 (none) to {_HIGHEST_PRIORITY}")
    if not 0 < stall_s < float("inf"):
        raise UsageError(f"--stall {stall_s:g}: must be a number of seconds above zero")
    stop = parse_stop(stop_texts)
    identity = identity_of(out)
    directory = output_directory(out, storage, identity)
    manifest = new_manifest(profile, identity=identity, source=", ".join(sources), stop=str(stop), simulated=simulated)
    processing = asked_of(profile, manifest, asked or Asked(Said()))
    require_countable(profile, stop, processing, store_rows=store_rows)
    _require_space(profile, directory, addresses, stop, processing=processing, store_raw=store_raw)
    runtime = runtime_directory()
    plan = Plan(
        directory=str(directory.resolve()),
        manifest=manifest,
        layout=profile.layout,
        clock=profile.clock,
        unit=profile.counting_unit,
        sources=addresses,
        datagram_framing=profile.transport.datagram_framing or "none",
        front_end=profile.transport.front_end,
        stop=stop,
        order=profile.order,
        receive=Receive(gro=gro, priority=priority, rate_words_per_s=profile.transport.rate_max_words_per_s),
        store_raw=store_raw,
        store_rows=store_rows,
        processing=processing,
        connect_s=stall_s,
        stall_s=stall_s,
        control=str(runtime / CONTROL),
    )
    return plan, runtime


def addresses_of(profile: InstrumentProfile, urls: Sequence[str]) -> tuple[SourceAddress, ...]:
    """Return the addresses of the sources of one acquisition; refuse those that `profile` is not reached by."""
    from daq.readout.plan import MOST_SOURCES, parse_source

    if not 0 < len(urls) <= MOST_SOURCES:
        raise UsageError(f"{len(urls)} sources: from 1 to {MOST_SOURCES} are possible")
    addresses = tuple(parse_source(url) for url in urls)
    for url, address in zip(urls, addresses, strict=True):
        if address.kind not in profile.transport.kinds:
            raise MismatchError(
                f"profile {profile.id} is reached by {', '.join(profile.transport.kinds)}, not by {url}"
            )
    return addresses


def start_readout(plan: Plan, runtime: Path) -> ReadoutProcess:
    """Start the readout process of the plan."""
    from daq.readout.parent import ReadoutProcess

    return ReadoutProcess.launch(plan, runtime)


def host_findings(
    *, rate_words_per_s: float, word_bytes: int, storage: str | None, measure_disk: bool
) -> list[HostFinding]:
    """Return what limits this host at a rate: network, machine, and the disk that recordings go to by default."""
    from daq.readout.hostlimits import network_findings
    from daq.readout.hostmachine import machine_findings
    from daq.storage.hostdisk import disk_findings

    folder = Path(storage or _STORAGE_DEFAULT)
    return [
        *network_findings(rate_words_per_s, word_bytes),
        *machine_findings(),
        *disk_findings(folder, rate_words_per_s * word_bytes, measure=measure_disk),
    ]


def _require_space(
    profile: InstrumentProfile,
    directory: Path,
    sources: Sequence[SourceAddress],
    stop: StopCondition,
    *,
    processing: Processing,
    store_raw: bool,
) -> None:
    """Refuse a recording whose estimate does not fit the storage."""
    duration_s, words = 0.0, 0.0
    if sources[0].kind == "file":
        path = Path(sources[0].path)
        words = path.stat().st_size / profile.layout.word_bytes if path.is_file() else 0.0
    elif stop.duration_ps is not None or stop.host_s is not None:
        duration_s = min(stop.duration_ps / 1e12 if stop.duration_ps else float("inf"), stop.host_s or float("inf"))
        words = duration_s * profile.transport.rate_max_words_per_s * len(sources)
    if stop.counts:
        each = _WORDS_PER_COUNT * profile.layout.event_bytes / profile.layout.word_bytes
        words = min(words or float("inf"), each * min(stop.counts.values()))
    require_space(
        profile, directory, words=words, duration_s=duration_s, processing=processing, store_raw=store_raw
    )  # fmt: skip


def require_space(
    profile: InstrumentProfile, directory: Path, *, words: float, duration_s: float, processing: Processing,
    store_raw: bool = True,
) -> None:  # fmt: skip
    """Raise `StorageFullError` where so many words in so many seconds do not fit the storage."""
    from daq.listmode.columns import decoded_columns
    from daq.storage import space
    from daq.storage.streams import stream_schemas

    columns = decoded_columns(profile.layout)
    schemas = stream_schemas(
        columns, store_raw=store_raw, late=True, processing=processing if processing.heads else None
    )
    event_bytes = profile.layout.event_bytes
    events = words * profile.layout.word_bytes / event_bytes
    space.require_space(
        directory, space.estimate_bytes(events, word_bytes=event_bytes, schemas=schemas, duration_s=duration_s)
    )
