"""What is confirmed when another machine hands over to us: the CT that emission is corrected by, the look at both.

A record holds what a reconstruction needs to lay the CT over the emission and to turn it into attenuation: one frame of
reference, where the table stood, which registration was used, tube voltage and the conversion of HU to µ at the
emission energy, arms, breathing, contrast. Names of positions follow DICOM PS3.3 C.7.3.1.1.2.
"""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import Field, FiniteFloat, ValidationError, model_validator

from daq.errors import RefusedError, UsageError
from daq.model.cleantext import clean_text
from daq.model.geometry import PatientOrientation
from daq.model.layout import Strict
from daq.model.protocol_terms import HandOver, HandOverKind
from daq.model.windows import EnergyWindow

MAX_RECORD_CHARACTERS = 4000
"""What a mark of a recording can hold."""
MAX_RECORD_TEXT = 16_384
"""Characters of a file with a record, remarks and all."""
MAX_HU_POINTS = 32
_MOST_REASON = 300

Uid = Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)+$", max_length=64)]
"""A unique identifier of DICOM."""
Short = Annotated[str, Field(min_length=1, max_length=100)]
Place = Annotated[FiniteFloat, Field(ge=-5000, le=5000)]
Attenuation = Annotated[FiniteFloat, Field(ge=0)]
HuToMu = Annotated[tuple[tuple[FiniteFloat, Attenuation], ...], Field(min_length=2, max_length=MAX_HU_POINTS)]

_WATER_PER_CM = (
    (60.0, 0.2059), (80.0, 0.1837), (100.0, 0.1707), (150.0, 0.1505), (200.0, 0.1370), (300.0, 0.1186),
    (400.0, 0.1061), (500.0, 0.09687), (600.0, 0.08956),
)  # fmt: skip
"""keV, attenuation of water per cm: NIST, X-Ray Mass Attenuation Coefficients (Hubbell and Seltzer), water, liquid."""
_WATER_WITHIN = 0.1
_AIR_HU, _AIR_BELOW_PER_CM = -1000.0, 0.01


class CtAttenuation(Strict):
    """The CT of an attenuation correction, as its operator states it. Lengths are mm, energies keV."""

    what: Literal["ct_attenuation"] = "ct_attenuation"
    frame_of_reference_uid: Uid
    """Of the CT; the emission takes the same."""
    ct_series_uid: Uid
    orientation: Literal["HFS", "HFP", "HFDL", "HFDR", "FFS", "FFP", "FFDL", "FFDR"]
    """Patient position: head or feet first, supine, prone, on the left or right side."""
    table_height_mm: Place
    table_traverse_mm: Place
    """What the table travelled from the CT's field of view to ours."""
    table_sag_mm: Place
    """How much lower it hangs in ours."""
    registration_id: Short
    """Of the registration calibration between CT and emission."""
    registration_date: date
    kvp: Annotated[FiniteFloat, Field(ge=60, le=150)]
    emission_energy_kev: Annotated[FiniteFloat, Field(ge=60, le=600)]
    hu_to_mu_per_cm: HuToMu
    """Points (HU, µ per cm at the emission energy), joined by straight lines."""
    arms: Literal["up", "down", "one_up"]
    breathing: Literal["free", "shallow", "breath_hold_expiration", "breath_hold_inspiration", "gated"]
    contrast: Literal["none", "intravenous", "oral", "both"]
    note: Annotated[str, Field(max_length=500)] = ""

    @model_validator(mode="after")
    def _plausible(self) -> CtAttenuation:
        why = self.why_not()
        if why is not None:
            raise ValueError(why)
        return self

    def why_not(self) -> str | None:
        """Return why the conversion or the registration cannot be, None where nothing speaks against them."""
        units = [hu for hu, _ in self.hu_to_mu_per_cm]
        if any(after <= before for before, after in pairwise(units)):
            return "hu_to_mu_per_cm: HU must grow from point to point"
        for hu, least, most, what in self._limits():
            mu = self.mu_per_cm(hu)
            if mu is None or not least <= mu <= most:
                said = "says nothing" if mu is None else f"gives {mu:.4f} per cm"
                return f"hu_to_mu_per_cm: {said} at HU {hu:g}, {what}"
        if self.registration_date > (datetime.now(UTC) + timedelta(days=1)).date():
            return f"registration_date: {self.registration_date} has not come yet"
        return None

    def mu_per_cm(self, hu: float) -> float | None:
        """Return the attenuation that the conversion gives; None outside of its points."""
        points = self.hu_to_mu_per_cm
        for (low, mu_low), (high, mu_high) in pairwise(points):
            if low <= hu <= high:
                return mu_low + (hu - low) / (high - low) * (mu_high - mu_low)
        return None

    def _limits(self) -> tuple[tuple[float, float, float, str], ...]:
        water = water_per_cm(self.emission_energy_kev)
        about = f"which is water: {water:.4f} at {self.emission_energy_kev:g} keV, 10 % either way"
        within = ((1 - _WATER_WITHIN) * water, (1 + _WATER_WITHIN) * water)
        return (0.0, *within, about), (_AIR_HU, 0.0, _AIR_BELOW_PER_CM, f"which is air: below {_AIR_BELOW_PER_CM}")


class OverlayCheck(Strict):
    """Somebody has looked at CT and emission over each other, while the patient was still there."""

    what: Literal["overlay_check"] = "overlay_check"
    overlay: Literal["aligned", "accepted"]
    """`accepted`: not aligned everywhere, and good enough for a reason that `note` gives."""
    note: Annotated[str, Field(max_length=500)] = ""

    @model_validator(mode="after")
    def _reasoned(self) -> OverlayCheck:
        if self.overlay == "accepted" and not self.note.strip():
            raise ValueError("note: an overlay that is accepted, though not aligned, needs a reason")
        return self


class Confirmed(Strict):
    """One hand-over of a run, confirmed: by whom, when, and the record. `name` is that of its step."""

    name: str
    by: str
    at_utc: str
    record: Annotated[CtAttenuation | OverlayCheck, Field(discriminator="what")]

    @property
    def key(self) -> tuple[str, str]:
        """Return what tells it from a correction of itself."""
        return self.name, self.at_utc

    def text(self) -> str:
        """Return it as one line of JSON; raise `RefusedError` where that is too long for a mark."""
        text = json.dumps(self.model_dump(mode="json"), separators=(",", ":"), ensure_ascii=False)
        if len(text) > MAX_RECORD_CHARACTERS:
            raise RefusedError(f"hand-over {self.name}: {len(text)} characters; at most {MAX_RECORD_CHARACTERS}")
        return text


def record_of(text: str) -> dict[str, Any]:
    """Return the record that a file holds as TOML or JSON. Raises `UsageError` for a text that is neither."""
    kind = "JSON" if text.lstrip("\ufeff \t\r\n").startswith("{") else "TOML"
    try:
        plain = text.lstrip("\ufeff")
        found = json.loads(plain) if kind == "JSON" else tomllib.loads(plain)
    except (ValueError, RecursionError) as why:
        raise UsageError(f"hand-over: the record is not {kind}: {clean_text(str(why), _MOST_REASON)}") from None
    return {key: value.isoformat() if isinstance(value, date) else value for key, value in found.items()}


_RECORDS: dict[HandOverKind, type[CtAttenuation | OverlayCheck]] = {
    "ct_attenuation": CtAttenuation,
    "overlay_check": OverlayCheck,
}


def confirmed(asked: HandOver, told: Mapping[str, Any], *, by: str, at_utc: str) -> Confirmed:
    """Return the hand-over with the record that was given. Raises `RefusedError` that names every key that is wrong."""
    model = _RECORDS[asked.what]
    try:
        record = model.model_validate_json(json.dumps({"what": asked.what, **told}))
    except ValidationError as why:
        wrong = "; ".join(_sentence(dict(item)) for item in why.errors(include_url=False, include_context=False))
        raise RefusedError(f"hand-over {asked.name!r}: {wrong}") from None
    except (TypeError, ValueError) as why:
        raise RefusedError(f"hand-over {asked.name!r}: {why}") from None
    made = Confirmed(name=asked.name, by=by, at_utc=at_utc, record=record)
    made.text()
    return made


def unfit(
    record: CtAttenuation | OverlayCheck, windows: Sequence[EnergyWindow], lies: PatientOrientation | None
) -> str | None:
    """Return in words why a CT cannot belong to an emission in these windows of a patient who lies so, else None."""
    if not isinstance(record, CtAttenuation):
        return None
    energy = record.emission_energy_kev
    if windows and not any(window.lower_kev <= energy <= window.upper_kev for window in windows):
        those = ", ".join(f"{window.name} {window.lower_kev:.1f} to {window.upper_kev:.1f} keV" for window in windows)
        return f"emission_energy_kev: {energy:g} lies outside of every window of this protocol: {those}"
    if lies is not None and record.orientation != lies:
        return f"orientation: the CT was taken {record.orientation}, the emission is acquired {lies}"
    return None


def water_per_cm(energy_kev: float) -> float:
    """Return the linear attenuation coefficient of water, by a power law between the points of the table."""
    table = _WATER_PER_CM
    for (low, mu_low), (high, mu_high) in pairwise(table):
        if low <= energy_kev <= high:
            share = math.log(energy_kev / low) / math.log(high / low)
            return float(mu_low * (mu_high / mu_low) ** share)
    raise RefusedError(f"{energy_kev:g} keV: known is water from {table[0][0]:g} to {table[-1][0]:g} keV")


def _sentence(item: dict[str, Any]) -> str:
    where = ".".join(str(part) for part in item["loc"])
    reason = clean_text(str(item["msg"]).removeprefix("Value error, "), _MOST_REASON)
    return f"{where}: {reason}" if where else reason
