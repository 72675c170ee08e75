"""Analyses of geometry on recordings: what was put in comes out, within what counting lets be known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support_qc_geometry import bar_events
from support_qc_recorded import Step, analysed, close, one, recording
from support_scenes import CRYSTAL, FACE_MM, LEHR

from daq.errors import MissingError, UsageError
from daq.model.qc.figures import Level
from daq.model.qc.known import ANALYSES
from daq.qc.judging import judged
from device_profiles.scanners import load_scanner
from simulators.camera.generate import generate
from simulators.camera.model import Response, Scene, SimulatedHead, point
from simulators.camera.response import report

SIGMA_MM = 3.5 / 2.3548


def spots(random: np.random.Generator, places: list[tuple[float, float]], count: int, sigma: float = 2.5):  # type: ignore[no-untyped-def]
    at = np.repeat(np.array(places, float), count, axis=0) + random.normal(0.0, sigma, (len(places) * count, 2))
    return at[:, 0], at[:, 1]


def turned(random: np.random.Generator, view: int, offsets: tuple[float, float], count: int, sources):  # type: ignore[no-untyped-def]
    """Return the events of both heads in a view: head 0 at 180 degrees about the patient, head 1 at 0, 6 degrees on."""
    found = []
    for head, start in ((0, 180.0), (1, 0.0)):
        angle = np.radians(start + 6.0 * view)
        places = [(offsets[head] + y * np.sin(angle) - x * np.cos(angle), z) for x, y, z in sources]
        found.append((head, *spots(random, places, count, sigma=4.0)))
    return found


@pytest.fixture(scope="module")
def rotation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    random = np.random.default_rng(1)
    sources = [(70.0, -20.0, -60.0), (-55.0, 40.0, 60.0)]
    steps = [
        Step(f"stop {view + 1}/60", turned(random, view, (9.6, -0.8), 1500, sources), axes={"gantry": 6.0 * view})
        for view in range(60)
    ]
    return recording(tmp_path_factory.mktemp("rotation") / "run", "centre-of-rotation", steps)


def test_an_offset_of_9_6_mm_is_told_as_such_and_heads_agree_on_the_sources(rotation: Path) -> None:
    found = analysed("centre-of-rotation", rotation)
    about = "LEHR, heads at 180 degrees"
    assert found.obstacles == ()
    close(one(found, "offset", f"head 0, {about}"), 9.6)
    close(one(found, "offset", f"head 1, {about}"), -0.8)
    close(one(found, "offset_difference", f"heads 0 and 1, {about}"), -10.4)
    assert one(found, "residual", f"head 0, {about}").values[0] < 0.7  # small, and it says nothing of the offset
    for name in ("axial_shift", "transverse_difference"):
        figure = found.figure(name)
        assert figure is not None
        assert all(value < 3.0 * noise for value, noise in zip(figure.values, figure.noise, strict=True))
    close(one(found, "axial_difference", f"heads 0 and 1, {about}"), 0.0)
    close(one(found, "offset_range", f"head 0, {about}"), 0.0)
    close(one(found, "angle_scale", f"head 0, {about}"), 0.0)
    assert one(found, "angle_step", about).values[0] == pytest.approx(0.0, abs=1e-6)


def test_an_offset_of_9_6_mm_suspends_the_head_by_the_shipped_profile(rotation: Path) -> None:
    found, test = analysed("centre-of-rotation", rotation), load_scanner("dual-head").qc["centre-of-rotation"]
    told = judged(found, test, ANALYSES["centre-of-rotation"], None)
    levels = {(one.figure, one.subject.partition(",")[0]): one.level for one in told.judged}
    assert told.level is Level.SUSPENSION
    assert levels["offset", "head 0"] is Level.SUSPENSION
    assert levels["offset", "head 1"] is Level.IN_LIMITS
    assert levels["residual", "head 0"] is Level.IN_LIMITS


def test_half_the_views_missing_is_an_obstacle_and_one_view_is_refused_in_words(rotation: Path, tmp_path: Path) -> None:
    random = np.random.default_rng(2)
    steps = [
        Step(
            f"stop {view + 1}/60",
            turned(random, view, (0.0, 0.0), 400, [(60.0, 0.0, 0.0)]),
            axes={"gantry": 6.0 * view},
        )
        for view in range(20)
    ]
    found = analysed("centre-of-rotation", recording(tmp_path / "third", "centre-of-rotation", steps))
    assert any("not all of its views" in each for each in found.obstacles)
    assert any("20 views over 120 degrees" in each for each in found.obstacles)
    single = analysed("centre-of-rotation", recording(tmp_path / "one", "centre-of-rotation", steps[:1]))
    assert any("1 views over 0 degrees" in each for each in single.obstacles)
    with pytest.raises(MissingError, match="holds no STATIC"):
        analysed("system-sensitivity", rotation, background="none", nuclide="Tc-99m", source={"activity_mbq": 1.0})


def test_slit_masks_tell_resolution_and_linearity_whichever_way_they_lie(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    steps = []
    for name, across in (("slits-x", 0), ("slits-y", 1)):
        lines = 30.0 * random.integers(-9, 10, 600_000) if across == 0 else 30.0 * random.integers(-6, 7, 400_000)
        along = random.uniform(-200, 200, len(lines)) if across == 0 else random.uniform(-270, 270, len(lines))
        blurred = lines + random.normal(0.0, SIGMA_MM, len(lines))
        steps.append(Step(name, [(0, blurred, along) if across == 0 else (0, along, blurred)]))
    found = analysed("intrinsic-resolution", recording(tmp_path / "run", "slit-mask-flood", steps[::-1]), pitch_mm=30.0)
    assert found.obstacles == ()
    for across in ("x", "y"):
        subject = f"head 0, across {across}"
        close(one(found, "ufov_fwhm", subject), 3.5, beside=0.06)  # words and bins of 0.6 mm
        close(one(found, "cfov_fwtm", subject), 3.5 * 1.8226, beside=0.12)
        largest = one(found, "ufov_absolute_linearity", subject)
        assert 0.3 < largest.values[0] / largest.noise[0] < 2.0
        assert one(found, "cfov_fwhm", subject).counts[0] > 1000
    assert any("width of the slits is not taken off" in each for each in found.remarks)
    flat = Step("slits-x", [(0, random.uniform(-270, 270, 50_000), random.uniform(-200, 200, 50_000))])
    none = analysed("intrinsic-resolution", recording(tmp_path / "flat", "slit-mask-flood", [flat]), pitch_mm=30.0)
    assert "no lines every 30 mm" in none.obstacles[0]
    dark = recording(tmp_path / "dark", "slit-mask-flood", [Step("slits-x", [(0, np.zeros(9), np.zeros(9))], kev=50.0)])
    assert "holds no event of a head" in analysed("intrinsic-resolution", dark, pitch_mm=30.0).obstacles[0]
    with pytest.raises(UsageError, match="pitch_mm must be said"):
        analysed("intrinsic-resolution", tmp_path / "flat")


def test_bars_are_resolved_by_list_mode_whatever_step_the_words_have(tmp_path: Path) -> None:
    x, y = bar_events(np.random.default_rng(4), 1_500_000, (2.0, 2.5, 3.0, 3.5), fwhm_mm=3.8, turn_deg=3.0)
    x, y = (0.6 * np.rint(each / 0.6) for each in (x, y))  # as words of this head have it
    run = recording(tmp_path / "run", "bar-phantom-flood", [Step("bars", [(1, x, y)], kev=122.0)])
    found = analysed("bar-resolution", run, bars_mm=(2.0, 2.5, 3.0, 3.5))
    assert found.obstacles == ()
    wide = np.hypot(3.8, 2.3548 * 0.6 / np.sqrt(6))  # steps, and what spreads events over them
    close(one(found, "fwhm", "head 1"), wide, beside=0.03)
    assert one(found, "finest_resolved", "head 1").values[0] == 2.5
    assert one(found, "unresolved", "head 1").values[0] == 1.0


def test_a_head_that_tells_no_bars_apart_is_suspended_and_not_without_a_verdict(tmp_path: Path) -> None:
    x, y = bar_events(np.random.default_rng(4), 1_500_000, (2.0, 2.5, 3.0, 3.5), fwhm_mm=7.0, turn_deg=3.0)
    run = recording(tmp_path / "run", "bar-phantom-flood", [Step("bars", [(1, x, y)], kev=122.0)])
    found = analysed("bar-resolution", run, bars_mm=(2.0, 2.5, 3.0, 3.5))
    assert one(found, "finest_resolved", "head 1").values[0] is None
    test = load_scanner("spect-camera").qc["bar-phantom"]
    judgement = judged(found, test, ANALYSES["bar-resolution"], None)
    assert (judgement.level, judgement.advice) == (Level.SUSPENSION, test.advice.suspension)


def test_windows_of_gallium_that_lie_apart_are_told_with_their_noise(tmp_path: Path) -> None:
    random = np.random.default_rng(5)
    places = [(x, y) for x in (-200.0, 0.0, 200.0) for y in (-140.0, 0.0, 140.0)]
    x, y = spots(random, places, 6000)
    kev = random.choice([93.3, 184.6, 300.2], len(x))
    x = np.where(kev > 250.0, 1.005 * x, x)
    run = recording(tmp_path / "run", "multiple-window-registration", [Step("holes", [(0, x, y)], kev=kev)])
    found = analysed("window-registration", run, sources=9.0)
    assert found.obstacles == ()
    high, middle = "head 0, window high to low", "head 0, window middle to low"
    close(one(found, "displacement", high), 1.0, sigmas=2.0)
    close(one(found, "displacement", middle), 0.0, sigmas=2.0)
    close(one(found, "shift_x", high), 0.0)
    assert "9 sources are seen, not 4" in analysed("window-registration", run, sources=4.0).obstacles[0]


def test_the_scale_of_positions_is_told_along_both_axes(tmp_path: Path) -> None:
    random = np.random.default_rng(6)
    steps = [
        Step("slits-x", [(0, *spots(random, [(-151.5, 5.0), (151.5, 5.0)], 20_000))]),
        Step("slits-y", [(0, *spots(random, [(0.0, -148.5), (0.0, 148.5)], 20_000))]),
    ]
    found = analysed("pixel-size", recording(tmp_path / "run", "slit-mask-flood", steps), distance_mm=300.0)
    assert found.obstacles == ()
    close(one(found, "scale_x", "head 0"), 1.0)
    close(one(found, "scale_y", "head 0"), -1.0)
    only = [Step("slits-x", [(0, *spots(random, [(0.0, 0.0)], 20_000))])]
    lone = analysed("pixel-size", recording(tmp_path / "lone", "slit-mask-flood", only), distance_mm=300.0)
    assert "1 sources are seen" in lone.obstacles[0]


@pytest.mark.parametrize("apart", [180.0, 90.0])
def test_the_simulator_s_heads_see_its_sources_at_one_place_and_a_head_that_hangs_off_its_place_is_told(
    apart: float, tmp_path: Path
) -> None:
    """Photons of a source off the axis through collimators: nothing of it is made of the formula that is fitted."""
    hanging = (Response(), Response(offset_x_mm=3.5, offset_y_mm=-2.0))
    starts, place = (180.0, 180.0 - apart), (60.0, -40.0, 30.0)
    random, steps = np.random.default_rng(8), []
    for view in range(60):
        heads = tuple(SimulatedHead(n, CRYSTAL, starts[n] + 6.0 * view, FACE_MM, LEHR, hanging[n]) for n in (0, 1))
        photons = generate(Scene(heads, (point("Tc-99m", 5e6, place),), seconds=1.0), 100 + view)
        seen = report(photons, heads, random)
        events = [(n, seen.x_mm[photons.head == n], seen.y_mm[photons.head == n]) for n in (0, 1)]
        steps.append(Step(f"stop {view + 1}/60", events, axes={"gantry": 6.0 * view}))
    scanner = load_scanner("dual-head").model_dump(mode="json")
    scanner["heads"][1]["angle_deg"] = starts[1]

    found = analysed("centre-of-rotation", recording(tmp_path / "run", "centre-of-rotation", steps, scanner=scanner))

    about = f"LEHR, heads at {apart:.0f} degrees"
    assert found.obstacles == ()
    close(one(found, "offset", f"head 0, {about}"), 0.0)
    close(one(found, "offset", f"head 1, {about}"), 3.5)
    close(one(found, "offset_difference", f"heads 0 and 1, {about}"), 3.5)
    close(one(found, "axial_difference", f"heads 0 and 1, {about}"), -2.0)
    apart_mm = one(found, "transverse_difference", f"heads 0 and 1, {about}")
    assert apart_mm.values[0] < 3.0 * apart_mm.noise[0]
