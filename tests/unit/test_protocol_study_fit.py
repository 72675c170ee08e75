"""What a scanner cannot do of a study: views that its heads do not have, too short an arc, speeds of time-lapse."""

import pytest
from support_protocols import SWEEP, made, planar, region, spect, sweep

from acquisition_protocols.load import load_protocol
from acquisition_protocols.rules import check
from daq.model.scanner import ScannerProfile
from device_profiles.scanners import load_scanner

DUAL, CARDIAC = load_scanner("dual-head"), load_scanner("dual-head-cardiac")
HALF = '{ count = 30, axis = "gantry", from = "0 deg", step = "6 deg" }'
QUARTER = '{ count = 15, axis = "gantry", from = "84 deg", step = "-6 deg" }'


def with_heads(text: str, apart: str) -> str:
    return text.replace("[instrument]", f'[instrument]\nhead_separation = "{apart}"')


def feet_first(text: str) -> str:
    return text.replace("\n[instrument]", '\npatient_orientation = "FFS"\n\n[instrument]', 1)


def prone(text: str) -> str:
    return text.replace("\n[instrument]", '\npatient_orientation = "HFP"\n\n[instrument]', 1)


def lapse(text: str, times: int) -> str:
    return text.replace("\n[instrument]", f"\ntime_lapse = {times}\n\n[instrument]", 1)


FRONT = planar('set.gantry = "0 deg"', view='views = ["ANT", "POST"]')
BACK = planar('set.gantry = "0 deg"', view='views = ["POST", "ANT"]')
SIDES = planar('set.gantry = "90 deg"', view='views = ["RLAT", "LLAT"]')


@pytest.mark.parametrize(
    ("text", "scanner"),
    [
        (FRONT, DUAL), (SIDES, DUAL), (prone(BACK), DUAL), (feet_first(FRONT), DUAL),
        (feet_first(SIDES.replace('"RLAT", "LLAT"', '"LLAT", "RLAT"')), DUAL),
        (with_heads(spect(HALF), "180 deg"), DUAL), (with_heads(spect(QUARTER), "90 deg"), CARDIAC),
        (planar(stop=region("-270 mm", "-200 mm", "270 mm", "200 mm")), DUAL),
        (planar('set.gantry = "0 deg"', view='views = ["LAO", "LPO"]'), CARDIAC),
        (planar('set.gantry = "0 deg"', view='view = "CC"\nlaterality = "L"'), DUAL),
    ],
)  # fmt: skip
def test_a_study_that_fits_has_nothing_said_about_it(text: str, scanner: ScannerProfile) -> None:
    assert check(made(text), scanner) == []


@pytest.mark.parametrize(
    ("text", "scanner", "sentence"),
    [
        (BACK, DUAL,
         "steps[0].views = POST+ANT: on scanner dual-head head front stands at 180 deg of the gantry; a patient head "
         "first, supine (HFS) faces it with ANT (180 deg), not with POST"),
        (feet_first(SIDES), DUAL,
         "steps[0].views = RLAT+LLAT: on scanner dual-head head front stands at 270 deg of the gantry; a patient feet "
         "first, supine (FFS) faces it with LLAT (90 deg), not with RLAT"),
        (with_heads(spect(HALF), "90 deg"), DUAL,
         "instrument.head_separation = 90 deg: heads front and back of scanner dual-head are 180 deg apart"),
        (spect(QUARTER.replace("84 deg", "54 deg").replace("15", "10")), CARDIAC,
         "steps[0].repeat = 60 deg: warning: its heads together go 120 deg round the patient; half a turn is needed"),
        (spect(HALF.replace("30", "2").replace("}", ', also = { front_radius = ["20 cm", "41 cm"] } }')), CARDIAC,
         "steps[0].repeat.also.front_radius = 41 cm: is 410 mm; axis front_radius of scanner dual-head-cardiac goes "
         "from 50 to 400 mm"),
        (sweep(SWEEP.replace("600 mm", "400 mm")), DUAL,
         "steps[0].sweep.to = 400 mm of way: the heads of scanner dual-head are 400 mm long: no part of the body "
         "passes all of it"),
        (planar(stop=region("-27.1 cm", "-200 mm", "270 mm", "200 mm")), DUAL,
         "steps[0].stop.counts.region = -27.1 cm: is outside of the field of view, -270 to 270 mm"),
        (lapse(sweep(SWEEP, stop='stop.host = "1 h"'), 13), DUAL,
         "steps[0].sweep.speed = 10 cm/min: is 21.6667 mm/s; axis bed of scanner dual-head moves at most 20 mm/s"),
    ],
)  # fmt: skip
def test_what_a_scanner_cannot_do_of_a_study_is_said(text: str, scanner: ScannerProfile, sentence: str) -> None:
    assert sentence in [str(finding) for finding in check(made(text), scanner)]


def test_a_whole_turn_of_one_head_is_enough() -> None:
    one = DUAL.model_copy(update={"heads": DUAL.heads[:1]})
    protocol = made(spect(HALF.replace("30", "60")).replace("heads = 2", "heads = 1"))

    assert check(protocol, one) == []


def test_the_demonstrations_of_studies_can_be_run_on_the_simulated_camera() -> None:
    for kind in ("whole-body", "dynamic", "gated", "spect", "gated-spect", "continuous-spect"):
        assert check(load_protocol(f"demo-{kind}").protocol, DUAL) == []
