"""Random events: the statistics, the limits, and the real decoder's opinion of them."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest

from daq.errors import RefusedError, UsageError
from daq.listmode.decoder import Carry, Decoded, LayoutDecoder
from daq.model.layout import BitField, Clock, DetectorNumber, Kind, Layout
from daq.model.packets import Packets
from daq.storage.kernels import load_decoder
from device_profiles.load import load_profile, shipped_profiles
from simulators import poisson
from simulators.events import parse_mix
from simulators.options import instrument
from simulators.plan import Planner
from simulators.poisson import PoissonSupply, first_events, poisson_ticks
from simulators.supply import Chunk, Instrument
from simulators.timing import KindFinder, words_as_integers
from simulators.wordmaker import CompiledMaker, Tables

MICROSECOND = Clock(tick_ps="1000000", precision_ps=1, reset_at_start=True)
PROFILES = sorted(name for name in shipped_profiles() if load_profile(name).layout.decoder is None)


def words_of(supply: PoissonSupply, source: int = 0) -> np.ndarray:
    chunks = [chunk for slices in supply.slices() for chunk in slices if chunk.source == source]
    return np.concatenate([chunk.words for chunk in chunks])


def decoded(decoder: LayoutDecoder, words: np.ndarray) -> tuple[Decoded, Carry]:
    carry = decoder.start(imported=True)
    packets = Packets(
        data=words,
        offset=np.array([0]),
        length=np.array([len(words)]),
        source=np.zeros(1, np.uint16),
        sequence=np.zeros(1, np.uint64),
        arrival_ns=np.array([0]),
        flags=np.zeros(1, np.uint8),
        header=np.zeros((1, 16), np.uint8),
    )
    return decoder.decode(packets, carry), carry


@pytest.fixture(params=["numpy", "compiled"])
def maker(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let small runs be made as large ones are, too."""
    monkeypatch.setattr(poisson, "COMPILED_BYTES", 0 if request.param == "compiled" else 1 << 60)


@pytest.mark.usefixtures("maker")
@pytest.mark.parametrize("name", PROFILES)
def test_the_decoder_finds_every_event_of_every_shipped_profile(name: str) -> None:
    device = instrument(name)
    supply = PoissonSupply(device, rate_cps=200_000, events=5_000, seed=3)
    decoder = load_decoder(device.layout, device.clock)

    rows, carry = decoded(decoder, words_of(supply))

    truth = list(Planner(supply, speed=None, datagrams=True).plans())[-1].after[0].summary(device.clock)
    counts = dict(zip(decoder.counters, carry.counts[0].tolist(), strict=True))
    streams = [rows.streams[s] for s in ("singles", "coincidences") if s in rows.streams]
    assert {cause: counts[cause] for cause in ("unknown", "out_of_range", "untimed")} == {
        "unknown": 0,
        "out_of_range": 0,
        "untimed": 0,
    }
    assert {kind: counts[kind] for kind in device.layout.kinds} == truth["words_by_kind"]
    assert sum(len(stream["time_ps"]) for stream in streams) == truth["events"] == 5_000
    assert min(int(stream["time_ps"].min()) for stream in streams) == truth["first_time_ps"]
    assert max(int(stream["time_ps"].max()) for stream in streams) == truth["last_time_ps"]


def compiled_ticks(rng: np.random.Generator, rate: float, begin: float, stop: float) -> np.ndarray:
    return CompiledMaker(ODD, MICROSECOND, Tables(ODD), parse_mix(None, ODD), "changes").ticks(rng, rate, begin, stop)


@pytest.mark.parametrize("ticks_of", [poisson_ticks, compiled_ticks])
def test_arrival_times_are_a_poisson_process(ticks_of: Callable[..., np.ndarray]) -> None:
    ticks = ticks_of(np.random.default_rng(5), 0.01, 0.0, 1e7)

    gaps = np.diff(ticks)
    counts = np.bincount(ticks // 10_000, minlength=1000)
    assert abs(len(ticks) - 100_000) < 5 * np.sqrt(100_000)
    assert (np.diff(ticks) >= 0).all()
    assert abs(gaps.mean() - 100) < 5 * 100 / np.sqrt(len(gaps))
    assert abs(gaps.std() - 100) < 2
    assert 0.8 < counts.var() / counts.mean() < 1.2
    assert abs((gaps > 200).mean() - np.exp(-2)) < 0.01


@pytest.mark.parametrize("ticks_of", [poisson_ticks, compiled_ticks])
@pytest.mark.parametrize("stretch", [1.0, 37.5, 1e4])
def test_cutting_time_into_stretches_keeps_the_rate(stretch: float, ticks_of: Callable[..., np.ndarray]) -> None:
    rng = np.random.default_rng(6)
    edges = np.arange(0, 1e5 + stretch, stretch)[:4000]

    ticks = [ticks_of(rng, 0.3, a, b) for a, b in pairwise(edges)]

    joined = np.concatenate(ticks)
    expected = 0.3 * (edges[-1] - edges[0])
    assert abs(len(joined) - expected) < 5 * np.sqrt(expected)
    assert (np.diff(joined) >= 0).all()
    assert all((t >= np.floor(a)).all() and (t < b).all() for t, a, b in zip(ticks, edges[:-1], edges[1:], strict=True))


def test_the_earliest_events_of_all_sources_are_kept() -> None:
    ticks = [np.array([1, 5, 9]), np.array([2, 3, 10])]

    assert [t.tolist() for t in first_events(ticks, 4)] == [[1, 5], [2, 3]]
    assert [t.tolist() for t in first_events(ticks, 6)] == [[1, 5, 9], [2, 3, 10]]


@pytest.mark.usefixtures("maker")
def test_the_same_seed_gives_the_same_words_and_another_seed_others() -> None:
    device = instrument("singles64")
    first = PoissonSupply(device, rate_cps=1e6, seconds=0.01, seed=1)

    assert words_of(first).tobytes() == words_of(first).tobytes()
    assert words_of(PoissonSupply(device, rate_cps=1e6, seconds=0.01, seed=1)).tobytes() == words_of(first).tobytes()
    assert words_of(PoissonSupply(device, rate_cps=1e6, seconds=0.01, seed=2)).tobytes() != words_of(first).tobytes()


@pytest.mark.usefixtures("maker")
def test_sources_share_the_rate_and_differ_in_their_words() -> None:
    supply = PoissonSupply(instrument("head-xye64"), rate_cps=3e5, sources=3, first_source=5, events=30_000)

    words = {source: words_of(supply, source) for source in supply.sources}

    assert supply.sources == (5, 6, 7)
    assert sum(len(w) for w in words.values()) == 30_000 * 8
    assert all(abs(len(w) / 8 - 10_000) < 500 for w in words.values())
    assert len({w.tobytes() for w in words.values()}) == 3


@pytest.mark.usefixtures("maker")
def test_seconds_bound_the_detector_time() -> None:
    device = instrument("head-xye64")

    summary = (
        list(Planner(PoissonSupply(device, rate_cps=1e5, seconds=0.5), speed=None, datagrams=False).plans())[-1]
        .after[0]
        .summary(device.clock)
    )

    assert abs(summary["events"] - 50_000) < 5 * np.sqrt(50_000)
    assert 0.499e12 < summary["last_time_ps"] < 0.5e12


@pytest.mark.usefixtures("maker")
def test_the_mix_is_what_was_asked_for() -> None:
    device = instrument("siemens-petlink32")
    supply = PoissonSupply(device, rate_cps=1e6, events=50_000, mix="prompt=8, delayed=2")

    codes = KindFinder(device.layout).find(words_as_integers(words_of(supply), device.layout))

    kinds = list(device.layout.kinds)
    counts = [int((codes == kinds.index(name)).sum()) for name in ("prompt", "delayed")]
    assert sum(counts) == 50_000
    assert abs(counts[0] - 40_000) < 500


def test_shares_are_equal_when_nothing_is_said() -> None:
    assert parse_mix(None, load_profile("siemens-petlink32").layout) == {"prompt": 0.5, "delayed": 0.5}


@pytest.mark.parametrize(
    ("mix", "sentence"),
    [
        ("prompt", "the share must be a number"),
        ("prompt=x", "the share must be a number"),
        ("photon=1", "the layout's event kinds are prompt, delayed"),
        ("time=1", "the layout's event kinds are prompt, delayed"),
        ("prompt=0", "add up to more than zero"),
        ("prompt=2,delayed=-1", "must not be negative"),
        ("prompt=nan", "add up to more than zero"),
        ("prompt=inf", "add up to more than zero"),
        ("", "the layout's event kinds are"),
    ],
)
def test_a_mix_without_sense_is_refused(mix: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        parse_mix(mix, load_profile("siemens-petlink32").layout)


def field(bits: str, to: str | None = None, **more: object) -> BitField:
    return BitField(bits=bits, unit="1", to=to, **more)  # type: ignore[arg-type]


ODD = Layout(
    word_bits=56,
    byte_order="big",
    kinds={
        "epoch": Kind(
            yields="time", tag={"55": 1}, fields={"t": BitField(bits="20:0", unit="tick", to="time", ticks=64)}
        ),
        "pair": Kind(
            yields="prompt",
            tag={"55:54": 0},
            fields={
                "t": BitField(bits="5:0", unit="tick", to="time"),
                "a": field("8:6"),
                "b": field("11:9"),
                "c": field("14:12"),
                "tof": field("24:15", "tof_ps", signed=True),
                "e": field("34:25", "energy_a_kev", scale=0.5, offset=10.0),
            },
            detector_a=DetectorNumber(digits=("a",), radix=(5,)),
            detector_b=DetectorNumber(digits=("b",), radix=(5,)),
        ),
        "alone": Kind(
            yields="single",
            tag={"55:54": 1},
            fields={
                "t": BitField(bits="5:0", unit="tick", to="time"),
                "d": field("8:6"),
                "e": field("20:9", "energy_adc"),
            },
            detector=DetectorNumber(digits=("d",), radix=(8,), lookup=(-1, 4, 7, -1, 9, 30, -1, 2)),
        ),
    },
)


@pytest.mark.usefixtures("maker")
def test_values_stay_within_what_the_layout_allows() -> None:
    clock = Clock(tick_ps="100", precision_ps=100, reset_at_start=True)
    supply = PoissonSupply(Instrument("odd", ODD, clock), rate_cps=1e8, events=20_000, seed=9)

    rows, carry = decoded(load_decoder(ODD, clock), words_of(supply))

    pairs, singles = rows.streams["coincidences"], rows.streams["singles"]
    assert carry.counts[0, 3:].tolist() == [0, 0, 0]
    assert len(pairs["time_ps"]) + len(singles["time_ps"]) == 20_000
    assert (pairs["detector_a"] < pairs["detector_b"]).all()
    assert set(pairs["detector_a"].tolist()) == {0, 1, 2, 3}
    assert set(singles["detector"].tolist()) == {2, 4, 7, 9, 30}
    assert (pairs["tof_ps"].min(), pairs["tof_ps"].max()) == (-512, 512)
    assert (pairs["energy_a_kev"].min(), pairs["energy_a_kev"].max()) == (10.0, 10.0 + 1023 * 0.5)
    assert 4090 <= singles["energy_adc"].max() <= 4095
    assert (np.diff(singles["time_ps"]) >= 0).all()


def own_clock(wrap: int) -> Instrument:
    kinds = {
        "single": Kind(yields="single", fields={"t": BitField(bits="31:0", unit="tick", to="time", wrap=wrap)}),
    }
    return Instrument("own", Layout(word_bits=32, byte_order="little", kinds=kinds), MICROSECOND)


def test_a_rate_too_low_for_the_clock_is_refused_with_the_numbers() -> None:
    with pytest.raises(RefusedError) as refusal:
        PoissonSupply(own_clock(1000), rate_cps=20_000, sources=2, events=100)

    assert str(refusal.value) == (
        "profile own: the clock can bridge silences up to 0.0005 s, half its wrap; at 10000 timed events per second and"
        " source, a run of 100 events has a longer one with probability 0.67 (limit 1e-06); it takes 36841.4 per second"
        " and source"
    )


@pytest.mark.usefixtures("maker")
def test_a_rate_just_high_enough_can_be_unfolded() -> None:
    device = own_clock(1000)
    supply = PoissonSupply(device, rate_cps=45_000, events=2_000)

    rows, _ = decoded(load_decoder(device.layout, device.clock), words_of(supply))

    times = rows.streams["singles"]["time_ps"]
    assert (np.diff(times) >= 0).all()
    assert abs(int(times[-1]) / 1e12 - 2_000 / 45_000) < 0.01


@pytest.mark.usefixtures("maker")
def test_a_clock_that_begins_elsewhere_is_simulated_from_there() -> None:
    device = instrument("siemens-petlink32")
    late = Instrument(device.profile, device.layout, device.clock.model_copy(update={"start_ticks": 10**6}), ("tcp",))

    rows, _ = decoded(load_decoder(late.layout, late.clock), words_of(PoissonSupply(late, rate_cps=1e4, seconds=0.5)))

    times = rows.streams["coincidences"]["time_ps"] - 10**15
    assert 0 <= times[0] < times[-1] < 5 * 10**11
    assert len(times) > 4000


def test_the_size_announced_is_about_the_size_made() -> None:
    for name in ("siemens-petlink32", "singles64"):
        supply = PoissonSupply(instrument(name), rate_cps=2e4, seconds=1.0, sources=2)

        made = sum(len(chunk.words) for chunks in supply.slices() for chunk in chunks)

        assert abs(made - supply.size_bytes) < 0.05 * made


@pytest.mark.usefixtures("maker")
def test_a_detector_that_cannot_pair_is_refused() -> None:
    kind = Kind(
        yields="prompt",
        fields={"a": field("0"), "b": field("1")},
        detector_a=DetectorNumber(digits=("a",), radix=(1,)),
        detector_b=DetectorNumber(digits=("b",), radix=(1,)),
    )
    device = Instrument("one", Layout(word_bits=8, byte_order="little", kinds={"p": kind}), MICROSECOND)

    with pytest.raises(RefusedError, match="only one number"):
        list(PoissonSupply(device, rate_cps=10, events=10).slices())


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"sources": 10, "first_source": 65530}, "10 sources from number 65530 on; the highest number is 65534"),
        ({"seed": -1}, "--seed -1: must be zero or more"),
    ],
)
def test_numbers_that_do_not_fit_are_refused(more: dict[str, int], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        PoissonSupply(own_clock(1 << 32), rate_cps=10, events=10, **more)  # type: ignore[arg-type]


def test_a_chunk_is_whole_words() -> None:
    supply = PoissonSupply(instrument("safir64"), rate_cps=1e6, seconds=0.2)

    chunks: list[Chunk] = [chunk for chunks in supply.slices() for chunk in chunks]

    assert all(len(chunk.words) % 8 == 0 for chunk in chunks)
    assert len(chunks) == 2


@pytest.mark.usefixtures("maker")
def test_two_kinds_share_a_clock_without_time_words() -> None:
    kinds = {
        "left": Kind(yields="single", tag={"31": 0}, fields={"t": BitField(bits="15:0", unit="tick", to="time")}),
        "right": Kind(yields="single", tag={"31": 1}, fields={"t": BitField(bits="15:0", unit="tick", to="time")}),
    }
    device = Instrument("two", Layout(word_bits=32, byte_order="little", kinds=kinds), MICROSECOND)
    supply = PoissonSupply(device, rate_cps=5_000, events=2_000)

    rows, _ = decoded(load_decoder(device.layout, device.clock), words_of(supply))

    times = rows.streams["singles"]["time_ps"]
    assert len(times) == 2_000
    assert (np.diff(times) >= 0).all()
    assert abs(int(times[-1]) / 1e12 - 0.4) < 0.05
