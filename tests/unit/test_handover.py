"""The record of a CT that is handed over, and the look at its overlay: what they hold, and what cannot be."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from support_handover import RECORD
from support_pages import blocks

from daq.errors import RefusedError
from daq.model.geometry import PatientOrientation
from daq.model.handover import MAX_RECORD_CHARACTERS, Confirmed, CtAttenuation, confirmed, unfit, water_per_cm
from daq.model.protocol import HandOver
from daq.model.windows import EnergyWindow

CT = HandOver("CT", "steps[0]", "ct_attenuation")
LOOK = HandOver("look", "steps[2]", "overlay_check")


def record(**changes: Any) -> Confirmed:
    return confirmed(CT, {**RECORD, **changes}, by="tech", at_utc="2026-11-23T08:00:00Z")


def test_a_record_reads_back_from_the_text_of_its_mark() -> None:
    made = record()

    assert Confirmed.model_validate_json(made.text()) == made
    assert json.loads(made.text())["record"]["what"] == "ct_attenuation"
    assert made.key == ("CT", "2026-11-23T08:00:00Z")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"frame_of_reference_uid": "no uid"}, "frame_of_reference_uid: String should match"),
        ({"kvp": 12}, "kvp: Input should be greater than or equal to 60"),
        ({"arms": "crossed"}, "arms: Input should be 'up', 'down' or 'one_up'"),
        ({"table_sag_mm": float("nan")}, "table_sag_mm"),
        ({"registration_date": "2099-01-01"}, "registration_date: 2099-01-01 has not come yet"),
        ({"hu_to_mu_per_cm": [[-1000, 0.0], [0, 0.19], [1000, 0.3]]},
         "gives 0.1900 per cm at HU 0, which is water: 0.0960 at 511 keV, 10 % either way"),
        ({"hu_to_mu_per_cm": [[0, 0.096], [1000, 0.146]]}, "says nothing at HU -1000, which is air"),
        ({"hu_to_mu_per_cm": [[-1000, 0.0], [0, 0.096], [0, 0.1]]}, "HU must grow from point to point"),
        ({"colour": "red"}, "colour: Extra inputs are not permitted"),
        ({"note": "x" * 501}, "note: String should have at most 500 characters"),
    ],
)  # fmt: skip
def test_a_record_that_cannot_be_is_refused_by_its_key(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(RefusedError) as told:
        record(**changes)

    assert str(told.value).startswith("hand-over 'CT': ")
    assert why in str(told.value)


def test_every_missing_key_is_named_at_once() -> None:
    with pytest.raises(RefusedError) as told:
        confirmed(CT, {}, by="tech", at_utc="2026-11-23T08:00:00Z")

    assert all(f"{name}: Field required" in str(told.value) for name in RECORD)


def test_an_overlay_is_aligned_or_accepted_for_a_reason() -> None:
    assert confirmed(LOOK, {"overlay": "aligned"}, by="tech", at_utc="2026-11-23T08:00:00Z").record.note == ""
    with pytest.raises(RefusedError, match="needs a reason"):
        confirmed(LOOK, {"overlay": "accepted"}, by="tech", at_utc="2026-11-23T08:00:00Z")
    with pytest.raises(RefusedError, match="overlay: Input should be 'aligned' or 'accepted'"):
        confirmed(LOOK, {"overlay": "misaligned"}, by="tech", at_utc="2026-11-23T08:00:00Z")


def test_the_longest_record_fits_a_mark() -> None:
    points = [[-1000.123456 + 100.123456 * n, 0.0096 * n] for n in range(32)]
    longest = record(note="ü" * 500, registration_id="r" * 100, hu_to_mu_per_cm=points)

    assert len(longest.text()) < MAX_RECORD_CHARACTERS


def test_the_conversion_is_a_straight_line_between_its_points() -> None:
    made = record().record

    assert isinstance(made, CtAttenuation)
    assert made.mu_per_cm(500) == pytest.approx(0.121)
    assert made.mu_per_cm(3001) is None


def test_water_at_the_energies_of_the_table_and_of_annihilation() -> None:
    assert [water_per_cm(energy) for energy in (60, 140, 511, 600)] == pytest.approx(
        [0.2059, 0.1539, 0.0960, 0.08956], abs=2e-4
    )
    with pytest.raises(RefusedError, match="known is water from 60 to 600 keV"):
        water_per_cm(700)


def test_the_record_of_the_page_can_be_confirmed() -> None:
    page = (Path(__file__).parents[2] / "docs/how-to/hand-over-a-ct.md").read_text()
    (example,) = [block.text for block in blocks(page) if block.about == "ct.toml"]
    keys = re.findall(r"`(\w+)`", " ".join(line.split("|")[1] for line in page.splitlines() if line.startswith("|")))

    assert confirmed(CT, tomllib.loads(example), by="tech", at_utc="2026-11-23T08:00:00Z").record.what == CT.what
    assert set(keys) - {"key"} == set(CtAttenuation.model_fields) - {"what"}


PEAK = EnergyWindow(126.45, 154.55, "photopeak")
SPECT = {"emission_energy_kev": 140.5, "hu_to_mu_per_cm": [[-1000, 0.0], [0, 0.1535], [1000, 0.24]]}


def test_the_ct_of_a_spect_is_of_its_energy_and_of_a_patient_who_lies_alike() -> None:
    made = record(**SPECT).record
    assert unfit(made, (PEAK,), PatientOrientation.HFS) is None
    assert unfit(made, (), None) is None
    assert "the CT was taken HFS, the emission is acquired FFS" in str(unfit(made, (PEAK,), PatientOrientation.FFS))


def test_a_conversion_for_pet_is_refused_for_a_spect_in_words() -> None:
    why = unfit(record().record, (PEAK,), PatientOrientation.HFS)
    assert why == (
        "emission_energy_kev: 511 lies outside of every window of this protocol: photopeak 126.5 to 154.6 keV"
    )


def test_the_look_at_an_overlay_fits_everything() -> None:
    look = confirmed(LOOK, {"overlay": "aligned"}, by="tech", at_utc="2026-11-23T08:00:00Z")
    assert unfit(look.record, (PEAK,), PatientOrientation.FFP) is None
