"""What would overflow or guess in a decoder is refused when the profile is read; what nearly would is decoded right."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import numpy as np
import pytest
from oracle import Oracle
from support_layouts import plain_kernel

from daq.errors import EncodeError
from daq.listmode.decoder import LayoutDecoder
from daq.listmode.encoder import Encoder
from daq.model.layout import Clock, Layout
from daq.model.layout_rules import findings
from daq.storage.accounts import unnumbered

OWN: dict[str, Any] = {
    "word_bits": 64,
    "byte_order": "little",
    "kinds": {
        "hit": {
            "yields": "single",
            "tag": {"63": 0},
            "fields": {"time": {"bits": "62:0", "unit": "tick", "to": "time"}},
        },
        "idle": {"yields": "nothing", "tag": {"63": 1}, "reserved": ["62:0"]},
    },
}
CARRIED: dict[str, Any] = {
    "word_bits": 64,
    "byte_order": "big",
    "kinds": {
        "pair": {
            "yields": "prompt",
            "tag": {"63": 0},
            "fields": {
                "time": {"bits": "62:32", "unit": "tick", "to": "time"},
                "a": {"bits": "31:24", "unit": "1"},
                "b": {"bits": "23:16", "unit": "1"},
                "ea": {"bits": "15:8", "unit": "keV", "to": "energy_a_kev"},
                "eb": {"bits": "7:0", "unit": "keV", "to": "energy_b_kev"},
            },
            "detector_a": {"digits": ["a"], "radix": [4], "lookup": [0, 1, 2, -1]},
            "detector_b": {"digits": ["b"], "radix": [4], "lookup": [0, 1, 2, -1]},
        },
        "epoch": {
            "yields": "time",
            "tag": {"63:62": 2},
            "reserved": ["61:32"],
            "fields": {"count": {"bits": "31:0", "unit": "1", "ticks": 1 << 31, "to": "time"}},
        },
        "tock": {
            "yields": "time",
            "tag": {"63:62": 3},
            "reserved": ["61:32"],
            "fields": {"count": {"bits": "31:0", "unit": "1", "ticks": 1 << 31, "to": "time"}},
        },
    },
}
CLOCK: dict[str, Any] = {"tick_ps": "1", "precision_ps": 1, "reset_at_start": True}


def layout_with(base: dict[str, Any], path: str, value: Any) -> Layout:
    tables = deepcopy(base)
    *above, last = path.split(".") if path else ["kinds"]
    table = tables
    for key in above:
        table = table[key]
    if path:
        table[last] = value
    return Layout.model_validate_json(json.dumps(tables))


def found(layout: Layout, **clock: Any) -> list[str]:
    return [str(finding) for finding in findings(layout, Clock(**{**CLOCK, **clock}))]


@pytest.mark.parametrize("base", [OWN, CARRIED])
def test_the_layouts_of_these_tests_are_in_order(base: dict[str, Any]) -> None:
    assert found(layout_with(base, "", None)) == []


@pytest.mark.parametrize(
    ("clock", "key", "reason"),
    [
        ({"tick_ps": "24.41406250000001"}, "clock.tick_ps", "too long for exact times"),
        ({"tick_ps": "99999999999999/1000003"}, "clock.tick_ps", "too long for exact times"),
        ({"start_ticks": (1 << 61) + 1}, "clock.start_ticks", "passes half the largest time"),
        ({"start_ticks": -(1 << 61) - 1}, "clock.start_ticks", "passes half the largest time"),
        ({"start_ticks": 1 << 60, "tick_ps": "12500"}, "clock.start_ticks", "passes half the largest time"),
        ({"start_ticks": 5, "reset_at_start": False}, "clock.start_ticks", "says nothing on a live stream"),
    ],
)
def test_clocks_that_cannot_be_computed(clock: dict[str, Any], key: str, reason: str) -> None:
    (finding,) = found(layout_with(CARRIED, "kinds.epoch.stored", False), **{"precision_ps": 10**12, **clock})

    assert finding.startswith(f"{key} = ")
    assert reason in finding


@pytest.mark.parametrize(
    ("base", "path", "value", "key", "reason"),
    [
        (OWN, "kinds.hit.fields.time.wrap", 1, "kinds.hit.fields.time.wrap = 1", "a counter of 1 cannot"),
        (OWN, "kinds.hit.fields.time.wrap", 2, "kinds.hit.fields.time.wrap = 2", "a counter of 2 cannot"),
        (OWN, "kinds.hit.fields.time.wrap", (1 << 61) - 1, "kinds.hit.fields.time.wrap", "must be a power of two"),
        (CARRIED, "kinds.pair.fields.time.wrap", 9, "kinds.pair.fields.time.wrap = 9", "is not obeyed"),
        (CARRIED, "kinds.pair.fields.time.ticks", 1 << 31, "kinds.pair.fields.time.bits", "passes half the largest"),
        (CARRIED, "kinds.tock.fields.count.ticks", 7, "kinds.tock.fields.count", "counts otherwise"),
        (CARRIED, "kinds.pair.detector_b.digits", ["a"], "kinds.pair.detector_b.digits", "each with itself"),
        (CARRIED, "kinds.pair.fields.ea.scale", 1e300, "kinds.pair.fields.ea.scale = 1e+300", "energy_a_kev holds"),
        (CARRIED, "kinds.pair.fields.ea.offset", -1e300, "kinds.pair.fields.ea.scale", "energy_a_kev holds"),
        (OWN, "preamble_bytes", 1 << 40, "preamble_bytes = 1099511627776", "at most 16777216"),
    ],
)
def test_layouts_that_make_no_sense(base: dict[str, Any], path: str, value: Any, key: str, reason: str) -> None:
    said = found(layout_with(base, path, value))

    assert [text for text in said if text.startswith(f"layout.{key}") and reason in text], said


def test_a_lookup_table_without_any_detector_is_refused() -> None:
    said = found(layout_with(CARRIED, "kinds.pair.detector_a.lookup", [-1] * 4))

    assert any("no address is in use" in text for text in said)


@pytest.mark.parametrize("name", ["unknown", "out_of_range", "untimed"])
def test_a_kind_named_like_a_cause_is_refused(name: str) -> None:
    said = found(layout_with(OWN, f"kinds.{name}", {"yields": "nothing", "tag": {"63": 1, "62": 1}}))

    assert any(text.startswith(f"layout.kinds.{name} = '{name}': is a cause") for text in said)


def times(
    layout: Layout, clock: Clock, words: list[int], *, imported: bool = False
) -> tuple[list[int], dict[str, int]]:
    decoder = LayoutDecoder(layout, clock, plain_kernel(layout, clock))
    carry = decoder.start(imported=imported)
    data = b"".join(word.to_bytes(layout.word_bytes, layout.byte_order) for word in words)
    rows = decoder.decode(unnumbered([(0, data)], source=0, arrival_ns=0), carry).streams["singles"]
    counts = dict(zip(decoder.counters, carry.counts[0].tolist(), strict=True))
    oracle = Oracle(layout, clock, imported=imported)
    oracle.feed(data)
    assert [row["time_ps"] for row in oracle.rows["singles"]] == rows["time_ps"].tolist()
    assert oracle.counts == {name: count for name, count in counts.items() if count}
    return rows["time_ps"].tolist(), counts


def test_a_clock_that_ran_for_years_before_counts_from_its_first_word() -> None:
    """Nanoseconds of TAI: 56 years of picoseconds would not fit, those since the start do."""
    begin = 1_790_000_000 * 10**9
    clock = Clock(tick_ps="1000", precision_ps=1000, reset_at_start=False)

    got, counts = times(layout_with(OWN, "", None), clock, [begin, begin + 3, begin - 2, begin + 10**9])

    assert got == [0, 3000, -2000, 10**12]
    assert counts["out_of_range"] == 0


def test_times_up_to_the_limit_are_times_and_beyond_are_not() -> None:
    limit = 1 << 62
    clock = Clock(tick_ps="1", precision_ps=1, reset_at_start=True)
    words = [limit - 1, limit, limit + 1, limit]

    got, counts = times(layout_with(OWN, "", None), clock, words, imported=True)

    assert got == [limit - 1, limit, limit]
    assert counts["out_of_range"] == 1


def test_a_reading_before_zero_is_a_negative_time_of_the_widest_counter_too() -> None:
    clock = Clock(tick_ps="1", precision_ps=1, reset_at_start=True)

    assert times(layout_with(OWN, "", None), clock, [3, (1 << 63) - 5])[0] == [3, -5]


def test_a_count_past_its_wrap_is_refused_however_long_its_counts_are() -> None:
    """2^24 counts of 2^40 ticks are 2^64, which in 64 bits is 0."""
    layout = layout_with(
        OWN, "kinds.hit.fields.time", {"bits": "62:0", "unit": "tick", "to": "time", "ticks": 1 << 40, "wrap": 1000}
    )
    clock = Clock(tick_ps="1", precision_ps=1, reset_at_start=True)

    got, counts = times(layout, clock, [5, 1 << 24, 1000, 999])

    assert got == [5 << 40, -(1 << 40)]
    assert counts["out_of_range"] == 2


def test_an_encoder_says_so_when_the_first_time_could_not_be_told() -> None:
    layout = layout_with(OWN, "kinds.hit.fields.time.bits", "23:0")
    clock = Clock(tick_ps="1000", precision_ps=1000, reset_at_start=True)

    with pytest.raises(EncodeError, match="the first timed event is at tick 16777216"):
        Encoder(layout, clock).encode(np.array([0]), np.array([1 << 24]), {})


def test_an_encoder_tells_a_carried_start_that_is_no_whole_count() -> None:
    layout = layout_with(CARRIED, "kinds.tock.stored", False)
    clock = Clock(tick_ps="1", precision_ps=1, reset_at_start=True, start_ticks=7)
    values = {
        "detector_a": np.array([0]),
        "detector_b": np.array([1]),
        "energy_a_kev": np.array([1]),
        "energy_b_kev": np.array([2]),
    }

    data = Encoder(layout, clock).encode(np.array([0]), np.array([9]), values)

    assert len(data) == 16
