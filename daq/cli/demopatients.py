"""Whom a protocol is shown with: what lies on the simulated bed, how much was injected, and when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from daq.model.protocol import AcquisitionProtocol
    from daq.model.scanner import ScannerProfile

_HOUR_S = 3600.0
_COLLIMATOR, _NUCLIDE = "LEHR", "Tc-99m"
_MOST_MBQ = 20_000.0
_MOST_BOLUS_MBQ = 1_500.0
"""All of a bolus is before the heads: more would come than a simulator can make while it happens."""


@dataclass(frozen=True, slots=True)
class Patient:
    """What lies on the bed: options of the simulator `camera`, for a study at its own speed."""

    body: str
    """Empty: nobody, and a point source far before the bare crystal of the first head."""
    mbq: float
    after_s: float | None = None
    """How long ago it was injected; None: as the body is usually looked at."""
    more: tuple[str, ...] = ()
    bolus: bool = False
    """It is injected when the first step begins."""
    given: tuple[str, str] = ("intravenous", "antecubital fossa")
    """Route and site; at the left, where the simulated bodies have it."""
    most_mbq: float = _MOST_MBQ
    """More would give more events than a simulator makes in real time: it would fall behind."""
    shape: str = ""
    """Of the body, as its options are written."""
    beds_mm: Mapping[str, float] = field(default_factory=dict)
    """Where the bed brings a region under the heads, of views for which a person would move it by hand."""

    def options(self, times: int, protocol: AcquisitionProtocol, scanner: ScannerProfile) -> tuple[str, ...]:
        """Return the options of the simulator: so many times as fast, with as many times the activity.

        Nuclide and collimator are the protocol's. Bodies are not seen through a pinhole: then it is the usual one.
        """
        collimator = collimator_of(protocol, scanner)
        if not self.body:
            return ("--field", f"{protocol.radionuclide or _NUCLIDE},mbq={self.mbq * times:g}", *self.more)
        body = f"{self.body}:{protocol.radionuclide or _NUCLIDE}"
        after_s = -_HOUR_S * times if self.bolus else self.after_s
        ago = "" if after_s is None else f",after_s={after_s:g}"
        mbq = min(self.mbq * times, _MOST_BOLUS_MBQ if self.bolus else self.most_mbq)
        return (
            "--collimator", collimator, "--body", f"{body},mbq={mbq:g}{ago}{self.shape}", "--times", str(times),
            *self.more,
        )  # fmt: skip


_SYRINGES = {"syringe": 1.0, "residual": 0.02}
"""What of the activity that was drawn up is in the syringe, by the role of a step that counts it alone."""
_MOST_SYRINGE_MBQ = 500.0
"""Nothing is between a syringe and the heads: more would come of it than of a patient."""


def syringes_of(protocol: AcquisitionProtocol, scanner: ScannerProfile, patient: Patient) -> dict[str, tuple[str, ...]]:
    """Return the options of the simulator for the roles of steps before which the syringe lies, and nobody."""
    times = protocol.file.time_lapse or 1
    drawn_mbq = min(patient.mbq * times, _MOST_SYRINGE_MBQ)
    roles = dict.fromkeys(step.role for step in protocol.steps if step.role in _SYRINGES)
    return {
        role: (
            "--collimator", collimator_of(protocol, scanner), "--body",
            f"syringe:{protocol.radionuclide or _NUCLIDE},mbq={drawn_mbq * _SYRINGES[role]:g}", "--times", str(times),
        )
        for role in roles
    }  # fmt: skip


_HEART = ("--ecg", "bpm=68,variation=0.04,ectopic=0.03,ef=0.6")
_SKELETON = Patient("skeleton", 600.0, 3 * _HOUR_S)
_PELVIS = ("--bed-zero", "-960")
"""Views that stand still leave the bed to a person, who would bring the pelvis under the heads: it begins there."""
_LYING = Patient("skeleton", 600.0, 3 * _HOUR_S, _PELVIS)
_FOR_SECONDS_MBQ = 4000.0
"""More than anybody is given, so that a view of seconds reaches the 200,000 counts that it waits for."""
_BREAST = ("intradermal", "breast")
_WALL_BELOW = ("--orientation", "FFS")
"""The breast lies with its chest wall at the lower edge, as the letters of the view from above have it."""
_BEDS_MM = {"head": 290.0, "thorax": 660.0, "pelvis": 1020.0, "knees": 1520.0, "extremities": 1880.0}
_PATIENTS = {
    "bone": _SKELETON,
    "demo": Patient("skeleton", 2400.0, 3 * _HOUR_S),
    "demo-planar-static": Patient("skeleton", _FOR_SECONDS_MBQ, 3 * _HOUR_S, _PELVIS),
    "demo-two-steps": _LYING,
    "demo-whole-body": _SKELETON,
    "demo-dynamic": Patient("skeleton", 600.0, bolus=True),
    "bone-spots": Patient("skeleton", 600.0, 3 * _HOUR_S, beds_mm=_BEDS_MM),
    "bone-spect": _LYING,
    "planar": _LYING,
    "paired": _LYING,
    "i131": Patient("skeleton", 200.0),
    "bone-blood-flow": Patient("skeleton", 600.0, -25.0, _PELVIS),
    "bone-three-phase": Patient("skeleton", 600.0, -25.0, _PELVIS),
    "demo-gated": Patient("blood-pool", 800.0, more=_HEART),
    "muga": Patient("blood-pool", 800.0, more=_HEART),
    "demo-gated-spect": Patient("myocardium", 800.0, more=_HEART),
    "myocardial": Patient("myocardium", 800.0, more=_HEART),
    "lympho": Patient("sentinel-node", 40.0, given=_BREAST),
    "sentinel": Patient("sentinel-node", 40.0, given=_BREAST),
    "renal": Patient("renal", 150.0, bolus=True),
    "thyroid": Patient("thyroid", 80.0),
    "thyroid-uptake": Patient("thyroid", 80.0, given=("oral", "mouth")),
    "breast": Patient("breast", 740.0, more=_WALL_BELOW, most_mbq=2_500.0),
    "daily-flood": Patient("flood", 100.0, shape=",length=450"),
    "extrinsic-flood": Patient("flood", 100.0, shape=",length=450"),
    "camera-background": Patient("flood", 0.02),
    "whole-body-uniformity": Patient("flood", 400.0, shape=",length=3200"),
    "intrinsic-flood": Patient("", 20.0),
}  # fmt: skip
"""By the beginning of a protocol's name; the longest that fits."""


def collimator_of(protocol: AcquisitionProtocol, scanner: ScannerProfile) -> str:
    """Return the first collimator of a protocol that bodies are seen through; the usual one where there is none."""
    wanted = (name for name in protocol.requirements.collimators if name in scanner.collimators)
    return next((name for name in wanted if scanner.collimators[name].kind != "pinhole"), _COLLIMATOR)


def patient_of(protocol: AcquisitionProtocol) -> Patient:
    """Return whom a protocol is shown with. Raises `MissingError` for one that no simulated patient suits."""
    from daq.errors import MissingError

    patient = _PATIENTS.get(_named(protocol.id))
    if patient is None:
        raise MissingError(f"protocol {protocol.id}: there is no simulated patient for it")
    return patient


def beds_mm_of(protocol: str) -> Mapping[str, float]:
    """Return where the bed brings which region under the heads; nothing where a protocol says it, or none need be."""
    patient = _PATIENTS.get(_named(protocol))
    return patient.beds_mm if patient is not None else {}


def _named(protocol: str) -> str:
    return max((name for name in _PATIENTS if protocol.startswith(name)), key=len, default="")
