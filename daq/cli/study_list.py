"""`daq study list`: the studies of a station, each with its sessions. No daemon is needed."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daq.errors import MissingError, ScandaqError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from daq.services.catalogue.entry import Acquisition

_MOST_ROWS = 100_000
_DEFAULT_STUDIES = 50


def add_verbs(verbs: Any) -> None:
    """Add `list`."""
    listed = verbs.add_parser("list", help="list studies, newest first, or the acquisitions of one")
    listed.add_argument("study", nargs="?", metavar="STUDY", help="key of one study, whose acquisitions are shown")
    listed.add_argument("--patient", metavar="KEY", help="opaque key of the patient reference")
    listed.add_argument("--since", metavar="DATE", help="from this date or time on, UTC: 2026-11-22, 2026-11-22T14:05Z")
    listed.add_argument("--limit", type=int, default=_DEFAULT_STUDIES, metavar="N", help="at most so many; default 50")
    listed.add_argument("--site", metavar="FILE", help="site file; else $SCANDAQ_SITE, the user's, the machine's")
    listed.add_argument("--storage", metavar="DIR", help="folder of recordings, in place of a site file")
    listed.add_argument("--json", action="store_true", help="print the result as JSON")
    listed.set_defaults(run=run_list)


def run_list(options: argparse.Namespace) -> int:
    """Print studies, or the acquisitions of one; raise `MissingError` for a study that is not there."""
    from daq.cli.catalogue import place
    from daq.cli.output import print_json, print_line, print_table
    from daq.model.study import study_key
    from daq.services.catalogue.entry import Filter, limits_ms

    if not 0 < options.limit <= _MOST_ROWS:
        raise UsageError(f"--limit {options.limit}: from 1 to {_MOST_ROWS}")
    key = None if options.study is None else study_key(options.study)
    wanted = Filter(**limits_ms(options.since, None), patient_key=options.patient, study=key, in_study=True)
    database, _, _ = place(options)
    try:
        rows = database.find(wanted, limit=_MOST_ROWS)
    finally:
        database.close()
    if key is not None:
        if not rows:
            raise MissingError(f"there is no study {key} in the catalogue")
        rows.reverse()
    studies = [{**study, **_judged(study)} for study in grouped(rows)[: options.limit]]
    if options.json:
        print_json({"studies": studies})
    elif key is None:
        columns = ["study", "begun (UTC)", "sessions", "verdict", "protocols", "patient", "label"]
        print_table("", columns, [_of_study(study) for study in studies])
    else:
        columns = ["session", "begun (UTC)", "acquisition", "protocol", "outcome", "label"]
        print_table("", columns, [_of_acquisition(row) for row in studies[0]["acquisitions"]])
        for text in studies[0]["missing"]:
            print_line(text)
    return 0


def _judged(study: dict[str, Any]) -> dict[str, Any]:
    """Return the grade of a study and which sessions are missing; no grade where its recordings cannot be read."""
    from daq.composition.wholestudy import study_of
    from daq.qc.studywhole import MISSING

    try:
        found = study_of([Path(row["directory"]) for row in study["acquisitions"]], datetime.now(UTC))
    except (ScandaqError, OSError) as why:
        return {"grade": None, "missing": [], "grade_problem": str(why)}
    missing = [check.text for check in found.verdict.checks if check.name == MISSING]
    return {"grade": found.verdict.grade.word, "missing": missing, "grade_problem": None}


def grouped(rows: Sequence[Acquisition]) -> list[dict[str, Any]]:
    """Return the studies of rows as plain data, in the order in which they come."""
    studies: dict[str, list[Acquisition]] = {}
    for row in rows:
        if row.study is not None:
            studies.setdefault(row.study, []).append(row)
    return [
        {
            "study": key,
            "patient_key": next((row.patient_key for row in of if row.patient_key), None),
            "administration_keys": sorted({row.administration_key for row in of if row.administration_key}),
            "sessions": sorted({row.session or 1 for row in of}),
            "simulated": any(row.simulated for row in of),
            "acquisitions": [row.to_json() for row in of],
        }
        for key, of in studies.items()
    ]


def _of_study(study: dict[str, Any]) -> list[str]:
    of = study["acquisitions"]
    begun = min(filter(None, (row["created_utc"] for row in of)), default="")
    protocols = ", ".join(dict.fromkeys(row["protocol"] or "" for row in reversed(of)))
    labels = ", ".join(dict.fromkeys(row["label"] for row in reversed(of) if row["label"]))
    sessions = ", ".join(map(str, study["sessions"]))
    when = begun[:16].replace("T", " ")
    missing = f"; {len(study['missing'])} missing" if study["missing"] else ""
    verdict = f"{study['grade'] or 'not known'}{missing}"
    return [study["study"], when, sessions, verdict, protocols, study["patient_key"] or "", labels]


def _of_acquisition(row: dict[str, Any]) -> list[str]:
    begun = (row["created_utc"] or "")[:16].replace("T", " ")
    return [
        str(row["session"] or 1), begun, row["id"], row["protocol"] or "", row["outcome"] or row["state"],
        row["label"] or "",
    ]  # fmt: skip
