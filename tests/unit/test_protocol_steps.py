"""What a step does: repetitions expanded, pauses by kind, limits for the readout, progress."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support_protocols import SWEEP, camera, made, planar, spect, sweep

from acquisition_protocols.load import load_protocol
from daq.model.geometry import Laterality, View
from daq.model.protocol import PAUSE_BY_KIND, PauseMeaning, ProtocolKind, Step, Stop, Sweep
from daq.model.stop import parse_stop

PLAIN = 'stop.counts = {{ counter = "singles", limit = "200 counts", window = "{0}", head = "{1}" }}\n'


def test_a_repetition_becomes_steps_each_with_its_place() -> None:
    turn = '{ count = 60, axis = "gantry", from = "354 deg", step = "-6 deg" }'
    steps = made(spect(turn, more='start = "manual"\ninstruction = "Look"\nset.front_radius = "25 cm"')).steps

    assert len(steps) == 60
    assert [step.name for step in steps[:2]] == ["stop 1/60", "stop 2/60"]
    assert [step.positions["gantry"] for step in steps] == [354 - 6 * i for i in range(60)]
    assert steps[0].units == {"gantry": "deg", "front_radius": "mm"}
    assert steps[0].positions["front_radius"] == 250.0
    assert [step.start for step in steps[:3]] == ["manual", "automatic", "automatic"]
    assert [step.instruction for step in steps[:3]] == ["Look", "", ""]
    assert {step.key for step in steps} == {"steps[0]"}


@given(st.integers(2, 200), st.integers(-(10**6), 10**6), st.integers(1, 10**6))
def test_the_last_place_of_a_repetition_is_as_exact_as_the_first(count: int, begin: int, each: int) -> None:
    turn = f'{{ count = {count}, axis = "gantry", from = "{begin / 1000} deg", step = "{each / 1000} deg" }}'
    steps = made(spect(turn)).steps

    assert steps[-1].positions["gantry"] == (begin + (count - 1) * each) / 1000


def test_a_sweep_begins_where_it_says_and_takes_its_time() -> None:
    (step,) = made(sweep()).steps

    assert step.moving
    assert step.sweep is not None
    assert (step.sweep.begin, step.sweep.end, step.sweep.unit) == (0.0, 600.0, "mm")
    assert step.sweep.speed == pytest.approx(100 / 60)
    assert step.sweep.duration_s == pytest.approx(360)
    assert step.positions == {"bed": 0.0}
    assert step.stop_limits() == ["host=600000000000000ps"]


@pytest.mark.parametrize(("kind", "pause"), PAUSE_BY_KIND.items())
def test_a_pause_means_what_the_kind_of_step_says(kind: ProtocolKind, pause: PauseMeaning) -> None:
    assert Step(name="a", key="steps[0]", kind=kind).pause is pause


@pytest.mark.parametrize(
    ("kind", "pause"),
    [
        ("static", "gap_marked"), ("dynamic", "time_runs"), ("whole_body", "finish_step"), ("spect", "finish_step"),
        ("gated", "drop_beat"), ("pet", "gap_marked"), ("probe", "gap_marked"), ("qc_flood", "gap_marked"),
    ],
)  # fmt: skip
def test_the_meaning_of_a_pause_by_kind(kind: str, pause: str) -> None:
    assert PAUSE_BY_KIND[ProtocolKind(kind)] == pause


@pytest.mark.parametrize("kind", ProtocolKind)
def test_only_what_stands_still_and_knows_no_clock_may_be_continued(kind: ProtocolKind) -> None:
    still = Step(name="a", key="steps[0]", kind=kind)
    moving = Step(name="a", key="steps[0]", kind=kind, sweep=Sweep("bed", 0, 1, 1, "mm"))

    assert still.continuable is (kind in ("static", "pet", "probe", "qc_flood"))
    assert not moving.continuable


def test_a_static_after_a_dynamic_is_paused_as_a_static() -> None:
    protocol = load_protocol("bone-blood-flow").protocol

    assert [step.pause for step in protocol.steps] == ["time_runs", "gap_marked"]
    assert [step.continuable for step in protocol.steps] == [False, True]
    assert not protocol.continuable


def test_a_dynamic_step_ends_with_its_frames() -> None:
    text = planar('phases = [{ frames = 30, frame = "2 s" }, { frames = 4, frame = "1 min" }]', kind="dynamic", stop="")
    (step,) = made(text).steps

    assert step.stop_limits() == ["time=300000000000000ps"]


def test_limits_are_taken_by_the_readout_as_they_are() -> None:
    (step,) = made(planar(stop=PLAIN.format("all", "sum") + 'stop.time = "1.5 s"\nstop.host = "2 s"')).steps
    stop = parse_stop(step.stop_limits())

    assert (stop.counts, stop.duration_ps, stop.host_s) == ({"singles": 200}, 1_500_000_000_000, 2.0)


@pytest.mark.parametrize(
    ("window", "head", "limit"),
    [
        ("peak", "sum", "singles[peak]=200"),
        ("all", "both", "singles[all]@0+1=200"),
        ("peak", "either", "singles[peak]@any=200"),
        ("peak", "both", "singles[peak]@0+1=200"),
    ],
)
def test_counts_by_window_and_head_are_a_counter_of_their_own(window: str, head: str, limit: str) -> None:
    (step,) = made(planar(stop=PLAIN.format(window, head) + 'stop.host = "2 s"')).steps

    assert step.stop_limits()[0] == limit
    assert str(parse_stop(step.stop_limits())).startswith(limit)
    assert step.fraction_done({limit.partition("=")[0]: 50, "singles": 1000}, 1.0) == 0.25
    assert step.fraction_done({"singles": 100}, 1.0) is None


def test_progress_towards_both_heads_is_that_of_the_slower() -> None:
    (step,) = made(planar(stop=PLAIN.format("peak", "both") + 'stop.host = "2 s"')).steps

    assert step.fraction_done({"singles[peak]@0": 150, "singles[peak]@1": 20}, 1.0) == 0.1
    assert step.fraction_done({"singles[peak]@0": 150}, 1.0) is None


def test_a_step_that_a_person_ends_has_no_limit() -> None:
    (step,) = made(planar(stop="stop.manual = true")).steps

    assert step.stop_limits() == []
    assert step.fraction_done({"singles": 5}, 10.0) is None


def test_progress_is_that_of_the_limit_that_is_nearest() -> None:
    (step,) = made(planar(stop=PLAIN.format("all", "sum") + 'stop.time = "10 s"\nstop.host = "20 s"')).steps

    assert step.fraction_done({"singles": 50}, 1.0) == 0.25
    assert step.fraction_done({"singles": 50}, 9.0) == 0.9
    assert step.fraction_done({"singles": 900}, 9.0) == 1.0
    assert step.fraction_done({}, 0.0) == 0.0


def test_progress_of_a_sweep_is_its_way() -> None:
    (step,) = made(sweep()).steps

    assert step.fraction_done({}, 90.0) == pytest.approx(0.25)


@given(st.integers(0, 10**12), st.floats(-1, 1e9, allow_nan=False))
def test_progress_is_never_outside_of_zero_and_one(counts: int, elapsed_s: float) -> None:
    (step,) = made(planar(stop=PLAIN.format("all", "sum") + 'stop.time = "10 s"')).steps
    fraction = step.fraction_done({"singles": counts}, elapsed_s)

    assert fraction is not None
    assert 0.0 <= fraction <= 1.0


def test_views_laterality_and_windows_arrive_in_the_step() -> None:
    text = planar('laterality = "R"\nregion = "knee"\nwindows = ["peak"]\nimage = { matrix = [256, 128], zoom = 1.5 }',
                  view='views = ["ANT", "POST"]')  # fmt: skip
    (step,) = made(text).steps

    assert (step.view, step.views) == (View.ANT, (View.ANT, View.POST))
    assert (step.laterality, step.region, step.windows) == (Laterality.RIGHT, "knee", ("peak",))
    assert step.image is not None
    assert (step.image.columns, step.image.rows, step.image.zoom) == (256, 128, 1.5)


def test_windows_are_the_bits_of_the_mask_in_the_order_of_the_file() -> None:
    scatter = '[windows.scatter]\nlower = "108 keV"\nupper = "126 keV"\n'
    more = f'{scatter}[[steps]]\nname = "a"\nview = "ANT"\nstop.time = "1 s"\n'
    windows = made(camera(more)).windows

    assert [str(window) for window in windows.windows] == ["peak 126.45-154.55 keV", "scatter 108-126 keV"]
    assert windows.bit("scatter") == 1


def test_coincidences_are_in_picoseconds() -> None:
    pairs = load_protocol("fdg-static").protocol.coincidence

    assert pairs is not None
    assert (pairs.half_window_ps, pairs.delay_ps, pairs.timing_sigma_ps) == (2250, 500_000, None)


def test_requirements_are_in_seconds() -> None:
    needs = load_protocol("bone-spect").protocol.requirements

    assert needs.collimators == ("LEHR",)
    assert [(need.name, need.maximum_age_s) for need in needs.qc] == [("daily-flood", 86400.0)]
    assert needs.calibrations[-1].maximum_age_s == 7 * 86400.0


def test_the_file_reads_back_unchanged() -> None:
    protocol = made(sweep(SWEEP))
    again = type(protocol.file).model_validate(protocol.file.model_dump(mode="json"), strict=False)

    assert again == protocol.file


def test_a_step_without_anything_has_no_progress() -> None:
    assert Step(name="a", key="steps[0]", kind=ProtocolKind.STATIC, stop=Stop()).fraction_done({}, 1.0) is None


MINIMUM = 'minimum_counts = {{ counter = "singles", limit = "200 counts", window = "{0}", head = "sum" }}'


def test_too_few_counts_at_the_end_are_said_with_the_minimum() -> None:
    (step,) = made(planar(MINIMUM.format("all"))).steps

    assert step.shortfall({"singles": 200}) is None
    assert step.shortfall({"singles": 199}) == "step 'a' has 199 singles; below 200 it is not worth reading"
    assert step.shortfall({}) == "step 'a' has 0 singles; below 200 it is not worth reading"


def test_a_minimum_in_a_window_is_not_judged_by_other_counts() -> None:
    (step,) = made(planar(MINIMUM.format("peak"))).steps

    assert step.shortfall({"singles": 0}) is None
