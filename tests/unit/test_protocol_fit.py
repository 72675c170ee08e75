"""What a scanner or an instrument cannot do of a protocol is said with its limit."""

import pytest
from support_protocols import SWEEP, camera, made, pet, planar, spect, sweep

from acquisition_protocols.load import load_protocol, shipped
from acquisition_protocols.rules import check
from daq.model.finding import errors
from daq.model.scanner import ScannerProfile
from device_profiles.load import load_profile
from device_profiles.scanners import load_scanner

DUAL, MMR = load_scanner("dual-head"), load_scanner("siemens-mmr")
RIGHT_ANGLE = load_scanner("dual-head-cardiac")
REFERENCE = load_scanner("reference-ring")
HEAD, PETLINK, SINGLES = load_profile("head-xye64"), load_profile("siemens-petlink32"), load_profile("singles64")
ONE_HEAD = DUAL.model_copy(update={"heads": DUAL.heads[:1]})
TURN = '{ count = 60, axis = "gantry", from = "0 deg", step = "6 deg" }'
PAIRS = 'coincidence = {{ half_window = "{0}"{1} }}\n'


def pairs(half: str, more: str = "") -> str:
    return pet(top=PAIRS.format(half, more))


@pytest.mark.parametrize(
    ("text", "scanner", "sentence"),
    [
        (sweep(SWEEP.replace('"bed"', '"table"')), DUAL,
         "steps[0].sweep.axis = 'table': scanner dual-head has no such axis; it has bed, front_radius, "
         "back_radius, gantry"),
        (sweep(SWEEP.replace("600 mm", "250 cm"), stop='stop.host = "30 min"'), DUAL,
         "steps[0].sweep.to = 250 cm: is 2500 mm; axis bed of scanner dual-head goes from 0 to 2400 mm"),
        (sweep(SWEEP.replace('"0 mm"', '"-1 mm"')), DUAL,
         "steps[0].sweep.from = -1 mm: is -1 mm; axis bed of scanner dual-head goes from 0 to 2400 mm"),
        (spect(TURN.replace("repeat", "").replace("6 deg", "7 deg")), DUAL,
         "steps[0].repeat.step = 7 deg: brings stop 60 to 413 deg; axis gantry of scanner dual-head goes from -10 "
         "to 370 deg"),
        (spect(TURN.replace("gantry", "table")), DUAL,
         "steps[0].repeat.from = 'table': scanner dual-head has no such axis; it has bed, front_radius, "
         "back_radius, gantry"),
        (planar('set.gantry = "400 deg"'), DUAL,
         "steps[0].set.gantry = 400 deg: is 400 deg; axis gantry of scanner dual-head goes from -10 to 370 deg"),
        (planar('set.gantry = "4 mm"'), DUAL,
         "steps[0].set.gantry = 4 mm: axis gantry of scanner dual-head is set in deg"),
        (planar('set.bed = "4 deg"'), DUAL,
         "steps[0].set.bed = 4 deg: axis bed of scanner dual-head is set in mm or cm"),
        (planar(), ONE_HEAD, "instrument.heads = 2: scanner dual-head has 1"),
        (planar(more='[requirements]\ncollimators = ["UHR"]'), DUAL,
         "requirements.collimators = UHR: scanner dual-head has LEHR, LEAP, MEGP, HEGP, pinhole"),
        (planar(view='views = ["ANT", "LLAT"]'), DUAL,
         "steps[0].views[1] = 'LLAT': ANT and LLAT are 90 deg apart, the heads front and back of scanner dual-head "
         "are 180"),
        (planar(), MMR, "modality = 'gamma_camera': scanner siemens-mmr is a PET ring without heads"),
        (pet(), DUAL, "modality = 'pet': scanner dual-head has heads, no ring"),
        (pairs("1.5 ns"), MMR,
         "coincidence.half_window = 1500 ps: the longest line of response in the field of view is 661 mm, which light "
         "needs 2205 ps for; less than 2205 ps loses true pairs; it is half of what is called the window"),
        (pairs("2.25 ns", ', timing_resolution = "0.5 ns"'), MMR,
         "coincidence.half_window = 2250 ps: the longest line of response in the field of view is 661 mm, which light "
         "needs 2205 ps for, plus 3 sigma of the timing, 636 ps; less than 2841 ps loses true pairs; it is half of "
         "what is called the window"),
        (pairs("2.25 ns", ", minimum_sector_difference = 29"), MMR,
         "coincidence.minimum_sector_difference = 29: no two of 56 sectors are more than 28 apart, the shorter way "
         "round: nothing could be paired; at most 28"),
    ],
)  # fmt: skip
def test_a_scanner_that_cannot_is_named_with_its_limit(text: str, scanner: ScannerProfile, sentence: str) -> None:
    assert [str(finding) for finding in errors(check(made(text), scanner))] == [sentence]


def test_a_sweep_beyond_the_speed_of_the_axis_is_refused() -> None:
    slow = DUAL.model_copy(update={"axes": DUAL.axes.model_copy(update={
        "linear": {"bed": DUAL.axes.linear["bed"].model_copy(update={"max_speed_mm_per_s": 1.5})}})})  # fmt: skip

    assert [str(finding) for finding in errors(check(made(sweep()), slow))] == [
        "steps[0].sweep.speed = 10 cm/min: is 1.66667 mm/s; axis bed of scanner dual-head moves at most 1.5 mm/s"
    ]


def test_a_turning_sweep_is_held_to_the_speed_of_its_axis() -> None:
    way = 'from = "0 deg", to = "360 deg", speed = "4 deg/s", views = 60'
    turn = f'sweep = {{ axis = "gantry", {way} }}\nstop.host = "3 min"'
    protocol = made(camera(f'[[steps]]\nname = "a"\n{turn}\n', kind="spect"))

    assert [str(finding) for finding in errors(check(protocol, DUAL))] == [
        "steps[0].sweep.speed = 4 deg/s: is 4 deg/s; axis gantry of scanner dual-head moves at most 3 deg/s"
    ]


def test_a_half_window_without_the_timing_is_judged_and_says_so() -> None:
    found = check(made(pairs("2.25 ns")), MMR)

    assert errors(found) == []
    assert "3 sigma" in str(found[0])


CARDIAC = 'gate = { trigger = "ecg", bins = 16, framing = "percent" }'
RESPIRATION = CARDIAC.replace("ecg", "respiration")
COUNTS = """[[steps]]
name = "a"
stop.host = "1 min"
stop.counts = { counter = "singles", limit = "1 counts", window = "all", head = "sum" }
"""


@pytest.mark.parametrize(
    ("text", "instrument", "sentence"),
    [
        (planar(), PETLINK, "modality = 'gamma_camera': instrument siemens-petlink32 is a pet"),
        (camera('[[steps]]\nname = "a"\nview = "ANT"\nstop.time = "1 s"\n').replace("heads = 2", "heads = 5"), HEAD,
         "instrument.heads = 5: instrument head-xye64 has 4"),
        (planar(RESPIRATION, kind="gated"), HEAD,
         "steps[0].gate.trigger = 'respiration': instrument head-xye64 sends no respiratory_trigger or "
         "respiratory_phase or gate"),
        (planar('expected_rate = "3 Mcps"'), HEAD,
         "steps[0].expected_rate = 3e+06 cps: more than instrument head-xye64 can send: 2e+06 words/s"),
        (planar().replace("140.5 keV", "550 keV"), HEAD,
         "windows.peak = 495 to 605 keV: instrument head-xye64 records 40 to 511.5 keV"),
        (pet(COUNTS), PETLINK,
         "steps[0].stop.counts.counter = 'singles': never counts: the words of instrument siemens-petlink32 are "
         "delayed, prompt"),
        (pet(COUNTS.replace("singles", "prompts")), SINGLES,
         "steps[0].stop.counts.counter = 'prompts': never counts: the words of instrument singles64 are single"),
    ],
)  # fmt: skip
def test_an_instrument_that_cannot_is_named(text: str, instrument: object, sentence: str) -> None:
    found = errors(check(made(text), None, instrument))  # type: ignore[arg-type]

    assert [str(finding) for finding in found] == [sentence]


def test_a_protocol_of_another_profile_is_refused() -> None:
    protocol = load_protocol("demo-pet-two-steps").protocol

    assert "instrument.profiles = ['siemens-petlink32']: the instrument is singles64" in [
        str(finding) for finding in check(protocol, None, SINGLES)
    ]


def test_a_half_window_other_than_the_front_ends_own_is_refused() -> None:
    detector = SINGLES.detector.model_copy(update={"coincidence_half_window_ps": 3000})
    own = SINGLES.model_copy(update={"detector": detector})

    assert "coincidence.half_window = 2.25 ns: instrument singles64 pairs with 3000 ps itself" in [
        str(finding) for finding in check(made(pairs("2.25 ns")), None, own)
    ]


def test_a_triggered_front_end_can_be_gated() -> None:
    assert errors(check(made(planar(CARDIAC, kind="gated")), None, HEAD)) == []


def test_counts_of_both_heads_in_a_window_can_be_counted() -> None:
    assert check(load_protocol("bone-spots").protocol) == []


def test_a_view_that_one_head_has_ends_at_the_counts_of_that_head() -> None:
    thyroid, pair = (load_protocol(name).protocol for name in ("thyroid-scan", "paired-views"))
    limits = [step.stop.counts for step in (*thyroid.steps, pair.steps[0])]

    assert [limit.name for limit in limits if limit is not None] == ["singles[photopeak]@0"] * 4
    text = planar(stop='stop.time = "9 s"\nstop.counts = { counter = "singles", limit = "1 kcounts", window = "peak", '
                       'head = "sum" }').replace("heads = 2", "heads = 1")  # fmt: skip
    assert [str(finding) for finding in check(made(text), DUAL)] == [
        "steps[0].stop.counts.head = 'sum': warning: 2 heads record, and each view gets a part of these counts: "
        '"view" or "both" counts of a head'
    ]


def test_a_range_to_be_recorded_is_not_kept_to_yet() -> None:
    wide = 'recorded = { lower = "100 keV", upper = "200 keV" }\n'
    found = check(made(camera('[[steps]]\nname = "a"\nview = "ANT"\nstop.time = "1 s"\n', top=wide)))

    assert [str(finding) for finding in found] == [
        "recorded = 100-200 keV: warning: the readout of this version records every energy that the instrument sends"
    ]


CAMERA = [name for name in shipped() if load_protocol(name).protocol.modality == "gamma_camera"]


@pytest.mark.parametrize("name", CAMERA)
def test_shipped_camera_protocols_fit_the_shipped_scanner_whose_heads_stand_so(name: str) -> None:
    protocol = load_protocol(name).protocol
    apart = protocol.file.instrument.head_separation
    scanner = RIGHT_ANGLE if apart is not None and apart.value == 90 else DUAL

    assert check(protocol, scanner, HEAD) == []


PET = [name for name in shipped() if load_protocol(name).protocol.modality == "pet"]
PROFILES = {name: load_protocol(name).protocol.file.instrument.profiles for name in PET}
BEDS = """[[steps]]
name = "bed"
repeat = {{ count = 2, axis = "bed", from = "900 mm", step = "{step}", overlap = "{overlap}", first = "pelvis" }}
stop.time = "10 s"
"""


@pytest.mark.parametrize("name", [name for name in PET if not PROFILES[name] or PETLINK.id in PROFILES[name]])
def test_shipped_pet_protocols_fit_an_instrument_that_pairs_itself(name: str) -> None:
    assert errors(check(load_protocol(name).protocol, MMR, PETLINK)) == []


@pytest.mark.parametrize("name", [name for name in PET if not PROFILES[name] or SINGLES.id in PROFILES[name]])
def test_shipped_pet_protocols_fit_an_instrument_of_singles(name: str) -> None:
    scanner = REFERENCE if PROFILES[name] else MMR

    assert errors(check(load_protocol(name).protocol, scanner, SINGLES)) == []


def test_bed_positions_and_windows_of_another_scanner_are_refused_with_what_this_one_needs() -> None:
    window, beds = errors(check(load_protocol("fdg-whole-body").protocol, REFERENCE, SINGLES))

    assert "plus 3 sigma of the timing, 273 ps; less than 2404 ps loses true pairs" in str(
        window
    )  # the ring's own timing
    assert str(beds) == (
        "steps[0].repeat.step = -195 mm: the axial field of view of scanner reference-ring is 160 mm: 35 mm between "
        "two bed positions would be seen by neither"
    )


@pytest.mark.parametrize(
    ("step", "overlap", "why"),
    [
        ("-120 mm", "25 %", []),
        ("121 mm", "25 %", []),
        ("-100 mm", "25 %",
         ["steps[0].repeat.overlap = 25 %: the axial field of view of scanner reference-ring is 160 mm, of which "
          "steps of -100 mm share 37.5 %"]),
    ],
)  # fmt: skip
def test_the_overlap_that_is_stated_is_the_one_that_there_is(step: str, overlap: str, why: list[str]) -> None:
    protocol = made(pet(BEDS.format(step=step, overlap=overlap)))

    assert [str(finding) for finding in check(protocol, REFERENCE, SINGLES)] == why
