"""What a form for protocols needs: what every key means, in which units, which choices there are, what the station has.

What keys mean is read from the model's own descriptions, so that form, file and reference never say different things.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING, Any, get_args

from daq.model import protocol_file
from daq.model.coincidence import Policy
from daq.model.geometry import Laterality, PatientOrientation, View
from daq.model.nuclide_table import NUCLIDES
from daq.model.protocol import Head, HeadCounted, ProtocolKind
from daq.model.protocol_terms import HandOverKind
from daq.model.units import UNITS

if TYPE_CHECKING:
    from daq.composition.equipment import Equipment
    from daq.model.scanner import ScannerProfile

_SHOWN = ("time", "rate", "counts", "energy", "length", "angle", "speed", "angular speed")


def form(equipment: Equipment) -> dict[str, Any]:
    """Return it as plain data."""
    from acquisition_protocols.rules import KINDS_OF_MODALITY

    return {
        "hints": hints(), "units": units(), "choices": choices(), "nuclides": _nuclides(),
        "kinds_of_modality": {name: sorted(map(str, kinds)) for name, kinds in KINDS_OF_MODALITY.items()},
        "most_steps": protocol_file.MAX_STEPS, "most_repeated": protocol_file.MAX_REPEAT,
        "station": _station(equipment.scanner),
        "instruments": sorted({profile.id for _, profile in equipment.instruments.values()}),
    }  # fmt: skip


@cache
def hints() -> dict[str, str]:
    """Return what the model says of its keys: `StepFile.start` -> its sentences on one line."""
    tree = ast.parse(inspect.getsource(protocol_file))
    return {key: text for each in tree.body if isinstance(each, ast.ClassDef) for key, text in _of_class(each)}


def _of_class(found: ast.ClassDef) -> Iterator[tuple[str, str]]:
    about = ast.get_docstring(found)
    if about:
        yield found.name, _plain(about)
    for field, below in zip(found.body, found.body[1:], strict=False):
        if not (isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)):
            continue
        if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant) and isinstance(below.value.value, str):
            yield f"{found.name}.{field.target.id}", _plain(below.value.value)


def _plain(text: str) -> str:
    """Return a description as a person reads it: on one line, keys without the marks of code."""
    return " ".join(text.replace("`", "").split())


def units() -> dict[str, list[str]]:
    """Return the units that are offered, by dimension; of rates those of counts alone."""
    offered = {name: [unit for unit, its in UNITS.items() if its.dimension == name] for name in _SHOWN}
    return offered | {"rate": ["cps", "kcps", "Mcps"], "percent": ["%"], "length": ["mm", "cm"]}


def choices() -> dict[str, list[str]]:
    """Return the words that keys take, by the name of the key."""
    step = protocol_file.StepFile.model_fields
    lists: dict[str, Any] = {
        "kind": ProtocolKind, "view": View, "laterality": Laterality, "patient_orientation": PatientOrientation,
        "region": get_args(protocol_file.Region), "role": get_args(protocol_file.Role), "policy": Policy,
        "counter": get_args(protocol_file.Counter), "head": get_args(HeadCounted), "zero_head": get_args(Head),
        "hand_over": get_args(HandOverKind), "qc_form": get_args(protocol_file.QcForm),
        "step_kind": _words(step["kind"].annotation), "start": _words(step["start"].annotation),
        **{
            name: _words(protocol_file.GateFile.model_fields[name].annotation)
            for name in ("trigger", "framing", "direction")
        },
        "first": _words(protocol_file.Repeat.model_fields["first"].annotation),
        "zero_by": _words(protocol_file.FrameZeroFile.model_fields["by"].annotation),
        "administration": _words(protocol_file.RequirementsFile.model_fields["administration"].annotation),
        "modality": _words(protocol_file.ProtocolFile.model_fields["modality"].annotation),
        "singles": _words(protocol_file.StoreFile.model_fields["singles"].annotation),
    }  # fmt: skip
    return {name: [_said(each) for each in found] for name, found in lists.items()}


def _words(annotation: Any) -> list[str]:
    """Return the texts of a `Literal`, also of one that may be absent."""
    found = []
    for each in get_args(annotation):
        found += [each] if isinstance(each, str) else _words(each)
    return found


def _said(each: object) -> str:
    return str(each.value) if isinstance(each, Enum) else str(each)


@cache
def _nuclides() -> list[dict[str, Any]]:
    return [
        {
            "name": name, "half_life_s": each.half_life_s,
            "windows": [
                {"name": usual.window.name, "lower_kev": usual.window.lower_kev, "upper_kev": usual.window.upper_kev,
                 "source": usual.source, "draft": usual.draft}
                for usual in each.usual_windows
            ],
        }
        for name, each in NUCLIDES.items()
    ]  # fmt: skip


def _station(scanner: ScannerProfile | None) -> dict[str, Any]:
    """Return what the scanner has: axes with their limits, collimators, tests, heads."""
    if scanner is None:
        return {"scanner": None, "axes": [], "collimators": [], "tests": [], "heads": 0}
    turning = [
        {"name": name, "unit": "deg", "min": axis.min_deg, "max": axis.max_deg, "fastest": axis.max_speed_deg_per_s,
         "speed_unit": "deg/s"}
        for name, axis in scanner.axes.rotary.items()
    ]  # fmt: skip
    along = [
        {"name": name, "unit": "mm", "min": axis.min_mm, "max": axis.max_mm, "fastest": axis.max_speed_mm_per_s,
         "speed_unit": "mm/s"}
        for name, axis in scanner.axes.linear.items()
    ]  # fmt: skip
    return {
        "scanner": scanner.id,
        "axes": [*turning, *along],
        "collimators": list(scanner.collimators),
        "tests": list(scanner.qc),
        "heads": len(scanner.heads),
    }
