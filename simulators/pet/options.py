"""The options of `pet` that say what is scanned, as texts such as `line:F-18,mbq=100,length=700`."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import fields
from typing import Any

from daq.errors import UsageError
from simulators.pet.model import (
    Detectors,
    Medium,
    ModuleFault,
    Position,
    Source,
    cylinder,
    iec_body,
    line,
    point,
    sphere,
)

_WHOLE = ("dead_time_ps", "integration_ps")
_PLACE = ("x", "y", "z")
_SHAPES: dict[str, tuple[str, ...]] = {
    "point": ("mbq",), "line": ("mbq", "length"), "cylinder": ("mbq", "radius", "length"), "sphere": ("mbq", "radius"),
    "iec": ("kbq_per_ml", "ratio"),
}  # fmt: skip
"""Shape -> what it needs; each but `iec` may have x, y and z, all in mm."""

ACTIVITY_HELP = (
    "SHAPE:NUCLIDE,KEY=VALUE,...; shapes with what they need: "
    + "; ".join(f"{shape} {' '.join(keys)}" for shape, keys in _SHAPES.items())
    + "; mm, and x, y, z of its middle; may be given again"
)
DETECTORS_HELP = "what crystals do, KEY=VALUE,...: " + ", ".join(
    f"{field.name} (default {field.default})" for field in fields(Detectors)
)
MEDIUM_HELP = "a cylinder of water about the axis, KEY=VALUE,...: radius, length in mm, mu per mm, compton share"


FAULT_HELP = (
    "one module is faulty, KEY=VALUE,...: module, and gain, offset_ps, efficiency, noise_cps; may be given again"
)


def parse_fault(text: str) -> ModuleFault:
    """Return the fault of `module=17,gain=0.92`. Raises `UsageError`."""
    values = numbers_of(
        "--module-fault", text, text, needed=("module",), may=("gain", "offset_ps", "efficiency", "noise_cps")
    )
    for name in ("module", "offset_ps"):
        if not values.get(name, 0.0).is_integer():
            raise UsageError(f"--module-fault {text}: {name} must be whole")
    return ModuleFault(
        int(values["module"]), values.get("gain", 1.0), int(values.get("offset_ps", 0.0)),
        values.get("efficiency", 1.0), values.get("noise_cps", 0.0),
    )  # fmt: skip


def parse_activity(text: str) -> tuple[Source, ...]:
    """Return the sources of `SHAPE:NUCLIDE,KEY=VALUE,...`. Raises `UsageError`, `RefusedError`."""
    shape, colon, rest = text.partition(":")
    if not colon or shape not in _SHAPES:
        raise UsageError(f"--activity {text}: shapes are {', '.join(_SHAPES)}, e.g. point:F-18,mbq=1,x=50")
    nuclide, _, numbers = rest.partition(",")
    may = () if shape == "iec" else _PLACE
    values = numbers_of("--activity", text, numbers, needed=_SHAPES[shape], may=may)
    at: Position = (values.get("x", 0.0), values.get("y", 0.0), values.get("z", 0.0))
    if shape == "iec":
        return iec_body(nuclide, values["kbq_per_ml"] * 1e3, values["ratio"])
    bq = values["mbq"] * 1e6
    make: dict[str, Callable[[], Source]] = {
        "point": lambda: point(nuclide, bq, at),
        "line": lambda: line(nuclide, bq, values["length"], at),
        "cylinder": lambda: cylinder(nuclide, bq, values["radius"], values["length"], at),
        "sphere": lambda: sphere(nuclide, bq, values["radius"], at),
    }
    return (make[shape](),)


def parse_medium(text: str | None) -> Medium | None:
    """Return the medium of `radius=100,length=200`. Raises `UsageError`."""
    if text is None:
        return None
    values = numbers_of("--medium", text, text, needed=("radius", "length"), may=("mu", "compton"))
    plain = Medium(values["radius"], values["length"])
    mu, share = values.get("mu", plain.mu_per_mm), values.get("compton", plain.compton_share)
    return Medium(values["radius"], values["length"], mu, share)


def parse_detectors(text: str | None) -> Detectors:
    """Return the detectors of `efficiency=0.5,dead_time_ps=1000000`. Raises `UsageError`."""
    names = tuple(field.name for field in fields(Detectors))
    given: dict[str, Any] = dict(numbers_of("--detectors", text or "", text or "", needed=(), may=names))
    for name in _WHOLE:
        if name in given and not given[name].is_integer():
            raise UsageError(f"--detectors {text}: {name} must be whole")
    return Detectors(**(given | {name: int(given[name]) for name in _WHOLE if name in given}))


def numbers_of(
    option: str, whole: str, text: str, *, needed: tuple[str, ...], may: tuple[str, ...]
) -> dict[str, float]:
    """Return the numbers of `KEY=VALUE,...`, each once, all that are needed and none that is unknown."""
    values: dict[str, float] = {}
    for part in [part.strip() for part in text.split(",") if part.strip()]:
        key, _, number = part.partition("=")
        if key not in (*needed, *may):
            raise UsageError(f"{option} {whole}: {key!r} is unknown; known are {', '.join((*needed, *may))}")
        if key in values:
            raise UsageError(f"{option} {whole}: {key} stands there twice")
        values[key] = _number(option, whole, key, number)
    missing = [key for key in needed if key not in values]
    if missing:
        raise UsageError(f"{option} {whole}: {', '.join(missing)} missing")
    return values


def _number(option: str, whole: str, key: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UsageError(f"{option} {whole}: {key}={text} is no number")
    return value
