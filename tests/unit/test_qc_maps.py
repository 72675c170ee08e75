"""Maps of energy, linearity and uniformity: what was put into a head is taken out of it again."""

from __future__ import annotations

import numpy as np
import pytest

from daq.errors import LimitError, RefusedError
from daq.model.windows import FWHM_PER_SIGMA
from daq.qc.fields import FieldOfView, centres_mm, picture
from daq.qc.linearity import linearity_map, of_holes, of_slits
from daq.qc.maps import Cells, CellSpectra, energy_map, filled, looked_up, uniformity_map
from daq.qc.rotation import centre_of_rotation, point_source, registration
from daq.qc.slits import SlitMask, profiles, slit_peaks
from daq.qc.uniformity import flood_uniformity

FIELD = FieldOfView(300.0, 240.0)


def distorted(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return (
        x + 1.2 * np.sin(2 * np.pi * x / 75.0) * np.cos(2 * np.pi * y / 110.0),
        0.98 * y + 0.8 * np.sin(2 * np.pi * y / 75.0),
    )


def flat(events: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.uniform(-150, 150, events), rng.uniform(-120, 120, events)


def slope(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return 1.0 + 0.03 * np.sin(2 * np.pi * x / 150.0) * np.cos(2 * np.pi * y / 120.0)


def test_the_energy_map_is_the_unevenness_of_the_head() -> None:
    x, y = flat(600_000, 1)
    energy = np.random.default_rng(2).normal(140.5, 13.0 / FWHM_PER_SIGMA, len(x)) * slope(x, y)
    spectra = CellSpectra(Cells.over(FIELD, 15.0), 140.5)
    for part in np.array_split(np.arange(len(x)), 3):
        spectra.add(x[part], y[part], energy[part])

    grid = energy_map(spectra, fwhm_percent=10.0)

    rows, columns = np.meshgrid(centres_mm(16, 15.0), centres_mm(20, 15.0), indexing="ij")
    assert np.abs(grid.values() - slope(columns, rows)).max() < 0.006
    corrected = energy / looked_up(grid, x, y)
    assert corrected.std() < 1.003 * 13.0 / FWHM_PER_SIGMA < energy.std() / 1.05


def test_cells_without_counts_take_after_their_neighbours() -> None:
    values = np.array([[1.0, 0.0, 3.0], [0.0, 0.0, 0.0]])

    made = filled(values, values > 0)

    assert made[0, 1] == pytest.approx(2.0)
    assert np.isfinite(made).all()
    assert made.min() >= 1.0


def test_a_flood_without_a_photopeak_gives_no_map() -> None:
    x, y = flat(20_000, 3)
    spectra = CellSpectra(Cells.over(FIELD, 15.0), 140.5)
    spectra.add(x, y, np.full(len(x), 60.0))

    with pytest.raises(RefusedError, match="too few counts, or another nuclide"):
        energy_map(spectra, fwhm_percent=10.0)


def test_a_linearity_map_of_two_slit_masks_takes_the_distortion_out() -> None:
    rng = np.random.default_rng(4)
    moved = []
    for across in ("x", "y"):
        mask = SlitMask(across, 15.0)
        size, along = (300.0, 240.0) if across == "x" else (240.0, 300.0)
        line = rng.choice(mask.lines_mm(size / 2), 1_000_000)
        other = rng.uniform(-along / 2, along / 2, len(line))
        x, y = distorted(*((line, other) if across == "x" else (other, line)))
        x, y = x + rng.normal(0, 1.4, len(x)), y + rng.normal(0, 1.4, len(y))
        strips, axis, counts = profiles(x, y, across=across, field=FIELD, strip_mm=15.0)
        moved.append(of_slits(slit_peaks(strips, axis, counts, mask=mask, field=FIELD)))

    shift_x, shift_y = linearity_map(*moved, Cells.over(FIELD, 7.5))

    true_x, true_y = rng.uniform(-130, 130, 5000), rng.uniform(-100, 100, 5000)
    x, y = distorted(true_x, true_y)
    assert np.abs(x + looked_up(shift_x, x, y) - true_x).std() < 0.15
    assert np.abs(y + looked_up(shift_y, x, y) - true_y).std() < 0.15
    assert np.abs(x - true_x).max() > 1.0


def test_a_linearity_map_of_a_grid_of_holes_takes_the_distortion_out() -> None:
    rng = np.random.default_rng(5)
    holes_x, holes_y = centres_mm(19, 15.0), centres_mm(15, 15.0)
    x, y = distorted(rng.choice(holes_x, 1_000_000), rng.choice(holes_y, 1_000_000))
    x, y = x + rng.normal(0, 1.6, len(x)), y + rng.normal(0, 1.6, len(y))
    seen = picture(x, y, rows=170, columns=210, pixel_mm=1.5)

    across_x, across_y, known = of_holes(seen, 1.5, pitch_mm=15.0, rows=15, columns=19)
    shift_x, shift_y = linearity_map(across_x, across_y, Cells.over(FIELD, 7.5))

    true_x, true_y = rng.uniform(-130, 130, 5000), rng.uniform(-100, 100, 5000)
    x, y = distorted(true_x, true_y)
    assert known.all()
    assert np.abs(x + looked_up(shift_x, x, y) - true_x).max() < 0.7
    assert np.abs(y + looked_up(shift_y, x, y) - true_y).max() < 0.5


def test_a_dark_grid_of_holes_is_refused() -> None:
    with pytest.raises(RefusedError, match="0 of 285 holes"):
        of_holes(np.zeros((170, 210)), 1.5, pitch_mm=15.0, rows=15, columns=19)


def test_a_flood_is_no_grid_of_holes() -> None:
    seen = picture(*flat(1_000_000, 3), rows=170, columns=210, pixel_mm=1.5)

    with pytest.raises(RefusedError, match="of 285 holes every 15 mm were found: too few counts, or another mask"):
        of_holes(seen, 1.5, pitch_mm=15.0, rows=15, columns=19)


def test_a_flood_is_no_mask_of_slits() -> None:
    strips, axis, counts = profiles(*flat(1_000_000, 4), across="x", field=FIELD, strip_mm=7.5)

    with pytest.raises(RefusedError, match="peaks of a mask with lines every 15 mm were found"):
        slit_peaks(strips, axis, counts, mask=SlitMask("x", 15.0), field=FIELD)


def test_a_distortion_that_folds_over_is_refused() -> None:
    mask = SlitMask("x", 15.0)
    found = of_slits(_peaks_at(mask, lambda x: -1.5 * x))

    with pytest.raises(RefusedError, match="folds positions over"):
        linearity_map(found, found, Cells.over(FIELD, 7.5))


def _peaks_at(mask: SlitMask, moved):
    from daq.qc.slits import SlitPeaks

    lines = mask.lines_mm(150.0)
    at = np.tile(lines + moved(lines), (8, 1))
    return SlitPeaks(mask, lines, centres_mm(8, 30.0), at, at, at, at)


def test_the_uniformity_map_makes_another_flood_of_the_head_even() -> None:
    def seen(seed: int) -> tuple[np.ndarray, np.ndarray]:
        x, y = flat(12_000_000 // 4, seed)
        kept = np.random.default_rng(seed + 1).random(len(x)) < 0.85 + 0.15 * np.sin(x / 30.0) * np.cos(y / 25.0)
        return x[kept], y[kept]

    cells = Cells.over(FIELD, 6.4)
    counts = np.bincount(cells.index(*seen(6)), minlength=cells.rows * cells.columns).reshape(cells.rows, -1)
    weights = uniformity_map(counts, cells, FieldOfView(280.0, 220.0))

    x, y = seen(8)
    flood = picture(x, y, rows=38, columns=48, pixel_mm=6.4)
    at = cells.index(x, y)
    weighted = np.bincount(at, looked_up(weights, x, y), minlength=counts.size).reshape(counts.shape)
    before = flood_uniformity(flood, pixel_mm=6.4, field=FieldOfView(280.0, 220.0))
    after = flood_uniformity(weighted, pixel_mm=6.4, field=FieldOfView(280.0, 220.0))
    assert before.ufov.integral_percent > 12.0
    assert after.ufov.integral_percent < 2.0 * before.noise_percent["ufov_integral"]


def test_a_dark_spot_in_the_middle_is_a_fault_and_no_matter_of_weights() -> None:
    cells = Cells.over(FIELD, 6.4)
    flood = np.full((cells.rows, cells.columns), 10_000.0)
    flood[18:22, 20:24] = 1_000.0

    with pytest.raises(RefusedError, match="fault of the head"):
        uniformity_map(flood, cells, FIELD)


def test_the_centre_of_rotation_is_the_offset_and_not_the_circle() -> None:
    angles = np.arange(0.0, 360.0, 11.25)
    x = 1.7 + 80.0 * np.cos(np.radians(angles) + 0.4)

    found = centre_of_rotation(angles, x, np.linspace(3.0, 3.6, 32))

    assert (found.offset_mm, found.radius_mm) == pytest.approx((1.7, 80.0))
    assert found.residual_mm < 1e-9
    assert found.axial_shift_mm == pytest.approx(0.6)


def test_too_few_views_or_too_short_an_arc_have_no_centre() -> None:
    angles = np.arange(0.0, 90.0, 5.0)

    with pytest.raises(RefusedError, match="18 views over 90 degrees"):
        centre_of_rotation(angles, angles, angles)


def test_a_point_source_is_found_beside_background() -> None:
    rng = np.random.default_rng(9)
    x = np.concatenate([rng.normal(42.0, 3.0, 20_000), rng.uniform(-200, 200, 4_000), [np.nan]])
    y = np.concatenate([rng.normal(-31.0, 3.0, 20_000), rng.uniform(-150, 150, 4_000), [0.0]])

    assert point_source(x, y) == pytest.approx((42.0, -31.0), abs=0.2)
    with pytest.raises(LimitError, match="at least 1000"):
        point_source(x[:100], y[:100])


def test_windows_are_registered_to_the_first_one() -> None:
    first = np.array([[0.0, 0.0], [100.0, 0.0], [0.0, 100.0]])
    places = {"93.3": first, "184.6": first + np.array([0.5, -0.2]), "300.2": first * 1.01}

    shifts, worst = registration(places)

    assert shifts["184.6"] == pytest.approx((0.5, -0.2))
    assert worst == pytest.approx(1.0)
    with pytest.raises(RefusedError, match="one window alone"):
        registration({"93.3": first})
