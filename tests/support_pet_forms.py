"""Closed forms of PET physics, each against the simulator: functions of a scale (1 quick, more for closer looks).

The formulas are those of textbooks; none is taken from the simulator.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
from support_pet import (
    LIGHT_MM_PER_PS,
    Check,
    counted,
    half_length_mm,
    pair_acceptance,
    radius_mm,
    reference_ring,
    share,
    single_acceptance,
    small_ring,
    true_pairs,
    window_share,
)

from daq.model.nuclide_table import nuclide
from daq.model.scanner import Ring, positions_mm
from simulators.pet.generate import blocks, generate, join
from simulators.pet.model import BACKGROUND, Detectors, Medium, PhotonFlag, Scan, line, point

Form = Callable[[int], list[Check]]
BETA = 0.9673
SHARP = Detectors(energy_fwhm=0.0, coincidence_fwhm_ps=0.0)
PER_SIGMA = 2 * math.sqrt(2 * math.log(2))


def decay(scale: int) -> list[Check]:
    """N(t0, t1) = A0 / lambda (exp(-lambda t0) - exp(-lambda t1)), counted in decays of which a photon was seen."""
    ring, checks = reference_ring(), []
    seen = pair_acceptance(ring)
    for name, seconds, parts in (("Rb-82", 300.0, 6), ("F-18", 3600.0, 1)):
        bq, rate = 4e5 * scale / seconds, nuclide(name).decay_constant_per_s
        found = list(blocks(Scan(ring, (point(name, bq),), SHARP, seconds=seconds), 11))
        photons = join(found)
        times = photons.rows(photons.photon == 0).true_time_ps / 1e12
        beta = nuclide(name).positrons_per_100_decays / 100
        edges = np.linspace(0, seconds, parts + 1)
        for begin, end in itertools.pairwise(edges):
            expected = bq / rate * (math.exp(-rate * begin) - math.exp(-rate * end)) * beta * seen
            got = np.count_nonzero((times >= begin) & (times < end))
            checks.append(counted(f"decay {name} {begin:.0f} to {end:.0f} s", got, expected))
    return checks


def singles_rate(scale: int) -> list[Check]:
    """S = A b 2 g e; a decay gives both photons or none, so the variance is 1 + e times the mean."""
    ring, checks = reference_ring(), []
    g = pair_acceptance(ring)
    for efficiency in (1.0, 0.3):
        detectors = Detectors(efficiency=efficiency)
        n = len(generate(Scan(ring, (point("F-18", 3e5 * scale),), detectors), 21))
        expected = 3e5 * scale * BETA * 2 * g * efficiency * (1 - math.log(2) / 6586.2 / 2)
        checks.append(counted(f"singles of F-18, efficiency {efficiency}", n, expected, 1 + efficiency))
    photons = generate(Scan(ring, (point("Na-22", 2e5 * scale),), SHARP), 22)
    gammas = np.count_nonzero(photons.flags & PhotonFlag.GAMMA)
    checks.append(counted("1275 keV gammas of Na-22", gammas, 2e5 * scale * 0.9994 * g))
    pairs = np.count_nonzero(photons.photon == 0)
    checks.append(counted("annihilations of Na-22", pairs, 2e5 * scale * 0.89955 * g))
    return checks


def crystals(scale: int) -> list[Check]:
    """Lu-176: every decay is seen in its crystal; the 307 keV gamma leaves it with its chance."""
    ring, bq = small_ring(), 2000.0
    photons = generate(Scan(ring, (), Detectors(lutetium_bq=bq, energy_fwhm=0.0), seconds=0.3 * scale), 31)
    own = photons.rows(photons.photon == 0)
    expected = bq * 320 * 0.3 * scale
    assert (photons.origin == BACKGROUND).all()
    checks = [counted("decays of Lu-176 in the crystals", len(own), expected)]
    for number, kev, chance in ((2, 201.83, 0.7797 * 0.2), (3, 306.78, 0.936 * 0.5)):
        elsewhere = photons.rows(photons.photon == number)
        assert np.allclose(elsewhere.energy_kev, kev)
        across = expected * chance * crossing(ring)
        checks.append(counted(f"its gammas of {kev:.0f} keV in other crystals", len(elsewhere), across))
    return checks


def crossing(ring: Ring) -> float:
    """The chance that a photon from a crystal crosses the bore to another, by quadrature over azimuths to the axis."""
    azimuth = (np.arange(20_000) + 0.5) / 20_000 * math.pi - math.pi / 2
    chord, half = 2 * radius_mm(ring) * np.cos(azimuth), half_length_mm(ring)
    z = (np.arange(ring.rings) - (ring.rings - 1) / 2) * ring.axial_pitch_mm
    ends = [half + sign * value for value in z for sign in (-1, 1)]
    cosines = [float((end / np.hypot(end, chord)).mean()) for end in ends]
    return sum(cosines) / len(z) / 4


def sensitivity(scale: int) -> list[Check]:
    """g = (H - |z|) / sqrt(R^2 + (H - |z|)^2) for a point on the axis, both photons; times e^2."""
    ring, checks = reference_ring(), []
    for z_mm, efficiency in ((0.0, 1.0), (40.0, 1.0), (70.0, 1.0), (30.0, 0.5)):
        detectors = Detectors(efficiency=efficiency)
        photons = generate(Scan(ring, (point("F-18", 2e5 * scale, (0.0, 0.0, z_mm)),), detectors), 41)
        got = len(true_pairs(photons)[0])
        expected = 2e5 * scale * BETA * pair_acceptance(ring, z_mm) * efficiency**2
        checks.append(counted(f"pairs of a point at z = {z_mm:g} mm, efficiency {efficiency}", got, expected))
    photons = generate(Scan(ring, (point("F-18", 2e5 * scale, (0.0, 0.0, 70.0)),), SHARP), 42)
    expected = 2e5 * scale * BETA * single_acceptance(ring, 70.0)
    got = np.count_nonzero(photons.photon == 0)
    checks.append(counted("photons 0 of a point at z = 70 mm", got, expected))
    return checks


def energy(scale: int) -> list[Check]:
    """Shares in windows by erf, sigma growing with sqrt(E)."""
    ring, checks = reference_ring(), []
    photons = generate(Scan(ring, (point("Na-22", 3e5 * scale),), Detectors(energy_fwhm=0.11)), 51)
    gamma = (photons.flags & PhotonFlag.GAMMA) > 0
    for mean, chosen, windows in (
        (510.99895, ~gamma, ((435.0, 650.0), (500.0, 520.0))), (1274.537, gamma, ((1250.0, 1300.0),)),
    ):  # fmt: skip
        kev = photons.energy_kev[chosen]
        sigma = 0.11 / PER_SIGMA * math.sqrt(510.99895 * mean)
        for low, high in windows:
            hits = int(np.count_nonzero((kev >= low) & (kev < high)))
            name = f"share of {mean:.0f} keV within {low:.0f} to {high:.0f} keV"
            checks.append(share(name, hits, len(kev), window_share(low, high, mean, sigma)))
    return checks


def compton_mean_loss(kev: float) -> tuple[float, float]:
    """Mean and standard deviation of the energy that Klein and Nishina's scattering takes, by quadrature."""
    cosine = np.linspace(-1, 1, 200_001)
    left = 1 / (1 + kev / 510.99895 * (1 - cosine))
    weight = left**2 * (left + 1 / left - 1 + cosine**2)
    weight /= weight.sum()
    loss = kev * (1 - left)
    mean = float((weight * loss).sum())
    return mean, math.sqrt(float((weight * loss**2).sum()) - mean**2)


def continuum(scale: int) -> list[Check]:
    """What Compton electrons leave: the share, the mean by Klein and Nishina, the edge at 2/3 of 511 keV."""
    ring = reference_ring()
    sharp = Detectors(photofraction=0.4, energy_fwhm=0.0)
    photons = generate(Scan(ring, (point("F-18", 2e5 * scale),), sharp), 61)
    continuum_kev = photons.energy_kev[photons.flags & PhotonFlag.CONTINUUM > 0]
    assert continuum_kev.max() <= 510.99895 * 2 / 3 + 0.01
    mean, sigma = compton_mean_loss(510.99895)
    n = len(continuum_kev)
    return [
        share("share of the Compton continuum", n, len(photons), 0.6),
        Check("mean energy of Compton electrons, keV", float(continuum_kev.mean()), mean, sigma / math.sqrt(n)),
    ]


def flight(scale: int) -> list[Check]:
    """Width of time differences at the centre; off the centre their mean is that of the two ways."""
    ring, at = reference_ring(), np.array([120.0, -40.0, 10.0])
    fwhm_ps = 214.0
    first, second = true_pairs(generate(Scan(ring, (point("F-18", 3e5 * scale),), Detectors()), 71))
    spread = (second.time_ps - first.time_ps).astype(np.float64)
    variance = (fwhm_ps / PER_SIGMA) ** 2 + 4 / 12  # four times are rounded to a ps
    n = len(spread)
    checks = [
        Check("time difference of a centred point, mean in ps", spread.mean(), 0.0, math.sqrt(variance / n)),
        Check("its variance in ps^2", spread.var(), variance, variance * math.sqrt(2 / n)),
    ]
    first, second = true_pairs(generate(Scan(ring, (point("F-18", 3e5 * scale, tuple(at)),), Detectors()), 72))
    ways = [np.linalg.norm(positions_mm(ring, p.detector) - at, axis=1) for p in (first, second)]
    expected = (ways[1] - ways[0]) / LIGHT_MM_PER_PS
    off = second.time_ps - first.time_ps - expected
    width = off.std() / math.sqrt(len(off))
    checks.append(Check("time difference off centre less that of the ways, ps", off.mean(), 0.0, width))
    along = expected / expected.std()
    slope = float((along * (second.time_ps - first.time_ps)).mean() / (along * expected).mean())
    slope_sigma = off.std() / expected.std() / math.sqrt(len(off))
    checks.append(Check("slope of time differences against ways", slope, 1.0, slope_sigma))
    return checks


def dead_time(scale: int) -> list[Check]:
    """m = n exp(-n tau); counts of a paralysable counter have 1 - 2 n tau exp(-n tau) of Poisson's variance."""
    ring, checks, dead_ps = small_ring(module_rings=8), [], 2_000_000
    half = 4  # of 8 modules: the other half sees the other photons
    for load in (0.1, 0.5, 1.0, 2.0):
        n_per_s = load / dead_ps * 1e12
        bq = n_per_s * 8 / (2 * BETA * pair_acceptance(ring))
        seconds = 1.5e5 * scale / bq
        scan = Scan(ring, (point("F-18", bq),), Detectors(dead_time_ps=dead_ps), seconds=seconds)
        photons = generate(scan, 81)
        got = np.count_nonzero(photons.module < half)
        expected = half * n_per_s * math.exp(-load) * seconds
        name = f"recorded with n tau = {load}"
        checks.append(counted(name, got, expected, 1 - 2 * load * math.exp(-load)))
    return checks


def pile_up(scale: int) -> list[Check]:
    """1 - exp(-n w) of the singles have another within the integration time; energy is conserved."""
    ring, dead_ps, w_ps = small_ring(module_rings=8), 1_000_000, 400_000
    n_per_s, half = 5e5, 4
    bq = n_per_s * 8 / (2 * BETA * pair_acceptance(ring))
    detectors = Detectors(dead_time_ps=dead_ps, integration_ps=w_ps, energy_fwhm=0.0)
    photons = generate(Scan(ring, (point("F-18", bq),), detectors, seconds=3e5 * scale / bq), 91)
    seen = photons.rows(photons.module < half)
    piled = int(np.count_nonzero(seen.flags & PhotonFlag.PILED_UP))
    more = seen.energy_kev / 510.99895 - 1
    load = n_per_s * w_ps / 1e12
    return [
        share("share of piled-up singles", piled, len(seen), 1 - math.exp(-load)),
        Check("photons added per single", float(more.mean()), load, math.sqrt(load / len(seen))),
    ]


def attenuation(scale: int) -> list[Check]:
    """exp(-mu d) of pairs survive an absorber, whatever the place of the source along the line."""
    ring, mu, checks = reference_ring(), 0.0096, []
    reach = half_length_mm(ring) / math.hypot(radius_mm(ring), half_length_mm(ring))
    steps = (np.arange(4000) + 0.5) / 4000
    cosine = steps * reach
    absorber = Medium(100.0, 400.0, mu, 0.0)
    photons = generate(Scan(ring, (point("F-18", 8e5 * scale),), SHARP, absorber), 101)
    survive = np.exp(-mu * 200.0 / np.sqrt(1 - cosine**2)).mean() * reach
    got = len(true_pairs(photons)[0])
    checks.append(counted("pairs through 200 mm of water", got, 8e5 * scale * BETA * survive))
    azimuth = (np.arange(400) + 0.5) / 400 * math.pi
    chord = 2 * np.sqrt(100.0**2 - (60.0 * np.sin(azimuth)) ** 2)
    flat = small_ring().model_copy(update={"radius_mm": 400.0, "axial_pitch_mm": 2.0})
    photons = generate(Scan(flat, (point("F-18", 1.5e6 * scale, (60.0, 0.0, 0.0)),), SHARP, absorber), 102)
    got = len(true_pairs(photons)[0])
    expected = 1.5e6 * scale * BETA * off_centre_survival(flat, 60.0, chord, azimuth, mu)
    checks.append(counted("pairs of a point 60 mm off centre", got, expected))
    return checks


def off_centre_survival(ring: Ring, x_mm: float, chord: np.ndarray, azimuth: np.ndarray, mu: float) -> float:
    """Mean over azimuths of what survives and meets the ring with both photons, by quadrature over the slope."""
    radius, half = radius_mm(ring), half_length_mm(ring)
    along = x_mm * np.cos(azimuth)
    farther = np.sqrt(radius**2 - (x_mm * np.sin(azimuth)) ** 2) + np.abs(along)
    top = half / np.hypot(half, farther)  # cosine to the axis at which the farther photon leaves the ring
    steps = (np.arange(500) + 0.5) / 500
    cosine = top[:, None] * steps
    weight = np.exp(-mu * chord[:, None] / np.sqrt(1 - cosine**2))
    return float((weight.mean(axis=1) * top).mean())


def scatter(scale: int) -> list[Check]:
    """The scatter fraction that was set is found; turned photons have the energy of their angle."""
    ring, fraction = reference_ring(), 0.35
    scan = Scan(ring, (point("F-18", 4e5 * scale),), SHARP, scatter_fraction=fraction)
    first, second = true_pairs(generate(scan, 111))
    turned = ((first.flags | second.flags) & PhotonFlag.TURNED) > 0
    places = [positions_mm(ring, p.detector) for p in (first, second)]
    a, b = (place / np.linalg.norm(place, axis=1)[:, None] for place in places)
    cosine = -(a * b).sum(axis=1)[turned]
    least = np.minimum(first.energy_kev, second.energy_kev)[turned]
    off = least - 510.99895 / (2 - cosine)
    return [
        share("scatter fraction", int(turned.sum()), len(turned), fraction),
        Check("energy less that of the angle, keV", off.mean(), 0.0, off.std() / math.sqrt(len(off))),
    ]


def line_rates(scale: int) -> list[Check]:
    """A line source is the mean of its points."""
    ring, length = reference_ring(), 100.0
    z = (np.arange(1000) + 0.5) / 1000 * length - length / 2
    g2 = float(np.mean([pair_acceptance(ring, value) for value in z]))
    photons = generate(Scan(ring, (line("F-18", 3e5 * scale, length),), SHARP), 121)
    return [counted("pairs of a line source", len(true_pairs(photons)[0]), 3e5 * scale * BETA * g2)]


FORMS: tuple[Form, ...] = (
    decay, singles_rate, crystals, sensitivity, energy, continuum, flight, dead_time, pile_up, attenuation, scatter,
    line_rates,
)  # fmt: skip
