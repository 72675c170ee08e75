"""Analyses of a camera from what a daemon's acquisition of the shipped protocols records, good days and bad ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support_protocols import camera as protocol_text
from support_qc_floods import bed, disc, even, flood_recording, half, source
from support_recording import Script, record

from daq.composition.qc.analysed import analysed as done
from daq.composition.qc.analyses import analysis
from daq.composition.qc.job import Job
from daq.composition.qc.material import Material
from daq.errors import MissingError, UsageError
from daq.model.processing import Processing
from daq.model.qc.figures import Findings, Level
from daq.model.qc.known import ANALYSES
from daq.model.qc.limits import Bounds, Limit, QcTest
from daq.model.windows import EnergyWindow
from daq.storage.hostmarks import AxisPlace
from daq.storage.listing import load_manifest
from daq.storage.manifest import MANIFEST, dump_manifest
from daq.wire.native import Header, encode
from device_profiles.load import load_profile
from device_profiles.scanners import load_scanner

FAULT = disc(100.0, -50.0, 76.0, 0.85)
DAILY = 6_000_000
"""About 420 counts per pixel of a head: noise alone is an integral uniformity of 7 %."""


def analysed(name: str, *recordings: Path, **parameters: Any) -> Findings:
    test = QcTest(title="a test", analysis=name, parameters=parameters)
    found = analysis(name)(Material(name, test, load_scanner("dual-head"), recordings))
    for figure in found.figures:
        kind = ANALYSES[name].figure(figure.name)
        assert kind is not None, f"{figure.name} is not among the figures of {name}"
        assert kind.unit == figure.unit
        assert len(figure.subjects) == len(figure.values) == len(figure.noise) == len(figure.counts)
        assert all(value is None or np.isfinite(value) for value in figure.values)
    return found


def value(found: Findings, name: str, subject: str) -> float:
    figure = found.figure(name)
    assert figure is not None, name
    one = figure.of_subject(subject)
    assert one is not None, subject
    (number,) = one.values
    assert number is not None, f"{name} of {subject}"
    return number


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A daily flood: a photomultiplier of head 0 counts 15 % less, which the uniformity map of both heads mends."""
    return flood_recording(
        tmp_path_factory.mktemp("faulty"), events=DAILY, shades=(FAULT, even), weights=lambda x, y: 1.0 / FAULT(x, y),
    )  # fmt: skip


def test_a_daily_flood_gives_each_head_its_figures_with_weights_and_without(faulty: Path) -> None:
    found = analysed("planar-uniformity", faulty)

    assert found.obstacles == ()
    assert value(found, "counts_per_pixel", "head 0") == pytest.approx(422, rel=0.05)
    assert value(found, "ufov_integral", "head 0") < 10.0
    assert value(found, "uncorrected_ufov_integral", "head 0") > 12.0
    assert abs(value(found, "worst_spot_percent", "head 0")) < 3.0
    assert value(found, "uncorrected_worst_spot_percent", "head 0") == pytest.approx(-15.0, abs=2.0)
    assert any(text.startswith("head 0: hidden by the uniformity map") for text in found.remarks)
    assert value(found, "worst_spot_percent", "head 1") == pytest.approx(100.0 * (1 / 0.85 - 1), abs=3.0)  # another map
    pixels = 540.0 * 400.0 / (540.0 / 256 * 3) ** 2
    per_pixel = value(found, "counts_per_pixel", "head 1")
    assert value(found, "count_rate_cps", "head 1") == pytest.approx(per_pixel * pixels / 100, rel=0.02)


def test_findings_carry_what_a_report_draws(faulty: Path) -> None:
    found = analysed("planar-uniformity", faulty)

    assert [each.title for each in found.pictures] == [
        f"{kind}, head {head}" for head in (0, 1) for kind in ("corrected flood", "flood as counted")
    ]
    assert found.pictures[0].fields["UFOV"] == (540.0, 400.0)
    assert any(curve.title == "profile along x, head 0" for curve in found.curves)
    assert any("3 x 3 of 2.109 mm" in text for text in found.remarks)


def test_each_head_is_judged_by_itself_and_half_a_flood_is_of_one(tmp_path: Path) -> None:
    found = analysed("planar-uniformity", flood_recording(tmp_path, shades=(even, half)))

    (obstacle,) = found.obstacles
    assert obstacle.startswith("head 1: the flood does not cover the field")
    assert value(found, "peak_off_percent", "head 0") == pytest.approx(0.0, abs=0.6)


def test_a_head_that_saw_no_source_is_an_obstacle(tmp_path: Path) -> None:
    found = analysed("planar-uniformity", flood_recording(tmp_path, shades=(even, lambda x, y: 0.01 + 0.0 * x)))

    assert found.obstacles == ("head 1: it saw no source in its window, or less than a tenth of what another head did",)


def test_a_bed_between_source_and_head_is_an_obstacle(tmp_path: Path) -> None:
    found = analysed("planar-uniformity", flood_recording(tmp_path, events=4_000_000, shades=(even, bed)))

    assert [text.partition(":")[0] for text in found.obstacles] == ["head 1"]
    assert "the bed" in found.obstacles[0]


def test_the_wrong_source_is_found_out_in_flood_and_peak(tmp_path: Path) -> None:
    """Tc-99m where the protocol is for Co-57: its window still gets counts."""
    directory = flood_recording(tmp_path, source_name="Tc-99m", events=1_500_000)

    for name in ("planar-uniformity", "energy-peak"):
        found = analysed(name, directory)
        assert len(found.obstacles) >= 2
        assert all("Tc-99m has its line there" in text for text in found.obstacles)


def test_what_the_test_says_stands_before_what_the_protocol_says(tmp_path: Path) -> None:
    directory = flood_recording(tmp_path, source_name="Tc-99m", events=1_500_000)

    found = analysed("energy-peak", directory, nuclide="Tc-99m")

    assert found.obstacles == ()
    assert value(found, "peak_kev", "head 1") == pytest.approx(140.5, abs=0.5)
    assert value(found, "energy_resolution_percent", "head 0") == pytest.approx(10.0, abs=0.6)
    assert found.figure("dead_time_percent") is None  # the front end does not say


def test_an_intrinsic_flood_of_one_head_finds_where_the_source_stood(tmp_path: Path) -> None:
    directory = flood_recording(
        tmp_path, protocol="intrinsic-flood", source_name="Tc-99m", events=3_000_000, collimator=None,
        shades=(source(0.0, 0.0, 1000.0), lambda x, y: 0.0 * x),
    )  # fmt: skip

    found = analysed("planar-uniformity", directory)

    (obstacle,) = found.obstacles
    assert obstacle.startswith("head 0: the flood slopes by")
    assert "as of a point source" in obstacle
    assert analysed("planar-uniformity", directory, bare=False).obstacles == ()


@pytest.mark.parametrize("changed", [{"window": "scatter"}, {}])
def test_what_cannot_be_read_is_refused_in_words(tmp_path: Path, changed: dict[str, Any]) -> None:
    recordings = (flood_recording(tmp_path, events=20_000),) if changed else ()

    with pytest.raises((MissingError, UsageError)):
        analysed("planar-uniformity", *recordings, **changed)


def test_an_empty_flood_is_an_obstacle_and_gives_no_figure(tmp_path: Path) -> None:
    found = analysed("planar-uniformity", flood_recording(tmp_path, events=2_000, gain=0.3))

    assert len(found.obstacles) == 2
    assert all("no source" in text for text in found.obstacles)
    assert found.figures == ()


@pytest.fixture(scope="module")
def contaminated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return flood_recording(
        tmp_path_factory.mktemp("room"), protocol="camera-background", events=1_500, source_name="Tc-99m",
        seconds=300, hot=40,
    )  # fmt: skip


def test_a_background_gives_each_head_and_window_its_rate(contaminated: Path) -> None:
    found = analysed("background", contaminated)

    figure = found.figure("background_cps")
    assert figure is not None
    assert sorted(figure.subjects) == [
        f"head {head}, window {name}" for head in (0, 1) for name in ("cobalt", "high", "technetium")
    ]
    assert value(found, "background_cps", "head 1, window technetium") == pytest.approx(
        750 * 0.9 * (540 * 400) / (560 * 420) / 300, rel=0.15
    )


def test_a_contamination_is_found_where_it_is_and_nowhere_else(contaminated: Path) -> None:
    found = analysed("background", contaminated)

    assert value(found, "hottest_sigma", "head 0, window technetium") > 5.0
    assert value(found, "hottest_sigma", "head 1, window technetium") < 3.5
    assert value(found, "hottest_cps", "head 0, window technetium") == pytest.approx(40 * 0.9 / 300, rel=0.3)
    (remark,) = [text for text in found.remarks if "hot place" in text]
    assert "head 0, window technetium" in remark
    assert "x 5" in remark or "x 6" in remark


def swept_sheet(folder: Path) -> Path:
    """Record a sweep of 800 mm in 4 s under a flood that both heads see all the time, a twentieth of a second each."""
    random, each_us, per_call = np.random.default_rng(22), 50_000, 4000
    datagrams: list[bytes] = []
    actions: dict[int, list[Any]] = {}
    for number in range(100):
        place = AxisPlace("bed", number * each_us * 10**6, min(max(number - 10, 0) * 10.0, 800.0), 10 <= number < 90)
        actions[len(datagrams)] = [("positions", [place]), *([("named step", ("body", "time=4900ms"))] * (number == 1))]
        time = np.sort(random.integers(number * each_us, (number + 1) * each_us, per_call))
        head, x, y = (random.integers(low, high, per_call) for low, high in ((0, 2), (-450, 451), (-333, 334)))
        words = (1 << 62 | head << 60 | time << 30 | 280 << 20 | (y & 0x3FF) << 10 | x & 0x3FF).astype("<u8")
        datagrams += [
            encode(Header(0, 0, 160, number * per_call + begin), words[begin : begin + 160].tobytes())
            for begin in range(0, per_call, 160)
        ]
    record(folder / "run", Script(
        datagrams, list(range(0, 1000 * len(datagrams), 1000)), profile=load_profile("head-xye64"), actions=actions,
        stop="time=5s", processing=Processing(windows=(EnergyWindow(126.0, 154.0, "photopeak"),)),
    ))  # fmt: skip
    manifest = load_manifest(folder / "run")
    sweep = 'name = "body"\nsweep = { axis = "bed", from = "0 mm", to = "800 mm", speed = "200 mm/s" }\n'
    text = protocol_text(f'[[steps]]\n{sweep}image.matrix = [256, 512]\nstop.host = "9 s"\n', kind="whole_body")
    manifest.scanner = load_scanner("dual-head").model_dump(mode="json")
    manifest.protocol = {"id": "mine", "toml": text}
    (folder / "run" / MANIFEST).write_bytes(dump_manifest(manifest))
    return folder / "run"


def test_a_scan_of_a_sheet_is_even_along_the_bed(tmp_path: Path) -> None:
    found = analysed("whole-body-uniformity", swept_sheet(tmp_path))

    assert found.obstacles == ()
    for head in ("head 0", "head 1"):
        integral = found.figure("scan_integral")
        assert integral is not None
        one = integral.of_subject(head)
        assert one is not None
        assert one.values[0] == pytest.approx(one.noise[0], rel=0.5)
        assert value(found, "speed_mean_mm_per_s", head) == pytest.approx(200.0, rel=1e-6)
        assert value(found, "speed_spread_percent", head) < 1e-3
        assert value(found, "judged_length_mm", head) == pytest.approx(400.0, abs=50.0)
        assert abs(value(found, "scan_slope_percent", head)) < 3.0


def test_a_flood_of_another_collimator_says_nothing_of_this_one_and_is_not_compared_with_its_reference(
    tmp_path: Path,
) -> None:
    of_first = Limit(unit="%", of="reference-percent", action=Bounds(above=50.0), counts_needed=0, source="a reference")
    test = QcTest(title="a test", analysis="energy-peak", limits={"peak_kev": of_first})
    first, again, other = (
        flood_recording(tmp_path / name, events=40_000, collimator=collimator, seed=seed)
        for name, collimator, seed in (("first", "LEHR", 1), ("again", "LEHR", 2), ("other", "MEGP", 3))
    )
    job = Job("peak", test, load_scanner("dual-head"), (first,))
    reference = ("r-1", done(job).result)

    alike, unlike = (done(replace(job, recordings=(each,), reference=reference)).result for each in (again, other))

    why = "test-1 was acquired with MEGP, and the test is of LEHR: it says nothing of LEHR; MEGP needs its own test"
    assert (why in alike.obstacles, why in unlike.obstacles) == (False, True)
    assert (alike.reference, unlike.reference) == ("r-1", None)
    assert unlike.level is Level.NOT_EVALUABLE
    assert {name for figure in unlike.figures for name in figure.subjects} == {"head 0, MEGP", "head 1, MEGP"}
    assert "the reference was acquired with LEHR, this with MEGP: they are not compared" in unlike.remarks


def test_a_bare_source_that_was_seen_through_a_collimator_is_an_obstacle(tmp_path: Path) -> None:
    seen = flood_recording(
        tmp_path, protocol="intrinsic-flood", source_name="Tc-99m", events=400_000, shades=(even, lambda x, y: 0.0 * x)
    )

    found = analysed("planar-uniformity", seen, bare=True)

    assert "LEHR was mounted, and a bare source is looked at without a collimator" in found.obstacles
