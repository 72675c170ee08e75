"""The options of `camera` that say what is in front of the heads, as texts such as `sphere:Tc-99m,mbq=10,radius=8`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any, TypeVar

from daq.errors import UsageError
from simulators.camera.masks import Mask, MaskKind, bars, holes, quadrants, slits
from simulators.camera.model import (
    Electronics,
    Field,
    Response,
    Source,
    cylinder,
    line,
    point,
    sheet,
    sphere,
    spots,
)  # fmt: skip
from simulators.pet.model import Position
from simulators.pet.options import numbers_of

_PLACE = ("x", "y", "z")
_SHAPES: dict[str, tuple[str, ...]] = {
    "point": ("mbq",), "line": ("mbq", "length"), "sheet": ("mbq", "width", "height"),
    "cylinder": ("mbq", "radius", "length"), "sphere": ("mbq", "radius"), "spots": ("mbq",),
}  # fmt: skip
_MASKS: dict[str, tuple[str, ...]] = {
    "slits-x": ("width", "pitch", "leak"), "slits-y": ("width", "pitch", "leak"), "holes": ("width", "pitch", "leak"),
    "bars-x": ("width",), "bars-y": ("width",), "quadrants": ("a", "b", "c", "d"),
}  # fmt: skip
_WHOLE = ("dead_time_ps", "integration_ps")

ACTIVITY_HELP = (
    "seen through collimators: SHAPE:NUCLIDE,KEY=VALUE,...; shapes with what they need: "
    + "; ".join(f"{shape} {' '.join(keys)}" for shape, keys in _SHAPES.items())
    + "; mm, and x, y, z of its middle (to the left of the patient, to the back, to the head); may be given again"
)
FIELD_HELP = "a point source on a bare crystal: NUCLIDE,mbq=A and head=N (default 0), distance=MM (default 3000)"
MASK_HELP = "lead on the crystals of fields: KIND:KEY=VALUE,...: " + "; ".join(
    f"{kind} {' '.join(keys)}" for kind, keys in _MASKS.items()
)

Settings = TypeVar("Settings", Response, Electronics)


def settings_help(what: str, kind: type[Response | Electronics]) -> str:
    """Return the help for numbers of one kind."""
    return f"{what}, KEY=VALUE,...: " + ", ".join(f"{field.name} (default {field.default})" for field in fields(kind))


def parse_activity(text: str) -> tuple[Source, ...]:
    """Return the sources of `SHAPE:NUCLIDE,KEY=VALUE,...`. Raises `UsageError`, `MissingError`."""
    shape, colon, rest = text.partition(":")
    if not colon or shape not in _SHAPES:
        raise UsageError(f"--activity {text}: shapes are {', '.join(_SHAPES)}, e.g. point:Tc-99m,mbq=10,x=50")
    nuclide, _, numbers = rest.partition(",")
    values = numbers_of("--activity", text, numbers, needed=_SHAPES[shape], may=_PLACE)
    at: Position = (values.get("x", 0.0), values.get("y", 0.0), values.get("z", 0.0))
    bq = values["mbq"] * 1e6
    make: dict[str, Callable[[], tuple[Source, ...]]] = {
        "point": lambda: (point(nuclide, bq, at),),
        "line": lambda: (line(nuclide, bq, (0.0, 0.0, values["length"] / 2), at),),
        "sheet": lambda: (sheet(nuclide, bq, values["width"], values["height"], at),),
        "cylinder": lambda: (cylinder(nuclide, bq, values["radius"], values["length"], at),),
        "sphere": lambda: (sphere(nuclide, bq, values["radius"], at),),
        "spots": lambda: spots(nuclide, bq, at),
    }
    return make[shape]()


def parse_field(text: str, mask: Mask) -> Field:
    """Return the field of `NUCLIDE,mbq=A,...`. Raises `UsageError`, `MissingError`."""
    nuclide, _, numbers = text.partition(",")
    values = numbers_of("--field", text, numbers, needed=("mbq",), may=("head", "distance"))
    head = values.get("head", 0.0)
    if not head.is_integer():
        raise UsageError(f"--field {text}: head must be whole")
    return Field(nuclide, values["mbq"] * 1e6, int(head), values.get("distance", 3000.0), mask)


def parse_mask(text: str | None) -> Mask:
    """Return the mask of `KIND:KEY=VALUE,...`; an open one for None. Raises `UsageError`."""
    if text is None:
        return Mask()
    kind, _, numbers = text.partition(":")
    if kind not in _MASKS:
        raise UsageError(f"--mask {text}: masks are {', '.join(_MASKS)}, e.g. slits-y:width=1,pitch=30")
    needed = () if kind == "quadrants" else ("width",)
    values = numbers_of("--mask", text, numbers, needed=needed, may=_MASKS[kind])
    along = kind[-1]
    sizes = {"width_mm": values.get("width", 1.0), "leak": values.get("leak", 0.0)}
    sizes |= {"pitch_mm": values["pitch"]} if "pitch" in values else {}
    if kind.startswith("slits"):
        return slits(along, **sizes)
    if kind == "holes":
        return holes(**sizes)
    if kind.startswith("bars"):
        return bars(sizes["width_mm"], along)
    usual = Mask(MaskKind.QUADRANTS).widths_mm
    a, b, c, d = (values.get(name, width) for name, width in zip("abcd", usual, strict=True))
    return quadrants((a, b, c, d))


def parse_settings(option: str, text: str | None, kind: type[Settings]) -> Settings:
    """Return the settings of `KEY=VALUE,...`; `paralysable` is 0 or 1. Raises `UsageError`."""
    names = tuple(field.name for field in fields(kind))
    given: dict[str, Any] = dict(numbers_of(option, text or "", text or "", needed=(), may=names))
    for name in _WHOLE:
        if name in given and not given[name].is_integer():
            raise UsageError(f"{option} {text}: {name} must be whole")
    given |= {name: int(given[name]) for name in _WHOLE if name in given}
    if given.get("paralysable") not in (None, 0.0, 1.0):
        raise UsageError(f"{option} {text}: paralysable is 0 or 1")
    given |= {"paralysable": bool(given["paralysable"])} if "paralysable" in given else {}
    return kind(**given)
