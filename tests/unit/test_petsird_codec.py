"""The numbers and lists of PETSIRD for any values: as the official package and as a slow encoder make them."""

import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from petsird import _binary
from support_exports import RING

from daq.errors import RefusedError
from daq.listmode.petsird import signed, text, varint
from daq.listmode.petsird_events import EventEncoder, TofBins
from daq.listmode.petsird_geometry import NO_BIN, detection_bins
from daq.model.scanner import Ring, are_virtual

EDGES = np.linspace(400, 650, 4).astype(np.float32)
BINS = detection_bins(RING, 3)


def official(write: Any) -> bytes:
    made = io.BytesIO()
    stream = _binary.CodedOutputStream(made)
    write(stream)
    stream.flush()
    return made.getvalue()


@given(st.integers(0, 2**64 - 1), st.integers(-(2**63), 2**63 - 1), st.text(max_size=200))
def test_numbers_and_texts_are_those_of_the_official_package(whole: int, either: int, words: str) -> None:
    assert varint(whole) == official(lambda stream: stream.write_unsigned_varint(whole))
    assert signed(either) == official(lambda stream: stream.write_signed_varint(either))
    assert text(words) == official(lambda stream: _binary.string_serializer.write(stream, words))


rows = st.lists(
    st.tuples(
        st.integers(0, 120),
        st.integers(0, 120),
        st.integers(-1100, 1100),
        st.floats(390, 660, width=32) | st.sampled_from([400.0, 650.0, float("nan"), float("inf"), float(EDGES[1])]),
        st.floats(390, 660, width=32),
        st.sampled_from([0, 1]),
    ),
    max_size=40,
)


def slowly(row: tuple[Any, ...], tof: TofBins) -> bytes | int:
    """Return the bytes of one event, or the place among the causes for which it is left out."""
    a, b, tof_ps, energy_a, energy_b, _ = row
    bins = [int(BINS[number]) if number < len(BINS) else NO_BIN for number in (a, b)]
    if NO_BIN in bins:
        return 0
    at = [int(np.searchsorted(EDGES, np.float32(energy), side="right")) - 1 for energy in (energy_a, energy_b)]
    if not all(EDGES[0] <= np.float32(energy) < EDGES[-1] for energy in (energy_a, energy_b)):
        return 1
    first, second = bins[0] + at[0], bins[1] + at[1]
    apart = -tof_ps if first >= second else tof_ps
    place = (2 * apart + tof.number * tof.width_ps) // (2 * tof.width_ps)
    if not 0 <= place < tof.number:
        return 2
    return varint(max(first, second)) + varint(min(first, second)) + varint(place)


@given(rows, st.integers(1, 300))
@settings(deadline=None)
def test_lists_are_what_a_slow_encoder_makes_of_any_rows(values: list[tuple[Any, ...]], width_ps: int) -> None:
    tof = TofBins.covering(1000, width_ps)
    types = (np.uint32, np.uint32, np.int32, np.float32, np.float32, np.uint8)
    names = ("detector_a", "detector_b", "tof_ps", "energy_a_kev", "energy_b_kev", "kind")
    columns = {name: np.array([row[at] for row in values], types[at]) for at, name in enumerate(names)}

    encoded = EventEncoder(BINS, EDGES, tof).encode(columns)

    wanted = [(row[5], slowly(row, tof)) for row in values]
    for kind, data, number in (
        (0, encoded.prompts, encoded.prompt_number),
        (1, encoded.delayeds, encoded.delayed_number),
    ):
        events = [made for this, made in wanted if this == kind and isinstance(made, bytes)]
        assert (data.tobytes(), number) == (b"".join(events), len(events))
    assert list(encoded.left_out) == [sum(made == cause for _, made in wanted) for cause in range(3)]


@given(st.integers(1, 10**6), st.integers(1, 10**5))
def test_time_of_flight_bins_are_odd_and_hold_the_whole_window(half_window_ps: int, width_ps: int) -> None:
    tof = TofBins.covering(half_window_ps, width_ps)

    assert tof.number % 2 == 1
    assert tof.number * width_ps > 2 * half_window_ps
    assert (tof.number - 2) * width_ps <= 2 * half_window_ps or tof.number == 1


@given(st.integers(1, 3), st.integers(1, 4), st.integers(0, 3), st.integers(1, 3), st.integers(0, 40))
def test_every_crystal_has_a_bin_of_its_own_and_gaps_have_none(
    layers: int, module_rings: int, gap: int, energies: int, hole: int
) -> None:
    stride = 24 + hole
    ring = Ring(
        **RING.model_dump(exclude={"layers", "rings", "module_rings", "virtual_positions", "ring_stride"}),
        layers=layers, rings=2 * module_rings, module_rings=module_rings, virtual_positions=(gap,), ring_stride=stride,
    )  # fmt: skip
    bins = detection_bins(ring, energies)

    real = np.flatnonzero(bins != NO_BIN).astype(np.uint32)
    assert not are_virtual(ring, real).any()
    assert len(real) == layers * ring.rings * 18
    assert np.array_equal(np.sort(bins[real]), np.arange(len(real)) * energies)


def test_a_scanner_of_too_many_numbers_is_refused() -> None:
    with pytest.raises(RefusedError, match="detector numbers up to"):
        detection_bins(RING.model_copy(update={"ring_stride": 1 << 26}))
    with pytest.raises(RefusedError, match="200000 rings: at most 4194304 positions are understood"):
        detection_bins(RING.model_copy(update={"rings": 200_000}))
    with pytest.raises(RefusedError, match="do not fit 32 bits"):
        detection_bins(RING, 1 << 27)
