"""The views of a protocol as people count them: the stops of a rotation are one, each static view is one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from daq.model.protocol import Step

Parts = Mapping[str, list[str]]
"""Name of a view: the names of its steps."""
_NUMBERED = re.compile(r" \d+/\d+$")


def parts_of(steps: Iterable[Step]) -> dict[str, list[str]]:
    """Return the views of steps in their order."""
    found: dict[str, list[str]] = {}
    names: dict[str, str] = {}
    for step in steps:
        name = names.setdefault(step.key, _NUMBERED.sub("", step.name))
        found.setdefault(name, []).append(step.name)
    return found


def whole(parts: Parts, steps: Iterable[str]) -> list[str]:
    """Return the views of which every step is among `steps`."""
    done = set(steps)
    return [name for name, wanted in parts.items() if done.issuperset(wanted)]
