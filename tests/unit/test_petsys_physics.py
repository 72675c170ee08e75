"""A PET scan in the frames of the PETsys front end: the photons of the scan, and nothing else."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pytest

from daq.errors import UsageError
from daq.model import tofpet2 as t
from daq.wire.petsys import decode_events
from simulators import petsys_gbe
from simulators.pet.truthfile import read_photons
from simulators.petsys.encoding import NOMINAL, encode

SECONDS = 0.02


def parsed(*options: object) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    petsys_gbe.add_options(parser)
    return parser.parse_args([str(option) for option in options])


def test_frames_hold_the_photons_of_the_scan(tmp_path: Path) -> None:
    truth = tmp_path / "photons.arrow"
    options = ("--activity", "point:F-18,mbq=5", "--seconds", SECONDS, "--seed", 3, "--photons", truth)

    singles, described = petsys_gbe.source_of(parsed(*options))
    events = encode(singles, 0)
    fields = decode_events(events.words)
    photons, _ = read_photons(truth)

    assert described["loop_events"] == len(photons) == len(events.words) > 10_000
    assert described["options"]["activity_bq"] == [["F-18", 5e6]]
    q = (fields.t_fine - NOMINAL.fine_at_zero) / NOMINAL.fine_per_clock
    time_ps = ((events.frame * t.FRAME_CLOCKS + fields.t_coarse - q) * t.CLOCK_PS) % singles.length_ps
    order, expected = np.lexsort((fields.channel, time_ps)), np.lexsort((photons.detector, photons.time_ps))
    assert np.abs(time_ps[order] - photons.time_ps[expected]).max() <= t.CLOCK_PS / NOMINAL.fine_per_clock / 2 + 1
    np.testing.assert_array_equal(np.bincount(fields.channel), np.bincount(photons.detector))
    assert fields.e_fine.max() * NOMINAL.kev_per_code == pytest.approx(photons.energy_kev.max(), abs=2)


def test_front_ends_share_a_scanner_by_their_first_detector() -> None:
    options = ("--activity", "point:F-18,mbq=5", "--seconds", SECONDS, "--seed", 3)

    whole, _ = petsys_gbe.source_of(parsed(*options))
    halves = [petsys_gbe.source_of(parsed(*options, "--asics", 8, "--first-detector", k))[0] for k in (0, 512)]

    assert sum(len(half.time_ps) for half in halves) == len(whole.time_ps)
    upper = whole.detector >= 512
    np.testing.assert_array_equal(halves[1].detector + 512, whole.detector[upper])
    np.testing.assert_array_equal(halves[1].time_ps, whole.time_ps[upper])


@pytest.mark.parametrize(
    ("options", "frames"),
    [
        (("--rate", 1e5), 1_953_125),
        (("--rate", 1e7), 78_125),
        (("--rate", 1e5, "--seconds", 1), 195_312),
        (("--rate", 1e5, "--loop", 0.001), 195),
    ],
)
def test_a_loop_is_as_long_as_memory_should_hold(options: tuple[object, ...], frames: int) -> None:
    arguments = parsed(*options)

    assert petsys_gbe.loop_frames(arguments.rate, arguments.loop, arguments.seconds) == frames


def test_a_scan_of_hours_is_no_loop() -> None:
    with pytest.raises(UsageError, match="at most 100 s"):
        petsys_gbe.scan_frames(3600.0, None)
