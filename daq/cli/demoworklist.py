"""The worklist of `daq demo console`: simulated patients of today, with what was given to them."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

_FLOOD = "daily-flood"
_SITE = "99SIM"
PROCEDURES = {
    "99SIM:BONEWB": "bone-whole-body", "99SIM:BONESPOT": "bone-spots", "99SIM:RENO": "renal-mag3",
    "99SIM:MUGA": "muga", "99SIM:BONESPECT": "bone-spect", "99SIM:THYR": "thyroid-scan",
    "99SIM:SLNB": "lymphoscintigraphy", "99SIM:BSGI": "breast-gamma",
    "static view": "demo-planar-static", "emergency": "demo-planar-static",
}  # fmt: skip
"""What the demonstration's site file proposes for procedures."""


@dataclass(frozen=True, slots=True)
class Comer:
    """Somebody who comes. `after_min`: minutes after the demonstration began."""

    name: str
    born: str
    sex: str
    after_min: int
    code: str
    procedure: str
    protocol: str
    agent: str
    alerts: str = ""
    modality: str = "NM"
    nuclide: str = "Tc-99m"
    dose: str = "700 MBq"
    """What is to be given; of those without a protocol."""


COMERS = (
    Comer("SIM^Ada", "1961-03-09", "F", -20, "BONEWB", "Bone scintigraphy, whole body", "bone-whole-body",
          "Tc-99m HDP"),
    Comer("SIM^Boris", "1948-11-30", "M", 10, "BONESPOT", "Bone scintigraphy, spot views", "bone-spots", "Tc-99m MDP",
          "hard of hearing"),
    Comer("SIM^Chiara", "1990-06-17", "F", 30, "RENO", "Renography with MAG3", "renal-mag3", "Tc-99m MAG3"),
    Comer("SIM^Dorian", "1955-01-02", "M", 45, "MUGA", "Gated blood pool at rest", "muga", "Tc-99m red blood cells"),
    Comer("SIM^Élodie", "1973-08-24", "F", 70, "BONESPECT", "Bone SPECT of the pelvis", "bone-spect", "Tc-99m HDP"),
    Comer("SIM^Farid", "1984-12-05", "M", 95, "THYR", "Thyroid scan", "thyroid-scan", "Tc-99m pertechnetate"),
    Comer("SIM^Greta", "1937-05-21", "F", 120, "", "Static view of the pelvis", "demo-planar-static", "Tc-99m HDP"),
    Comer("SIM^Henrik", "2001-02-14", "M", 150, "PARA", "Parathyroid subtraction", "", "Tc-99m sestamibi"),
    Comer("SIM^Ines", "1968-09-19", "F", 135, "SLNB", "Sentinel node of the breast", "lymphoscintigraphy",
          "Tc-99m nanocolloid"),
    Comer("SIM^Jana", "1976-04-27", "F", 140, "BSGI", "Breast gamma imaging", "breast-gamma", "Tc-99m sestamibi"),
)  # fmt: skip


def write_worklist(
    folder: Path, protocols: Path, now: datetime | None = None, comers: Sequence[Comer] = COMERS
) -> Path:
    """Write the list of a day that begins now; return its path. `protocols`: the site's own."""
    now = now or datetime.now(UTC)
    path = folder / "worklist.json"
    entries = [_entry(number, comer, protocols, now) for number, comer in enumerate(comers, 1)]
    path.write_text(json.dumps({"schema": "worklist/1", "entries": entries}, indent=1, ensure_ascii=False), "utf-8")
    return path


def procedures(proposed: Mapping[str, str] = PROCEDURES) -> str:
    """Return the table of the site file: which protocol is proposed for a procedure."""
    lines = [f"{json.dumps(name)} = {json.dumps(protocol)}" for name, protocol in proposed.items()]
    return "\n".join(["[procedures]", *lines, ""])


def without_what_nothing_simulated_has(text: str) -> str:
    """Return a protocol without the calibrations and the tests of quality control that it requires.

    So a bone scan of the demonstration needs no reason to be typed, and the daily flood can be tried all the same.
    """
    return re.sub(r"(?ms)^(calibrations|qc) = \[.*?\]\n", "", text)


def with_a_flood_that_does_not_block(path: Path) -> Path:
    """Let patients come in the demonstration before its flood was done; return the scanner's file."""
    from device_profiles.tomltext import toml_text

    tables = tomllib.loads(path.read_text(encoding="utf-8"))
    tables["qc"][_FLOOD]["blocking"] = False
    path.write_text(toml_text(tables), encoding="utf-8")
    return path


def _entry(number: int, comer: Comer, protocols: Path, now: datetime) -> dict[str, Any]:
    today = now.astimezone()
    first, last = today.replace(hour=0, minute=0, second=0), today.replace(hour=23, minute=40 + number, second=0)
    start = min(max(today + timedelta(minutes=comer.after_min), first), last)
    told: dict[str, Any] = {
        "scheduled_procedure_step_start": start.isoformat(timespec="minutes"), "patient_name": comer.name,
        "patient_id": f"SIM-{number:04d}", "patient_birth_date": comer.born, "patient_sex": comer.sex,
        "accession_number": f"SIM-A{number:03d}", "scheduled_procedure_step_id": f"S{number:03d}",
        "requested_procedure_id": f"P{number:03d}", "requested_procedure_description": comer.procedure,
        "patient_weight_kg": 58.0 + 4 * number, "patient_size_m": round(1.58 + 0.02 * number, 2),
        "pregnancy_status": "not applicable", "radiopharmaceutical": comer.agent, "radionuclide": comer.nuclide,
        "modality": comer.modality,
        "medical_alerts": comer.alerts,
    }  # fmt: skip
    if comer.code:
        told["requested_procedure_code"] = {
            "code_value": comer.code, "coding_scheme_designator": _SITE, "code_meaning": comer.procedure,
        }  # fmt: skip
    if not comer.protocol:
        return {**told, "radionuclide_total_dose": comer.dose}
    return {**told, "administration": _given(comer, protocols)}


def _given(comer: Comer, protocols: Path) -> dict[str, Any]:
    from acquisition_protocols.load import load_protocol
    from daq.cli.demopatients import patient_of
    from daq.cli.demostudy import administration_of

    protocol = load_protocol(comer.protocol, [protocols]).protocol
    record = administration_of(protocol, patient_of(protocol))
    own = ("weight_kg", "height_m", "pregnancy")
    return {**{name: value for name, value in record.items() if name not in own}, "agent": comer.agent}
