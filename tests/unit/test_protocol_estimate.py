"""How long, how many, how large: each figure with what it stands on, and unknown where nothing is known."""

import pytest
from support_protocols import camera, made, planar, spect, sweep

from acquisition_protocols.load import load_protocol
from daq.model.protocol_estimate import estimate, moves_s
from device_profiles.scanners import load_scanner

DUAL = load_scanner("dual-head")
LIMIT = (
    'stop.counts = {{ counter = "singles", limit = "1 Mcounts", window = "{0}", head = "sum"{1} }}\nstop.host = "1 h"'
)


def test_a_step_by_time_takes_its_time_and_gives_what_the_expected_rate_gives() -> None:
    figures = estimate(made(planar('expected_rate = "2 kcps"')), word_bytes=8, row_bytes=22)

    assert (figures.duration_s.value, figures.counts.value, figures.bytes.value) == (10.0, 20_000.0, 600_000.0)
    assert figures.counts.assumes == ("2000 events are recorded in a second, decay left out",)
    assert figures.bytes.assumes[-1].startswith("8 bytes raw and 22 bytes as a row")


def test_without_a_rate_counts_and_bytes_are_unknown_and_say_so() -> None:
    figures = estimate(made(planar()), word_bytes=8, row_bytes=22)

    assert (figures.duration_s.value, figures.counts.value, figures.bytes.value) == (10.0, None, None)
    assert figures.counts.assumes == ("no expected_rate",)


def test_without_an_instrument_bytes_are_unknown_and_say_so() -> None:
    figures = estimate(made(planar('expected_rate = "2 kcps"')))

    assert figures.bytes.value is None
    assert figures.bytes.assumes == ("the size of words and rows is unknown: no instrument given",)


def test_counts_in_a_window_take_as_long_as_their_own_rate_says() -> None:
    text = planar('expected_rate = "50 kcps"', stop=LIMIT.format("peak", ', expected_rate = "20 kcps"'))
    figures = estimate(made(text))

    assert (figures.duration_s.value, figures.counts.value) == (50.0, 2_500_000.0)


def test_counts_in_a_window_without_their_rate_have_no_duration() -> None:
    figures = estimate(made(planar('expected_rate = "50 kcps"', stop=LIMIT.format("peak", ""))))

    assert (figures.duration_s.value, figures.counts.value) == (None, None)
    assert figures.duration_s.assumes == (
        "how soon 1,000,000 singles in window peak, all heads together come is unknown: no expected_rate",
        "at most 3600 s, its backstop",
    )
    assert figures.counts.assumes == ("no duration",)


def test_a_step_that_ends_at_all_counts_has_just_those() -> None:
    figures = estimate(made(planar(stop=LIMIT.format("all", ""))))

    assert (figures.duration_s.value, figures.counts.value) == (None, 1_000_000.0)


def test_the_limit_that_comes_first_counts() -> None:
    stop = LIMIT.format("all", "") + '\nstop.time = "30 s"'

    assert estimate(made(planar('expected_rate = "50 kcps"', stop=stop))).duration_s.value == 20.0
    assert estimate(made(planar('expected_rate = "10 kcps"', stop=stop))).duration_s.value == 30.0


def test_a_sweep_takes_its_way_over_its_speed() -> None:
    figures = estimate(made(sweep()))

    assert figures.duration_s.value == pytest.approx(360)
    assert figures.duration_s.assumes == ("without speeding up and slowing down",)


TURN = made(spect('{ count = 60, axis = "gantry", from = "0 deg", step = "6 deg" }'))


def test_moves_between_steps_take_the_highest_speed_of_the_axis() -> None:
    assert moves_s(TURN.steps, DUAL) == pytest.approx(59 * 6 / 3.0)
    figures = estimate(TURN, scanner=DUAL)

    assert figures.duration_s.value == pytest.approx(60 * 20 + 118)
    assert figures.duration_s.assumes == ("118 s of moves between steps, at the highest speed of scanner dual-head",)


def test_without_a_scanner_moves_are_not_counted_and_it_says_so() -> None:
    figures = estimate(TURN)

    assert figures.duration_s.value == 1200.0
    assert figures.duration_s.assumes == ("moves between steps not counted: no scanner given",)


def test_after_a_sweep_the_axis_is_at_its_end() -> None:
    back = '[[steps]]\nname = "b"\nkind = "static"\nview = "ANT"\nstop.time = "1 s"\nset.bed = "0 mm"\n'
    there = '[[steps]]\nname = "a"\nview = "ANT"\nstop.host = "10 min"\n'
    line = 'sweep = { axis = "bed", from = "0 mm", to = "600 mm", speed = "10 cm/min" }\n'
    protocol = made(camera(there + line + back, kind="whole_body"))

    assert moves_s(protocol.steps, DUAL) == pytest.approx(600 / 20.0)


def test_what_is_true_of_some_steps_names_them() -> None:
    figures = estimate(load_protocol("bone-spots").protocol)

    assert figures.duration_s.value is None
    assert any(note.startswith("thorax, pelvis: how soon 1,000,000 singles") for note in figures.duration_s.assumes)
    assert "waiting for 4 manual starts not counted" in figures.duration_s.assumes


def test_fdg_gives_what_was_measured() -> None:
    figures = estimate(load_protocol("fdg-static").protocol, word_bytes=4, row_bytes=14)

    assert (figures.duration_s.value, figures.counts.value) == (180.0, 74_700_000.0)
    assert figures.bytes.value == 74_700_000 * 18


def test_sessions_are_added_up_and_it_says_so() -> None:
    figures = estimate(load_protocol("bone-three-phase").protocol)

    assert "2 sessions together, without the time between them" in figures.duration_s.assumes


def test_beats_take_a_usual_heart_and_paired_views_the_time_of_the_first() -> None:
    beats, pair = (estimate(load_protocol(name).protocol) for name in ("muga", "paired-views"))

    assert beats.duration_s.value == 600.0
    assert "60 beats a minute, all accepted" in beats.duration_s.assumes
    assert any(note == "posterior: as long as anterior takes" for note in pair.duration_s.assumes)
