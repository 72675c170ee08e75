"""Why a recording or a step of it ended, in words for people: what manifests say for programs tells them little."""

from __future__ import annotations

PLAINLY = {
    "silent": "nothing came from the detector",
    "stalled": "nothing came from the detector any more",
    "host": "its time was up before it had what it waited for",
    "disk": "the disk for recordings is full or has failed",
    "motion lost": "axes were not where they should be, or nobody watched over them",
    "unattended": "the station's program was away for too long",
    "fault": "a fault of the program that records",
}
"""By `ended_by` of a manifest; what is not here says enough by itself, as the name of the person who stopped it."""


def plainly(ended_by: str | None) -> str:
    """Return it in words."""
    return PLAINLY.get(ended_by or "", ended_by or "not known")
