"""Efficiencies, times and centre of a PET ring out of pairs that were drawn with what must be found again."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from support_pet import reference_ring, small_ring
from support_qc_pet import W_PS, Drawn, cylinder_pairs, with_randoms

from daq.errors import RefusedError
from daq.model.scanner import may_pair
from daq.qc.pet import daily
from daq.qc.pet.efficiency import Efficiencies
from daq.qc.pet.randoms import randoms_cps
from daq.qc.pet.ringmap import RingMap, ring_map
from daq.qc.pet.tally import PairTally, TimeTally
from daq.qc.pet.timing import block_times, crystal_times, flight_ps

PAIRS, RANDOMS = 200_000, 20_000
DEAD, WEAK = 17, 40


@cache
def ring() -> RingMap:
    return ring_map(reference_ring())


@cache
def injected() -> np.ndarray:
    """Efficiency by detector number: crystals scatter by 6 %, blocks by 8 %, one is dead."""
    rng = np.random.default_rng(5)
    blocks = 1.0 + 0.08 * rng.standard_normal(ring().blocks)
    blocks[DEAD], blocks[WEAK] = 0.0, 0.7
    value = 0.75 * blocks[ring().block] * (1.0 + 0.06 * rng.standard_normal(ring().size))
    return np.asarray(np.clip(value, 0.0, 1.0))


@cache
def drawn(shift_mm: float = 0.0) -> Drawn:
    rng = np.random.default_rng(6)
    trues = cylinder_pairs(reference_ring(), PAIRS, rng, efficiency=injected(), centre_mm=(shift_mm, 0.0))
    return seen_by(with_randoms(reference_ring(), trues, RANDOMS, rng), injected())


def seen_by(pairs: Drawn, efficiency: np.ndarray) -> Drawn:
    """The pairs of which no detector is dead."""
    live = (efficiency[pairs.a] > 0) & (efficiency[pairs.b] > 0)
    return Drawn(pairs.a[live], pairs.b[live], pairs.tof_ps[live], pairs.kind[live])


def tallied(pairs: Drawn) -> PairTally:
    tally = PairTally(ring())
    for part in np.array_split(np.arange(len(pairs.a)), 3):
        tally.add(pairs.a[part], pairs.b[part], pairs.kind[part])
    return tally


def true_efficiency(found: Efficiencies, values: np.ndarray) -> np.ndarray:
    """The injected ones as they can be told: mean 1, nothing that goes once around the ring."""
    angle = 2 * np.pi * np.arange(values.shape[1]) / values.shape[1]
    live = values > 0
    terms = np.stack([np.ones_like(values), np.cos(angle) + 0 * values, np.sin(angle) + 0 * values])[:, live]
    fitted = np.linalg.lstsq(terms.T, np.log(values[live]), rcond=None)[0]
    out = np.where(live, values, 0.0)
    out[live] /= np.exp(fitted[1] * terms[1] + fitted[2] * terms[2])
    return out / out[found.value > 0].mean()


@pytest.mark.parametrize("shift_mm", [0.0, 2.0])
def test_injected_efficiencies_of_crystals_are_found_within_counting_noise_on_the_axis_and_off_it(
    shift_mm: float,
) -> None:
    map_of, rng = ring_map(small_ring()), np.random.default_rng(7)
    efficiency = np.clip(0.8 * (1 + 0.1 * rng.standard_normal(map_of.size)), 0, 1) * (map_of.block != 3)
    trues = cylinder_pairs(small_ring(), 200_000, rng, radius_mm=50.0, half_mm=60.0, centre_mm=(shift_mm, 0.0),
                           efficiency=efficiency)  # fmt: skip
    pairs = seen_by(with_randoms(small_ring(), trues, RANDOMS, rng), efficiency)
    tally = PairTally(map_of)
    tally.add(pairs.a, pairs.b, pairs.kind)
    found = daily.crystal_efficiencies(tally)
    true = true_efficiency(found, map_of.grid(efficiency))
    live = (found.value > 0) & (true > 0)
    z = (found.value - true)[live] / found.noise[live]

    assert z.std() == pytest.approx(1.0, abs=0.3)
    assert np.median(found.noise[live]) < 0.03
    assert found.dead.sum() == 20
    assert daily.weak_blocks(found.dead, map_of).tolist() == [3]
    assert daily.spread_percent(found, live) == pytest.approx(100 * true[live].std() / true[live].mean(), abs=0.5)


def test_a_dead_block_and_a_weak_one_are_told_and_do_not_pull_down_those_opposite() -> None:
    found = daily.block_efficiencies(tallied(drawn()))
    true = true_efficiency(found, ring().of_blocks(injected()).reshape(4, 64))
    z = ((found.value - true) / np.maximum(found.noise, 1e-3))[true > 0]

    assert np.flatnonzero(found.dead.ravel()).tolist() == [DEAD]
    assert found.value.ravel()[WEAK] == pytest.approx(true.ravel()[WEAK], abs=4 * found.noise.ravel()[WEAK])
    assert z.std() < 1.3  # crystals of a block that differ are not in a model of blocks


def test_a_model_that_fits_leaves_a_chi_squared_of_one_and_a_cylinder_off_the_axis_more() -> None:
    fits, off = (
        daily.misfit(tally, daily.block_efficiencies(tally)) for tally in (tallied(drawn()), tallied(drawn(25.0)))
    )

    assert fits == pytest.approx(1.0, abs=0.1)
    assert off > 1.15


@pytest.mark.parametrize("shift_mm", [0.0, 25.0])
def test_the_middle_of_the_cylinder_is_found_by_lines_of_response(shift_mm: float) -> None:
    tally = tallied(drawn(shift_mm))
    centre = tally.centre_mm()

    assert centre is not None
    assert centre[0] == pytest.approx(shift_mm, rel=0.05, abs=0.6)
    assert centre[1] == pytest.approx(0.0, abs=0.6)
    assert tally.centre_noise_mm(50.0) == pytest.approx(50.0 * np.sqrt(2 * (PAIRS + 2 * RANDOMS)) / PAIRS, rel=0.02)


def test_pairs_that_name_no_crystal_are_counted_apart() -> None:
    tally = PairTally(ring())
    tally.add(np.array([1, 2], np.uint32), np.array([99_999, 300], np.uint32), np.zeros(2, np.uint8))

    assert (tally.strangers, tally.prompts, tally.delayeds, tally.centre_mm()) == (1, 1, 0, None)


def test_nothing_but_randoms_is_refused() -> None:
    tally = PairTally(ring())
    numbers = np.array([1], np.uint32), np.array([300], np.uint32)
    tally.add(*numbers, np.array([1], np.uint8))

    with pytest.raises(RefusedError, match="no more prompts than delayeds"):
        daily.block_efficiencies(tally)


def test_planes_and_positions_within_blocks_show_what_was_put_in() -> None:
    map_of = ring_map(small_ring())
    of_plane = np.where(np.arange(8) == 2, 0.8, 1.0)
    of_place = np.array([0.85, 1.0, 1.0, 1.0, 0.85])
    efficiency = 0.9 * of_plane[map_of.plane] * of_place[map_of.around % 5]
    rng = np.random.default_rng(8)
    pairs = cylinder_pairs(small_ring(), 200_000, rng, radius_mm=50.0, half_mm=60.0, efficiency=efficiency)
    tally = PairTally(map_of)
    tally.add(pairs.a, pairs.b, pairs.kind)
    found = daily.crystal_efficiencies(tally)
    grid = map_of.grid(tally.net_crystals)
    mean, noise = daily.planes(found, grid, grid, map_of.grid(map_of.real).astype(bool))
    places = daily.by_position(found, map_of)

    assert mean == pytest.approx(of_plane / of_plane.mean(), abs=6 * noise.max())
    assert places.shape == (4, 5)
    assert places.mean(axis=0) == pytest.approx(of_place / of_place.mean(), abs=0.015)


def test_silent_and_noisy_blocks_are_told_by_rates_in_their_row() -> None:
    rate = np.full(256, 1000.0)
    half, loud = rate.copy(), rate.copy()
    half[(np.arange(256) % 64) < 32] = 0.0
    loud[[9, 200]] = 2500.0, 2010.0

    assert daily.silent(half, ring()).share == 0.5
    assert daily.silent(rate, ring()).blocks == ()
    assert daily.noisy(loud, loud, ring()) == (9,)  # 2,010 of 2 x 1,000 is noise


def timed(pairs: Drawn, radius_mm: float = 100.0) -> TimeTally:
    tally = TimeTally(ring(), float(W_PS), radius_mm)
    tally.add(pairs.a, pairs.b, pairs.kind, pairs.tof_ps)
    return tally


@cache
def shifted_times(shift_mm: float) -> tuple[Drawn, np.ndarray]:
    rng = np.random.default_rng(9)
    blocks = 150.0 * rng.standard_normal(256)
    offset = (blocks - blocks.mean())[ring().block]
    trues = cylinder_pairs(reference_ring(), PAIRS, rng, centre_mm=(shift_mm, 0.0), offset_ps=offset)
    return with_randoms(reference_ring(), trues, RANDOMS, rng), offset


@pytest.mark.parametrize("shift_mm", [0.0, 5.0])
def test_injected_time_offsets_of_blocks_and_the_resolving_time_are_found(shift_mm: float) -> None:
    pairs, offset = shifted_times(shift_mm)
    found = block_times(timed(pairs), (shift_mm, 0.0))
    true = np.bincount(ring().block, offset) / 64

    assert ((found.offset_ps - true) / found.offset_noise_ps).std() == pytest.approx(1.0, abs=0.15)
    assert found.ctr_ps == pytest.approx(214.0, abs=4 * found.ctr_noise_ps + 2)
    assert found.ctr_noise_ps < 8.0
    assert found.measured_ps > 900.0  # the flight through 200 mm of cylinder is 1,330 ps wide


def test_a_cylinder_off_the_axis_is_no_offset_only_where_that_is_known() -> None:
    pairs, offset = shifted_times(5.0)
    unknowing = block_times(timed(pairs), (0.0, 0.0)).offset_ps - np.bincount(ring().block, offset) / 64
    angle = np.tile(ring().angles_rad(), 4)

    assert 2 * (unknowing * np.cos(angle)).mean() == pytest.approx(-5.0 / 0.299792458, rel=0.15)
    assert (unknowing * np.sin(angle)).mean() == pytest.approx(0.0, abs=3.0)
    assert flight_ps(ring(), (5.0, 0.0))[0, 32] == pytest.approx(2 * 5.0 / 0.299792458, rel=0.01)  # 0 lies at +x


def test_a_block_without_counts_has_no_offset() -> None:
    found = block_times(timed(drawn()))

    assert np.flatnonzero(np.isnan(found.offset_ps)).tolist() == [DEAD]
    assert np.isnan(found.width_ps[DEAD])


def test_injected_time_offsets_of_crystals_are_found_within_noise() -> None:
    rng = np.random.default_rng(10)
    map_of = ring_map(small_ring())
    offset = 80.0 * rng.standard_normal(map_of.size)
    pairs = cylinder_pairs(
        small_ring(), 200_000, rng, radius_mm=20.0, half_mm=60.0, offset_ps=offset - offset.mean()
    )  # fmt: skip
    found = crystal_times(
        pairs.a, pairs.b, pairs.tof_ps.astype(np.float32), np.zeros(map_of.size), within_ps=800.0, fewest=100
    )
    z = (found.offset_ps - (offset - offset.mean())) / found.noise_ps

    assert z.std() == pytest.approx(1.0, abs=0.15)
    assert found.offset_ps.mean() == pytest.approx(0.0, abs=1e-6)
    assert np.median(found.noise_ps) < 5.0


def test_randoms_are_2_w_s_s_of_every_allowed_pair() -> None:
    map_of = ring_map(small_ring())
    rng = np.random.default_rng(11)
    rates = rng.uniform(100.0, 2000.0, map_of.size)
    numbers = map_of.detectors.astype(np.uint32)
    a, b = (each.ravel() for each in np.meshgrid(numbers, numbers))
    allowed = (a < b) & may_pair(small_ring(), a, b)
    near = allowed & (np.abs(map_of.plane[a] - map_of.plane[b]) <= 2)

    for chosen, most in ((allowed, None), (near, 2)):
        expected = 2 * 4500e-12 * (rates[a] * rates[b])[chosen].sum()
        assert randoms_cps(rates, map_of, half_window_ps=4500, max_ring_difference=most) == pytest.approx(expected)


def test_gaps_between_blocks_are_no_crystals() -> None:
    from device_profiles.scanners import load_scanner

    mmr = load_scanner("siemens-mmr").ring
    assert mmr is not None
    found = ring_map(mmr)

    assert (found.blocks, len(found.detectors), found.rows, found.per_turn) == (448, 28_672, 8, 56)
    assert found.of_blocks(found.real).tolist() == [64.0] * 448
