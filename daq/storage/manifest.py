"""`manifest.json`: what a list-mode directory is, says and holds. Written by rename and fsync, never in place."""

from __future__ import annotations

import json
import zlib
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from daq.errors import FormatError
from daq.listmode.blocks import FORMAT_MAJOR, FORMAT_MINOR
from daq.model.ledger import Ledger

MANIFEST = "manifest.json"
State = Literal["open", "sealed", "recovered"]


class Segment(BaseModel):
    """One segment file. `schema_message` is base64 of its first message, so that damage there loses nothing."""

    model_config = ConfigDict(extra="allow")

    file: str
    stream: str
    index: int
    schema_message: str
    rows: int = 0
    batches: int = 0
    size_bytes: int = 0
    crc_chain: str = "00000000"
    """`daq.listmode.blocks.chain` over all messages, schema included, as 8 hex digits."""
    sha256: str | None = None


class RecordedStep(BaseModel):
    """One step, as its marks tell it. Times are ps from time zero; `stop` are its limits, None where not known.

    A step that lasts, or of which no end is left, has neither `end_ps` nor `ended_by`. `completed`: it reached a limit,
    or was ended as meant (`daq.storage.steps`), and all of it is recorded.

    `frame_zero_ps`: when its frames began, where they waited for something that came.
    `paused_ps` is what was paused of it, `missing` how many units of the sources are missing by the marks, `lossy`
    of how many the front end says that it lost some or all. `live_ps` is the time in which events counted; None where
    there are such units, the clock went back, or the step has no end: the marks cannot tell then. So it is where the
    time is not the same for all sources; `source_live_ps` has it by source where front ends tell their dead time, or
    one ended or fell silent, dead time left out.
    `hand_overs` are those noted since the step before ended, each as `daq.model.handover.Confirmed`.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    number: int
    name: str = ""
    moving: bool = False
    stop: str | None = None
    begin_ps: int
    end_ps: int | None = None
    ended_by: str | None = None
    completed: bool = False
    frame_zero_ps: int | None = None
    paused_ps: int = 0
    missing: int = 0
    lossy: int = 0
    live_ps: int | None = None
    source_live_ps: dict[int, int] = {}
    hand_overs: list[dict[str, Any]] = []


class Manifest(BaseModel):
    """The manifest. Unknown keys of a later minor version are kept and ignored.

    `profile` is the instrument profile as used, whole; `time` holds `zero_ticks` per clock domain, `tick_ps`,
    `precision_ps`, the host's `start_utc_ns` and `start_monotonic_ns`; `software` names versions; `words_by_kind`
    counts decoded words; `continues` names the acquisition that this one resumes.
    """

    model_config = ConfigDict(extra="allow")

    format: str = f"{FORMAT_MAJOR}.{FORMAT_MINOR}"
    acquisition_id: str
    state: State
    created_utc: str
    sealed_utc: str | None = None
    hashed: bool = False
    continues: str | None = None
    simulated: bool = False
    profile: dict[str, Any]
    profile_sha256: str
    scanner: dict[str, Any] | None = None
    source: str
    """Where the data came from: URL or file name."""
    stop: str = "end"
    """The stop condition that was asked for."""
    ended_by: str | None = None
    """What ended the recording: `end`, a counter's name, `time`, `host`, `operator`, `stalled`, `silent`, `disk`,
    `fault`, `motion lost`, `unattended`."""
    steps: list[RecordedStep] | None = None
    """The steps in order; None while open, and where they are not known."""
    station: str | None = None
    protocol: dict[str, Any] | None = None
    """The protocol as used: `id`, `version`, `title`, `sha256`, `state` (draft, signed), `steps`, `toml`."""
    operator: str | None = None
    """User name of who prepared it."""
    overrides: dict[str, str] = {}
    """Requirements that were overridden, each with the reason that was given."""
    calibrations: dict[str, Any] = {}
    """`singles`: id, date, method, SHA-256 of the calibration used; its tables are in `processing`."""
    processing: dict[str, Any] | None = None
    """`daq.model.processing.Processing`: calibration, windows and pairing rule as used, which rows are stored."""
    counters: dict[str, Any] = {}
    """What the processing counted: singles by `windows`, `excluded`, `uncalibrated`, `pairing`; over all sources."""
    administration_reference: str | None = None
    patient_reference: str | None = None
    qc: dict[str, Any] | None = None
    """Of a test of quality control: `test`, `source` with its activity, `statements`, `background`, `overrides`. Of a
    patient's acquisition: `valid`, the results that stood when it was prepared, and `missing`, in words."""
    study: dict[str, Any] | None = None
    """`daq.model.study.StudyReference`: which study it belongs to, which session of it, how the patient lies."""
    time: dict[str, Any] = {}
    software: dict[str, str] = {}
    words_by_kind: dict[str, int] = {}
    duration_ps: int | None = None
    ledger: Ledger | None = None
    segments: Annotated[list[Segment], Field(default_factory=list)]
    recovered_from: str | None = None
    sorted_from: dict[str, Any] | None = None
    """Of coincidences made anew from recorded singles: `acquisition_id`, `stream`, `segments` with their sums."""
    losses: list[dict[str, Any]] = []
    """What a recovery could not save: file, byte range, row range, reason."""

    @property
    def frame_handed_over(self) -> str | None:
        """Return the frame of reference of the CT that was handed over last, None where none was."""
        for step in reversed(self.steps or []):
            for confirmed in reversed(step.hand_overs):
                record = confirmed.get("record")
                if isinstance(record, dict) and isinstance(record.get("frame_of_reference_uid"), str):
                    return str(record["frame_of_reference_uid"])
        return None

    @property
    def feet_first(self) -> bool:
        """Return True where the patient's feet go into the gantry first, so that pictures are turned to be head up."""
        return str((self.study or {}).get("patient_orientation", "")).startswith("F")


def dump_manifest(manifest: Manifest) -> bytes:
    """Return the JSON text with its own `crc32` (of the text with the digits zeroed) as the last key."""
    body = manifest.model_dump(mode="json")
    text = json.dumps({**body, "crc32": "00000000"}, indent=1, ensure_ascii=True).encode() + b"\n"
    crc = zlib.crc32(text)
    head, _, tail = text.rpartition(b'"crc32": "00000000"')
    return head + b'"crc32": "%08x"' % crc + tail


def parse_manifest(text: bytes, where: str) -> Manifest:
    """Return the manifest, or raise `FormatError` naming `where`: damaged, of an unknown major version, not ours."""
    stated = text.rpartition(b'"crc32": "')[2][:8]
    zeroed = text.replace(b'"crc32": "' + stated + b'"', b'"crc32": "00000000"')
    try:
        content = json.loads(text)
        version = str(content["format"])
        major = int(version.partition(".")[0])
    except (ValueError, KeyError, TypeError, RecursionError) as why:
        raise FormatError(f"{where}: not a scandaq manifest ({type(why).__name__})") from None
    if major != FORMAT_MAJOR:
        raise FormatError(f"{where}: list-mode format {version}; this build reads {FORMAT_MAJOR}.x")
    if b"%08x" % zlib.crc32(zeroed) != stated:
        raise FormatError(f"{where}: its CRC-32 does not match, the manifest is damaged")
    content.pop("crc32", None)
    try:
        manifest = Manifest.model_validate(_without_computed(content))
        manifest.model_dump(mode="json")  # what is read here is written again, by recover and with the hashes
    except ValidationError as why:
        first = why.errors()[0]
        raise FormatError(f"{where}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    except (ValueError, RecursionError) as why:
        raise FormatError(f"{where}: it cannot be written again: {why}") from None
    return manifest


def _without_computed(content: dict[str, Any]) -> dict[str, Any]:
    """Drop `balanced`, which is computed from the sums and never believed."""
    ledger = content.get("ledger")
    if isinstance(ledger, dict):
        ledger.pop("balanced", None)
        sources = ledger.get("sources")
        for source in sources if isinstance(sources, list) else ():
            if isinstance(source, dict):
                source.pop("balanced", None)
    return content
