"""Tell what a list-mode directory is and holds, from its manifest and sizes; `verify` is what checks it."""

from __future__ import annotations

import sys
import textwrap
from typing import TYPE_CHECKING, Any

from daq.listmode.codegen import CAUSES
from daq.storage.ledgertext import NOT_KNOWN, ledger_text
from daq.storage.listing import list_segments, load_manifest
from daq.storage.processingtext import processing_info, processing_text

if TYPE_CHECKING:
    from pathlib import Path

    from daq.storage.listing import SegmentFile
    from daq.storage.manifest import Manifest

_LINE_WIDTH = 100
_PS_PER_S = 10**12
_PS_PER_US = 10**6


def describe(directory: Path) -> dict[str, Any]:
    """Return what the directory is: plain data with the keys of `daq listmode info --json`.

    `rows` are the manifest's stored rows per stream; of a directory in state `open` those in whole batches, for which
    its segments are read. Raise `MissingError`, `FormatError`.
    """
    manifest = load_manifest(directory)
    files = list_segments(directory, manifest)
    return {
        "acquisition_id": manifest.acquisition_id,
        "format": manifest.format,
        "state": manifest.state,
        "profile": manifest.profile.get("id"),
        "source": manifest.source or None,
        "simulated": manifest.simulated,
        "overrides": dict(manifest.overrides),
        "started": manifest.created_utc or None,
        "sealed": manifest.sealed_utc,
        "stop": manifest.stop or None,
        "ended_by": manifest.ended_by,
        "steps": _steps(directory, manifest),
        "duration_ps": manifest.duration_ps,
        "size_bytes": sum(_size(file) for file in files),
        "rows": _whole_rows(directory) if manifest.state == "open" else _rows(manifest),
        "words_by_kind": dict(manifest.words_by_kind),
        "processing": processing_info(manifest),
        "ledger": manifest.ledger.model_dump(mode="json") if manifest.ledger else None,
        "segments": [_segment(file) for file in files],
        "hashed": manifest.hashed,
        "continues": manifest.continues,
        "recovered_from": manifest.recovered_from,
        "sorted_from": manifest.sorted_from,
        "rows_left_to_replay": bool(manifest.time.get("rows_left_to_replay")),
        "losses": manifest.losses,
        "lost_sources": dict(manifest.time.get("lost_sources", {})),
    }


def print_info(directory: Path) -> None:
    """Print on stdout what the directory is, for people. Raise as `describe`."""
    sys.stdout.write(info_text(describe(directory)))


def info_text(info: dict[str, Any]) -> str:
    """Return the description as text: what it is, rows, words, the ledger per source, what was lost."""
    blocks = [_head(info), _step_lines(info["steps"]), _counts("stored rows", info["rows"])]
    blocks += [_words(info["words_by_kind"]), processing_text(info["processing"]), ledger_text(info["ledger"])]
    blocks += [_lost_sources(info["lost_sources"]), _losses(info["losses"])]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _size(file: SegmentFile) -> int:
    return file.path.stat().st_size if file.path.is_file() else 0


def _steps(directory: Path, manifest: Manifest) -> list[dict[str, Any]] | None:
    """Return the manifest's steps; of a directory in state `open` those that the marks in whole batches tell."""
    steps = manifest.steps
    if manifest.state == "open":
        from daq.storage.reader import open_listmode
        from daq.storage.steps import steps_of

        with open_listmode(directory, allow_damaged=True) as run:
            steps = steps_of(run)
    return None if steps is None else [step.model_dump(mode="json") for step in steps]


def _rows(manifest: Manifest) -> dict[str, int]:
    rows: dict[str, int] = {}
    for segment in manifest.segments:
        rows[segment.stream] = rows.get(segment.stream, 0) + segment.rows
    return rows


def _whole_rows(directory: Path) -> dict[str, int]:
    from daq.storage.reader import open_listmode

    with open_listmode(directory, allow_damaged=True) as run:
        return {stream: run.rows(stream) for stream in run.streams}


def _segment(file: SegmentFile) -> dict[str, Any]:
    expected = file.expected
    return {
        "file": file.path.name,
        "stream": file.stream,
        "rows": expected.rows if expected else None,
        "batches": expected.batches if expected else None,
        "size_bytes": _size(file),
        "sha256": expected.sha256 if expected else None,
    }


def _head(info: dict[str, Any]) -> str:
    duration = None
    if info["duration_ps"] is not None:
        seconds, rest_ps = divmod(info["duration_ps"], _PS_PER_S)
        duration = f"{seconds:,}.{rest_ps // _PS_PER_US:06d} s"
    segments = info["segments"]
    lines = {
        "state": info["state"],
        "profile": info["profile"],
        "source": info["source"],
        "started": info["started"],
        "sealed": info["sealed"],
        "ended by": info["ended_by"],
        "duration": duration,
        "size": f"{info['size_bytes']:,} bytes in {len(segments)} segment{'' if len(segments) == 1 else 's'}",
        "format": f"{info['format']}{', SHA-256 kept' if info['hashed'] else ''}",
    }
    if info["simulated"]:
        lines["data"] = "simulated"
    if info["overrides"]:
        lines["in spite of"] = "; ".join(f"{name}: {why}" for name, why in info["overrides"].items())
    if info["rows_left_to_replay"]:
        lines["rows"] = (
            "not complete: `daq listmode replay --out` derives what overload left undone from the raw stream"
        )
    if info["recovered_from"]:
        lines["recovered from"] = info["recovered_from"]
    if info["sorted_from"]:
        lines["sorted from"] = f"{info['sorted_from'].get('stream')} of {info['sorted_from'].get('acquisition_id')}"
    if info["continues"]:
        lines["continues"] = info["continues"]
    wide = max(map(len, lines))
    return "\n".join(
        [
            f"acquisition {info['acquisition_id']}",
            *(f"  {key:<{wide}}  {_known(value)}" for key, value in lines.items()),
        ]
    )


def _step_lines(steps: list[dict[str, Any]] | None) -> str:
    """Return a line for each step; nothing where the only one has no name and does not move."""
    if not steps or (len(steps) == 1 and not steps[0]["name"] and not steps[0]["moving"]):
        return ""
    wide = max(len(step["name"]) for step in steps)
    return "\n".join(["steps", *(_step_line(step, wide) for step in steps)])


def _step_line(step: dict[str, Any], wide: int) -> str:
    begin_s = step["begin_ps"] / _PS_PER_S
    until = NOT_KNOWN if step["end_ps"] is None else f"{step['end_ps'] / _PS_PER_S:,.3f} s"
    fate = f"{'completed' if step['completed'] else 'not completed'}: {step['ended_by']}"
    moves = ", moving" if step["moving"] else ""
    what = "no end" if step["ended_by"] is None else fate
    return f"  {step['number']:>4}  {step['name']:<{wide}}  {begin_s:,.3f} s to {until}{moves}, {what}"


def _counts(title: str, counts: dict[str, int]) -> str:
    if not counts:
        return f"{title}: {NOT_KNOWN}"
    wide = max(map(len, counts))
    digits = max(len(f"{count:,}") for count in counts.values())
    return "\n".join([title, *(f"  {name:<{wide}}  {count:>{digits},}" for name, count in counts.items())])


def _words(counts: dict[str, int]) -> str:
    """Return the words of each kind that came, every cause of undecoded ones, and the names of kinds that did not."""
    absent = [name for name, count in counts.items() if not count and name not in CAUSES]
    came = _counts("decoded words", {name: count for name, count in counts.items() if name not in absent})
    if not absent:
        return came
    names = textwrap.fill(", ".join(absent), _LINE_WIDTH, initial_indent="  none of  ", subsequent_indent=" " * 11)
    return f"{came}\n{names}"


def _lost_sources(lost: dict[str, str]) -> str:
    """Return which front ends went while others went on, a line each."""
    return "\n".join(f"Source {number} was lost in mid-recording: {why}" for number, why in lost.items())


def _losses(losses: list[dict[str, Any]]) -> str:
    if not losses:
        return ""
    lines = ["lost, by place in the original"]
    for loss in losses:
        where = f"{loss.get('file')}"
        if "start_byte" in loss:
            where += f" bytes {loss['start_byte']} to {loss.get('stop_byte')}"
        rows = "no row"
        if loss.get("rows_lost"):
            rows = f"rows {_known(loss.get('first_row'))} up to, not including, {_known(loss.get('stop_row'))}"
        lines.append(f"  {where}: {rows}: {loss.get('reason')}")
    return "\n".join(lines)


def _known(value: Any) -> str:
    return NOT_KNOWN if value is None else str(value)
