"""The administration record: complete, plausible, and with a net activity that a physicist would compute."""

from __future__ import annotations

import json
import math
import stat
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daq.errors import FormatError, MissingError, RefusedError
from daq.model.administration import AdministrationRecord
from daq.model.nuclide_table import NUCLIDES
from daq.storage.patientfile import (
    ADMINISTRATION_FILE,
    new_administration_key,
    read_administration,
    write_administration,
)

ASSAYED = datetime(2026, 11, 22, 9, 0, tzinfo=timezone(timedelta(hours=1)))
INJECTED = ASSAYED + timedelta(minutes=30)
RESIDUAL = ASSAYED + timedelta(minutes=40)
KEY = "a-" + "b" * 26
TC_HALF_LIFE_S = NUCLIDES["Tc-99m"].half_life_s


def record(**other: Any) -> AdministrationRecord:
    made: dict[str, Any] = {
        "key": KEY, "nuclide": "Tc-99m", "agent": "HDP", "lot": "L-17", "assayed_mbq": 700.0, "assayed_at": ASSAYED,
        "operator": "anna", "route": "intravenous",
    }  # fmt: skip
    return AdministrationRecord(**{**made, **other})


def whole(**other: Any) -> AdministrationRecord:
    return record(**{
        "injected_at": INJECTED, "residual_mbq": 20.0, "residual_at": RESIDUAL, "pregnancy": "excluded",
        "breast_feeding": "no", **other,
    })  # fmt: skip


def test_the_net_activity_is_decayed_to_the_injection() -> None:
    assayed = 700.0 * math.exp(-math.log(2) * 1800 / TC_HALF_LIFE_S)
    residual = 20.0 * math.exp(math.log(2) * 600 / TC_HALF_LIFE_S)

    assert whole().net_mbq == pytest.approx(assayed - residual, rel=1e-12)


def test_the_calibrators_clock_does_not_matter_where_its_offset_is_known() -> None:
    fast = timedelta(seconds=300)

    shown = whole(assayed_at=ASSAYED + fast, residual_at=RESIDUAL + fast, calibrator_offset_s=300.0)

    assert shown.net_mbq == pytest.approx(whole().net_mbq, rel=1e-12)
    assert whole(calibrator_offset_s=300.0).net_mbq != pytest.approx(whole().net_mbq, rel=1e-3)


def test_time_zones_are_only_ways_of_writing() -> None:
    assert whole(injected_at=INJECTED.astimezone(UTC)).net_mbq == whole().net_mbq


@given(st.floats(0, 20 * 3600))
def test_the_net_activity_decays_as_its_nuclide(after_s: float) -> None:
    later = whole().net_mbq_at(INJECTED + timedelta(seconds=after_s))

    assert later is not None
    assert whole().net_mbq == pytest.approx(later * 2 ** (after_s / TC_HALF_LIFE_S), rel=1e-9)


def test_injection_and_residual_may_come_later() -> None:
    first = record()
    assert first.net_mbq is None

    injected = first.injected_now(INJECTED)
    assert injected.net_mbq is None
    assert "the net activity is not known" in " ".join(map(str, injected.findings()))
    after = injected.with_residual(20.0, RESIDUAL)

    assert after.net_mbq == whole().net_mbq
    assert first.injected_at is None


def test_a_second_injection_is_refused() -> None:
    with pytest.raises(RefusedError, match="already injected at 2026-11-22T09:30:00"):
        whole().injected_now(RESIDUAL)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"key": "Doe^Jane"}, "key = not shown: must be a- and 26"),
        ({"nuclide": "Tc99m"}, "is not in the table"),
        ({"nuclide": None}, "is not in the table"),
        ({"agent": ""}, "agent = '': is empty"),
        ({"lot": 17}, "lot = 17: must be a text"),
        ({"operator": "x" * 501}, "501 characters, at most 500"),
        ({"assayed_mbq": 0}, "assayed_mbq = 0: must lie between 0.001 and 100000 MBq"),
        ({"assayed_mbq": None}, "must be a number of MBq"),
        ({"assayed_mbq": True}, "must be a number of MBq"),
        ({"assayed_mbq": float("nan")}, "must be a number of MBq"),
        ({"assayed_mbq": "700"}, "must be a number of MBq"),
        ({"assayed_at": ASSAYED.replace(tzinfo=None)}, "assayed_at = 2026-11-22 09:00:00: has no time zone"),
        ({"assayed_at": "09:00"}, "must be a date and time"),
        ({"assayed_at": None}, "must be a date and time"),
        ({"route": "iv"}, "possible are intravenous, oral"),
        ({"side": "L"}, "possible are left, right"),
        ({"pregnancy": []}, "possible are not applicable, excluded"),
        ({"extravasation": 1}, "must be true, false or not known"),
        ({"weight_kg": 7000.0}, "between 0.2 and 650 kg"),
        ({"height_m": 178.0}, "between 0.2 and 2.8 m"),
        ({"glucose_mmol_per_l": 100.0}, "between 0.5 and 60 mmol/l"),
        ({"calibrator_offset_s": 1e9}, "between -86400 and 86400 s"),
        ({"residual_mbq": 5.0}, "an activity and its time belong together"),
        ({"residual_at": RESIDUAL}, "an activity and its time belong together"),
        ({"residual_mbq": 690.0, "residual_at": RESIDUAL}, "not less than the 648 MBq that there were by then"),
        ({"residual_mbq": 5.0, "residual_at": ASSAYED - timedelta(days=9000)}, "before the assay"),
        (
            {"residual_mbq": 5.0, "residual_at": RESIDUAL, "injected_at": RESIDUAL + timedelta(1e-5)},
            "measured after it",
        ),
        ({"injected_at": ASSAYED + timedelta(days=5)}, "more than ten half-lives"),
        ({"weight_kg": 180.0, "bed_limit_kg": 160.0}, "above the 160 kg that the bed carries"),
    ],
)
def test_what_is_wrong_is_said_in_words(change: dict[str, Any], says: str) -> None:
    with pytest.raises(RefusedError) as refused:
        record(**change)

    assert says in str(refused.value)
    assert "Doe" not in str(refused.value)


def test_every_error_is_said_at_once() -> None:
    with pytest.raises(RefusedError) as refused:
        record(agent="", weight_kg=-1.0, route="nose")

    assert all(word in str(refused.value) for word in ("agent", "weight_kg", "route"))


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"pregnancy": "possible"}, "pregnancy"), ({"breast_feeding": "yes"}, "breast_feeding"),
        ({"extravasation": True}, "extravasation"),
        ({"injected_at": ASSAYED - timedelta(minutes=5), "residual_at": RESIDUAL}, "injected_at"),
    ],
)  # fmt: skip
def test_what_a_person_should_look_at_is_a_warning(change: dict[str, Any], key: str) -> None:
    assert whole().findings() == []
    assert [(finding.key, finding.severity) for finding in whole(**change).findings()] == [(key, "warning")]


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    made = whole(
        weight_kg=71.5, height_m=1.78, glucose_mmol_per_l=5.4, uptake_s=7200.0, arms="up", preparation="fasted 6 h",
        side="left", site="antecubital", extravasation=False, bed_limit_kg=200.0, calibrator_id="DC-1",
    )  # fmt: skip

    write_administration(tmp_path, made)

    assert read_administration(tmp_path) == made
    assert (
        json.loads((tmp_path / ADMINISTRATION_FILE).read_text())["record"]["assayed_at"] == "2026-11-22T09:00:00+01:00"
    )
    assert stat.S_IMODE((tmp_path / ADMINISTRATION_FILE).stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"colour": "red"}, "unknown colour"),
        ({"agent": ...}, "missing agent"),
        ({"assayed_at": "soon"}, "no date and time"),
    ],
)
def test_a_record_of_other_keys_is_refused(change: dict[str, Any], says: str) -> None:
    told = {key: value for key, value in {**whole().to_json(), **change}.items() if value is not ...}

    with pytest.raises(RefusedError, match=says):
        AdministrationRecord.from_json(told)


@pytest.mark.parametrize(
    "content", [b"", b"{}", b'{"schema":"administration/1"}', b'{"schema":"administration/1","record":5}']
)
def test_a_file_of_garbage_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / ADMINISTRATION_FILE).write_bytes(content)

    with pytest.raises(FormatError):
        read_administration(tmp_path)


def test_where_there_is_no_file_it_is_said(tmp_path: Path) -> None:
    with pytest.raises(MissingError):
        read_administration(tmp_path)


def test_keys_are_random() -> None:
    assert record(key=new_administration_key()).key != record(key=new_administration_key()).key


@pytest.mark.parametrize(
    ("nuclide", "typed", "meant"),
    [
        ("Tc-99m", 0.6, "0.6 GBq are 600 MBq"), ("Tc-99m", 600_000.0 / 10, "60000 kBq are 60 MBq"),
        ("Tl-201", 3.0, "3 mCi are 111 MBq"), ("F-18", 0.37, "0.37 GBq are 370 MBq"),
    ],
)  # fmt: skip
def test_an_activity_in_the_wrong_unit_is_refused_with_what_was_meant(nuclide: str, typed: float, meant: str) -> None:
    with pytest.raises(RefusedError, match="nobody is given") as why:
        record(nuclide=nuclide, agent="any", assayed_mbq=typed)
    assert meant in str(why.value)


def test_millicuries_of_a_bone_tracer_are_doubtful() -> None:
    (doubt,) = record(assayed_mbq=20.0, pregnancy="excluded", breast_feeding="no").doubts
    assert "300 to 740 MBq of HDP" in doubt
    assert "20 mCi are 740 MBq" in doubt
    assert not record(assayed_mbq=600.0, pregnancy="excluded", breast_feeding="no").doubts


@pytest.mark.parametrize(("text", "mbq"), [("600 MBq", 600.0), ("0.6 GBq", 600.0), ("600000 kBq", 600.0)])
def test_an_activity_may_be_given_with_its_unit(text: str, mbq: float) -> None:
    told = {key: value for key, value in record().to_json().items() if key != "assayed_mbq"}
    assert AdministrationRecord.from_json({**told, "assayed": text}).assayed_mbq == pytest.approx(mbq)


@pytest.mark.parametrize(("text", "why"), [("600", "has no unit"), ("16 mCi", "600 MBq"), ("6 min", "measures time")])
def test_an_activity_without_its_unit_or_with_that_of_something_else_is_refused(text: str, why: str) -> None:
    told = {key: value for key, value in record().to_json().items() if key != "assayed_mbq"}
    with pytest.raises(RefusedError, match=why):
        AdministrationRecord.from_json({**told, "assayed": text})


def test_several_injections_and_drugs_are_kept_and_read_back() -> None:
    told = {
        **record().to_json(),
        "injections": [
            {"site": "periareolar", "side": "left", "volume_ml": 0.2, "activity_mbq": 20.0, "at": INJECTED.isoformat()},
            {"site": "peritumoral", "side": "left"},
        ],
        "interventions": [{"what": "furosemide", "dose": "40 mg", "at": RESIDUAL.isoformat()}],
    }  # fmt: skip
    made = AdministrationRecord.from_json(told)
    assert made.injections[0].volume_ml == 0.2
    assert made.interventions[0].at == RESIDUAL
    assert AdministrationRecord.from_json(json.loads(json.dumps(made.to_json()))) == made


@pytest.mark.parametrize(
    ("part", "why"),
    [
        ({"injections": [{"side": "left"}]}, "site is needed"),
        ({"injections": [{"site": "axilla", "side": "top"}]}, r"injections\[0\].side"),
        ({"injections": [{"site": "axilla", "volume_ml": -1}]}, "above 0 and up to 100 ml"),
        ({"injections": [{"site": "axilla"}] * 21}, "at most 20"),
        ({"injections": {"site": "axilla"}}, "must be a list"),
        ({"interventions": [{"what": "furosemide"}]}, "needs its time"),
        ({"interventions": [{"what": "furosemide", "at": "2026-11-22T10:00"}]}, "has no time zone"),
    ],
)
def test_parts_that_make_no_sense_are_refused_with_their_place(part: dict[str, Any], why: str) -> None:
    with pytest.raises(RefusedError, match=why):
        AdministrationRecord.from_json({**record().to_json(), **part})


def test_an_amendment_tells_what_it_would_replace_and_never_changes_the_key() -> None:
    first = whole()
    changes = {"residual": "18 MBq", "extravasation": True, "site": "antecubital"}
    assert first.replaced_by(changes) == ["residual_mbq"]
    assert first.amended(changes).residual_mbq == 18.0
    with pytest.raises(RefusedError, match="key cannot be changed"):
        first.amended({"key": "a-" + "c" * 26})
