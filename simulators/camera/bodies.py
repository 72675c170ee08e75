"""The bodies that can be named, with the numbers that each may be given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from types import MappingProxyType
from typing import Any

from daq.errors import UsageError
from simulators.camera.body import Body, Organ, organ
from simulators.camera.heart import Ecg
from simulators.camera.model import Shape, Source
from simulators.camera.phantoms import breast, flood, iec, jaszczak, octants, plain, syringe, thigh, thyroid
from simulators.camera.skeleton import skeleton
from simulators.camera.solids import Form, Solid, ball, block, disc, point
from simulators.camera.torso import blood_pool, myocardium, renal, sentinel_node
from simulators.pet.options import numbers_of

Maker = Callable[..., Body]
BODIES: MappingProxyType[str, tuple[Maker, tuple[str, ...]]] = MappingProxyType({
    "skeleton": (skeleton, ("lesions", "bone")), "blood-pool": (blood_pool, ()),
    "myocardium": (myocardium, ("defect",)),
    "sentinel-node": (sentinel_node, ("node",)), "renal": (renal, ("left",)), "breast": (breast, ("lesion",)),
    "thyroid": (thyroid, ("uptake", "nodule")), "thigh": (thigh, ("share",)), "syringe": (syringe, ("share", "neck")),
    "octants": (octants, ("water", "background")), "jaszczak": (jaszczak, ("hot",)), "iec": (iec, ("ratio",)),
    "flood": (flood, ("width", "length", "depth")), "plain": (plain, ()),
})  # fmt: skip
"""Name -> what makes it, and its own numbers."""
BODY_HELP = (
    "what lies on the bed: NAME[:NUCLIDE],mbq=A,KEY=VALUE,...; mbq injected, after_s seconds before; names with what"
    " they may have: " + "; ".join(f"{name} {' '.join(keys)}".strip() for name, (_, keys) in BODIES.items())
)
ECG_HELP = "a heart that beats, and words of its R waves, KEY=VALUE,...: " + ", ".join(
    f"{field.name} (default {field.default})" for field in fields(Ecg)
)


@dataclass(frozen=True, slots=True)
class Asked:
    """A body, what was injected, and how long before."""

    body: Body
    mbq: float
    after_s: float


def parse_body(text: str) -> Asked:
    """Return the body of `NAME[:NUCLIDE],mbq=A,...`. Raises `UsageError`, `MissingError`."""
    name, _, numbers = text.partition(",")
    name, colon, nuclide = name.partition(":")
    if name not in BODIES:
        raise UsageError(f"--body {text}: bodies are {', '.join(BODIES)}, e.g. skeleton,mbq=500")
    make, keys = BODIES[name]
    values = numbers_of("--body", text, numbers, needed=("mbq",), may=("after_s", *keys))
    body = make(**{key: values[key] for key in keys if key in values})
    if colon:
        body = replace(body, organs=tuple(replace(one, nuclide=nuclide) for one in body.organs))
    return Asked(body, values["mbq"], values.get("after_s", body.after_s))


TRANSMISSION_HELP = (
    "a sheet on the other side of the patient, that turns with a head: NUCLIDE,mbq=A and head=N (default 0), width,"
    " height (default 600 by 420 mm), distance of the sheet from the axis (default 300 mm)"
)


def parse_transmission(text: str) -> tuple[int, Organ, float]:
    """Return head, sheet and MBq of `NUCLIDE,mbq=A,...`. Raises `UsageError`, `MissingError`."""
    nuclide, _, numbers = text.partition(",")
    may = ("head", "width", "height", "distance")
    values = numbers_of("--transmission", text, numbers, needed=("mbq",), may=may)
    head = values.get("head", 0.0)
    if not head.is_integer():
        raise UsageError(f"--transmission {text}: head must be whole")
    half = values.get("width", 600.0) / 2, values.get("height", 420.0) / 2, 0.0
    sheet = block((0.0, 0.0, -values.get("distance", 300.0)), half)
    return int(head), organ("transmission source", [sheet], nuclide=nuclide), values["mbq"]


def lying(source: Source, mbq: float) -> Organ:
    """Return a source that lies on the bed with a body into which `mbq` were injected. Raises `UsageError`."""
    if mbq <= 0:
        raise UsageError("--activity with --body: mbq of the body must be above zero")
    x, y, z = source.size_mm
    solid = {
        Shape.POINT: lambda: point(source.position_mm), Shape.SPHERE: lambda: ball(source.position_mm, x),
        Shape.LINE: lambda: Solid(Form.BLOCK, source.position_mm, (0.0, 0.0, x, 0.0, 0.0, y, 0.0, 0.0, z)),
        Shape.CYLINDER: lambda: disc(source.position_mm, (x, x, y)),
        Shape.BOX: lambda: block(source.position_mm, source.size_mm),
    }[source.shape]()  # fmt: skip
    name = f"{source.shape.name.lower()} of --activity"
    return organ(name, [solid], source.activity_bq / 1e6 / mbq, nuclide=source.nuclide)


def parse_ecg(text: str | None) -> Ecg | None:
    """Return the heart of `bpm=70,...`; None without. Raises `UsageError`."""
    if text is None:
        return None
    values: dict[str, Any] = numbers_of("--ecg", text, text, needed=(), may=tuple(field.name for field in fields(Ecg)))
    return Ecg(**values)
