"""Activities that people type: with a unit, and such as somebody could have been given of that nuclide.

A dose is mostly wrong by a factor that belongs to a unit: 1000 (GBq, kBq) or 37 (mCi). The bounds of `USUAL_MBQ` are
far wider than any guideline's, so that they catch the factors and nothing else; they are scandaq's own, no clinical
numbers, but for the agents that have a source.
"""

from __future__ import annotations

from types import MappingProxyType

from daq.model.quantity import Wanted, parse_quantity

ACTIVITY = Wanted(("activity",), "600 MBq", "not negative")
_MBQ_IN_MCI = 37.0

USUAL_MBQ = MappingProxyType({
    "Tc-99m": (1.0, 2500.0), "I-123": (1.0, 900.0), "I-131": (0.1, 15_000.0), "In-111": (1.0, 9_000.0),
    "Ga-67": (10.0, 700.0), "Tl-201": (15.0, 500.0), "Lu-177": (10.0, 15_000.0), "Ra-223": (1.0, 30.0),
    "F-18": (5.0, 1500.0), "Ga-68": (5.0, 700.0), "C-11": (20.0, 2500.0), "N-13": (50.0, 2500.0),
    "O-15": (50.0, 4000.0), "Rb-82": (100.0, 4000.0), "Cu-64": (20.0, 1500.0), "Zr-89": (5.0, 400.0),
    "I-124": (1.0, 2000.0), "Y-90": (10.0, 20_000.0),
})  # fmt: skip
"""By nuclide the least and the most, MBq, that anybody is given of it, diagnostics and therapy; others: not judged."""

_BONE = ((300.0, 740.0), "EANM practice guidelines for bone scintigraphy, 2016")
_BONE_AGENTS = ("hdp", "mdp", "dpd", "hmdp", "oxidronate", "medronate", "tc-99m hdp", "tc-99m mdp")
USUAL_OF_AGENT = MappingProxyType(dict.fromkeys(_BONE_AGENTS, _BONE))
"""By agent, in small letters, what a guideline gives an adult, MBq, and which guideline."""
_FAR = 2.0


def activity_mbq(text: str) -> float:
    """Return MBq of a text such as `600 MBq`. Raises `RefusedError` without a unit, or with one of something else."""
    return float(parse_quantity(text, ACTIVITY).value)


def slip(nuclide: str, mbq: float) -> str | None:
    """Return why so much cannot have been meant, with what might have been; None where it can."""
    usual = USUAL_MBQ.get(nuclide)
    if usual is None or usual[0] <= mbq <= usual[1]:
        return None
    low, high = usual
    meant = [f"{mbq:g} {unit} are {mbq * factor:g} MBq" for unit, factor in _UNITS if low <= mbq * factor <= high]
    hint = f"; which unit was meant? {', '.join(meant)}" if meant else ""
    return f"nobody is given {mbq:g} MBq of {nuclide}, but {low:g} to {high:g} MBq{hint}"


def unusual(agent: str, mbq: float) -> str | None:
    """Return what to look at where an agent is given in another order of magnitude than a guideline says, else None."""
    found = USUAL_OF_AGENT.get(agent.strip().lower())
    if found is None:
        return None
    (low, high), source = found
    if low / _FAR <= mbq <= high * _FAR:
        return None
    hint = f"; {mbq:g} mCi are {mbq * _MBQ_IN_MCI:g} MBq" if low <= mbq * _MBQ_IN_MCI <= high * _FAR else ""
    return f"adults are given {low:g} to {high:g} MBq of {agent} ({source}); children less{hint}"


_UNITS = (("GBq", 1000.0), ("mCi", _MBQ_IN_MCI), ("kBq", 1e-3), ("µCi", _MBQ_IN_MCI / 1000))
