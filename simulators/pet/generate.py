"""Generate the singles of a scan, block after block, in bounded memory; the same seed gives the same singles."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from daq.model.nuclide_table import nuclide
from daq.model.scanner import Ring, are_virtual, modules, positions_mm
from simulators.pet.beta import lutetium_electrons_kev
from simulators.pet.electronics import respond
from simulators.pet.kernels import follow, follow_crystals
from simulators.pet.model import (
    BACKGROUND,
    ELECTRON_KEV,
    FWHM_PER_SIGMA,
    Detectors,
    ModuleFault,
    PhotonFlag,
    Scan,
    Source,
)

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

BLOCK_DECAYS = 1 << 18
"""Expected decays of a block; it decides how much memory a scan takes, and is part of what a seed means."""
CUT_SIGMA = 8.0
"""Times and energies stay within so many standard deviations."""
SPREAD_CUT = 5.0
NOISE_KEV = 700.0
LUTETIUM_LEAVING = {88.34: 0.0, 201.83: 0.2, 306.78: 0.5}
"""Chance that a gamma of Lu-176 leaves its crystal: round figures for crystals of some 4 mm by 4 mm by 20 mm."""
_LONG_AGO = -(1 << 62)


@dataclass(frozen=True, slots=True, eq=False)
class Photons:
    """Singles, `time_ps` ascending, with the truth about each; arrays of one length.

    `time_ps` and `energy_kev` are what electronics report: with resolution, pile-up, gains and offsets of modules.
    `true_time_ps`: when the photon met the crystal. `decay` counts all decays; `photon` is 0 and 1 for annihilation
    photons, 2 and more for gammas, of a crystal's own decay 0 for the electron. `flags`: `model.PhotonFlag`. `origin`:
    number of the source, 255 the crystals.
    """

    time_ps: Ints
    detector: npt.NDArray[np.uint32]
    energy_kev: npt.NDArray[np.float32]
    decay: Ints
    photon: npt.NDArray[np.uint8]
    flags: npt.NDArray[np.uint8]
    origin: npt.NDArray[np.uint8]
    true_time_ps: Ints
    module: npt.NDArray[np.uint16]

    def __len__(self) -> int:
        return len(self.time_ps)

    def columns(self) -> dict[str, npt.NDArray[Any]]:
        """Return the columns by name; the first three are those of singles."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def rows(self, chosen: npt.NDArray[Any] | slice) -> Photons:
        """Return the chosen rows."""
        return _photons({name: column[chosen] for name, column in self.columns().items()})


_NAMES = tuple(field.name for field in fields(Photons))


def _photons(columns: dict[str, npt.NDArray[Any]]) -> Photons:
    return Photons(**columns)


def join(parts: list[Photons]) -> Photons:
    """Return the rows of all parts, of at least one."""
    return _photons({name: np.concatenate([part.columns()[name] for part in parts]) for name in _NAMES})


@dataclass(frozen=True, slots=True, eq=False)
class Misalignment:
    """How the modules differ: energies are reported `gain` times too high, times `offset_ps` too late."""

    gain: Floats
    offset_ps: Ints


def module_count(ring: Ring) -> int:
    """Return the modules of a ring."""
    return (ring.detectors_per_ring // ring.module_detectors) * math.ceil(ring.rings / ring.module_rings)


def misalignment(ring: Ring, detectors: Detectors, seed: int, faults: tuple[ModuleFault, ...] = ()) -> Misalignment:
    """Return gains and offsets of the modules, cut at five standard deviations, with those of faults."""
    rng = np.random.default_rng([seed, 1])
    draws = np.clip(rng.standard_normal((2, module_count(ring))), -SPREAD_CUT, SPREAD_CUT)
    offsets = np.rint(draws[1] * detectors.offset_sigma_ps).astype(np.int64)
    gain = 1.0 + detectors.gain_sigma * draws[0]
    for fault in faults:
        gain[fault.module] *= fault.gain
        offsets[fault.module] += fault.offset_ps
    return Misalignment(gain, offsets)


def real_detectors(ring: Ring) -> npt.NDArray[np.int64]:
    """Return the numbers of all detectors where there is a crystal."""
    rows = np.arange(ring.rings)[:, None] * ring.ring_step
    numbers = (rows + np.arange(ring.detectors_per_ring)).reshape(-1).astype(np.uint32)
    return numbers[~are_virtual(ring, numbers)].astype(np.int64)


def generate(scan: Scan, seed: int) -> Photons:
    """Return all singles of a scan at once: for what fits into memory."""
    return join(list(blocks(scan, seed)))


def blocks(scan: Scan, seed: int, *, block_decays: int = BLOCK_DECAYS) -> Iterator[Photons]:
    """Yield the singles of a scan in ascending blocks; at least one, and any may be empty.

    A block ends where its times are certain: what may still be overtaken waits for the next.
    """
    simulation = _Simulation(scan, seed)
    begin_ps, end_ps = round(scan.start_s * 1e12), round((scan.start_s + scan.seconds) * 1e12)
    while True:
        stop_ps = min(end_ps, begin_ps + simulation.block_ps(begin_ps, block_decays))
        yield simulation.block(begin_ps, stop_ps, last=stop_ps == end_ps)
        if stop_ps == end_ps:
            return
        begin_ps = stop_ps


class _Simulation:
    """The state of a scan from block to block: random numbers, photons on their way, times of the modules."""

    def __init__(self, scan: Scan, seed: int) -> None:
        self._scan = scan
        self._rng = np.random.default_rng([seed, 0])
        self._noise = np.random.default_rng([seed, 2])  # apart, so that photons do not depend on what electronics keep
        ring, detectors = scan.ring, scan.detectors
        self._state = self._rng.integers(0, 1 << 64, 1, np.uint64)
        self._ring = ring_numbers(ring)
        self._real = ~np.isin(np.arange(ring.module_detectors), ring.virtual_positions)
        self._crystals = real_detectors(ring)
        self._medium = np.zeros(7)
        if scan.medium is not None:
            medium = scan.medium
            self._medium[:] = [
                medium.radius_mm, medium.length_mm / 2, *medium.position_mm, medium.mu_per_mm, medium.compton_share
            ]  # fmt: skip
        self._detection = np.array(
            [
                detectors.efficiency, detectors.photofraction, detectors.threshold_kev, scan.scatter_fraction,
                scan.scatter_floor_kev,
            ]
        )  # fmt: skip
        self._misalignment = misalignment(ring, detectors, seed, scan.faults)
        self._faulty = np.random.default_rng([seed, 3])  # apart, so that a fault leaves all other photons as they are
        self._sigma_ps = detectors.coincidence_fwhm_ps / FWHM_PER_SIGMA / math.sqrt(2)
        reach_ps = np.abs(self._misalignment.offset_ps).max() + CUT_SIGMA * self._sigma_ps
        self._margin_ps = math.ceil(reach_ps) + 1
        self._last = np.full(module_count(ring), _LONG_AGO, np.int64)
        self._waiting = _nothing()
        self._pending = _nothing()
        self._decays = 0

    def block_ps(self, begin_ps: int, decays: int) -> int:
        """Return how long a block is that begins at `begin_ps` and has about so many decays."""
        rate = sum(s.activity_bq * s.decaying.activity_factor(begin_ps / 1e12) for s in self._scan.sources)
        rate += self._scan.detectors.lutetium_bq * len(self._crystals)
        return max(math.ceil(min(decays / rate, 1e6) * 1e12) if rate > 0 else 10**18, 1)

    def block(self, begin_ps: int, stop_ps: int, *, last: bool) -> Photons:
        """Return the singles that are certain once all decays before `stop_ps` are known."""
        arrived = join([self._waiting, *self._arrivals(begin_ps, stop_ps)])
        arrived = arrived.rows(np.argsort(arrived.true_time_ps, kind="stable"))
        recorded, self._waiting = self._electronics(arrived, None if last else stop_ps)
        ready = join([self._pending, self._reported(recorded)])
        ready = ready.rows(np.argsort(ready.time_ps, kind="stable"))
        certain_ps = stop_ps - self._scan.detectors.integration_ps - self._margin_ps
        cut = len(ready) if last else int(np.searchsorted(ready.time_ps, certain_ps))
        self._pending = ready.rows(slice(cut, None))
        return ready.rows(slice(None, cut))

    def _arrivals(self, begin_ps: int, stop_ps: int) -> list[Photons]:
        """Return the photons that all decays of a stretch of time bring to crystals."""
        parts = [self._source(index, source, begin_ps, stop_ps) for index, source in enumerate(self._scan.sources)]
        if self._scan.detectors.lutetium_bq > 0:
            parts.append(self._background(begin_ps, stop_ps))
        parts = [self._kept(part) for part in parts]
        return [*parts, *(self._noise_of(fault, begin_ps, stop_ps) for fault in self._scan.faults if fault.noise_cps)]

    def _kept(self, photons: Photons) -> Photons:
        """Return the photons that faulty modules detect, and all of the others."""
        share = np.ones(module_count(self._scan.ring))
        for fault in self._scan.faults:
            share[fault.module] = fault.efficiency
        if share.min() == 1.0:
            return photons
        return photons.rows(self._faulty.random(len(photons)) < share[photons.module])

    def _noise_of(self, fault: ModuleFault, begin_ps: int, stop_ps: int) -> Photons:
        """Return the singles of no photon of a module."""
        count = int(self._faulty.poisson(fault.noise_cps * (stop_ps - begin_ps) / 1e12))
        crystals = self._crystals[modules(self._scan.ring, self._crystals.astype(np.uint32)) == fault.module]
        room = _Room(count)
        room.rows[:, 0] = np.sort(self._faulty.integers(begin_ps, stop_ps, count))
        room.rows[:, 1] = self._decays + np.arange(count)
        room.rows[:, 2] = self._faulty.choice(crystals, count)
        room.rows[:, 3] = fault.module
        room.energies[:] = self._faulty.uniform(0.0, NOISE_KEV, count)
        room.marks[:] = (0, PhotonFlag.BACKGROUND)
        self._decays += count
        return room.photons(count, BACKGROUND)

    def _source(self, index: int, source: Source, begin_ps: int, stop_ps: int) -> Photons:
        expected = source.decaying.decays_between(source.activity_bq, begin_ps / 1e12, stop_ps / 1e12)
        count = int(self._rng.poisson(expected))
        gammas = source.gammas()
        row = np.array(
            [
                source.shape, *source.position_mm, *source.size_mm, source.emitting.positrons_per_100_decays / 100,
                source.decaying.decay_constant_per_s / 1e12, stop_ps - begin_ps,
            ]
        )  # fmt: skip
        room = _Room(count * (2 + len(gammas)))
        rows = follow(
            self._state, count, begin_ps, row, gammas, self._ring, self._real.view(np.uint8), self._medium,
            self._detection, self._decays, room.rows, room.energies, room.marks,
        )  # fmt: skip
        self._decays += count
        return room.photons(rows, index)

    def _background(self, begin_ps: int, stop_ps: int) -> Photons:
        expected = self._scan.detectors.lutetium_bq * len(self._crystals) * (stop_ps - begin_ps) / 1e12
        count = int(self._rng.poisson(expected))
        gammas = lutetium_gammas()
        room = _Room(count * (1 + len(gammas)))
        rows = follow_crystals(
            self._state, count, begin_ps, float(stop_ps - begin_ps), gammas, lutetium_electrons_kev(), self._crystals,
            self._ring, self._real.view(np.uint8), self._medium, self._detection, self._decays, room.rows,
            room.energies, room.marks,
        )  # fmt: skip
        self._decays += count
        return room.photons(rows, BACKGROUND)

    def _electronics(self, arrived: Photons, stop_ps: int | None) -> tuple[Photons, Photons]:
        """Return what is recorded, and what waits because something may still come before it or add to it."""
        detectors = self._scan.detectors
        decided = len(arrived)
        if stop_ps is not None:
            decided = int(np.searchsorted(arrived.true_time_ps, stop_ps - detectors.integration_ps))
        if not detectors.dead_time_ps:
            return arrived.rows(slice(None, decided)), arrived.rows(slice(decided, None))
        waiting = arrived.rows(slice(decided, None))
        kept = np.zeros(len(arrived), bool)
        energies, flags = arrived.energy_kev.copy(), arrived.flags.copy()
        respond(
            arrived.true_time_ps, arrived.module.astype(np.int64), decided, detectors.dead_time_ps,
            detectors.integration_ps, self._last, energies, flags, kept,
        )  # fmt: skip
        columns = arrived.columns() | {"energy_kev": energies, "flags": flags}
        return _photons(columns).rows(kept), waiting

    def _reported(self, recorded: Photons) -> Photons:
        """Return singles with the times and energies that electronics report."""
        jitter = np.clip(self._noise.standard_normal((2, len(recorded))), -CUT_SIGMA, CUT_SIGMA)
        module = recorded.module
        time_ps = recorded.true_time_ps + np.rint(jitter[0] * self._sigma_ps).astype(np.int64)
        sigma_kev = self._scan.detectors.energy_fwhm / FWHM_PER_SIGMA * np.sqrt(ELECTRON_KEV * recorded.energy_kev)
        energy_kev = (recorded.energy_kev + sigma_kev * jitter[1]) * self._misalignment.gain[module]
        columns = recorded.columns() | {
            "time_ps": time_ps + self._misalignment.offset_ps[module],
            "energy_kev": np.maximum(energy_kev, 0.0).astype(np.float32),
        }
        return _photons(columns)


class _Room:
    """Memory for what a compiled loop finds."""

    def __init__(self, most: int) -> None:
        self.rows = np.empty((most, 4), np.int64)
        self.energies = np.empty(most, np.float32)
        self.marks = np.empty((most, 2), np.uint8)

    def photons(self, count: int, origin: int) -> Photons:
        """Return the first `count` rows."""
        rows, marks = self.rows[:count], self.marks[:count]
        return Photons(
            time_ps=rows[:, 0].copy(),
            detector=rows[:, 2].astype(np.uint32),
            energy_kev=self.energies[:count].copy(),
            decay=rows[:, 1].copy(),
            photon=marks[:, 0].copy(),
            flags=marks[:, 1].copy(),
            origin=np.full(count, origin, np.uint8),
            true_time_ps=rows[:, 0].copy(),
            module=rows[:, 3].astype(np.uint16),
        )


def _nothing() -> Photons:
    return _Room(0).photons(0, 0)


def ring_numbers(ring: Ring) -> Floats:
    """Return a ring as the compiled loops take it."""
    turn = 2 * math.pi / ring.detectors_per_ring * (1 if ring.direction == "counter_clockwise" else -1)
    radius_mm = float(np.hypot(*positions_mm(ring, np.zeros(1, np.uint32))[0, :2]))
    return np.array(
        [
            radius_mm, math.radians(ring.first_angle_deg), turn, ring.axial_pitch_mm, ring.rings,
            ring.detectors_per_ring, ring.ring_step, ring.module_detectors, ring.module_rings,
        ],
        np.float64,
    )  # fmt: skip


def lutetium_gammas() -> Floats:
    """Return energy, chance and chance of leaving the crystal of the gammas of Lu-176, float64 [3, 3]."""
    lines = {line.energy_kev: line.per_100_decays / 100 for line in nuclide("Lu-176").lines}
    return np.array([[kev, lines[kev], leaving] for kev, leaving in LUTETIUM_LEAVING.items()], np.float64)
