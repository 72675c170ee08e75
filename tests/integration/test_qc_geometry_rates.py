"""Sensitivity, count rates, slices and the speed of the bed on recordings: what was put in comes out."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from support_qc_geometry import solid_views
from support_qc_recorded import START_NS, Step, analysed, close, one, recording

from daq.errors import MissingError, UsageError
from daq.model.nuclide_table import nuclide
from daq.qc.fields import centres_mm

TC = nuclide("Tc-99m")
TAU = 2e-5
DIAMETERS = (9.5, 12.7, 15.9, 19.1, 25.4, 31.8)


def dish(random: np.random.Generator, count: int):  # type: ignore[no-untyped-def]
    return random.normal(0.0, 25.0, count), random.normal(0.0, 25.0, count)


def test_sensitivity_is_decayed_from_the_assay_and_during_the_recording_with_background_off(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    per_mbq, behind_cps, seconds, assayed_s = (75.0, 72.0), 40.0, 300.0, -7200.0
    at_start = 10.0 * TC.activity_factor(-assayed_s + 600.0)
    decays = TC.decays_between(at_start, 0.0, seconds)
    empty = Step("dish", [(head, *dish(random, round(behind_cps * 300))) for head in (0, 1)], seconds=300.0)
    full = Step("dish", [
        (head, *dish(random, round(per_mbq[head] * decays + behind_cps * seconds))) for head in (0, 1)
    ], seconds=seconds)  # fmt: skip
    without = recording(tmp_path / "without", "system-sensitivity", [empty])
    source = recording(tmp_path / "with", "system-sensitivity", [full], start_s=600.0)
    assayed = np.datetime64(START_NS + round(assayed_s * 1e9), "ns").astype("datetime64[ms]").item().isoformat() + "Z"
    found = analysed(
        "system-sensitivity", without, source, entries={"assayed_mbq": 10.0, "assayed_at": assayed},
    )  # fmt: skip
    assert found.obstacles == ()
    for head in (0, 1):
        figure = one(found, "sensitivity", f"head {head}, LEHR")
        close(figure, per_mbq[head], sigmas=0.5)
        assert figure.noise[0] == pytest.approx(per_mbq[head] * 0.0026, rel=0.3)
    close(one(found, "head_difference", "LEHR"), 100 * 3.0 / 73.5, sigmas=1.0)
    alone = analysed("system-sensitivity", source, source={"activity_mbq": 10.0, "nuclide": "Tc-99m"})
    assert "without the source" in alone.obstacles[0]
    with pytest.raises(MissingError, match="activity of the source is not known"):
        analysed("system-sensitivity", without, source)
    with pytest.raises(UsageError, match="no time zone"):
        analysed("system-sensitivity", without, source, entries={"assayed_mbq": 1.0, "assayed_at": "2026-01-01T08:00"})


def curve(folder: Path, rates: np.ndarray, *, seconds: float = 4.0) -> list[Path]:
    random = np.random.default_rng(3)
    made = []
    for number, true in enumerate(rates):
        count = random.poisson(true * np.exp(-true * TAU) * seconds)
        step = Step("rate", [(0, *dish(random, count))], seconds=seconds)
        made.append(recording(folder / f"{number}", "count-rate", [step]))
    return made


def test_the_curve_of_rates_is_read_off_its_points_and_never_beyond_them(tmp_path: Path) -> None:
    true = np.geomspace(300.0, 90_000.0, 16)
    made = curve(tmp_path, true)
    shares = tuple(float(each) for each in true / true[0])
    found = analysed("count-rate", *made, activities=shares)
    assert found.obstacles == ()
    close(one(found, "dead_time", "head 0"), 20.0)
    close(one(found, "rate_at_20_percent_loss", "head 0"), 8925.7)
    maximum = one(found, "maximum_rate", "head 0")
    assert maximum.values[0] == pytest.approx(18_394, rel=0.01)
    low = analysed("count-rate", *made[:10], activities=shares[:10])
    assert one(low, "maximum_rate", "head 0").values == (None,)
    assert any("maximum was not measured" in each for each in low.remarks)
    dark = recording(tmp_path / "dark", "count-rate", [Step("rate", [(0, np.zeros(9), np.zeros(9))], kev=50.0)])
    assert analysed("count-rate", dark, points=8.0).obstacles == ("no head counted anything in the window",)
    with pytest.raises(UsageError, match="9 activities for 10 points"):
        analysed("count-rate", *made[:10], activities=shares[:9])


def test_two_sources_tell_the_dead_time_and_the_rate_is_called_derived(tmp_path: Path) -> None:
    made = curve(tmp_path, np.array([8000.0, 16_000.0, 8000.0]), seconds=8.0)
    found = analysed("count-rate", *made, method="two-source")
    close(one(found, "dead_time", "head 0"), 20.0)
    assert found.figure("rate_at_20_percent_loss") is None
    close(one(found, "model_rate_at_20_percent_loss", "head 0"), 8925.7)


@pytest.fixture(scope="module")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cylinder with six cold spheres, 14 mm off the axis, by one head that goes all the way round."""
    random = np.random.default_rng(4)
    angles, rows, columns, pixel = 180.0 + 6.0 * np.arange(60), 34, 64, 4.8
    cold = [
        (14 + 58 * np.cos(np.radians(60 * n)), 58 * np.sin(np.radians(60 * n)), 20.0, d / 2, None, -1.0)
        for n, d in enumerate(DIAMETERS)
    ]
    mean = solid_views(
        angles, [(14.0, 0.0, 0.0, 108.0, 66.0, 1.0), *cold], rows=rows, columns=columns, pixel_mm=pixel, inner=2
    )
    counts = random.poisson(np.maximum(mean, 0) / mean.sum() * 2.5e6)
    y, x = (
        each.reshape(-1) for each in np.meshgrid(centres_mm(rows, pixel), centres_mm(columns, pixel), indexing="ij")
    )
    steps = []
    for view, seen in enumerate(counts):
        at = np.repeat(np.arange(rows * columns), seen.reshape(-1))
        jitter = random.uniform(-pixel / 2, pixel / 2, (2, len(at)))
        steps.append(
            Step(f"stop {view + 1}/60", [(0, x[at] + jitter[0], y[at] + jitter[1])], axes={"gantry": 6.0 * view})
        )
    return recording(tmp_path_factory.mktemp("phantom") / "run", "tomographic-phantom", steps)


def test_slices_of_a_phantom_are_found_named_and_analysed(phantom: Path) -> None:
    even = analysed("tomographic-uniformity", phantom, attenuation_per_cm=0.0, first_slice=52.0, last_slice=62.0)
    assert even.obstacles == ()
    slices = even.figure("slice_integral_uniformity")
    assert slices is not None
    assert slices.subjects == tuple(f"slice {number}" for number in range(52, 63))  # the last one, too
    assert any("slices 52 to 62, both included" in each for each in even.remarks)
    integral = one(even, "integral_uniformity", "")
    assert 0.5 < integral.values[0] / integral.noise[0] < 2.0
    cold = analysed(
        "tomographic-contrast", phantom, attenuation_per_cm=0.0, sphere_diameters_mm=DIAMETERS, circle_mm=58.0
    )
    assert cold.obstacles == ()
    wide = one(cold, "contrast", "sphere 31.8 mm")
    close(wide, 0.74, beside=0.06)
    beyond = analysed("tomographic-uniformity", phantom, attenuation_per_cm=0.0, first_slice=38.0, last_slice=62.0)
    assert "the cylinder does not fill it" in beyond.obstacles[0]
    with pytest.raises(UsageError, match="attenuation_per_cm must be said"):
        analysed("tomographic-uniformity", phantom)
    with pytest.raises(UsageError, match="said together"):
        analysed("tomographic-uniformity", phantom, attenuation_per_cm=0.0, first_slice=3.0)


def test_a_point_source_in_slices_is_as_wide_as_it_is_off_the_axis(tmp_path: Path) -> None:
    random = np.random.default_rng(5)
    sigma, steps = 10.0 / 2.3548, []
    for view in range(60):
        events = []
        for head, start in ((0, 180.0), (1, 0.0)):
            angle = np.radians(start + 6.0 * view)
            across = -30.0 * np.sin(angle) - 60.0 * np.cos(angle)
            events.append((head, random.normal(across, sigma, 1500), random.normal(25.0, sigma, 1500)))
        steps.append(Step(f"stop {view + 1}/60", events, axes={"gantry": 6.0 * view}))
    found = analysed("tomographic-resolution", recording(tmp_path / "run", "tomographic-phantom", steps))
    assert found.obstacles == ()
    radial = found.figure("radial_fwhm")
    assert radial is not None
    assert len(radial.subjects) == 1
    close(one(found, "radial_fwhm", radial.subjects[0]), 10.5, beside=0.5)  # pixels of 4.2 mm are in it
    close(one(found, "tangential_fwhm", radial.subjects[0]), 10.5, beside=0.5)
    left, back = (float(each.partition(" mm")[0]) for each in re.split("[:,] | and ", found.remarks[0])[1:3])
    assert (left, back) == pytest.approx((60.0, -30.0), abs=1.0)


def test_the_speed_of_the_bed_and_a_length_are_told_of_a_scan(tmp_path: Path) -> None:
    random = np.random.default_rng(6)
    speed, way = 1.7, 2350.0  # the protocol asks for 10 cm/min
    seconds = way / speed
    # a source at z of the patient passes y = z + bed; events come in the order of time
    times = np.sort(random.uniform(0.0, seconds, 80_000))
    z = random.choice([-800.0, -1403.0], len(times))
    y = z + speed * times + random.normal(0.0, 3.0, len(times))
    seen = np.abs(y) < 200.0
    x = random.normal(0.0, 3.0, len(times))
    step = Step("scan", [(0, x[seen], y[seen])], seconds=seconds, kev=122.0, times_s=times[seen],
                samples=("bed", np.linspace(0.0, seconds, 1400), np.linspace(0.0, way, 1400)))  # fmt: skip
    run = recording(tmp_path / "run", "whole-body-uniformity", [step])
    found = analysed("scan-speed", run, distance_mm=600.0)
    assert found.obstacles == ()
    name = found.figure("mean_speed").subjects[0]  # type: ignore[union-attr]
    assert one(found, "mean_speed", name).values[0] == pytest.approx(1.7, rel=1e-3)
    assert one(found, "speed_off", name).values[0] == pytest.approx(2.0, abs=0.05)
    assert one(found, "speed_range", name).values[0] < 1.0
    close(one(found, "length_off", f"{name}, head 0"), 0.5, beside=0.02)
    with pytest.raises(MissingError, match="no WHOLE BODY series"):
        analysed("scan-speed", curve(tmp_path, np.array([500.0]), seconds=1.0)[0])


def test_rates_that_no_activity_explains_and_heads_of_two_collimators_are_not_compared(tmp_path: Path) -> None:
    made = curve(tmp_path / "filtered", np.geomspace(1e3, 3.2e4, 6))
    (alike,) = analysed("count-rate", *made).obstacles
    assert "the highest activity is 1 times the lowest" in alike
    (unlike,) = analysed("count-rate", *made, activities=(1.0, 2.0, 6.0, 8.0, 16.0, 32.0)).obstacles
    assert "sources or filters were changed" in unlike

    random = np.random.default_rng(2)
    dishes = [
        recording(
            tmp_path / name, "system-sensitivity", [Step("dish", [(head, *dish(random, 9000)) for head in heads])],
            calibrations={"collimator": name},
        )
        for name, heads in (("LEHR", (0, 1)), ("LEAP", (0,)))
    ]  # fmt: skip
    found = analysed(
        "system-sensitivity", *dishes, dishes[1], background="none", source={"activity_mbq": 10.0, "nuclide": "Tc-99m"}
    )
    difference = found.figure("head_difference")
    assert difference is not None
    assert difference.subjects == ("LEHR",)
    assert found.obstacles == ("head 0, LEAP is in two recordings of the test",)
