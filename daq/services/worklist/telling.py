"""What the worklist answers: plain data, for people at the station alone."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from datetime import tzinfo
from typing import Any

from daq.errors import RefusedError
from daq.model.console.procedures import Proposal
from daq.model.console.worklist import ScheduledStep
from daq.services.worklist.kept import IdentityChange, Kept, Progress, RunNote, identity_json
from daq.services.worklist.recorded import activity_told, missing, pieces, require_possible


def row(step: ScheduledStep, kept: Kept | None, proposal: Proposal, zone: tzinfo) -> dict[str, Any]:
    """Return a row of the list."""
    told = identity_json(step.identity)
    return {
        "entry": step.key, "start": step.start.astimezone(zone).isoformat(timespec="minutes"),
        "name": told["name"], "patient_id": told["patient_id"], "birth_date": told["birth_date"], "sex": told["sex"],
        "accession_number": told["accession_number"], "procedure": step.title,
        "code": step.code.code_value if step.code is not None else "", "modality": step.modality,
        "origin": step.origin, "protocol": proposal.protocol, "proposal": proposal.words,
        "status": "scheduled" if kept is None else kept.status, "why": "" if kept is None else kept.why,
        "progress": None if kept is None or kept.progress is None else progress_told(kept.progress),
        "to_reconcile": kept is not None and kept.to_reconcile,
        "to_countersign": kept is not None and kept.to_countersign,
        "alerts": bool(step.alerts or step.allergies),
    }  # fmt: skip


def whole(
    step: ScheduledStep, kept: Kept | None, proposal: Proposal, zone: tzinfo, record: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Return one entry whole. `record`: the administration record of its newest acquisition, where there is one."""
    known = pieces(step, {} if kept is None else kept.record) if record is None else dict(record)
    return {
        **row(step, kept, proposal, zone),
        "identity": identity_json(step.identity), "code_meaning": step.code.code_meaning if step.code else "",
        "procedure_id": step.procedure_id, "step_id": step.step_id, "study_uid": step.study_uid,
        "referring": step.referring, "weight_kg": known.get("weight_kg", step.weight_kg),
        "height_m": known.get("height_m", step.height_m), "pregnancy": step.pregnancy,
        "allergies": step.allergies, "medical_alerts": step.alerts, "agent": step.agent or known.get("agent", ""),
        "nuclide": step.nuclide or known.get("nuclide", ""), "planned_mbq": step.dose_mbq,
        "reason": step.reason, "entered_by": "" if kept is None or step.origin == "scheduled" else kept.by,
        "other": None if kept is None else kept.other,
        "discontinued_by": "" if kept is None else kept.discontinued_by,
        "administration": administration(known, step),
        "runs": [] if kept is None else [run_told(run) for run in kept.runs.values()],
        "changes": [] if kept is None else [_change(change) for change in kept.changes],
    }  # fmt: skip


def administration(known: Mapping[str, Any], step: ScheduledStep) -> dict[str, Any]:
    """Return what is known of what was given, what is missing, what is doubtful, and how much there is."""
    doubts: list[str] = []
    wrong = ""
    try:
        record = require_possible(known)
        doubts = [] if record is None else record.doubts
    except RefusedError as why:
        wrong = str(why)
    return {
        "fields": {name: value for name, value in known.items() if name != "key"}, "missing": missing(known),
        "wrong": wrong, "doubts": doubts, "activity": activity_told(known, step),
    }  # fmt: skip


def run_told(run: RunNote) -> dict[str, Any]:
    """Return an acquisition of an entry; its id is opaque."""
    return {
        "run": run.run, "protocol": run.protocol, "session": run.session, "outcome": run.outcome, "at_utc": run.at_utc,
        "by": run.by, "identity_confirmed": run.confirmed,
    }  # fmt: skip


def progress_told(progress: Progress) -> dict[str, Any]:
    """Return how far an exam is."""
    return {
        "protocol": progress.protocol, "session": progress.session, "done": progress.done, "of": progress.of,
        "left": list(progress.left), "words": progress.words,
    }  # fmt: skip


def haystack(step: ScheduledStep) -> str:
    """Return what a row is found by, folded."""
    told = step.identity.reveal()
    parts = (told["name"].replace("^", " "), told["patient_id"], *told["other_ids"], told["accession_number"],
             step.title, step.code.code_value if step.code is not None else "")  # fmt: skip
    return folded(" ".join(parts))


def folded(text: str) -> str:
    """Return a text without case and accents, as people type what they look for."""
    apart = unicodedata.normalize("NFKD", text.casefold())
    return "".join(character for character in apart if not unicodedata.combining(character))


def _change(change: IdentityChange) -> dict[str, Any]:
    return {
        "kind": change.kind, "before": identity_json(change.before), "after": identity_json(change.after),
        "reason": change.reason, "by": change.by, "at_utc": change.at_utc, "countersigned_by": change.countersigned_by,
    }  # fmt: skip
