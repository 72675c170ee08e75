"""The bodies that can be named, with the numbers that each may be given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from types import MappingProxyType
from typing import Any

from daq.errors import UsageError
from simulators.camera.body import Body
from simulators.camera.heart import Ecg
from simulators.camera.skeleton import skeleton
from simulators.pet.options import numbers_of

Maker = Callable[..., Body]
BODIES: MappingProxyType[str, tuple[Maker, tuple[str, ...]]] = MappingProxyType({
    "skeleton": (skeleton, ("lesions", "bone")),
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


def parse_ecg(text: str | None) -> Ecg | None:
    """Return the heart of `bpm=70,...`; None without. Raises `UsageError`."""
    if text is None:
        return None
    values: dict[str, Any] = numbers_of("--ecg", text, text, needed=(), may=tuple(field.name for field in fields(Ecg)))
    return Ecg(**values)
