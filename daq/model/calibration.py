"""Dated tables that turn what a front end measured into ps and keV, detector by detector.

Calibrated time = time - `time_offset_ps`; energy = (code - `pedestal_adc`) * `kev_per_adc`. A detector that a table
does not name keeps offset 0, pedestal 0 and gain 1, and is counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from daq.model.finding import Finding, error
from daq.model.layout import Strict


class Calibration(Strict):
    """One calibration of one instrument, as the manifest keeps it. `identity` says that nothing was calibrated."""

    model_config = ConfigDict(serialize_by_alias=True)

    schema_id: Literal["calibration/1"] = Field(default="calibration/1", alias="schema")
    id: Annotated[str, Field(min_length=1, max_length=100)]
    instrument: str
    """Id of the instrument profile it belongs to."""
    made_utc: str
    """When it was measured, ISO 8601."""
    method: str
    """How, with the document that describes it."""
    sha256: str = ""
    """Of the table file it was read from; empty for `identity`."""
    state: str | None = None
    """`active` by the life-cycle that its folder keeps; None: the folder keeps none."""
    left_out: tuple[str, ...] = ()
    """Newer ones that are not active, a sentence each."""
    identity: bool = False
    detectors: tuple[int, ...] = ()
    time_offset_ps: tuple[int, ...] = ()
    kev_per_adc: tuple[float, ...] = ()
    pedestal_adc: tuple[float, ...] = ()
    """One entry for each of `detectors`; a table that is empty is not calibrated."""


def moment(text: str) -> datetime:
    """Return a time of ISO 8601 with its zone, in UTC. Raises `ValueError`."""
    said = datetime.fromisoformat(text)
    if said.tzinfo is None:
        raise ValueError("it has no time zone; UTC ends in Z")
    return said.astimezone(UTC)


def time_findings(made_utc: str, valid_until_utc: str | None) -> Iterator[Finding]:
    """Yield what is wrong with the times of a calibration of any kind."""
    known = {}
    for key, text in (("made_utc", made_utc), ("valid_until_utc", valid_until_utc)):
        if text is None:
            continue
        try:
            known[key] = moment(text)
        except ValueError as why:
            yield error(key, text, f"not a time of ISO 8601 such as 2026-11-20T09:30:00Z: {why}")
    if len(known) == 2 and known["valid_until_utc"] <= known["made_utc"]:  # noqa: PLR2004 - both
        yield error("valid_until_utc", valid_until_utc, f"not after made_utc, {made_utc}")
