"""Panels are drawn as counted: the right way up, the right colours, a scale as long as it says."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from daq.composition.pictures import cropped, letters_at
from daq.model.framed import Pixels
from daq.model.geometry import VIEW_ANGLE_DEG, View
from daq.storage.drawing import INK, MARGIN, SIDE, Shown, image_panel, page, picture_of
from daq.storage.drawingcurves import SHADES, Curve, Plot, plot_panel, stacked
from daq.storage.drawingspectrum import Marked, Spectrum, spectrum_panel


def drawn(panel: Image.Image, rows: int, columns: int) -> npt.NDArray[np.int64]:
    """Return the middle of each pixel of an image in its panel, grey, [rows, columns], top row first."""
    zoom = SIDE // max(rows, columns)
    grey = np.asarray(panel.convert("L"), np.int64)
    return grey[MARGIN + zoom // 2 : MARGIN + rows * zoom : zoom, MARGIN + zoom // 2 : MARGIN + columns * zoom : zoom]


def test_every_pixel_has_its_colour_and_the_lowest_y_is_at_the_bottom() -> None:
    image = np.arange(12.0).reshape(3, 4)
    shown = drawn(image_panel(Shown(image, 10.0, [])), 3, 4)

    np.testing.assert_array_equal(shown, np.rint(255 * (1 - image[::-1] / 11)))


def test_colours_end_at_the_upper_level() -> None:
    image = np.array([[0.0, 5.0], [10.0, 20.0]])
    shown = drawn(image_panel(Shown(image, 10.0, [], upper=10.0, colours="grey")), 2, 2)

    assert shown.tolist() == [[255, 255], [0, 128]]


def test_a_logarithmic_scale_shows_a_node_beside_a_site_that_is_ten_thousand_times_as_hot() -> None:
    image = np.array([[0, 10, 100_000]], np.uint32)
    plain, log = (np.asarray(picture_of(Shown(image, 4.0, (), log=log), 1))[0].astype(int) for log in (False, True))

    assert abs(plain[1] - plain[0]).max() <= 1
    expected = round(255 * np.log1p(10) / np.log1p(100_000))
    ramp = np.asarray(picture_of(Shown(np.arange(256, dtype=np.uint32)[None, :], 4.0, ()), 1))[0].astype(int)
    assert log.tolist() == [ramp[0].tolist(), ramp[expected].tolist(), ramp[255].tolist()]


def test_an_image_without_counts_is_drawn_empty() -> None:
    assert set(drawn(image_panel(Shown(np.zeros((4, 4)), 2.0, ["nothing"])), 4, 4).ravel().tolist()) == {255}


@pytest.mark.parametrize(("pixel_mm", "scale_mm"), [(2.4, 100), (1.0, 50), (0.3, 20)])
def test_the_scale_is_as_long_as_it_says(pixel_mm: float, scale_mm: int) -> None:
    panel = np.asarray(image_panel(Shown(np.zeros((200, 200)), pixel_mm, [])))
    zoom = SIDE // 200
    row = panel[MARGIN + 200 * zoom + MARGIN - 6, MARGIN : MARGIN + 200 * zoom]
    dark = np.flatnonzero((row == INK).all(axis=1))
    line = dark[: np.flatnonzero(np.diff(dark) > 1)[0] + 1] if (np.diff(dark) > 1).any() else dark

    assert (len(line) - 1) * pixel_mm / zoom == pytest.approx(scale_mm, abs=2 * pixel_mm / zoom)


@pytest.mark.parametrize(
    ("view", "left", "right"),
    [("ANT", "R", "L"), ("POST", "L", "R"), ("LLAT", "A", "P"), ("RLAT", "P", "A"), ("LAO", "RA", "LP"),
     ("RPO", "LP", "RA"), ("RAO", "RP", "LA"), ("LPO", "LA", "RP")],
)  # fmt: skip
def test_the_letters_are_those_of_the_sides_that_the_detector_sees(view: str, left: str, right: str) -> None:
    assert letters_at(VIEW_ANGLE_DEG[View(view)]) == (left, right, "H", "F")


def test_without_an_angle_there_are_no_letters() -> None:
    assert letters_at(None) == ("", "", "", "")


def test_an_image_is_cut_to_the_field_of_its_head() -> None:
    frame = Pixels(-10.0, -10.0, 1.0, 20, 20)
    image = np.arange(400.0).reshape(20, 20)

    assert cropped(image, frame, (6.0, 4.0)).tolist() == image[8:12, 7:13].tolist()
    assert cropped(image, frame, None) is image


def test_a_peak_is_marked_where_it_is() -> None:
    kev = np.arange(0.25, 200.0, 0.5)
    counts = 100 * np.exp(-(((kev - 140.0) / 6.0) ** 2) / 2)
    panel = np.asarray(spectrum_panel(Spectrum(kev, counts, ["one"], [Marked("w", 126.0, 154.0, 140.0)]), width=800))
    red = np.argwhere((panel[..., 0] > 150) & (panel[..., 1] < 60) & (panel[..., 2] < 60))

    assert np.unique(red[:, 1]).tolist() == [2 * MARGIN + 560]
    assert len(red) > 100


def test_a_page_holds_its_panels_and_warns_in_red() -> None:
    panel = image_panel(Shown(np.ones((8, 8)), 2.0, ["one", "two"]))
    sheet = np.asarray(page([[panel, panel], [panel]], ["a line"], warning="SIMULATED"))
    plain = np.asarray(page([[panel, panel], [panel]], ["a line"]))

    def red(pixels: npt.NDArray[np.uint8]) -> int:
        return int(((pixels[..., 0] > 150) & (pixels[..., 1] < 80)).sum())

    assert sheet.shape[1] == 2 * panel.width
    assert sheet.shape[0] > 2 * panel.height
    assert red(sheet) > 50 > red(plain) == 0


def test_no_name_of_a_curve_is_written_over_that_of_the_next() -> None:
    at = np.arange(2.0)
    names = ["head 0: along the patient", "across", "head 1: along the patient", "across"]
    panel = plot_panel(Plot([Curve(name, at, at, dotted=True) for name in names], "view", "mm", wide=620))
    legend = np.asarray(panel)[:24]

    for shade in SHADES[1:4]:
        begins = int(np.flatnonzero((legend == shade).all(axis=2).any(axis=0))[0])
        assert (legend[:, begins - 6 : begins] == 255).all()


def test_no_name_of_a_band_is_written_over_another_and_the_earlier_lies_higher() -> None:
    assert stacked([(0.0, "phase 1"), (300.0, "phase 2"), (310.0, "phase 3"), (320.0, "phase 4")]) == [0, 2, 1, 0]
