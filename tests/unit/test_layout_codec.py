"""Generated decoders against an independent one, encoders against decoders, for every shipped layout and odd ones."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import Oracle

from daq.errors import EncodeError
from daq.listmode.decoder import LayoutDecoder
from daq.listmode.encoder import Encoder, event_columns
from daq.model.layout import Clock, Layout
from daq.model.packets import Flag, Packets
from daq.storage.accounts import unnumbered
from daq.storage.kernels import load_decoder
from device_profiles.load import load_profile, shipped_profiles

ODD_48 = Layout.model_validate_json("""{
 "word_bits": 48, "byte_order": "big",
 "kinds": {
  "single": {"yields": "single", "tag": {"47": 0}, "fields": {
    "time": {"bits": "46:23", "unit": "tick", "to": "time", "ticks": 3, "wrap": 16000000},
    "row": {"bits": "22:18", "unit": "1"}, "column": {"bits": "17:13", "unit": "1"},
    "energy": {"bits": "12:0", "unit": "keV", "to": "energy_kev", "scale": 0.25, "offset": -3.5}},
    "detector": {"digits": ["row", "column"], "radix": [20, 31]}},
  "trigger": {"yields": "mark", "mark": "cardiac_trigger", "tag": {"47:46": 2}, "fields": {
    "level": {"bits": "7:0", "unit": "1", "to": "value", "signed": true}}},
  "noise": {"yields": "nothing", "tag": {"47:44": 12}}
 }}""")
ODD_48_CLOCK = Clock(tick_ps="3125/128", precision_ps=100, reset_at_start=False)

TOF_64 = Layout.model_validate_json("""{
 "word_bits": 64, "byte_order": "little",
 "kinds": {
  "prompt": {"yields": "prompt", "tag": {"63:62": 0}, "fields": {
    "fine": {"bits": "9:0", "unit": "tick", "to": "time"}, "tof": {"bits": "21:10", "unit": "ps", "to": "tof_ps",
    "signed": true, "scale": 25.0}, "a": {"bits": "31:22", "unit": "1"}, "b": {"bits": "41:32", "unit": "1"},
    "ea": {"bits": "49:42", "unit": "keV", "to": "energy_a_kev", "scale": 4.0},
    "eb": {"bits": "57:50", "unit": "keV", "to": "energy_b_kev", "scale": 4.0}},
    "detector_a": {"digits": ["a"], "radix": [1000]}, "detector_b": {"digits": ["b"], "radix": [1000]}},
  "delayed": {"yields": "delayed", "tag": {"63:62": 1}, "fields": {
    "fine": {"bits": "9:0", "unit": "tick", "to": "time"}, "a": {"bits": "31:22", "unit": "1"},
    "b": {"bits": "41:32", "unit": "1"}},
    "detector_a": {"digits": ["a"], "radix": [1000]}, "detector_b": {"digits": ["b"], "radix": [1000]}},
  "epoch": {"yields": "time", "mark": "time", "stored": false, "tag": {"63:62": 2}, "fields": {
    "count": {"bits": "19:0", "unit": "1", "to": "time", "ticks": 1024}}}
 }}""")
TOF_64_CLOCK = Clock(tick_ps="10000/3", precision_ps=3334, reset_at_start=True)

LOOKED_UP = Layout.model_validate_json("""{
 "word_bits": 24, "byte_order": "little",
 "kinds": {
  "single": {"yields": "single", "tag": {"23": 1}, "fields": {
    "channel": {"bits": "2:0", "unit": "1"}, "energy": {"bits": "12:3", "unit": "adc", "to": "energy_adc"},
    "time": {"bits": "22:13", "unit": "tick", "to": "time"}},
    "detector": {"digits": ["channel"], "radix": [8], "lookup": [7, 3, -1, 0, 100, 2, 1, 50]}}
 }}""")
LOOKED_UP_CLOCK = Clock(tick_ps="1000", precision_ps=1000, reset_at_start=True)

SHIPPED = {
    name: (profile.layout, profile.clock)
    for name, profile in ((name, load_profile(name)) for name in shipped_profiles())
    if profile.layout.decoder is None
}
LAYOUTS = {
    **SHIPPED,
    "odd48": (ODD_48, ODD_48_CLOCK),
    "tof64": (TOF_64, TOF_64_CLOCK),
    "lookup24": (LOOKED_UP, LOOKED_UP_CLOCK),
}
_DECODERS: dict[str, LayoutDecoder] = {}


def decoder_of(name: str) -> LayoutDecoder:
    if name not in _DECODERS:
        _DECODERS[name] = load_decoder(*LAYOUTS[name])
    return _DECODERS[name]


def packets_of(data: bytes, cuts: list[int], word_bytes: int) -> Packets:
    edges = sorted({0, len(data), *(cut * word_bytes for cut in cuts if cut * word_bytes < len(data))})
    rows = [(0, data[a:b]) for a, b in pairwise(edges)]
    return unnumbered(rows, source=0, arrival_ns=0)


def decode(name: str, data: bytes, cuts: list[int], *, imported: bool = True) -> tuple[Any, dict[str, int]]:
    decoder = decoder_of(name)
    carry = decoder.start(imported=imported)
    decoded = decoder.decode(packets_of(data, cuts, decoder.layout.word_bytes), carry)
    counts = dict(zip(decoder.counters, carry.counts.sum(axis=0).tolist(), strict=True))
    return decoded.streams, {name: count for name, count in counts.items() if count}


def plausible_words(layout: Layout) -> st.SearchStrategy[bytes]:
    """Words of which most carry a known tag, so that every branch is taken."""
    free = (1 << layout.word_bits) - 1
    kinds = list(layout.kinds.values())

    def word(choice: tuple[int, int]) -> int:
        index, bits = choice
        if index == len(kinds):
            return bits
        return bits & ~kinds[index].tag_mask | kinds[index].tag_value

    words = st.tuples(st.integers(0, len(kinds)), st.integers(0, free)).map(word)
    return st.lists(words, max_size=60).map(
        lambda ws: b"".join(w.to_bytes(layout.word_bytes, layout.byte_order) for w in ws)
    )


@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.parametrize("imported", [True, False])
def test_a_generated_decoder_agrees_with_one_written_by_hand(name: str, imported: bool) -> None:
    layout, clock = LAYOUTS[name]

    @settings(max_examples=60, deadline=None)
    @given(plausible_words(layout), st.lists(st.integers(0, 60), max_size=4))
    def agrees(data: bytes, cuts: list[int]) -> None:
        oracle = Oracle(layout, clock, imported=imported)
        oracle.feed(data)

        streams, counts = decode(name, data, cuts, imported=imported)

        assert oracle.counts == counts
        for stream, expected in oracle.rows.items():
            columns = streams.get(stream)
            assert (0 if columns is None else len(columns["time_ps"])) == len(expected)
            for index, row in enumerate(expected):
                for column, value in row.items():
                    want = columns[column].dtype.type(value)
                    np.testing.assert_equal(columns[column][index], want, err_msg=f"{stream}.{column}[{index}]")

    agrees()


@pytest.mark.parametrize("name", LAYOUTS)
def test_cuts_between_words_change_nothing(name: str) -> None:
    layout, _ = LAYOUTS[name]

    @settings(max_examples=25, deadline=None)
    @given(plausible_words(layout), st.lists(st.integers(0, 60), max_size=6))
    def unchanged(data: bytes, cuts: list[int]) -> None:
        decoder = decoder_of(name)
        whole, _ = decode(name, data, [])
        carry = decoder.start(imported=True)
        size = layout.word_bytes
        edges = sorted({0, len(data), *(min(cut * size, len(data)) for cut in cuts)})
        parts = [decoder.decode(packets_of(data[a:b], [], size), carry).streams for a, b in pairwise(edges)]
        for stream, columns in whole.items():
            for column, values in columns.items():
                pieces = [part[stream][column] for part in parts]
                np.testing.assert_array_equal(values, np.concatenate(pieces) if pieces else values[:0])

    unchanged()


def events(layout: Layout, clock: Clock) -> st.SearchStrategy[tuple[Any, Any, dict[str, Any]]]:
    """Kind codes, ticks and values that the layout can express exactly."""
    codes = [i for i, kind in enumerate(layout.kinds.values()) if kind.yields in ("single", "prompt", "delayed")]
    kinds = list(layout.kinds.values())
    coarse = next((k.field_to("time") for k in kinds if k.yields == "time"), None)

    def values_of(draw: Any, code: int) -> dict[str, Any]:
        kind, row = kinds[code], {}
        for field in kind.fields.values():
            if field.to not in (None, "time"):
                low = -(1 << (field.width - 1)) if field.signed else 0
                raw = draw(st.integers(low, low + (1 << field.width) - 1))
                row[str(field.to)] = raw * field.scale + field.offset if field.scale != 1.0 else raw
        numbers = [getattr(kind, n) for n in ("detector", "detector_a", "detector_b")]
        if numbers[0] is not None:
            row["detector"] = draw(_number(numbers[0]))
        if numbers[1] is not None:
            pair = draw(st.lists(_number(numbers[1]), min_size=2, max_size=2, unique=True))
            row["detector_a"], row["detector_b"] = sorted(pair)
        return row

    @st.composite
    def drawn(draw: Any) -> tuple[Any, Any, dict[str, Any]]:
        count = draw(st.integers(1, 30))
        chosen = [draw(st.sampled_from(codes)) for _ in range(count)]
        rows = [values_of(draw, code) for code in chosen]
        step = 40 if coarse is None else 3 * coarse.ticks
        ticks = np.cumsum([draw(st.integers(0, step)) for _ in range(count)]).astype(np.int64)
        for index, code in enumerate(chosen):
            field = kinds[code].field_to("time")
            unit = coarse.ticks if coarse and field is None else (field.ticks if field else 1)
            ticks[index] -= ticks[index] % unit
        names = {name for row in rows for name in row}
        values = {name: np.array([row.get(name, 0) for row in rows]) for name in names}
        return np.array(chosen), ticks, values

    return drawn()


def _number(number: Any) -> st.SearchStrategy[int]:
    if number.lookup is not None:
        return st.sampled_from([entry for entry in number.lookup if entry >= 0])
    return st.integers(0, number.count - 1)


@pytest.mark.parametrize("name", LAYOUTS)
def test_what_is_encoded_decodes_to_the_same_rows(name: str) -> None:
    layout, clock = LAYOUTS[name]
    kinds = list(layout.kinds.values())

    @settings(max_examples=40, deadline=None)
    @given(events(layout, clock), st.sampled_from(["changes", "all"]))
    def same(drawn: Any, time_words: Any) -> None:
        codes, ticks, values = drawn
        data = Encoder(layout, clock, time_words=time_words).encode(codes, ticks, values).tobytes()

        streams, counts = decode(name, data, [])

        assert not {"unknown", "out_of_range", "untimed"} & set(counts)
        for stream, yields in (("singles", {"single"}), ("coincidences", {"prompt", "delayed"})):
            rows = [i for i, code in enumerate(codes) if kinds[code].yields in yields]
            if not rows:
                continue
            times = [round(int(tick) * clock.tick) for tick in ticks[rows]]
            assert times == streams[stream]["time_ps"].tolist()
            for column in {c for i in rows for c in event_columns(kinds[codes[i]])}:
                for place, index in enumerate(rows):
                    if column in event_columns(kinds[codes[index]]):
                        got = streams[stream][column][place]
                        assert got == pytest.approx(float(values[column][index]), rel=1e-6, abs=1e-4)

    same()


def test_recorded_words_encode_to_the_same_bytes(recorded_data: Path) -> None:
    """Every prompt and delayed of the real file goes through rows and comes back bit for bit."""
    data = (recorded_data / "siemens-mmr" / "small_listmode_file.l").read_bytes()
    layout, clock = LAYOUTS["siemens-petlink32"]
    words = np.frombuffer(data, "<u4")
    events_only = words[words < 1 << 31]
    rows = decode("siemens-petlink32", events_only.tobytes(), [])[0]["coincidences"]
    codes = np.where(rows["kind"] == 0, list(layout.kinds).index("prompt"), list(layout.kinds).index("delayed"))

    encoded = Encoder(layout, clock).encode(codes, rows["time_ps"] // 10**9, rows)

    assert encoded.tobytes() == events_only.tobytes()


@pytest.mark.parametrize("flag", [Flag.PREAMBLE, Flag.MALFORMED, Flag.DUPLICATE, Flag.DROPPED])
def test_packets_that_are_no_words_are_never_decoded(flag: Flag) -> None:
    decoder = decoder_of("siemens-petlink32")
    carry = decoder.start(imported=True)

    decoded = decoder.decode(unnumbered([(int(flag), bytes(64))], source=0, arrival_ns=0), carry)

    assert (decoded.rows("coincidences"), int(carry.counts.sum())) == (0, 0)


def test_a_source_without_a_time_word_yet_goes_by_the_newest_of_the_shared_clock() -> None:
    decoder = decoder_of("siemens-petlink32")
    carry = decoder.start(imported=True)
    one = unnumbered([(0, (0x80000005).to_bytes(4, "little"))], source=3, arrival_ns=0)
    other = unnumbered([(0, (0x40000001).to_bytes(4, "little"))], source=1, arrival_ns=0)

    decoder.decode(one, carry)
    row = decoder.decode(other, carry).streams["coincidences"]

    assert row["time_ps"].tolist() == [5 * 10**9]
    assert carry.state[3, 2] == 5 * 10**9


def test_time_zero_of_a_running_clock_is_its_first_timed_word() -> None:
    layout, clock = LAYOUTS["odd48"]
    data = Encoder(layout, clock).encode(
        np.array([0, 0]), np.array([3000, 3300]), {"detector": np.array([1, 2]), "energy_kev": np.array([100.0, 101.0])}
    )

    streams, _ = decode("odd48", data.tobytes(), [], imported=False)

    assert streams["singles"]["time_ps"].tolist() == [0, round(300 * clock.tick)]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"detector": [700], "energy_kev": [100.0]}, "detector 700"),
        ({"detector": [1], "energy_kev": [1e6]}, "field energy"),
    ],
)
def test_values_beyond_a_field_are_refused_in_words(values: dict[str, Any], said: str) -> None:
    arrays = {name: np.array(value) for name, value in values.items()}

    with pytest.raises(EncodeError, match=said):
        Encoder(ODD_48, ODD_48_CLOCK).encode(np.array([0]), np.array([0]), arrays)


def test_a_silence_that_could_not_be_unfolded_is_refused() -> None:
    values = {"detector": np.array([1, 1]), "energy_kev": np.array([0.0, 0.0])}

    with pytest.raises(EncodeError, match="wraps after 48000000"):
        Encoder(ODD_48, ODD_48_CLOCK).encode(np.array([0, 0]), np.array([0, 24_000_000]), values)
