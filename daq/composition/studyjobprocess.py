"""The process that does one piece of work on a recording: `python -m daq.composition.studyjobprocess JSON`.

Says how far it is, and at its end what was made, as JSON lines (`daq.services.studies.jobs`). SIGTERM leaves nothing
half made: what is written appears under its name when it is complete.
"""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from daq.errors import BusyError, ScandaqError
from daq.storage.hashing import lower_priority

_FAILED = 6
_MOST_TOLD = 50
_MB = 1e6
_BUSY_S = 600.0
"""So long it waits for another process that makes pictures of the same recording."""
_AGAIN_S = 1.0

Made = tuple[int, str, dict[str, Any]]
"""Exit code, a sentence for people, what was made."""


def command(asked: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the command that does what is asked: `kind`, `directory`, and what its kind needs."""
    return (sys.executable, "-m", "daq.composition.studyjobprocess", json.dumps(dict(asked)))


def main(text: str) -> int:
    """Do what is asked; print what was made."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    lower_priority()  # of this thread before any other is there; they have it, too
    asked = json.loads(text)
    try:
        code, sentence, result = _KINDS[asked["kind"]](Path(asked["directory"]), asked)
    except ScandaqError as why:
        sys.stderr.write(f"{_plain(str(why), asked)}\n")
        return why.exit_code
    _say({"sentence": sentence, "result": result})
    return code


def _plain(text: str, asked: Mapping[str, Any]) -> str:
    """Return a sentence with names in place of paths: who reads it sits before the console, not before the disk."""
    for place in map(Path, filter(None, (asked.get("out"), asked["directory"]))):
        text = text.replace(str(place), place.name).replace(f"{place.parent}/", "")
    return text


def _say(told: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


def _progress(share: float | None, text: str) -> None:
    _say({"progress": share, "text": text})


def _verify(directory: Path, asked: Mapping[str, Any]) -> Made:
    from daq.storage.ledgertext import ledger_sentences
    from daq.storage.listing import load_manifest
    from daq.storage.verify import verify

    _progress(None, "Reads every byte")
    report = verify(directory, sha256=bool(asked.get("sha256")))
    wrong = [*report.problems, *(f"{one.file}: {each}" for one in report.segments for each in one.problems)]
    wrong += [f"{one.file}: {damage}" for one in report.segments for damage in one.damages]
    rows, size = sum(report.rows.values()), f"{report.size_bytes / _MB:,.1f} MB"
    ledger = None
    if report.state is not None and (found := load_manifest(directory).ledger) is not None:
        ledger = found.model_dump()
    balance = " ".join(ledger_sentences(ledger))
    words = {
        "ok": f"Whole: every byte of {size} is as it was written, {rows:,} rows.",
        "unsealed": f"Not sealed: what is there is whole ({rows:,} rows, {size}), but nobody ended it in order.",
        "damaged": f"Damaged: {wrong[0] if wrong else 'its seal does not fit'}.",
    }
    told = {
        "verdict": report.verdict, "rows": report.rows, "size_bytes": report.size_bytes, "balanced": report.balanced,
        "seconds": round(report.seconds, 3), "problems": wrong[:_MOST_TOLD], "sha256": bool(asked.get("sha256")),
    }  # fmt: skip
    return (0 if report.verdict == "ok" else _FAILED), f"{words[report.verdict]} {balance}", told


def _reframe(directory: Path, asked: Mapping[str, Any]) -> Made:
    from daq.composition.reframing import SHEET, Anew, phases_of, reframe, windows_of

    anew = Anew(asked.get("step"), windows_of(asked["windows"]), phases_of(asked["frames"]), asked.get("pixels"))
    out = Path(asked["out"])
    made = reframe(directory, out, anew, _progress)
    counts = sum(one["counts"] for one in made)
    sentence = f"{len(made)} series with {counts:,} counts are in {out.name}. The recording is as it was."
    return 0, sentence, {"folder": str(out), "series": made[:_MOST_TOLD], "page": SHEET, "notes": _said(directory)}


def _export(directory: Path, asked: Mapping[str, Any]) -> Made:
    out, to, step = Path(asked["out"]), str(asked["to"]), asked.get("step")
    _progress(None, f"Writes {out.name}")
    if to == "dicom":
        return _export_dicom(directory, out, step)
    from daq.services.studies.exported import BESIDE
    from daq.storage.export import export
    from daq.storage.exportpairs import Wanted

    made = export(directory, out, to=to, wanted=Wanted(step=step))  # type: ignore[arg-type]  # the verb has checked it
    if said := _said(directory):
        out.with_name(f"{out.name}{BESIDE}").write_text("\n".join(said) + "\n", encoding="utf-8")
    sentence = f"{made.rows:,} rows of {made.stream} as {to}, {made.size_bytes / _MB:,.1f} MB: {out.name}"
    told = {"file": str(made.file), "rows": made.rows, "size_bytes": made.size_bytes, "sha256": made.sha256}
    left = [f"{rows:,} rows left out: {cause}" for cause, rows in made.left_out.items()]
    return 0, sentence, {**told, "notes": [*_said(directory), *made.missing, *made.notes, *left][:_MOST_TOLD]}


def _export_dicom(directory: Path, out: Path, step: int | None) -> Made:
    from daq.storage.exportdicom import export_dicom

    made = export_dicom(directory, out, step=step)
    objects = [
        {"file": one.file.name, "kind": one.kind, "frames": one.frames, "counts": one.counts} for one in made.objects
    ]
    several = "" if len(objects) == 1 else "s"
    sentence = (
        f"{len(objects)} DICOM object{several} with {sum(one.counts for one in made.objects):,} counts: {out.name}"
    )
    if made.notes:
        sentence += f". {len(made.notes)} rejection notes say what is not to be used any more"
    told = [*_said(directory), *made.missing]
    return 0, sentence, {"folder": str(made.directory), "objects": objects[:_MOST_TOLD], "notes": told[:_MOST_TOLD]}


def _said(directory: Path) -> list[str]:
    """Return what people remarked about a recording, in sentences; who takes an export reads it beside it."""
    from daq.storage.remarked import said_of

    return said_of(directory)


def _finish(directory: Path, _: Mapping[str, Any]) -> Made:
    from daq.composition.finishing import finish

    begun_s = time.monotonic()
    _progress(None, "Makes pictures and verdict anew")
    while True:
        try:
            done = finish(directory, again=True)
            break
        except BusyError:  # what is being made now may lack what was corrected since
            if time.monotonic() - begun_s > _BUSY_S:
                raise
            time.sleep(_AGAIN_S)
    grade = "none" if done.verdict is None else done.verdict.grade.word
    sentence = f"{len(done.files)} files made anew, verdict: {grade}. The earlier ones are kept beside."
    told = {"files": list(done.files)[:_MOST_TOLD], "grade": grade, "problems": done.problems}
    return (_FAILED if done.problems else 0), sentence, {**told, "seconds": round(time.monotonic() - begun_s, 2)}


_KINDS: dict[str, Callable[[Path, Mapping[str, Any]], Made]] = {
    "verify": _verify, "reframe": _reframe, "export": _export, "finish": _finish,
}  # fmt: skip


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
