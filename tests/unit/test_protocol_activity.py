"""What an activity gives: counts by the closed form of the collimator, decay, and an assumption that is said."""

import json
import math

import pytest
from support_protocols import camera, made, planar, sweep

from acquisition_protocols.load import load_protocol
from daq.cli.main import main
from daq.errors import MissingError, RefusedError
from daq.model.nuclide_table import nuclide
from daq.model.protocol import AcquisitionProtocol
from daq.model.protocol_activity import Given, StepCounts, sight, spoken, with_rates
from device_profiles.scanners import load_scanner

DUAL = load_scanner("dual-head")
TC, LEHR = nuclide("Tc-99m"), DUAL.collimators["LEHR"]
LEAD_PER_MM = 2.5546
"""At 140.5 keV."""
NEEDS = 'radionuclide = "Tc-99m"\nrequirements = { collimators = ["LEHR"], administration = "before_start" }\n'


def asked(text: str) -> AcquisitionProtocol:
    """Return the protocol of a text, with a nuclide and a collimator."""
    return made(text.replace("\n[instrument]", f"\n{NEEDS}\n[instrument]", 1))


def counted(protocol: AcquisitionProtocol, mbq: float = 100.0, after_s: float = 0.0) -> tuple[StepCounts, ...]:
    return with_rates(protocol, Given(TC, 1e6 * mbq, after_s), sight(protocol, DUAL))[1]


def test_a_head_counts_what_the_closed_form_of_its_holes_says() -> None:
    seen = sight(asked(planar()), DUAL)
    holes = 0.2625 * LEHR.hole_mm / (LEHR.length_mm - 2 / LEAD_PER_MM) * LEHR.hole_mm / (LEHR.hole_mm + LEHR.septum_mm)
    stopped = (1 - math.exp(-0.2434 * 9.5)) * 0.2036 / 0.2434

    assert seen.cps_per_bq["peak"] == pytest.approx(0.89 * holes**2 * stopped, rel=0.01)
    assert "69.1 cps/MBq in peak" in seen.assumes[0]


def test_a_thinner_crystal_counts_less() -> None:
    protocol = asked(planar())

    assert sight(protocol, DUAL, 5.0).cps_per_bq["peak"] < 0.85 * sight(protocol, DUAL, 9.5).cps_per_bq["peak"]


def test_counts_are_rate_times_time_with_decay_before_and_in_the_step() -> None:
    protocol = asked(planar(stop='stop.time = "3600 s"'))
    (now,), (late,) = counted(protocol), counted(protocol, after_s=TC.half_life_s)
    per_bq = sight(protocol, DUAL).cps_per_bq["peak"]

    assert now.per_head == pytest.approx(0.05 * TC.decays_between(100e6, 0.0, 3600.0) * per_bq)
    assert late.per_head == pytest.approx((now.per_head or 0.0) / 2)


def test_a_stop_at_counts_comes_when_the_activity_gives_them() -> None:
    limit = 'counter = "singles", limit = "1 Mcounts", window = "peak", head = "{}"'
    stop = "stop.counts = {{ " + limit + ' }}\nstop.host = "3 h"'
    both, both_together = (counted(asked(planar(stop=stop.format(head))))[0] for head in ("both", "sum"))
    rate = 0.05 * 100e6 * sight(asked(planar()), DUAL).cps_per_bq["peak"]

    assert both.per_head == pytest.approx(1e6)
    assert both.takes_s == pytest.approx(1e6 / rate, rel=0.05)
    assert rate / 1e6 * (both.takes_s or 0.0) == pytest.approx(
        1 + 0.5 * 1e6 / rate * math.log(2) / TC.half_life_s, rel=0.01
    )
    assert both_together.per_head == pytest.approx(0.5e6)


def test_a_step_that_its_backstop_ends_before_it_has_its_counts_is_told_so() -> None:
    limit = 'counter = "singles", limit = "1 Mcounts", window = "peak", head = "both"'
    (step,) = counted(asked(planar(stop=f'stop.counts = {{ {limit} }}\nstop.host = "15 min"')), 10.0)

    least = 0.05 * 10e6 * sight(asked(planar()), DUAL).cps_per_bq["peak"] * 900.0 * 0.97
    (doubt,) = step.doubts
    start, _, rest = doubt.partition(" about ")
    number = float(rest.partition(" of ")[0].replace(",", ""))
    assert (start, rest.partition(" of ")[2]) == ("the backstop ends it after 15 min, with", "the 1,000,000 counts")
    assert least < number < least / 0.97
    assert step.takes_s == 900.0


def test_one_step_follows_the_other_and_a_later_session_begins_at_its_earliest() -> None:
    steps = counted(load_protocol("bone-three-phase").protocol, 600.0)

    assert [round(step.begins_s) for step in steps] == [0, 120, 7200, 8610]
    assert all(step.doubts == () for step in steps)


def test_the_second_of_paired_views_takes_as_long_as_the_first() -> None:
    first, second = counted(load_protocol("paired-views").protocol)

    assert first.takes_s == second.takes_s
    assert first.takes_s is not None
    assert second.begins_s == first.takes_s


def test_too_few_counts_and_the_wrong_time_are_said_before_the_study() -> None:
    least = 'minimum_counts = { counter = "singles", limit = "1 Mcounts", window = "peak", head = "both" }'
    (step,) = counted(asked(sweep(more=f'{least}\nafter_injection = ["2 h", "5 h"]')), 10.0, after_s=600.0)

    assert [doubt.partition(",")[0][:9].strip() for doubt in step.doubts] == [
        "about 12", "begins 10",
    ]  # fmt: skip
    assert step.doubts[1] == "begins 10 min after the injection; it should be 2 h to 5 h"
    assert "it needs 1,000,000 singles in window peak, both heads" in step.doubts[0]


def test_a_syringe_is_seen_whole_and_of_a_transmission_nothing_is_known() -> None:
    roles = "".join(
        f'[[steps]]\nname = "{role}"\nview = "ANT"\nrole = "{role}"\nwindows = ["peak"]\nstop.time = "10 s"\n'
        for role in ("emission", "syringe", "transmission")
    )
    emission, syringe, transmission = counted(asked(camera(roles)))

    assert syringe.per_head == pytest.approx(20 * (emission.per_head or 0.0), rel=1e-3)
    assert transmission.per_head is None


def test_a_collimator_that_is_not_there_is_named() -> None:
    with pytest.raises(MissingError, match="wants HEAP; scanner dual-head has the collimators LEHR, LEAP, MEGP, HEGP"):
        sight(made(planar().replace("\n[instrument]", f"\n{NEEDS.replace('LEHR', 'HEAP')}\n[instrument]", 1)), DUAL)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (45, "45 s"), (120, "2 min"), (3600, "1 h"), (11_400, "3 h 10 min")]
)
def test_times_are_spoken(seconds: float, text: str) -> None:
    assert spoken(seconds) == text


ASK = ["protocol", "show", "bone-whole-body", "--scanner", "dual-head"]


def test_show_foretells_counts_and_says_what_it_assumes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*ASK, "--profile", "head-xye64", "--activity", "600MBq", "--after", "3h"]) == 0

    out = capsys.readouterr().out
    for text in (
        "Expected of 600 MBq of Tc-99m, 3 h after the injection", "2,021,0", "a head sees 5 % of the activity",
        "69.1 cps/MBq in photopeak", "events recorded: about 10,105,", "decay of Tc-99m is not",
        "speeds of 10 to 12 cm/min suit the tracer", "exposure of a row at least 90 %",
    ):  # fmt: skip
        assert text in out


def test_a_protocol_without_a_collimator_has_one_that_suits_or_the_one_that_is_named() -> None:
    protocol = load_protocol("demo-spect").protocol
    thick = sight(protocol, DUAL, collimator="HEGP")

    assert sight(protocol, DUAL).assumes[0] == (
        "the protocol names no collimator: LEHR is taken, the scanner's first up to these energies"
    )
    assert thick.assumes[0].startswith("a head with HEGP counts")
    with pytest.raises(MissingError, match="no collimator LEXR; scanner dual-head has the collimators LEHR, LEAP, "):
        sight(protocol, DUAL, collimator="LEXR")
    with pytest.raises(RefusedError, match="a flood without collimator: what counts then is the distance"):
        sight(load_protocol("intrinsic-flood").protocol, DUAL)


def test_a_flood_sees_all_of_its_source(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["protocol", "show", "daily-flood", "--activity", "100MBq", "--scanner", "dual-head"]) == 0
    told = capsys.readouterr().out

    assert "Expected of 100 MBq of Co-57, at its assay" in told
    assert "a head sees 100 % of the source" in told
    assert "injection" not in told.split("Expected of", 1)[1]


def test_show_json_has_the_expected_counts(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*ASK, "--activity", "600MBq", "--visible", "10 %", "--json"]) == 0

    told = json.loads(capsys.readouterr().out)
    (step,) = told["expected"]["steps"]
    assert told["expected"]["about"] == "600 MBq of Tc-99m, 2 h after the injection"
    assert step["begins_after_injection_s"] == 7200.0
    assert step["counts_per_head"] == pytest.approx(2 * 2_021_076 * TC.activity_factor(-3600), rel=1e-3)
    assert told["steps"][0]["sweep"]["speed"] == pytest.approx(100 / 60)


@pytest.mark.parametrize(
    ("options", "code", "sentence"),
    [
        (["--after", "3h"], 2, "--after, --visible and --collimator belong to --activity"),
        (["--activity", "500MBq", "--after", "3"], 3, "--after 3: has no unit"),
        (["--activity", "500MBq", "--visible", "200 %"], 3, "a head sees at most 100 %"),
        (["--activity", "500"], 3, '--activity 500: has no unit; write e.g. "600 MBq"'),
        (["--activity", "500 mm"], 3, "mm measures length; wanted is activity"),
        (["--activity", "0.6 MBq"], 3, "which unit was meant? 0.6 GBq are 600 MBq"),
        (["--activity", "500GBq"], 3, "nobody is given 500000 MBq of Tc-99m"),
        (["--activity", "500MBq", "--scanner", "reference-ring"], 3, "gamma cameras with heads alone"),
    ],
)
def test_what_cannot_be_foretold_is_refused(
    capsys: pytest.CaptureFixture[str], options: list[str], code: int, sentence: str
) -> None:
    assert main([*ASK, *options]) == code
    assert sentence in capsys.readouterr().err


def test_without_a_scanner_nothing_is_foretold(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    monkeypatch.delenv("SCANDAQ_SITE", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))

    assert main(["protocol", "show", "bone-spect", "--activity", "500MBq"]) == 4
    assert "--activity needs --scanner" in capsys.readouterr().err
