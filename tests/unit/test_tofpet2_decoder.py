"""TOFPET2 frames become singles by the vendor's formulae, worked out again here in plain Python."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support_petsys import frame, packets_of, runs_as_packets

from daq.listmode.decoder import Carry, Decoded
from daq.listmode.tofpet2 import Tofpet2Decoder
from daq.model import tofpet2 as t
from daq.model.finding import errors
from daq.model.layout import Clock, Layout
from daq.model.layout_rules import findings
from daq.wire import petsys as p
from daq.wire.petsys_tracking import FrameTracker
from device_profiles.load import load_profile

PROFILE = load_profile("petsys-tofpet2-gbe")
CLOCK = PROFILE.clock
RUNNING = CLOCK.model_copy(update={"reset_at_start": False})
codes = st.integers(0, 1023)


def layout(**tofpet2: Any) -> Layout:
    return PROFILE.layout.model_copy(update={"tofpet2": PROFILE.layout.tofpet2.model_copy(update=tofpet2)})  # type: ignore[union-attr]


def events(*rows: tuple[int, int, int, int, int, int]) -> np.ndarray:
    return p.encode_events(p.Event(*(np.array(column) for column in zip(*rows, strict=True))))


def decoded(
    frames: list[p.Frame], *, of: Layout = PROFILE.layout, clock: Clock = CLOCK, imported: bool = False
) -> tuple[Decoded, Carry, Tofpet2Decoder]:
    decoder = Tofpet2Decoder(of, clock)
    carry = decoder.start(imported=imported)
    packets = packets_of([p.encode_data([one]) for one in frames])
    found = FrameTracker().walk(packets)
    return decoder.decode(runs_as_packets(packets, found), carry), carry, decoder


def counted(carry: Carry, decoder: Tofpet2Decoder) -> dict[str, int]:
    return {name: n for name, n in zip(decoder.counters, carry.counts.sum(axis=0).tolist(), strict=True) if n}


@given(st.integers(0, t.FRAME_ID_MASK), codes, codes, codes, codes, st.integers(0, 3), st.integers(0, 1023))
@settings(max_examples=60, deadline=None)
def test_a_nominal_time_is_frame_and_coarse_clocks_less_what_the_fine_code_says(
    frame_id: int, t_coarse: int, e_coarse: int, t_fine: int, e_fine: int, tac: int, channel: int
) -> None:
    rows, carry, decoder = decoded([p.Frame(frame_id, events((channel, tac, t_coarse, e_coarse, t_fine, e_fine)))])
    single = rows.streams["singles"]
    assert single["time_ps"].tolist() == [(frame_id * 1024 + t_coarse) * 5000 - 25 * (t_fine - 100)]
    assert single["detector"].tolist() == [channel]
    assert single["energy_adc"].tolist() == [e_fine]
    assert counted(carry, decoder) == {"single": 1}
    assert rows.ends[:, 0].tolist() == [1]


@given(codes, codes, codes, codes)
@settings(max_examples=60, deadline=None)
def test_the_time_over_threshold_is_counted_in_thirtyseconds_of_a_clock(
    t_coarse: int, e_coarse: int, t_fine: int, e_fine: int
) -> None:
    rows, _, _ = decoded([p.Frame(3, events((0, 0, t_coarse, e_coarse, t_fine, e_fine)))], of=layout(energy="tot"))
    clocks = e_coarse - t_coarse
    if clocks < -256:
        clocks += 1024
    expected = math.floor((clocks - (e_fine - 100) / 200 + (t_fine - 100) / 200) * 32)
    assert abs(int(rows.streams["singles"]["energy_adc"][0]) - max(expected, 0)) <= 1


def test_calibrated_converters_give_the_time_that_the_vendors_software_works_out() -> None:
    channel, tdc = t.channel_id(0, 0, 2, 5), (0.25, 95.0, 210.0, -8.0)
    table = ((channel, 1, "T", *tdc), (t.channel_id(0, 0, 2, 6), 1, "T", 0.0, 100.0, 200.0, 0.0))
    rows, carry, decoder = decoded(
        [p.Frame(10, events(*((channel + k, tac, 100, 0, 400, 7) for k, tac in ((0, 1), (1, 1), (0, 2)))))],
        of=layout(tdc=table),
    )  # fmt: skip
    t0, a0, a1, a2 = tdc
    q = (-a1 + math.sqrt(a1 * a1 - 4 * (a0 - 400) * a2)) / (2 * a2)
    clocks = 10 * 1024 + 100
    assert rows.streams["singles"]["time_ps"].tolist() == [
        round((clocks - q - t0) * 5000), clocks * 5000 - 7500, clocks * 5000 - 7500,
    ]  # fmt: skip
    assert counted(carry, decoder) == {"single": 3, "not_calibrated": 1}


def test_a_code_that_a_calibrated_converter_cannot_give_is_out_of_range() -> None:
    table = ((0, 0, "T", 0.0, 0.0, 100.0, -100.0),)
    rows, carry, decoder = decoded(
        [p.Frame(1, events((0, 0, 5, 0, 900, 7), (0, 0, 5, 0, 20, 7)))], of=layout(tdc=table)
    )
    assert rows.rows("singles") == 1
    assert counted(carry, decoder) == {"single": 1, "out_of_range": 1}


def test_events_of_channels_that_the_profile_does_not_name_are_out_of_range_and_the_others_unharmed() -> None:
    good, foreign = t.channel_id(0, 0, 15, 63), t.channel_id(0, 0, 16, 0)
    other_unit = t.channel_id(0, 1, 0, 0)
    rows, carry, decoder = decoded([p.Frame(1, events(*((c, 0, 5, 6, 300, 7) for c in (foreign, good, other_unit))))])
    assert rows.streams["singles"]["detector"].tolist() == [1023]
    assert counted(carry, decoder) == {"single": 1, "out_of_range": 2}


def test_a_lookup_says_which_detector_a_channel_is() -> None:
    lookup = tuple(1023 - n if n != 7 else -1 for n in range(1024))
    kind = PROFILE.layout.kinds["single"]
    mapped = kind.model_copy(update={"detector": kind.detector.model_copy(update={"lookup": lookup})})  # type: ignore[union-attr]
    of = PROFILE.layout.model_copy(update={"kinds": {"single": mapped}})
    rows, carry, decoder = decoded([p.Frame(1, events(*((c, 0, 5, 6, 300, 7) for c in (0, 7, 1023))))], of=of)
    assert rows.streams["singles"]["detector"].tolist() == [1023, 0]
    assert counted(carry, decoder) == {"single": 2, "out_of_range": 1}


def test_time_goes_on_when_frame_ids_wrap() -> None:
    frames = [p.Frame((t.FRAME_ID_MASK - 1 + k) & t.FRAME_ID_MASK, events((0, 0, 0, 0, 100, 0))) for k in range(4)]
    rows, carry, _ = decoded(frames)
    assert np.diff(rows.streams["singles"]["time_ps"]).tolist() == [t.FRAME_PS] * 3
    assert carry.state[0, 2] == (t.FRAME_ID_MASK + 2) * t.FRAME_PS


def test_a_front_end_that_begins_again_takes_its_time_back() -> None:
    frames = [p.Frame(k, events((0, 0, 0, 0, 100, 0))) for k in (1_000_000, 1_000_001, 0, 1, 2)]
    rows, _, _ = decoded(frames)
    assert (rows.streams["singles"]["time_ps"] // t.FRAME_PS).tolist() == [1_000_000, 1_000_001, 1, 2]


def test_without_a_reset_time_zero_is_the_first_frame_and_idle_ones_tell_the_time() -> None:
    frames = [frame(500), p.Frame(502, events((0, 0, 0, 0, 100, 0))), frame(600)]
    rows, carry, _ = decoded(frames, clock=RUNNING)
    assert rows.streams["singles"]["time_ps"].tolist() == [2 * t.FRAME_PS]
    assert carry.zero[0].tolist() == [1, 500 * 1024, 1, 600 * 1024]
    assert carry.state[0, 2] == 100 * t.FRAME_PS
    assert rows.ends[:, 3].tolist() == [0, 2 * t.FRAME_PS, 100 * t.FRAME_PS]


def test_decoding_into_the_same_memory_gives_the_same_rows() -> None:
    frames = [p.Frame(k, events((k, 0, k, 0, 300, k))) for k in range(20)]
    fresh, _, decoder = decoded(frames)
    packets = packets_of([p.encode_data(frames)])
    runs = runs_as_packets(packets, FrameTracker().walk(packets))
    again = decoder.decode_into(runs, decoder.start(imported=False), decoder.buffers(1000))
    for name, values in fresh.streams["singles"].items():
        assert values.tolist() == again.streams["singles"][name].tolist()


@given(st.binary(max_size=200), st.integers(0, 1023))
@settings(max_examples=100, deadline=None)
def test_no_bytes_make_the_decoder_read_or_write_beyond_its_memory(rubbish: bytes, source: int) -> None:
    """Runs are whole frames; should one ever not be, the decoder stays within it."""
    decoder = Tofpet2Decoder(PROFILE.layout, CLOCK)
    packets = packets_of([b"\xa5" + rubbish + bytes(16)])
    packets.source[:] = source
    rows = decoder.decode(packets, decoder.start(imported=False))
    assert rows.rows("singles") <= len(packets.data) // 8


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("word_bits",), 32, "64 bits"),
        (("tofpet2",), None, "goes with layout.decoder"),
        (("kinds", "single", "fields", "tac", "bits"), "41:41", "the decoder takes"),
        (("kinds", "single", "fields", "t_fine", "to"), "energy_adc", "fill"),
        (("kinds", "single", "detector", "digits"), ["slave", "port", "chip", "channel"], "in this order"),
        (("kinds", "single", "detector", "radix"), [1, 1, 65, 64], "chip goes to 63"),
        (("kinds", "single", "detector"), None, "its digits are"),
    ],
)
def test_a_layout_that_the_decoder_would_not_obey_is_an_error(path: tuple[str, ...], value: object, said: str) -> None:
    plain = PROFILE.layout.model_dump(mode="python")
    place = plain
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = tuple(value) if isinstance(value, list) else value
    texts = [f"{finding.key} {finding.reason}" for finding in errors(findings(Layout.model_validate(plain), CLOCK))]
    assert any(said in text for text in texts), texts


def test_another_clock_than_that_of_the_electronics_is_an_error() -> None:
    slow = CLOCK.model_copy(update={"tick_ps": "6250"})
    assert any("5000 ps" in finding.reason for finding in errors(findings(PROFILE.layout, slow)))


def test_frames_without_events_tell_the_time_that_they_begin_at() -> None:
    rows, carry, _ = decoded([frame(3), frame(4, events=1), frame(9, lost=1)])
    assert rows.told is not None
    assert rows.told.tolist() == [number * t.FRAME_PS for number in (3, 4, 9)]
    assert rows.ends[:, 3].tolist()[-1] == carry.state[0, 2] == 9 * t.FRAME_PS
    assert rows.rows("singles") == 1


def test_a_run_of_frames_tells_the_time_of_its_newest_one() -> None:
    decoder = Tofpet2Decoder(PROFILE.layout, CLOCK)
    packets = packets_of([p.encode_data([frame(7), frame(9), frame(8)]), p.encode_data([frame(10)])])
    found = FrameTracker().walk(packets)
    told = decoder.decode(runs_as_packets(packets, found), decoder.start(imported=False)).told
    assert told is not None
    assert told.tolist() == [9 * t.FRAME_PS, 10 * t.FRAME_PS]
