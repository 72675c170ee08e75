"""Takes a patient out of what somebody wrote, before anybody else sees it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from daq.errors import ScandaqError
from daq.services.acquisition.papers import identity_of

_EARLIER = ("study", "continues", "repeats", "same_position_as", "run", "entry")
"""Arguments that name an acquisition whose patient the request does not tell."""


def hiding(args: Mapping[str, object]) -> Callable[[str], str]:
    """Return what takes the patient of a request out of a text; all of it, where who that is cannot be told."""
    patient = args.get("patient")
    if patient is None:
        named = any(args.get(name) is not None for name in _EARLIER)
        return _withheld("of the patient of an earlier acquisition") if named else str
    try:
        return identity_of(patient if isinstance(patient, dict) else {}).redact
    except (ScandaqError, AttributeError, TypeError, ValueError):
        return _withheld("a patient is given that cannot be read")


def _withheld(why: str) -> Callable[[str], str]:
    return lambda text: f"[withheld: {why}]" if text else ""
