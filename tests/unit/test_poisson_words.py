"""Words of the Poisson simulator against the encoder, the decoder and chance."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from support_layouts import layouts, plain_kernel

from daq.errors import EncodeError, RefusedError
from daq.listmode.decoder import LayoutDecoder
from daq.listmode.encoder import Encoder
from daq.model.layout import BitField, Clock, DetectorNumber, Kind, Layout
from daq.model.packets import Packets
from simulators.poissonkernels import arrivals
from simulators.timing import KindFinder, words_as_integers
from simulators.wordmaker import CompiledMaker, Tables

EVENTS = ("single", "prompt", "delayed")
SLOW = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
CLOCK = Clock(tick_ps="1000", precision_ps=1, reset_at_start=True)


def mix_of(layout: Layout) -> dict[str, float]:
    names = [name for name, kind in layout.kinds.items() if kind.yields in EVENTS]
    return dict.fromkeys(names, 1 / len(names))


def drawn_ticks(layout: Layout, clock: Clock, rng: np.random.Generator, count: int) -> np.ndarray:
    """Ascending ticks with silences that the clock can bridge, mostly."""
    words = [f for k in layout.kinds.values() if k.yields == "time" and (f := k.field_to("time"))]
    times = words or [f for k in layout.kinds.values() if (f := k.field_to("time"))]
    shortest = min(((f.wrap or 1 << f.width) * f.ticks for f in times), default=1000)
    most = min(shortest // 2, 50 * min((f.ticks for f in times), default=1))
    return (clock.start_ticks or 0) + np.cumsum(rng.integers(0, most + 1, count))


def packets_of(data: np.ndarray) -> Packets:
    return Packets(
        data, np.array([0]), np.array([len(data)]), np.zeros(1, np.uint16), np.zeros(1, np.uint64), np.array([0]),
        np.zeros(1, np.uint8), np.zeros((1, 16), np.uint8),
    )  # fmt: skip


def fixed_bits(layout: Layout, words: np.ndarray) -> list[int]:
    """Return of every word its tag and its time."""
    codes = KindFinder(layout).find(words)
    masks = []
    for kind in layout.kinds.values():
        time = kind.field_to("time")
        masks.append(kind.tag_mask | (time.mask if time else 0))
    return [int(word) & masks[code] for word, code in zip(words.tolist(), codes.tolist(), strict=True)]


@pytest.mark.slow
@settings(SLOW, max_examples=150)
@given(layouts(), st.integers(0, 1 << 30), st.sampled_from(["changes", "all"]))
def test_tags_and_times_are_those_of_the_encoder_and_values_those_a_decoder_takes(
    made: tuple[Layout, Clock], seed: int, mode: Any
) -> None:
    layout, clock = made
    rng = np.random.default_rng(seed)
    ticks = drawn_ticks(layout, clock, rng, 40)
    assume(np.abs(ticks).max() < 1 << 62)
    try:
        maker = CompiledMaker(layout, clock, Tables(layout), mix_of(layout), mode)
        data = np.concatenate([maker.make(rng, part) for part in (ticks[:15], ticks[15:15], ticks[15:])])
    except RefusedError:
        assume(False)
    words = words_as_integers(data, layout)
    kinds = list(layout.kinds.values())
    codes = np.array([c for c in KindFinder(layout).find(words).tolist() if kinds[c].yields in EVENTS])
    assume(len(codes) == len(ticks))  # not so where an earlier kind fits every word of a later one

    encoder = Encoder(layout, clock, time_words=mode)
    encoded = [encoder.encode(codes[part], ticks[part], {}) for part in (slice(0, 15), slice(15, None))]
    decoder = LayoutDecoder(layout, clock, plain_kernel(layout, clock))
    carry = decoder.start(imported=True)
    decoder.decode(packets_of(data), carry)

    assert fixed_bits(layout, words) == fixed_bits(layout, words_as_integers(np.concatenate(encoded), layout))
    counts = dict(zip(decoder.counters, carry.counts.sum(axis=0).tolist(), strict=True))
    assert (counts["unknown"], counts["untimed"]) == (0, 0)
    assert sum(counts[name] for name in mix_of(layout)) == len(ticks) - counts["out_of_range"]
    assert counts["out_of_range"] == 0


@settings(SLOW, max_examples=100)
@given(
    st.integers(3, 12), st.integers(1, 5), st.lists(st.integers(0, 40), min_size=1, max_size=8),
    st.sampled_from(["time", "single"]), st.sampled_from(["changes", "all"]),
)  # fmt: skip
def test_silences_are_refused_where_the_encoder_refuses_them(
    wrap: int, per_count: int, steps: list[int], carrier: Any, mode: Any
) -> None:
    time = BitField(bits="7:0", unit="tick", to="time", ticks=per_count, wrap=wrap)
    kinds = {
        "clock": Kind(yields=carrier, tag={"15": 1}, fields={"t": time}),
        "event": Kind(yields="single", tag={"15": 0}),
    }
    layout = Layout(word_bits=16, byte_order="little", kinds=kinds)
    ticks, name = np.cumsum(steps), "event" if carrier == "time" else "clock"

    def refused(make: Any) -> bool:
        try:
            make()
        except EncodeError:
            return True
        return False

    codes = np.full(len(ticks), list(kinds).index(name))
    ours = refused(
        lambda: CompiledMaker(layout, CLOCK, Tables(layout), {name: 1.0}, mode).make(np.random.default_rng(1), ticks)
    )
    theirs = refused(lambda: Encoder(layout, CLOCK, time_words=mode).encode(codes, ticks, {}))

    assert ours == theirs


def made(layout: Layout, count: int = 60_000, mix: dict[str, float] | None = None) -> np.ndarray:
    maker = CompiledMaker(layout, CLOCK, Tables(layout), mix or mix_of(layout), "changes")
    return words_as_integers(maker.make(np.random.default_rng(3), np.arange(count)), layout).astype(np.int64)


def assert_uniform(values: np.ndarray, numbers: list[int]) -> None:
    """Fail where counts are not those of chance: chi squared beyond six standard deviations of its own."""
    found, counts = np.unique(values, return_counts=True)
    expected = len(values) / len(numbers)
    squared = float(((counts - expected) ** 2).sum() / expected)
    freedom = len(numbers) - 1
    assert found.tolist() == sorted(numbers)
    assert abs(squared - freedom) < 6 * np.sqrt(2 * freedom)


def plain(bits: str, to: str | None = None, **more: object) -> BitField:
    return BitField(bits=bits, unit="1", to=to, **more)  # type: ignore[arg-type]


SINGLES = Layout(
    word_bits=32,
    byte_order="little",
    kinds={
        "full": Kind(
            yields="single", tag={"31:30": 0},
            fields={
                "e": plain("7:0", "energy_kev", scale=0.3, offset=4.0, signed=True),
                "m": plain("12:8"), "c": plain("15:13"),
            },
            detector=DetectorNumber(digits=("m", "c"), radix=(32, 8)),
        ),
        "strict": Kind(
            yields="single", tag={"31:30": 1},
            fields={"e": plain("7:0", "energy_kev"), "m": plain("12:8"), "c": plain("15:13")},
            detector=DetectorNumber(digits=("m", "c"), radix=(19, 5)),
        ),
        "looked_up": Kind(
            yields="single", tag={"31:30": 2},
            fields={"e": plain("7:0", "energy_kev"), "m": plain("12:8"), "c": plain("15:13")},
            detector=DetectorNumber(digits=("m", "c"), radix=(2, 3), lookup=(5, -1, 0, 3, -1, 1)),
        ),
    },
)  # fmt: skip


def test_fields_and_detector_numbers_are_uniform_over_what_they_can_hold() -> None:
    words = made(SINGLES, 150_000)
    kinds = [words[words >> 30 == tag] for tag in range(3)]

    assert_uniform(words >> 30, [0, 1, 2])
    for kind in kinds:
        assert_uniform(kind & 0xFF, list(range(256)))
    numbers = [kind >> 8 & 0xFF for kind in kinds]  # five bits and three: the second digit counts 32
    assert_uniform(numbers[0], list(range(256)))
    assert_uniform(numbers[1], [m + 32 * c for m in range(19) for c in range(5)])
    assert_uniform(numbers[2], [m + 32 * c for m, c in ((0, 0), (0, 2), (1, 0), (1, 2))])
    assert np.abs(np.corrcoef(numbers[0] & 31, numbers[0] >> 5)[0, 1]) < 0.03


@pytest.mark.parametrize(
    ("radix_a", "radix_b", "lookup"), [((4,), (4,), None), ((3,), (4,), None), ((4,), (4,), (2, 7, -1, 0))]
)
def test_pairs_are_uniform_over_pairs_of_two_detectors(radix_a: Any, radix_b: Any, lookup: Any) -> None:
    kind = Kind(
        yields="prompt",
        fields={"a": plain("1:0"), "b": plain("3:2")},
        detector_a=DetectorNumber(digits=("a",), radix=radix_a, lookup=lookup),
        detector_b=DetectorNumber(digits=("b",), radix=radix_b, lookup=lookup),
    )

    words = made(Layout(word_bits=8, byte_order="little", kinds={"pair": kind}))

    able = [index for index in range(4) if lookup is None or lookup[index] >= 0]
    pairs = [a + 4 * b for a in able for b in able if a != b and a < radix_a[0] and b < radix_b[0]]
    if radix_a == radix_b:
        assert_uniform(words, pairs)
    else:
        assert set(words.tolist()) == set(pairs)


def test_kinds_have_their_shares_and_one_of_no_share_does_not_come() -> None:
    words = made(SINGLES, 60_000, {"full": 0.75, "strict": 0.0, "looked_up": 0.25})

    counts = np.bincount(words >> 30, minlength=3)
    assert counts[1] == 0
    assert abs(counts[0] - 45_000) < 6 * np.sqrt(60_000 * 0.75 * 0.25)


def test_a_stretch_with_more_events_than_expected_is_made_whole() -> None:
    ticks = np.empty(10, np.int64)

    assert arrivals(np.uint64(1), 1.0, 100.0, 0.0, 0, ticks) == -1
    maker = CompiledMaker(SINGLES, CLOCK, Tables(SINGLES), mix_of(SINGLES), "changes")
    few = [len(maker.ticks(np.random.default_rng(seed), 1e-3, 0.0, 10.0)) for seed in range(3000)]
    assert 10 < sum(few) < 60
    assert maker.ticks(np.random.default_rng(1), 0.5, 0.25, 0.3).max(initial=0) == 0
