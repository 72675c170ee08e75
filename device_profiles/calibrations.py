"""Calibration files: a TOML head that says of what, when and how, and beside it a CSV table, one detector a row.

    schema = "calibration-file/1"
    id = "ring-2026-11-20"
    instrument = "singles64"
    made_utc = "2026-11-20T09:30:00Z"
    method = "..."
    table = "ring-2026-11-20.csv"
    table_sha256 = "..."

The newest one that was made before an acquisition, and is not past its `valid_until_utc`, is the acquisition's. Where
the folder keeps a life-cycle (`device_profiles.lifecycle`), it is the active one and no other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from daq.errors import MismatchError, MissingError, ProfileError, RefusedError
from daq.model.calibration import Calibration, moment, time_findings
from daq.model.calibrationlifecycle import Lifecycle
from daq.model.finding import Finding, Said, error
from daq.model.layout import Strict
from daq.model.tables import refusal
from device_profiles.calibrationtable import QUANTITIES, Table, format_table, parse_table
from device_profiles.lifecycle import read_lifecycle, require_files, ring_slot
from device_profiles.reading import load
from device_profiles.tomltext import toml_text
from device_profiles.writing import write_new

CALIBRATION_FILE_SCHEMA = "calibration-file/1"
MAX_TABLE_BYTES = 64 << 20


class CalibrationHead(Strict):
    """The TOML file of a calibration."""

    model_config = ConfigDict(serialize_by_alias=True)

    schema_id: Literal["calibration-file/1"] = Field(alias="schema")
    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
    instrument: Annotated[str, Field(min_length=1, max_length=100)]
    """Id of the instrument profile that it belongs to."""
    made_utc: Annotated[str, Field(min_length=1, max_length=40)]
    """When it was measured: ISO 8601 with its zone."""
    valid_until_utc: Annotated[str, Field(min_length=1, max_length=40)] | None = None
    """From then on it is not chosen by itself any more."""
    method: Annotated[str, Field(min_length=1, max_length=2000)]
    """How it was measured, with the document that describes it."""
    table: Annotated[str, Field(min_length=1, max_length=255)]
    """Name of the CSV file, in the same folder."""
    table_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """Of the CSV file's bytes, as `sha256sum` prints it."""


def load_calibration(
    path: Path | str, *, instrument: str | None = None, detector_count: int | None = None
) -> Calibration:
    """Return the calibration of a TOML file and its table.

    Raises `MissingError`, `ProfileError` (file, line, column, value, reason, several at once) or `MismatchError` where
    it belongs to another instrument than `instrument`. Detector numbers from `detector_count` on are refused.
    """
    return _loaded(Path(path), _head(Path(path)), instrument, detector_count)


def find_calibration(
    folder: Path | None, *, instrument: str, at: datetime, detector_count: int | None = None
) -> Calibration:
    """Return the newest calibration of `instrument` in `folder` that is valid at `at`, else `identity_calibration`.

    Only files `*.toml` directly in the folder count. Raises `ProfileError` for a head that cannot be read, because it
    might be the one, and for two that were made at the same moment or bear the same id; `MissingError` where the folder
    is not there.
    """
    if folder is None:
        return identity_calibration(instrument, at=at, why="the site has no folder of calibrations")
    heads = {path: head for path, head in _heads(folder) if head.instrument == instrument}
    _refuse_same_id(heads)
    lifecycle = read_lifecycle(folder)
    if lifecycle is not None:
        return _active(folder, lifecycle, heads, instrument, at, detector_count)
    valid = {path: head for path, head in heads.items() if _is_valid(head, at)}
    if not valid:
        why = f"{folder} holds no calibration of {instrument} that is valid at {at.isoformat()}"
        return identity_calibration(instrument, at=at, why=why)
    newest = max(moment(head.made_utc) for head in valid.values())
    chosen = [path for path, head in valid.items() if moment(head.made_utc) == newest]
    if len(chosen) > 1:
        names = " and ".join(path.name for path in chosen)
        raise ProfileError(f"{folder}: {names} were made at the same moment, {newest.isoformat()}: which one counts?")
    return _loaded(chosen[0], valid[chosen[0]], instrument, detector_count)


def head_sha256(path: Path) -> str:
    """Return the SHA-256 of a calibration's TOML file, which names that of its table: of what a life-cycle speaks."""
    return hashlib.sha256(_bytes_of(path)).hexdigest()


def _active(
    folder: Path, lifecycle: Lifecycle, heads: Mapping[Path, CalibrationHead], instrument: str, at: datetime,
    detector_count: int | None,
) -> Calibration:  # fmt: skip
    """Return the active calibration, with what newer ones were left out; `identity` where none is."""
    require_files(folder, lifecycle, {head.id for head in heads.values()} | _of_others(lifecycle, instrument))
    name = lifecycle.active(ring_slot(instrument))
    path = next((path for path, head in heads.items() if head.id == name), None)
    newer = [
        f"{head.id}, made {head.made_utc}, is {lifecycle.state(head.id)}, not active"
        for head in heads.values()
        if head.id != name and (path is None or moment(head.made_utc) > moment(heads[path].made_utc))
    ]
    if path is None or not _is_valid(heads[path], at):
        why = f"{folder}: no calibration of {instrument} is active" if path is None else (
            f"{folder}: {name} is active, but not valid at {at.isoformat()}"
        )  # fmt: skip
        none = identity_calibration(instrument, at=at, why=why)
        return none.model_copy(update={"left_out": tuple(newer)})
    if head_sha256(path) != lifecycle.sha256(name):
        raise ProfileError(f"{path}: {name} is not what was signed: the file was changed, or is another one")
    loaded = _loaded(path, heads[path], instrument, detector_count)
    return loaded.model_copy(update={"state": str(lifecycle.state(name)), "left_out": tuple(newer)})


def _of_others(lifecycle: Lifecycle, instrument: str) -> set[str]:
    """Return what is active of other instruments."""
    return {lifecycle.active(slot) for slot in lifecycle.stacks if slot != ring_slot(instrument)}


def identity_calibration(instrument: str, *, at: datetime, why: str) -> Calibration:
    """Return the calibration that changes nothing and says so, and why."""
    return Calibration(
        id="identity",
        instrument=instrument,
        made_utc=at.astimezone(UTC).isoformat(),
        method=f"none: {why}; times are as they came, energies are ADC codes",
        identity=True,
    )


def write_calibration(
    path: Path | str, *, id: str, instrument: str, made_utc: str, method: str, detectors: Any,  # noqa: A002
    time_offset_ps: Any = None, kev_per_adc: Any = None, pedestal_adc: Any = None, valid_until_utc: str | None = None,
) -> Calibration:  # fmt: skip
    """Write `path` (ending in `.toml`) and the CSV table beside it; return the calibration as it reads back.

    Columns are sequences as long as `detectors`, in ps (whole), keV per code and codes; None: not measured. Raises
    `RefusedError` where a file is there already, and what `load_calibration` raises.
    """
    path = Path(path)
    if path.suffix != ".toml":
        raise RefusedError(f"{path}: the file of a calibration ends in .toml")
    table = path.with_suffix(".csv")
    given = {"time_offset_ps": time_offset_ps, "kev_per_adc": kev_per_adc, "pedestal_adc": pedestal_adc}
    content = format_table(_plain_table(detectors, given))
    head = {
        "schema": CALIBRATION_FILE_SCHEMA, "id": id, "instrument": instrument, "made_utc": made_utc,
        "valid_until_utc": valid_until_utc, "method": method, "table": table.name,
        "table_sha256": hashlib.sha256(content).hexdigest(),
    }  # fmt: skip
    if wrong := parse_table(content)[1]:
        raise ProfileError(refusal(str(table), wrong))
    write_new(table, content)
    write_new(path, toml_text(head).encode())
    return load_calibration(path)


def _head(path: Path) -> CalibrationHead:
    return load(CalibrationHead, path, _head_findings)


def _heads(folder: Path) -> Iterator[tuple[Path, CalibrationHead]]:
    try:
        files = sorted(path for path in folder.iterdir() if path.suffix == ".toml")
    except FileNotFoundError:
        raise MissingError(f"{folder}: no such folder of calibrations") from None
    except OSError as why:
        raise ProfileError(f"{folder}: cannot be read ({why.strerror})") from None
    for path in files:
        yield path, _head(path)


def _head_findings(head: CalibrationHead) -> list[Finding]:
    found = [*time_findings(head.made_utc, head.valid_until_utc)]
    if Path(head.table).name != head.table or head.table in (".", ".."):
        found.append(error("table", head.table, "must be the name of a file in the same folder"))
    return found


def _loaded(path: Path, head: CalibrationHead, instrument: str | None, detector_count: int | None) -> Calibration:
    if instrument is not None and head.instrument != instrument:
        raise MismatchError(f"{path}: is of instrument {head.instrument!r}; wanted is one of {instrument!r}")
    table_path = path.parent / head.table
    content = _bytes_of(table_path)
    digest = hashlib.sha256(content).hexdigest()
    if digest != head.table_sha256:
        raise ProfileError(
            f"{path}: table_sha256 = {head.table_sha256}: {table_path.name} has {digest}; "
            "it was changed after the head was written, or belongs to another one"
        )
    table, wrong = parse_table(content, detector_count=detector_count)
    if wrong:
        raise ProfileError(refusal(str(table_path), wrong))
    return Calibration(
        id=head.id, instrument=head.instrument, made_utc=moment(head.made_utc).isoformat(), method=head.method,
        sha256=digest, detectors=table.detectors, time_offset_ps=table.time_offset_ps, kev_per_adc=table.kev_per_adc,
        pedestal_adc=table.pedestal_adc,
    )  # fmt: skip


def _bytes_of(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_TABLE_BYTES + 1)
    except FileNotFoundError:
        raise MissingError(f"{path}: no such table") from None
    except OSError as why:
        raise ProfileError(f"{path}: cannot be read ({why.strerror})") from None
    if len(content) > MAX_TABLE_BYTES:
        raise ProfileError(f"{path}: a table has at most {MAX_TABLE_BYTES} bytes")
    return content


def _is_valid(head: CalibrationHead, at: datetime) -> bool:
    ends = moment(head.valid_until_utc) if head.valid_until_utc is not None else None
    return moment(head.made_utc) <= at and (ends is None or at < ends)


def _refuse_same_id(heads: Mapping[Path, CalibrationHead]) -> None:
    first: dict[str, Path] = {}
    for path, head in heads.items():
        if head.id in first:
            raise ProfileError(f"{path}: id = {head.id!r}: {first[head.id].name} has the same")
        first[head.id] = path


def _plain_table(detectors: Any, given: Mapping[str, Any]) -> Table:
    """Return a table of plain numbers, in the order of detectors."""
    numbers = [_whole(number) for number in detectors]
    order = sorted(range(len(numbers)), key=numbers.__getitem__)
    table = Table(tuple(numbers[at] for at in order))
    for name in QUANTITIES:
        values = given[name]
        if values is None:
            continue
        if len(values) != len(numbers):
            wrong = error(name, Said(f"{len(values)} values"), f"there are {len(numbers)} detectors")
            raise ProfileError(refusal("table", [wrong]))
        plain = _whole if name == "time_offset_ps" else float
        setattr(table, name, tuple(plain(values[at]) for at in order))
    return table


def _whole(value: Any) -> Any:
    """Return a whole number as int; another one as float, which the table refuses in words."""
    return int(value) if float(value).is_integer() else float(value)
