"""DICOM's words for what a study is of: body regions, radionuclides, tracers, routes (PS3.16 CID 4, 18, 25, 11).

Values are SNOMED CT codes, as the context groups of PS3.16 2024c list them; body parts are the terms of its annex L.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from daq.model.orientation import Code


@dataclass(frozen=True, slots=True)
class Anatomy:
    """A body region: its code, and the term of Body Part Examined."""

    code: Code
    body_part: str
    sides: Literal["", "one", "both"] = ""
    """Of what the body has two of: whether it is one of them, which Laterality names, or both."""


def _of(value: str, meaning: str, body_part: str) -> Anatomy:
    return Anatomy(Code(value, "SCT", meaning), body_part)


def _one(value: str, meaning: str, body_part: str) -> Anatomy:
    return Anatomy(Code(value, "SCT", meaning), body_part, "one")


def _both(value: str, meaning: str, body_part: str) -> Anatomy:
    return Anatomy(Code(value, "SCT", meaning), body_part, "both")


_ARM, _LEG = ("53120007", "Upper limb", "ARM"), ("61685007", "Lower limb", "LEG")
_ELBOW, _HAND = ("16953009", "Elbow joint", "ELBOW"), ("85562004", "Hand", "HAND")
_SHOULDER, _HIP = ("16982005", "Shoulder", "SHOULDER"), ("24136001", "Hip joint", "HIP")
_KNEE, _FOOT = ("72696002", "Knee", "KNEE"), ("56459004", "Foot", "FOOT")
_BREAST = ("76752008", "Breast", "BREAST")

ANATOMY = MappingProxyType({
    "whole_body": _of("38266002", "Entire body", "WHOLEBODY"),
    "head": _of("69536005", "Head", "HEAD"),
    "neck": _of("45048000", "Neck", "NECK"),
    "thorax": _of("816094009", "Thorax", "CHEST"),
    "abdomen": _of("818981001", "Abdomen", "ABDOMEN"),
    "pelvis": _of("816092008", "Pelvis", "PELVIS"),
    "spine": _of("421060004", "Spine", "SPINE"),
    "torso": _of("416775004", "Chest, Abdomen and Pelvis", "CHESTABDPELVIS"),
    "kidneys": _both("64033007", "Kidney", "KIDNEY"),
    "heart": _of("80891009", "Heart", "HEART"),
    "thyroid": _of("69748006", "Thyroid", "THYROID"),
    "axilla": _one("91470000", "Axilla", "AXILLA"),
    "breast": _one(*_BREAST), "breasts": _both(*_BREAST),
    "shoulder": _one(*_SHOULDER), "shoulders": _both(*_SHOULDER),
    "arm": _one(*_ARM), "arms": _both(*_ARM),
    "elbow": _one(*_ELBOW), "elbows": _both(*_ELBOW),
    "hand": _one(*_HAND), "hands": _both(*_HAND),
    "hip": _one(*_HIP), "hips": _both(*_HIP),
    "leg": _one(*_LEG), "legs": _both(*_LEG),
    "knee": _one(*_KNEE), "knees": _both(*_KNEE),
    "foot": _one(*_FOOT), "feet": _both(*_FOOT),
    "extremities": _both("66019005", "Extremity", "EXTREMITY"),
})  # fmt: skip
"""By the region of a protocol."""


def _sct(codes: dict[str, tuple[str, str]]) -> MappingProxyType[str, Code]:
    return MappingProxyType({name: Code(value, "SCT", meaning) for name, (value, meaning) in codes.items()})


NUCLIDE_CODES = _sct({
    "Tc-99m": ("72454006", "^99m^Technetium"),
    "Co-57": ("27054007", "^57^Cobalt"),
    "I-123": ("21572004", "^123^Iodine"),
    "I-131": ("1368003", "^131^Iodine"),
    "In-111": ("56609000", "^111^Indium"),
    "Ga-67": ("2008008", "^67^Gallium"),
    "Lu-177": ("447553000", "^177^Lutetium"),
    "Tl-201": ("60057003", "^201^Thallium"),
    "F-18": ("77004003", "^18^Fluorine"),
    "Na-22": ("71633006", "^22^Sodium"),
    "Cu-64": ("3932008", "^64^Copper"),
})  # fmt: skip
"""By nuclide; those that CID 18 has and an administration or a source may name."""

ROUTE_CODES = _sct({
    "intravenous": ("47625008", "Intravenous route"),
    "oral": ("26643006", "Oral route"),
    "inhalation": ("446406008", "By inhalation"),
    "subcutaneous": ("34206005", "Subcutaneous route"),
    "intradermal": ("372464004", "Intracutaneous route"),
    "intra-arterial": ("58100008", "Intra-arterial route"),
    "intrathecal": ("72607000", "Intrathecal route"),
    "intraperitoneal": ("38239002", "Intraperitoneal route"),
    "intra-articular": ("12130007", "Intra-articular route"),
})  # fmt: skip
"""By the route of an administration; `intracavitary` and `other` have none in CID 11."""

_TRACERS = {
    ("medronate", "mdp"): ("96390006", "Technetium Tc^99m^ medronate"),
    ("oxidronate", "hdp", "hmdp"): ("53951001", "Technetium Tc^99m^ oxidronate"),
    ("sestamibi", "mibi"): ("424299003", "Technetium Tc^99m^ sestamibi"),
    ("tetrofosmin",): ("424118002", "Technetium Tc^99m^Tetrofosmin"),
    ("pertechnetate",): ("19495007", "Sodium pertechnetate Tc^99m^"),
    ("mag3", "mertiatide"): ("446536001", "Technetium^99m Mercaptoacetyl triglycine MAG3"),
    ("succimer", "dmsa"): ("24511001", "Technetium Tc^99m^ succimer"),
    ("pentetate", "dtpa"): ("430276001", "Technetium Tc^99m^ pentetate"),
    ("mebrofenin",): ("4832001", "Technetium Tc^99m^ mebrofenin"),
    ("exametazime", "hmpao"): ("77313009", "Technetium Tc^99m^ exametazime"),
    ("sulfur colloid", "sulphur colloid"): ("5931004", "Technetium Tc^99m^ sulfur colloid"),
    ("red cells", "erythrocytes", "rbc"): ("89818005", "Technetium Tc^99m^ tagged red cells"),
    ("ioflupane",): ("429296007", "Ioflupane I^123^"),
}
_FOR = {"ioflupane": "I-123"}


def tracer_code(agent: str, nuclide: str) -> Code | None:
    """Return the code of a tracer by what it is called; None where it is not one that is known, or of another nuclide.

    The words of the table are found in the agent's name as whole words, e.g. in "Tc-99m MDP".
    """
    words = f" {agent.lower().replace('-', ' ').replace(',', ' ')} "
    for names, (value, meaning) in _TRACERS.items():
        if any(f" {name} " in words for name in names) and nuclide == _FOR.get(names[0], "Tc-99m"):
            return Code(value, "SCT", meaning)
    return None
