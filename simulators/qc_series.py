"""Years of daily PET results with a drift that is known: what trends are tried on.

One published case is behind it: a ring whose photopeak fell from 511 to 468 keV within five years and whose
sensitivity fell by 16 %, while its daily quality control said nothing (PubMed 21784686). Here a gain falls, and the
sensitivity follows from the energy window by the closed form: a block counts the share of the photopeak that is within
435 to 650 keV, a coincidence needs two. With 12 % FWHM a gain of 468/511 takes 15.7 % of the coincidences.
"""

from __future__ import annotations

import argparse
import csv
import math
import sys
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.special import erf

Floats = npt.NDArray[np.float64]
Scenario = Literal["drift", "block", "quiet"]

PEAK_KEV = 511.0
DRIFTED_KEV = 468.0
DRIFT_YEARS = 5.0
WINDOW_KEV = (435.0, 650.0)
FWHM_SHARE = 0.12
GE68_HALF_LIFE_DAYS = 270.95
_FWHM_TO_SIGMA = 1.0 / (2.0 * math.sqrt(2.0 * math.log(2.0)))
_YEAR = 365.25
_WEEK, _WORKING = 7, 5
_SATURDAY = 5
FIGURES = (
    ("block_peak", "keV"), ("block_sensitivity", "cps/MBq"), ("block_resolution", "%"), ("block_time_offset", "ps"),
    ("block_time_width", "ps"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Ring:
    """What the simulated ring is. Spreads are standard deviations between blocks, `day_*` from day to day of a block.

    `wave_share`: half the yearly wave of all gains, from the room's temperature; `weather_share`: standard deviation
    of its wandering within days, remembered from test to test by `weather_memory`; `block_counts`: per block and scan
    with a new source, which is replaced every `source_years`; `services`: days at which a service makes a new normal.
    """

    blocks: int = 448
    gain_spread: float = 0.01
    drift_spread: float = 0.1
    wave_share: float = 0.002
    weather_share: float = 0.0005
    weather_memory: float = 0.8
    response_spread: float = 0.1
    day_gain_share: float = 0.001
    day_sensitivity_share: float = 0.005
    block_counts: float = 100_000.0
    sensitivity: float = 20.0
    width_ps: float = 230.0
    day_offset_ps: float = 3.0
    source_years: float = 1.5
    missed_share: float = 0.03
    services: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Results:
    """Daily results. `days`: since the first, [tests]; of each figure values and counting noise [tests, blocks]."""

    days: Floats
    values: dict[str, Floats]
    noise: dict[str, Floats]
    services: tuple[int, ...]


def share_in_window(gain: Floats) -> Floats:
    """Return the share of the photopeak within the window at a gain: what D2 calls photopeak in window, gain drift."""
    sigma = FWHM_SHARE * PEAK_KEV * gain * _FWHM_TO_SIGMA
    low, high = ((edge - PEAK_KEV * gain) / (sigma * math.sqrt(2.0)) for edge in WINDOW_KEV)
    found: Floats = 0.5 * (erf(high) - erf(low))
    return found


def simulate(
    scenario: Scenario, years: float, seed: int, ring: Ring | None = None, *, first_weekday: int = 0
) -> Results:  # fmt: skip
    """Return results of each working day: all gains drift, that of block 17 alone, or none."""
    ring = ring or Ring()
    random = np.random.default_rng(seed)
    days = _working_days(years, random, ring, first_weekday)
    counts = ring.block_counts * np.exp2(-(days % (ring.source_years * _YEAR)) / GE68_HALF_LIFE_DAYS)[:, None]
    gain = _gains(scenario, days, ring, random)
    kept = share_in_window(gain)
    kept = kept * np.median(kept, axis=1)[:, None]
    counts = counts * kept
    values, noise = _measured(gain, kept, counts, ring, random)
    return Results(days, values, noise, ring.services)


def _working_days(years: float, random: np.random.Generator, ring: Ring, first_weekday: int) -> Floats:
    every = np.arange(round(years * _YEAR))
    working = (every + first_weekday) % _WEEK < _WORKING
    done = working & (random.random(len(every)) >= ring.missed_share)
    return every[done].astype(np.float64)


def _gains(scenario: Scenario, days: Floats, ring: Ring, random: np.random.Generator) -> Floats:
    """Return the gain of each block at each test, 1 what it was tuned to."""
    start = 1.0 + ring.gain_spread * random.standard_normal(ring.blocks)
    response = 1.0 + ring.response_spread * random.standard_normal(ring.blocks)
    lost = (1.0 - DRIFTED_KEV / PEAK_KEV) * days / (DRIFT_YEARS * _YEAR)
    if scenario == "drift":
        drift = lost[:, None] * (1.0 + ring.drift_spread * random.standard_normal(ring.blocks))
    else:
        drift = np.zeros((len(days), ring.blocks))
        if scenario == "block":
            drift[:, min(17, ring.blocks - 1)] = lost
    common = ring.wave_share * np.sin(2.0 * np.pi * days / _YEAR) + _weather(len(days), ring, random)
    return start * (1.0 - drift) * (1.0 + common[:, None] * response)


def _weather(tests: int, ring: Ring, random: np.random.Generator) -> Floats:
    fresh = random.standard_normal(tests) * ring.weather_share
    found = np.empty(tests)
    state = fresh[0] if tests else 0.0
    for at in range(tests):
        state = ring.weather_memory * state + math.sqrt(1.0 - ring.weather_memory**2) * fresh[at] if at else state
        found[at] = state
    return found


def _measured(
    gain: Floats, kept: Floats, counts: Floats, ring: Ring, random: np.random.Generator
) -> tuple[dict[str, Floats], dict[str, Floats]]:
    """Return values of the five figures with day-to-day and counting noise, and the counting noise."""

    def around(centre: Floats | float, daily: Floats | float, counting: Floats) -> Floats:
        return centre + np.hypot(daily, counting) * random.standard_normal(gain.shape)

    peak = PEAK_KEV * gain
    sensitivity = ring.sensitivity * kept * (1.0 + 0.05 * random.standard_normal(ring.blocks))
    resolution = 100.0 * FWHM_SHARE * (1.0 + 0.04 * random.standard_normal(ring.blocks))
    offset = 20.0 * random.standard_normal(ring.blocks)
    width = ring.width_ps * (1.0 + 0.03 * random.standard_normal(ring.blocks))
    noise = {
        "block_peak": peak * FWHM_SHARE * _FWHM_TO_SIGMA / np.sqrt(counts),
        "block_sensitivity": sensitivity / np.sqrt(counts),
        "block_resolution": resolution / np.sqrt(2.0 * counts),
        "block_time_offset": width * _FWHM_TO_SIGMA / np.sqrt(counts),
        "block_time_width": width / np.sqrt(2.0 * counts),
    }
    values = {
        "block_peak": around(peak, PEAK_KEV * ring.day_gain_share, noise["block_peak"]),
        "block_sensitivity": around(
            sensitivity, sensitivity * ring.day_sensitivity_share, noise["block_sensitivity"]
        ),
        "block_resolution": around(resolution, 0.03, noise["block_resolution"]),
        "block_time_offset": around(offset, ring.day_offset_ps, noise["block_time_offset"]),
        "block_time_width": around(width, 0.5, noise["block_time_width"]),
    }  # fmt: skip
    return values, noise


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what `python -m simulators qc-series` takes."""
    parser.add_argument("--scenario", choices=("drift", "block", "quiet"), default="drift",
                        help="all gains drift, that of block 17 alone, or none; default: drift")  # fmt: skip
    parser.add_argument("--years", type=float, default=5.0, metavar="Y", help="default 5")
    parser.add_argument("--blocks", type=int, default=448, metavar="N", help="default 448")
    parser.add_argument("--service", type=int, action="append", default=[], metavar="DAY",
                        help="a service on this day, noted as an event; may be repeated")  # fmt: skip
    parser.add_argument("--begin", default="2031-01-06", metavar="DATE", help="first day; default 2031-01-06, a Monday")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="default 1")
    parser.add_argument("--csv", type=Path, required=True, metavar="FILE", help="where the results go")


def run(options: argparse.Namespace) -> int:
    """Write the results; return the exit code."""
    begin = datetime.fromisoformat(options.begin).replace(tzinfo=UTC, hour=6, minute=30)
    ring = replace(Ring(), blocks=options.blocks, services=tuple(options.service))
    results = simulate(options.scenario, options.years, options.seed, ring, first_weekday=begin.weekday())
    with options.csv.open("w", newline="", encoding="utf-8") as file:
        write_csv(results, begin, file)
    text = f"{len(results.days)} tests of {options.blocks} blocks, {len(FIGURES)} figures: {options.csv}\n"
    sys.stdout.write(text)
    return 0


def write_csv(results: Results, begin: datetime, file: object) -> None:
    """Write a row for each test, figure and part: `value`, `noise`, `event` of a service; one says `simulated`."""
    rows = csv.writer(file)  # type: ignore[arg-type]
    blocks = next(iter(results.values.values())).shape[1]
    rows.writerow(["performed_utc", "figure", "unit", "part", *(f"block {number}" for number in range(blocks))])
    rows.writerow([_written(begin, 0.0), "", "", "simulated"])
    for day in results.services:
        rows.writerow([_written(begin, day), "", "", "event", "service"])
    for at, day in enumerate(results.days):
        for figure, unit in FIGURES:
            for part, of in (("value", results.values), ("noise", results.noise)):
                digits = (f"{each:.7g}" for each in of[figure][at])
                rows.writerow([_written(begin, float(day)), figure, unit, part, *digits])


def _written(begin: datetime, day: float) -> str:
    return (begin + timedelta(days=day)).strftime("%Y-%m-%dT%H:%M:%SZ")
