"""Counters of singles by energy window, head and place, written as `singles[photopeak]@0+1(0:0:90:60)`."""

from __future__ import annotations

import re
from dataclasses import dataclass

ANY = "any"
EVERY_WINDOW = "all"
_MM = r"-?[0-9]{1,5}(?:\.[0-9]{1,6})?"
PATTERN = (
    r"singles\[(?P<window>[A-Za-z0-9][\w .+-]{0,39})\](?:@(?P<heads>any|[0-9]{1,3}(?:\+[0-9]{1,3})*))?"
    rf"(?:\((?P<region>{_MM}(?::{_MM}){{3}})\))?"
)
_OF_WINDOW = re.compile(PATTERN, re.ASCII)
_MOST_HEADS = 256


@dataclass(frozen=True, slots=True)
class WindowCounter:
    """Singles of one energy window, `singles[photopeak]`: of all heads together, of `any` one, or of each of `heads`.

    Written `singles[photopeak]`, `singles[photopeak]@any`, `singles[photopeak]@0+1`; the window `all` is every single.
    `region_mm`: those alone that lie in it, from x, from y, up to x, up to y of the picture as it is seen, head up,
    whichever way the patient lies; written `singles[photopeak](-100:-50:100:50)`.
    """

    window: str
    heads: tuple[int, ...] = ()
    any_head: bool = False
    region_mm: tuple[float, float, float, float] | None = None

    def __str__(self) -> str:
        """Return it as it is written."""
        heads = ANY if self.any_head else "+".join(map(str, self.heads))
        region = "" if self.region_mm is None else f"({':'.join(map(_mm, self.region_mm))})"
        return f"singles[{self.window}]" + (f"@{heads}" if heads else "") + region


def window_counter(name: str) -> WindowCounter | None:
    """Return the counter of singles by window, head and place that `name` says; None where it says none."""
    found = _OF_WINDOW.fullmatch(name)
    if found is None:
        return None
    said = found["heads"] or ""
    heads = () if said in ("", ANY) else tuple(sorted({int(part) for part in said.split("+")}))
    region = _region(found["region"])
    if any(head >= _MOST_HEADS for head in heads) or (region is not None and not _encloses(region)):
        return None
    return WindowCounter(found["window"], heads, said == ANY, region)


def _region(said: str | None) -> tuple[float, float, float, float] | None:
    if said is None:
        return None
    x0, y0, x1, y1 = (float(part) or 0.0 for part in said.split(":"))
    return x0, y0, x1, y1


def _encloses(region: tuple[float, float, float, float]) -> bool:
    return region[0] < region[2] and region[1] < region[3]


def _mm(value: float) -> str:
    """Return a length as it is written, to the millionth of a millimetre."""
    return f"{round(value, 6) or 0.0:.6f}".rstrip("0").rstrip(".")
