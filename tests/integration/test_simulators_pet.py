"""`pet` as a process, heard over real sockets: what it sends is what it says about every single."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support_simulators import Received, refused, simulator, subscribe, truth_of

from daq.pipeline.calibrating import Tables, calibrated
from device_profiles.calibrations import load_calibration
from simulators.pet.truthfile import read_photons

TICK_PS = 3125 / 128
SCAN = (
    "pet", "--profile", "singles64", "--activity", "point:F-18,mbq=0.2,x=30", "--detectors",
    "efficiency=0.8,gain_sigma=0.04,offset_sigma_ps=2000", "--seed", 5, "--once", "--speed", "max",
)  # fmt: skip


def decoded(got: Received, source: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return times in ps, detectors and codes of singles64, by the bits of its page."""
    words = np.frombuffer(got.words(source), "<u8")
    is_epoch = (words >> np.uint64(63)).astype(bool)
    epoch = (words & np.uint64((1 << 34) - 1))[is_epoch][np.cumsum(is_epoch) - 1][~is_epoch]
    singles = words[~is_epoch]
    ticks = epoch.astype(np.int64) * (1 << 24) + (singles & np.uint64((1 << 24) - 1)).astype(np.int64)
    return ticks * TICK_PS, (singles >> np.uint64(36) & np.uint64(0x3FFF)), singles >> np.uint64(24) & np.uint64(0xFFF)


def test_every_single_sent_is_one_of_the_truth_and_calibrates_to_it(tmp_path: Path) -> None:
    truth_file, photons_file, calibration_file = tmp_path / "t.json", tmp_path / "p.arrow", tmp_path / "c.toml"
    with simulator(
        *SCAN, "--seconds", "0.2", "--sources", 2, "--truth", truth_file, "--photons", photons_file,
        "--calibration", calibration_file,
    ) as server:  # fmt: skip
        got = subscribe(server, 8, sources=2)
        code, errors = server.finish()
    truth = truth_of(truth_file)
    photons, about = read_photons(photons_file)
    calibration = Tables.of(load_calibration(calibration_file, instrument="singles64", detector_count=16384))

    assert (code, errors, got.gap) == (0, "", 0)
    assert truth["events"] == len(photons) > 5000
    assert truth["scan"]["sources"][0]["position_mm"] == [30.0, 0.0, 0.0]
    assert truth["scan"]["detectors"]["efficiency"] == 0.8
    assert truth["singles_are_made"] == about["singles_are_made"] == "while they are sent"
    for source in (0, 1):
        mine = photons.rows(photons.module * 2 // 256 == source)
        time_ps, detector, energy_adc = decoded(got, source)
        assert np.array_equal(detector, mine.detector)
        assert np.abs(time_ps + TICK_PS / 2 - mine.time_ps).max() <= TICK_PS / 2 + 1
        assert np.abs(energy_adc * 0.5 - mine.energy_kev).max() <= 0.2501
        times, kev, unnamed = calibrated(
            calibration, time_ps.astype(np.int64), detector.astype(np.uint32), energy_adc.astype(np.uint16)
        )
        assert unnamed == 0
        assert np.abs(times - mine.true_time_ps).max() < 8 * 91 + 30
        assert np.median(kev) == pytest.approx(511.0, abs=1.0)
        assert np.std(times - mine.true_time_ps) == pytest.approx(214 / 2.3548 / np.sqrt(2), rel=0.05)


def test_a_loop_goes_on_where_it_ends_and_says_that_it_is_one(tmp_path: Path) -> None:
    truth_file, photons_file = tmp_path / "t.json", tmp_path / "p.arrow"
    with simulator(
        *SCAN, "--seconds", "0.2", "--loop", "0.02", "--truth", truth_file, "--photons", photons_file
    ) as server:
        got = subscribe(server, 8)
        code, errors = server.finish()
    truth = truth_of(truth_file)
    photons, about = read_photons(photons_file)
    time_ps, detector, _ = decoded(got, 0)

    assert (code, errors, got.gap) == (0, "", 0)
    assert about["loop_ps"] == truth["loop_ps"] == 49 * 409_600_000
    assert truth["repetitions"] == 10
    assert truth["singles_are_made"] == "once, for a loop of 0.0200704 s that is sent 10 times"
    assert truth["events"] == 10 * len(photons) == len(time_ps)
    assert np.array_equal(detector, np.tile(photons.detector, 10))
    expected = np.concatenate([photons.time_ps + turn * truth["loop_ps"] for turn in range(10)])
    assert np.abs(time_ps + TICK_PS / 2 - expected).max() <= TICK_PS / 2 + 1


@pytest.mark.parametrize(
    ("options", "code", "sentence"),
    [
        (["--profile", "singles64"], 2, "nothing decays"),
        (["--profile", "singles64", "--activity", "blob:F-18,mbq=1"], 2, "shapes are point, line, cylinder"),
        (["--profile", "singles64", "--activity", "point:F-18"], 2, "mbq missing"),
        (["--profile", "singles64", "--activity", "point:Tc-99m,mbq=1"], 3, "the simulator knows F-18"),
        (["--profile", "singles64", "--activity", "line:F-18,mbq=1,length=7,radius=3"], 2, "'radius' is unknown"),
        (["--profile", "singles64", "--detectors", "efficiency=2"], 2, "must be from 0 to 1"),
        (["--profile", "singles64", "--activity", "point:F-18,mbq=1", "--scanner", "dual-head"], 3, "no ring"),
        (["--profile", "singles64", "--activity", "point:F-18,mbq=1", "--scanner", "siemens-mmr"], 3, "0 to 16383"),
        (["--profile", "safir64", "--activity", "point:F-18,mbq=1"], 3, "no kind of word is a single"),
        (["--profile", "singles64", "--activity", "point:F-18,mbq=500", "--loop", "50"], 2, "bytes of words; at most"),
    ],
)
def test_what_cannot_be_simulated_is_refused_in_a_sentence(options: list[str], code: int, sentence: str) -> None:
    got, errors = refused("pet", *options)

    assert got == code
    assert sentence in errors
    assert "Traceback" not in errors
