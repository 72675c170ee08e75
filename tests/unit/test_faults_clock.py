"""Clocks of words turned, and words without meaning, held against the times and the counts of the real decoder."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support_layouts import layouts

from daq.errors import UsageError
from daq.listmode.decoder import Carry, Decoded
from daq.model.layout import BitField, Clock, DetectorNumber, Kind, Layout
from daq.model.packets import Packets
from daq.storage.kernels import load_decoder
from simulators.faults.badwords import BadWords
from simulators.faults.clock import ClockTurner, TurnedSupply
from simulators.options import instrument
from simulators.poisson import PoissonSupply
from simulators.timing import WordClock, integers_as_words, words_as_integers

CLOCK = Clock(tick_ps="1000", precision_ps=1, reset_at_start=True, start_ticks=0)


def decoded(layout: Layout, clock: Clock, words: np.ndarray) -> tuple[Decoded, Carry, tuple[str, ...]]:
    decoder = load_decoder(layout, clock)
    carry = decoder.start(imported=True)
    packets = Packets(
        words, np.array([0]), np.array([len(words)]), np.zeros(1, np.uint16), np.zeros(1, np.uint64), np.array([0]),
        np.zeros(1, np.uint8), np.zeros((1, 16), np.uint8),
    )  # fmt: skip
    return decoder.decode(packets, carry), carry, decoder.counters


def times_of(layout: Layout, clock: Clock, words: np.ndarray) -> np.ndarray:
    rows = decoded(layout, clock, words)[0].streams
    return np.concatenate([rows[name]["time_ps"] for name in ("singles", "coincidences") if name in rows])


@pytest.mark.parametrize(
    ("profile", "units"),
    [("head-xye64", 12_345), ("head-xye64", -1), ("singles64", 77), ("siemens-petlink32", 4000), ("safir64", 1)],
)
def test_every_time_is_later_by_the_ticks_that_were_added(profile: str, units: int) -> None:
    device = instrument(profile)
    turner = ClockTurner(device.layout, device.clock)
    ticks = units * turner.unit
    supply = PoissonSupply(device, rate_cps=1e5, events=3000)
    words = np.concatenate([chunk.words for chunks in supply.slices() for chunk in chunks])

    before, after = (times_of(device.layout, device.clock, w) for w in (words, turner.turned(words, ticks)))

    shift_ps = float(ticks * device.clock.tick)
    counted = before > 0  # before the first time word the carried start holds
    assert int(counted.sum()) > 2800
    assert np.abs(after - before - shift_ps)[counted].max() <= 1


@settings(max_examples=60, deadline=None)
@given(layouts(), st.integers(-(10**6), 10**6), st.integers(0, 2**32))
def test_a_clock_turned_back_is_the_clock_of_before(drawn: tuple[Layout, Clock], units: int, seed: int) -> None:
    layout, clock = drawn
    turner = ClockTurner(layout, clock)
    data = np.random.default_rng(seed).integers(0, 256, 50 * layout.word_bytes, np.uint8)
    ticks = units * turner.unit

    there = turner.turned(data, ticks)

    assert turner.turned(there, -ticks).tobytes() == data.tobytes()
    assert integers_as_words(words_as_integers(data, layout), layout).tobytes() == data.tobytes()


def test_ticks_between_the_counts_of_the_words_are_refused() -> None:
    device = instrument("singles64")
    turner = ClockTurner(device.layout, device.clock)

    assert turner.unit == 1 << 24
    assert turner.ticks_of(1e-9) == 1 << 24
    assert turner.ticks_of(-1.0) % (1 << 24) == 0
    with pytest.raises(UsageError, match="take 16777216 or 33554432"):
        turner.check(20_000_000, "jump")
    with pytest.raises(UsageError, match=r"at most 72057\.6 s"):
        turner.check_jump(1 << 60, "jump")


def test_words_without_time_have_no_clock_to_turn() -> None:
    layout = Layout(word_bits=8, byte_order="little", kinds={"s": Kind(yields="single")})

    with pytest.raises(UsageError, match="the layout's words bear no time"):
        ClockTurner(layout, CLOCK).check(1, "jump")


def test_a_supply_that_begins_before_its_wrap_runs_through_it() -> None:
    device = instrument("head-xye64")
    supply = TurnedSupply(PoissonSupply(device, rate_cps=1e5, seconds=0.2), -100_000)

    words = np.concatenate([chunk.words for chunks in supply.slices() for chunk in chunks])

    _, ticks, _ = WordClock(device.layout, device.clock).read(words)
    assert (1 << 30) - 100_000 <= ticks[0] < 1 << 30 < ticks[-1] < (1 << 30) + 100_000
    assert (np.diff(ticks) >= 0).all()
    assert supply.described()["start_ticks"] == -100_000


def field(bits: str, to: str | None = None, **more: object) -> BitField:
    return BitField(bits=bits, unit="1", to=to, **more)  # type: ignore[arg-type]


STRICT = Layout(
    word_bits=32,
    byte_order="big",
    kinds={
        "single": Kind(
            yields="single",
            tag={"31:30": 1},
            fields={"t": field("9:0", "time", wrap=1000), "d": field("12:10"), "e": field("20:13", "energy_adc")},
            detector=DetectorNumber(digits=("d",), radix=(6,), lookup=(3, -1, 0, 5, -1, 1)),
        ),
        "pair": Kind(
            yields="prompt",
            tag={"31:30": 2},
            fields={"t": field("9:0", "time"), "a": field("13:10"), "b": field("17:14"), "c": field("19:18")},
            detector_a=DetectorNumber(digits=("a", "c"), radix=(9, 3)),
            detector_b=DetectorNumber(digits=("b", "c"), radix=(9, 3)),
        ),
        "filler": Kind(yields="nothing", tag={"31:28": 0}, fields={"t": field("9:0", "time", wrap=3)}),
    },
)


@settings(deadline=None)
@given(st.integers(0, 2**32))
def test_words_without_meaning_are_those_that_the_decoder_counts_as_malformed(seed: int) -> None:
    words = np.random.default_rng(seed).integers(0, 256, 4 * 300, np.uint8)

    mask = BadWords(STRICT, CLOCK).mask(words)

    _, carry, counters = decoded(STRICT, CLOCK, words)
    counts = dict(zip(counters, carry.counts[0].tolist(), strict=True))
    assert int(mask.sum()) == counts["unknown"] + counts["out_of_range"]
    assert 0 < int(mask.sum()) < 300


@pytest.mark.parametrize(
    ("profile", "possible"),
    [("head-xye64", True), ("safir64", True), ("singles64", False), ("siemens-petlink32", False)],
)
def test_samples_are_malformed_where_words_can_be(profile: str, possible: bool) -> None:
    device = instrument(profile)
    bad = BadWords(device.layout, device.clock)

    assert bad.possible is possible
    assert len(bad.samples) == (16 if possible else 0)
    assert bad.mask(bad.samples.reshape(-1)).all()


def test_where_events_may_be_untimed_samples_are_of_no_kind() -> None:
    kinds = dict(instrument("safir64").layout.kinds)
    layout = Layout(word_bits=64, byte_order="little", kinds=kinds)
    unknown_start = CLOCK.model_copy(update={"start_ticks": None})

    assert len(BadWords(layout, CLOCK).samples) == 16
    assert len(BadWords(layout, unknown_start).samples) == 0
