"""Verify a list-mode directory: every checksum, every number, the manifest's totals and the ledger's sums."""

from __future__ import annotations

import hashlib
import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

from daq.errors import FormatError, MissingError
from daq.storage.listing import SegmentFile, list_segments, load_manifest, of_one_acquisition
from daq.storage.scan import SegmentScan, Tail, scan_segment
from daq.storage.walk import Damage

if TYPE_CHECKING:
    from pathlib import Path

    from daq.storage.manifest import Manifest

Verdict = Literal["ok", "damaged", "unsealed"]


@dataclass(frozen=True, slots=True)
class SegmentReport:
    """What was found in one segment. `problems` are contradictions to the manifest, in words."""

    file: str
    stream: str
    index: int
    batches: int = 0
    rows: int = 0
    size_bytes: int = 0
    sealed: bool = False
    damages: tuple[Damage, ...] = ()
    tail: Tail | None = None
    problems: tuple[str, ...] = ()
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """The verdict on a directory.

    `state` is the manifest's, None when it cannot be read. `balanced` is recomputed from the ledger's sums, None when
    there is no ledger or what was sent is not known. `problems` concern the directory as a whole.
    """

    directory: Path
    state: str | None
    segments: tuple[SegmentReport, ...]
    problems: tuple[str, ...]
    balanced: bool | None
    seconds: float

    @property
    def verdict(self) -> Verdict:
        """Return `damaged` for any damage or contradiction, else `unsealed` where a seal is missing, else `ok`."""
        if self.problems or any(segment.damages or segment.problems for segment in self.segments):
            return "damaged"
        sealed = self.state != "open" and all(segment.sealed for segment in self.segments)
        return "ok" if sealed else "unsealed"

    @property
    def size_bytes(self) -> int:
        """Return the bytes of all segments."""
        return sum(segment.size_bytes for segment in self.segments)

    @property
    def rows(self) -> dict[str, int]:
        """Return the good rows per stream."""
        rows: dict[str, int] = {}
        for segment in self.segments:
            rows[segment.stream] = rows.get(segment.stream, 0) + segment.rows
        return rows


@dataclass(slots=True)
class Examined:
    """A directory with all segments scanned, whatever state its manifest is in."""

    directory: Path
    manifest: Manifest | None
    files: list[SegmentFile]
    scans: list[SegmentScan | None]
    """One per file, None where the manifest names a file that is not there."""
    problems: list[str] = field(default_factory=list)


def verify(directory: Path, *, sha256: bool = False) -> Report:
    """Read every byte of the directory's segments and return the verdict.

    `sha256` also compares the hashes of a manifest that holds them. Damage is reported, not raised. Raise
    `MissingError` when there is nothing to verify, `FormatError` for segments of another major version.
    """
    begin = time.monotonic()
    examined = examine(directory)
    manifest = examined.manifest
    hashes = _hashes(examined.files) if sha256 else [None] * len(examined.files)
    triples = zip(examined.files, examined.scans, hashes, strict=True)
    segments = tuple(_segment_report(file, scan, digest, manifest) for file, scan, digest in triples)
    problems = list(examined.problems)
    balanced = manifest.ledger.balanced if manifest and manifest.ledger else None
    if balanced is False:
        problems.append("the ledger's sums do not hold: some units are not accounted for")
    if sha256 and manifest and not manifest.hashed:
        problems.append("the manifest holds no SHA-256 to compare with (hashed: false)")
    state = manifest.state if manifest else None
    return Report(directory, state, segments, tuple(problems), balanced, time.monotonic() - begin)


def examine(directory: Path) -> Examined:
    """Scan every segment of a directory; go on without the manifest where that is missing or damaged."""
    if not directory.is_dir():
        raise MissingError(f"{directory}: no such directory")
    manifest, problems = None, []
    try:
        manifest = load_manifest(directory)
        files = list_segments(directory, manifest)
    except (FormatError, MissingError) as why:
        manifest = None
        problems.append(str(why))
        files = of_one_acquisition(directory, list_segments(directory, None))
    if manifest is None and not files:
        raise MissingError(f"{directory}: neither a readable manifest nor a segment, so this is no list-mode directory")
    growing = manifest is None or manifest.state == "open"

    def scan(file: SegmentFile) -> SegmentScan | None:
        if not file.path.is_file():
            return None
        return scan_segment(
            file.path,
            expected=file.expected,
            first_row=file.first_row,
            acquisition=file.acquisition,
            growing=growing,
        )

    with ThreadPoolExecutor(min(4, os.cpu_count() or 1), "verify") as pool:
        scans = list(pool.map(scan, files))
    problems += _between_segments(files, scans)
    return Examined(directory, manifest, files, scans, problems)


def _between_segments(files: list[SegmentFile], scans: list[SegmentScan | None]) -> list[str]:
    """Return where a stream's segments do not continue each other, which damage inside them does not explain."""
    problems = []
    for (before, scan), (after, next_scan) in pairwise(zip(files, scans, strict=True)):
        if before.stream != after.stream:
            continue
        if after.index != before.index + 1:
            problems.append(f"segments {before.index + 1} to {after.index - 1} of {before.stream} are not there")
        elif scan and next_scan and scan.batches and next_scan.batches:
            last, first = scan.batches[-1], next_scan.batches[0]
            if not (scan.damages or next_scan.damages) and first.first_row != last.stop_row:
                problems.append(f"{after.path.name} begins with row {first.first_row}, not {last.stop_row}")
    return problems


def _segment_report(
    file: SegmentFile, scan: SegmentScan | None, digest: str | None, manifest: Manifest | None
) -> SegmentReport:
    name = (file.path.name, file.stream, file.index)
    if scan is None:
        if not file.is_promised and manifest and manifest.state == "open":
            return SegmentReport(*name)
        rows = file.expected.rows if file.expected else 0
        return SegmentReport(*name, problems=(f"the file is not there, {rows} rows are lost",))
    problems = []
    if manifest and manifest.state != "open" and file.expected is None:
        problems.append("the manifest does not name this file")
    if digest and file.expected and file.expected.sha256 not in (None, digest):
        problems.append(f"SHA-256 is {digest}, the manifest says {file.expected.sha256}")
    return SegmentReport(
        *name,
        batches=len(scan.batches),
        rows=scan.rows,
        size_bytes=scan.size,
        sealed=scan.sealed,
        damages=scan.damages,
        tail=scan.tail,
        problems=tuple(problems),
        sha256=digest,
    )


def _hashes(files: list[SegmentFile]) -> list[str | None]:
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1), "sha256") as pool:
        return list(pool.map(lambda file: sha256_of(file.path) if file.path.is_file() else None, files))


def sha256_of(path: Path) -> str:
    """Return the file's SHA-256 in hex, read in small steps."""
    with path.open("rb", buffering=0) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
