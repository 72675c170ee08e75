"""Closed forms of a gamma camera, each against the simulator: functions of a scale (1 quick, more for closer looks).

The formulas are those of textbooks; none is taken from the simulator. Coefficients are those of xraylib 4.3.0.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from support_pet import Check, counted, share, window_share
from support_scenes import (
    CRYSTAL,
    FACE_MM,
    FWHM,
    LEHR,
    PINHOLE,
    once_scattered_over_direct,
    scattered_into_pinhole,
    seen_by,
    solid_angle_share,
    stopped_in_crystal,
)  # fmt: skip

from daq.model.camera import Collimator
from daq.model.nuclide_table import nuclide
from daq.qc.fields import FieldOfView
from daq.qc.uniformity import flood_uniformity
from simulators.camera.generate import Photons, blocks, generate
from simulators.camera.masks import bars, holes, quadrants, slits
from simulators.camera.model import Electronics, Field, PhotonFlag, Response, Scene, SimulatedHead, point
from simulators.camera.response import Reported, report
from simulators.pet.model import Medium

Form = Callable[[int], list[Check]]
KEV, YIELD = 140.511, 0.89
STOPPED = stopped_in_crystal(KEV)
PER_BQ = YIELD * solid_angle_share(540, 400, 3000) * STOPPED
"""Photons per second and Bq of Tc-99m that a crystal stops 3 m away."""
LEAD_PER_MM, TUNGSTEN_PER_MM = 2.5546, 3.4057
"""At 140.5 keV, for 11.35 and 19.3 g/cm3, without coherent scattering."""
LEAD_PER_MM_364 = 0.28839
WATER_OVER_511 = 0.45184 / 0.28654
"""Klein and Nishina's cross sections at 140.5 and 511 keV, in barn."""
HEXAGON_K = 0.2625
TAU_PS, TAU_S = 2_000_000, 2e-6


def bare(*fields: Field, electronics: Electronics | None = None, seconds: float = 1.0) -> Scene:
    """Return a scene of fields on one bare head."""
    return Scene((SimulatedHead(0, CRYSTAL),), fields, None, electronics or Electronics(), seconds=seconds)


def at_rate(cps: float, *, seconds: float = 1.0, electronics: Electronics | None = None) -> Scene:
    """Return a flood of Tc-99m of which the crystal stops `cps`."""
    return bare(Field("Tc-99m", cps / PER_BQ), electronics=electronics, seconds=seconds)


def spread(name: str, values: np.ndarray, sigma: float) -> Check:
    """Compare the standard deviation of normal values."""
    return Check(name, float(values.std()), sigma, sigma / math.sqrt(2 * len(values)))


def centred(name: str, values: np.ndarray, place: float) -> Check:
    """Compare a mean."""
    return Check(name, float(values.mean(dtype=np.float64)), place, float(values.std()) / math.sqrt(len(values)))


def effective_mm(collimator: Collimator) -> float:
    """Return l - 2 / mu of lead at 140.5 keV."""
    return collimator.length_mm - 2 / LEAD_PER_MM


def anger_efficiency(collimator: Collimator) -> float:
    """Return K^2 (d / l_e)^2 d^2 / (d + t)^2."""
    hole, wall = collimator.hole_mm, collimator.septum_mm
    return (HEXAGON_K * hole / effective_mm(collimator) * hole / (hole + wall)) ** 2


def bare_crystal(scale: int) -> list[Check]:
    """A Y Omega / 4 pi (1 - exp(-mu t)), and the share of the inner quarter of a near field by its solid angle."""
    near = generate(bare(Field("Tc-99m", 5e6 * scale, distance_mm=500)), 1)
    solid = solid_angle_share(540, 400, 500)
    inside = np.count_nonzero((abs(near.x_mm) < 135) & (abs(near.y_mm) < 100))
    return [
        counted("photons stopped by a bare crystal", len(near), 5e6 * scale * YIELD * solid * STOPPED),
        share("of them in the inner quarter", inside, len(near), solid_angle_share(270, 200, 500) / solid),
    ]


def masks(scale: int) -> list[Check]:
    """What a mask lets pass is its open area."""
    area, bq = 540 * 400, 2e11 * scale
    per_bq = YIELD * solid_angle_share(540, 400, 1e5) * STOPPED
    checks = []
    for name, mask, opened in (
        ("slits along y, with two halves", slits("y", width_mm=1, pitch_mm=30), 18 / 540),
        ("slits along x, with two halves", slits("x", width_mm=1, pitch_mm=40), 10 / 400),
        ("holes", holes(width_mm=4, pitch_mm=20), 27 * 20 * math.pi * 4 / area),
        ("bars", bars(4), 0.5),
        ("quadrants", quadrants((2.5, 2.5, 3.0, 4.0)), 0.5),
        ("slits that leak", slits("y", width_mm=1, pitch_mm=30, leak=0.1), 18 / 540 + 0.1 * (1 - 18 / 540)),
    ):
        photons = generate(bare(Field("Tc-99m", bq, distance_mm=1e5, mask=mask), seconds=0.2), 3)
        checks.append(counted(f"open area of {name}", len(photons), 0.2 * bq * per_bq * opened))
    return checks


def distance(scale: int) -> list[Check]:
    """R_g = d (l_e + b) / l_e grows with the distance b, sensitivity does not."""
    checks = []
    for seed, away_mm in enumerate((10.0, 100.0, 250.0)):
        scene = seen_by(point("Tc-99m", 5e8 * scale, (40, FACE_MM - away_mm, 30)), angle_deg=0.0)
        photons = generate(scene, 5 + seed)
        fwhm_mm = LEHR.hole_mm * (effective_mm(LEHR) + away_mm) / effective_mm(LEHR)
        expected = 5e8 * scale * YIELD * anger_efficiency(LEHR) * STOPPED
        checks += [
            spread(f"sigma of LEHR at {away_mm:.0f} mm, mm", photons.x_mm, fwhm_mm / FWHM),
            spread("the same along y", photons.y_mm, fwhm_mm / FWHM),
            centred("x of the point, mm", photons.x_mm, -40.0),
            counted("counts", len(photons), expected),
        ]
    return checks


def pinhole(scale: int) -> list[Check]:
    """d_e^2 cos^3 / (16 b^2), turned upside down and magnified by f / b."""
    photons = generate(seen_by(point("Tc-99m", 5e8 * scale, (30, -50, -20)), collimator=PINHOLE), 6)
    squared = 4 * (4 + 2 / TUNGSTEN_PER_MM * math.tan(math.radians(40)))
    cosine = 100 / math.sqrt(100**2 + 30**2 + 20**2)
    expected = 5e8 * scale * YIELD * squared / 16 / 100**2 * cosine**3 * STOPPED
    return [
        counted("counts through a pinhole", len(photons), expected),
        centred("x, mm", photons.x_mm, -60.0),
        centred("y, mm", photons.y_mm, 40.0),
        spread("sigma on the crystal, mm", photons.x_mm, math.sqrt(squared) * 3 / FWHM),
    ]


def walls(scale: int) -> list[Check]:
    """1/2 E2(k) of all photons pass walls with k mean free paths; straight on under the angle t: exp(-k / cos t)."""
    scene = seen_by(point("I-131", 2e6 * scale, (0, FACE_MM - 1, 0)), angle_deg=0.0)
    photons = generate(scene, 15)
    haze = photons.rows(((photons.flags & PhotonFlag.THROUGH) != 0) & (abs(photons.photon_kev - 364.489) < 0.01))
    k = LEAD_PER_MM_364 * 35 * (1 - (1.5 / 1.7) ** 2)
    cosines = (np.arange(100_000) + 0.5) / 100_000
    chances = np.exp(-k / cosines)
    near = np.sqrt(1 - cosines**2) / cosines * (35 + 1) <= 50
    inside = np.count_nonzero(np.hypot(haze.x_mm, haze.y_mm) <= 50)
    expected = 2e6 * scale * 0.815 / 2 * chances.mean() * stopped_in_crystal(364.489)
    return [
        counted("364 keV through the walls of LEHR", len(haze), expected),
        share("of them within 50 mm", inside, len(haze), chances[near].sum() / chances.sum()),
    ]


def attenuation(scale: int) -> list[Check]:
    """Direct photons are exp(-mu d) of those without water."""
    scene = seen_by(point("Tc-99m", 1e9 * scale, (0, 30, 0)), medium=Medium(100, 400, mu_per_mm=0.0096), orders=0)
    expected = 1e9 * scale * YIELD * anger_efficiency(LEHR) * STOPPED * math.exp(-0.0096 * WATER_OVER_511 * 130)
    return [counted("photons behind 130 mm of water", len(generate(scene, 8)), expected)]


def scatter(scale: int) -> list[Check]:
    """A thin cylinder scatters mu times the way in it, weighed by Klein and Nishina's formula; E' = E/(1 + ...)."""
    mu_511 = 2e-5
    photons = generate(seen_by(point("Tc-99m", 8e9 * scale), medium=Medium(60, 160, mu_per_mm=mu_511), orders=1), 9)
    turned = photons.rows((photons.flags & PhotonFlag.SCATTERED) != 0)
    direct = len(photons) - len(turned)
    # of lower energy, more of them stay in the crystal: each counts for as many as it stands for
    before = STOPPED * float(np.mean([1 / stopped_in_crystal(float(kev)) for kev in turned.photon_kev]))
    expected = direct * once_scattered_over_direct(KEV, mu_511 * WATER_OVER_511, 60, 160 / 2)
    edge = KEV / (1 + 2 * KEV / 510.999)
    return [
        counted("photons scattered once by thin water", len(turned) * before, expected, before),
        Check("their lowest energy, keV", float(turned.photon_kev.min()), edge, 0.1),
    ]


def scattered_often(scale: int) -> list[Check]:
    """Photons thrown from the middle of much water one by one, each scored where it scatters: off a pinhole, too."""
    medium = Medium(110, 260, mu_per_mm=0.0096, compton_share=0.9)
    scene = seen_by(point("Tc-99m", 2e8 * scale), collimator=PINHOLE, medium=medium)
    photons = generate(scene, 17)
    turned = photons.rows((photons.flags & PhotonFlag.SCATTERED) != 0)
    share_of_all, sigma = scattered_into_pinhole(KEV, medium, orders=3, count=100_000 * scale)
    emitted = 2e8 * scale * YIELD
    of_both = math.hypot(sigma * emitted, math.sqrt(share_of_all * emitted))
    return [Check("scattered up to three times, by a pinhole", len(turned), share_of_all * emitted, of_both)]


def decay(scale: int) -> list[Check]:
    """N(t0, t1) = A0 / lambda (exp(-lambda t0) - exp(-lambda t1))."""
    checks = []
    for name, per_decay, energy, hours in (("Tc-99m", YIELD, KEV, 24), ("F-18", 1.9346, 510.999, 4)):
        seconds, bq = hours * 3600.0, 3e4 * scale
        rate, counts = nuclide(name).decay_constant_per_s, np.zeros(4)
        for photons in blocks(bare(Field(name, bq), seconds=seconds), 10):
            counts += np.histogram(photons.time_ps, bins=4, range=(0, seconds * 1e12))[0]
        edges = np.exp(-rate * np.linspace(0, seconds, 5))
        parts = edges[:-1] - edges[1:]
        total = bq / rate * per_decay * solid_angle_share(540, 400, 3000) * stopped_in_crystal(energy)
        for index, part in enumerate(parts):
            checks.append(counted(f"decay of {name}, quarter {index + 1} of {hours} h", counts[index], total * part))
    return checks


def lines(scale: int) -> list[Check]:
    """Several nuclides at once: each line by its yield and by what stops it."""
    bq = 1e7 * scale
    photons = generate(bare(Field("Ga-67", bq), Field("Tc-99m", bq)), 11)
    checks = []
    flux = bq * solid_angle_share(540, 400, 3000)
    for origin, energy, per_100 in ((0, 93.310, 38.81), (0, 184.576, 21.41), (0, 300.217, 16.64), (1, KEV, 89.0)):
        found = np.count_nonzero((photons.origin == origin) & (abs(photons.photon_kev - energy) < 0.01))
        checks.append(counted(f"line of {energy} keV", found, flux * per_100 / 100 * stopped_in_crystal(energy)))
    return checks


def dead_time(scale: int) -> list[Check]:
    """Paralysable n exp(-n t), of variance 1 - 2 n t exp(-n t); not: n / (1 + n t), of variance 1 / (1 + n t)^2."""
    checks, seconds = [], 0.2 * scale
    for cps in (5e4, 1e5, 5e5, 1e6):
        for paralysable, mean, variance in (
            (True, cps * math.exp(-cps * TAU_S), 1 - 2 * cps * TAU_S * math.exp(-cps * TAU_S)),
            (False, cps / (1 + cps * TAU_S), 1 / (1 + cps * TAU_S) ** 2),
        ):
            electronics = Electronics(dead_time_ps=TAU_PS, paralysable=paralysable)
            found = len(generate(at_rate(cps, seconds=seconds, electronics=electronics), 1))
            kind = "paralysable" if paralysable else "not paralysable"
            checks.append(counted(f"{kind}, 2 us, {cps:.0f}/s", found, mean * seconds, variance))
    return checks


def two_sources(scale: int) -> list[Check]:
    """The dead time by two sources: 2 R12 / (R1 + R2)^2 ln((R1 + R2) / R12), at small losses."""
    seconds, electronics = 10.0 * scale, Electronics(dead_time_ps=TAU_PS, paralysable=True)
    one, other = Field("Tc-99m", 4e4 / PER_BQ), Field("Tc-99m", 5e4 / PER_BQ)
    rates = [
        len(generate(bare(*fields, electronics=electronics, seconds=seconds), 3)) / seconds
        for fields in ((one,), (other,), (one, other))
    ]
    exact = [rate * math.exp(-rate * TAU_S) for rate in (4e4, 5e4, 9e4)]

    def tau_us(first: float, second: float, both: float) -> float:
        return 2e6 * both / (first + second) ** 2 * math.log((first + second) / both)

    spread_us = 2e6 / sum(exact[:2]) * math.sqrt(2 / sum(exact[:2]) / seconds)
    return [Check("dead time by two sources, us", tau_us(*rates), tau_us(*exact), spread_us)]


def pile_up(scale: int) -> list[Check]:
    """1 - exp(-n w) of the events have company within the integration time w."""
    cps, electronics = 2e5, Electronics(dead_time_ps=TAU_PS, integration_ps=500_000)
    photons = generate(at_rate(cps, seconds=0.5 * scale, electronics=electronics), 5)
    piled = np.count_nonzero(photons.flags & PhotonFlag.PILED_UP)
    return [share("piled up within 0.5 us at 200000/s", piled, len(photons), 1 - math.exp(-cps * 0.5e-6))]


def peak(photons: Photons, response: Response) -> Reported:
    """Return what a head reports of photons that left all their energy."""
    whole = photons.rows((photons.flags & PhotonFlag.CONTINUUM) == 0)
    return report(whole, (SimulatedHead(0, CRYSTAL, response=response),), np.random.default_rng(77))


def drift(scale: int) -> list[Check]:
    """1/2 [erf((hi - mu) / sigma sqrt 2) - erf((lo - mu) / sigma sqrt 2)] with mu and sigma times the gain."""
    photons, checks = generate(at_rate(2e5 * scale), 7), []
    for gain in (1.0, 1.02, 1.05, 1.10):
        energies = peak(photons, Response(gain=gain)).energy_kev
        inside = np.count_nonzero((energies >= 0.9 * KEV) & (energies < 1.1 * KEV))
        expected = window_share(0.9 * KEV, 1.1 * KEV, gain * KEV, gain * 0.098 * KEV / FWHM)
        checks.append(share(f"in the 20 % window, gain {gain}", inside, len(energies), expected))
    return checks


def resolutions(scale: int) -> list[Check]:
    """Full widths in keV and in mm, as set at 140.5 keV, go with sqrt(E) and 1 / sqrt(E)."""
    photons, checks = generate(bare(Field("Tc-99m", 5e7 * scale), Field("I-131", 5e7 * scale)), 9), []
    for origin, energy in ((0, KEV), (1, 364.489)):
        line = photons.rows((photons.origin == origin) & (abs(photons.energy_kev - energy) < 0.01))
        reported = report(line, (SimulatedHead(0, CRYSTAL),), np.random.default_rng(9))
        checks += [
            spread(f"sigma of {energy:.1f} keV, keV", reported.energy_kev, 0.098 * math.sqrt(KEV * energy) / FWHM),
            spread("sigma of its x, mm", reported.x_mm - line.x_mm, 3.6 * math.sqrt(KEV / energy) / FWHM),
            spread("sigma of its y, mm", reported.y_mm - line.y_mm, 3.6 * math.sqrt(KEV / energy) / FWHM),
        ]
    return checks


def flood_noise(scale: int) -> list[Check]:
    """100 / sqrt(N) percent of pixels, 37.5 / sqrt(N) after the kernel 1-2-1, N counts in one; and of NEMA's spreads.

    Integral uniformity of a perfect flood of 80 x 58 pixels is 141 / sqrt(N) and differential 112.5 / sqrt(N), with a
    standard deviation of some 8 % of that.
    """
    per_bq = YIELD * solid_angle_share(540, 400, 1e5) * STOPPED  # from afar, where it is even
    photons = generate(bare(Field("Tc-99m", 1.5e6 * scale / per_bq, distance_mm=1e5)), 10)
    image = np.histogram2d(photons.y_mm, photons.x_mm, bins=(62, 84), range=((-198.4, 198.4), (-268.8, 268.8)))[0]
    nema = flood_uniformity(image, pixel_mm=6.4, field=FieldOfView(80 * 6.4, 58 * 6.4)).ufov
    rows = image[:-2] + 2 * image[1:-1] + image[2:]
    apart = ((rows[:, :-2] + 2 * rows[:, 1:-1] + rows[:, 2:]) / 16)[::3, ::3]
    root = math.sqrt(image.mean())
    pixels = 100 * image.std() / image.mean()
    smooth = 100 * apart.std() / image.mean()
    return [
        Check("noise of pixels, %", pixels, 100 / root, 100 / root / math.sqrt(2 * image.size)),
        Check("noise after the kernel, %", smooth, 37.5 / root, 37.5 / root / math.sqrt(2 * apart.size)),
        Check("integral uniformity, %", nema.integral_percent, 141 / root, 0.08 * 141 / root),
        Check("differential uniformity, %", nema.differential_percent, 112.5 / root, 0.08 * 112.5 / root),
    ]


FORMS: tuple[Form, ...] = (
    bare_crystal, masks, distance, pinhole, walls, attenuation, scatter, scattered_often, decay, lines, dead_time,
    two_sources, pile_up, drift, resolutions, flood_noise,
)  # fmt: skip
