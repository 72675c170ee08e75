"""Contact sheets: every count is drawn, letters and words are right, and what is doubtful is marked."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from support_framed import FRONT, KINDS, dynamic, framed, gated_tomo, head, manifest, slots, static, tomo, whole_body
from support_sheets import PIXELS, beating, rotation, transmission

from daq.composition.quicklook import quick_look, rotations, slice_panels
from daq.composition.quicklookcine import cine
from daq.composition.quicklookslices import Volume
from daq.composition.sheet import contact_sheet, heading
from daq.composition.sheetheart import beating_region, facing_slots, over_beat
from daq.composition.sheetkinds import static_panels, strip_rows
from daq.composition.sheetoutline import outline_mm, outlines_for
from daq.composition.sheetviews import (
    Mask,
    SheetStyle,
    letters_of,
    masked_by,
    prepared,
    seconds_text,
    upper_of,
    view_text,
)
from daq.model.framed import Framed, ImageKind, Pixels
from daq.model.geometry import Laterality, PatientOrientation, View
from daq.model.verdict import Check, Grade, Verdict
from daq.storage.drawing import MARGIN, OUTLINE, WARNING

PLAIN = SheetStyle()


def dots(image: Image.Image, shade: tuple[int, int, int]) -> int:
    return int((np.asarray(image.convert("RGB")) == shade).all(axis=2).sum())


def one_head(angle_deg: float | None, view: View | None, laterality: Laterality | None = None) -> Framed:
    seen = replace(head(0, 0.0, view), angle_deg=angle_deg)
    return framed(ImageKind.STATIC, slots(1), heads=(seen,), laterality=laterality)


@pytest.mark.parametrize("kind", KINDS)
def test_a_sheet_of_every_kind_says_simulated_where_it_is_and_is_the_same_each_time(kind: str) -> None:
    series = [KINDS[kind]() if kind != "tomo" else tomo(12)]
    sheet, again, real = (contact_sheet(series, manifest(simulated=told)) for told in (True, True, False))

    assert sheet.tobytes() == again.tobytes()
    assert dots(sheet, WARNING) > dots(real, WARNING) + 100


def test_a_series_without_a_frame_is_named_and_has_no_picture() -> None:
    with_picture = contact_sheet([dynamic()], manifest())
    without = contact_sheet([framed(ImageKind.DYNAMIC, slots(0))], manifest())

    assert without.height < with_picture.height / 2


def test_a_verdict_that_is_not_good_stands_in_red() -> None:
    wrong = Verdict((Check("counts", "chest", Grade.BAD, "12,000 counts of 500,000"),))
    right = Verdict((Check("counts", "chest", Grade.GOOD, "enough"),))
    red, black = (dots(contact_sheet([static()], manifest(), verdict), WARNING) for verdict in (wrong, right))

    assert red > black + 100


@pytest.mark.parametrize(
    ("angle_deg", "view", "laterality", "letters"),
    [(180.0, View.ANT, None, "RLHF"), (0.0, View.POST, None, "LRHF"), (None, View.LLAT, None, "APHF"),
     (270.0, None, None, "PAHF"), (None, None, None, ""), (None, View.CC, None, ""),
     (None, View.CC, Laterality.LEFT, "RLAP")],
)  # fmt: skip
def test_letters_follow_from_angle_view_and_side(
    angle_deg: float | None, view: View | None, laterality: Laterality | None, letters: str
) -> None:
    assert "".join(letters_of(one_head(angle_deg, view, laterality), 0)) == letters


def test_where_nobody_is_on_the_bed_a_picture_has_no_letters_and_no_view() -> None:
    series = replace(one_head(180.0, View.ANT), role="quality_control")

    assert letters_of(series, 0) == ("", "", "", "")
    assert view_text(series, series.heads[0]) == "nobody on the bed"
    assert "nobody on the bed" in heading(manifest(), [series])[-1]
    assert "patient HFS" in heading(manifest(), [series, one_head(180.0, View.ANT)])[-1]


def test_the_side_of_a_breast_is_told_with_its_view() -> None:
    series = one_head(None, View.MLO, Laterality.RIGHT)

    assert view_text(series, series.heads[0]) == "MLO, right"


@pytest.mark.parametrize(("most", "pixel_mm", "shape"), [(54, 10.0, (40, 54)), (20, 30.0, (14, 18)), (7, 80.0, (5, 7))])
def test_pixels_that_are_too_many_are_added_up_and_no_count_is_lost(
    most: int, pixel_mm: float, shape: tuple[int, int]
) -> None:
    series = static()
    made = prepared(series, 0, series.counts[0, 0, 0], PLAIN, most)

    assert (made.image.sum(), made.image.shape) == (series.counts[0, 0, 0].sum(), shape)
    assert made.pixels.pixel_mm == pixel_mm


def test_what_lies_beyond_the_field_is_not_drawn_and_places_stay() -> None:
    square = Pixels(-400.0, -400.0, 10.0, 80, 80)
    series = framed(ImageKind.STATIC, slots(1), pixels=square)
    made = prepared(series, 0, series.counts[0, 0, 0], PLAIN, 100)

    assert made.pixels == Pixels(-270.0, -200.0, 10.0, 54, 40)
    np.testing.assert_array_equal(made.image, series.counts[0, 0, 0, 20:60, 13:67])


@pytest.mark.parametrize(
    ("ps", "text"),
    [(1, "0 s"), (59_990_000_000_000, "60 s"), (20 * 10**12, "20 s"), (1797 * 10**11, "3 min 0 s"),
     (125 * 10**12, "2 min 5 s")],
)  # fmt: skip
def test_times_are_told_in_seconds_and_minutes(ps: int, text: str) -> None:
    assert seconds_text(ps) == text


def test_a_mask_decides_no_colours_and_is_of_its_view_alone() -> None:
    style = SheetStyle(masks=(Mask(105.0, 55.0, 12.0, View.ANT),), upper_percent=100.0)
    image = np.ones((40, 54))
    image[25, 37] = 1e6  # at 105, 55
    masked = masked_by(style, FRONT, Pixels(-270.0, -200.0, 10.0, 54, 40))

    assert masked is not None
    assert masked[25, 37]
    assert masked.sum() == 5
    assert upper_of([image], style, [masked]) == 1.0
    assert upper_of([image], style, [None]) == 1e6
    assert upper_of([image], replace(style, upper_percent=25.0), [None]) == 2.5e5
    assert masked_by(style, head(1, 0.0, View.POST), PIXELS) is None


def test_by_itself_a_few_hot_pixels_do_not_take_all_colours() -> None:
    image = np.full((100, 100), 10.0)
    image[:3, :10] = 5000.0

    assert upper_of([image], PLAIN, [None]) == 10.0
    image[10:] = 0.0
    assert upper_of([image], PLAIN, [None]) == 10.0
    sparse = np.zeros((100, 100))
    sparse[5, 5:9] = 3.0
    assert upper_of([sparse], PLAIN, [None]) == 3.0
    assert upper_of([image], SheetStyle(log=True), [None]) == 5000.0
    assert upper_of([np.zeros((4, 4))], PLAIN, [None]) == 1.0


def test_rows_of_a_sweep_that_lay_there_too_shortly_have_a_red_edge_and_keep_their_counts() -> None:
    series = whole_body()
    assert series.strip is not None
    dim = int((~series.strip.exposed()).sum())
    (front, back), *_ = strip_rows(series, PLAIN)

    zoom = 1100 // 400
    assert dim == 36
    assert [dots(panel, WARNING) for panel in (front, back)] == [dim * zoom * 5] * 2
    red = np.nonzero((np.asarray(front) == WARNING).all(axis=2))[0]  # the lowest rows, at the feet
    assert (red.min(), red.max()) == (MARGIN + (400 - dim) * zoom, MARGIN + 400 * zoom - 1)


def test_the_patient_s_outline_is_that_of_the_transmission_and_drawn_over_its_own_view_alone() -> None:
    shone, seen = transmission(80.0), framed(ImageKind.STATIC, slots(1), pixels=PIXELS, heads=(FRONT,))
    (line,) = outline_mm(shone, 0)
    from_back = framed(ImageKind.STATIC, slots(1), pixels=PIXELS, heads=(head(1, 0.0, View.POST),))

    assert np.hypot(*(line - [20.0, -30.0]).T) == pytest.approx(80.0, abs=6.0)
    assert outlines_for(from_back, [shone]) == {}
    assert outlines_for(shone, [shone]) == {}
    moved = replace(seen, slots=replace(seen.slots, bed_mm=np.array([30.0])))
    assert outlines_for(moved, [shone]) == {}
    assert outlines_for(replace(seen, orientation=PatientOrientation.FFP), [shone]) == {}
    drawn, without = (static_panels(seen, PLAIN, each)[0] for each in (outlines_for(seen, [shone]), None))
    assert dots(drawn, OUTLINE) > 300
    rows, columns = np.nonzero((np.asarray(drawn) == OUTLINE).all(axis=2))
    zoom = 300 // 64
    middle = [(columns.mean() - MARGIN) / zoom - 32, 32 - (rows.mean() - MARGIN) / zoom]
    assert middle == pytest.approx([5.0, -7.5], abs=0.7)  # pixels of 4 mm
    assert dots(without, OUTLINE) == 0
    assert outline_mm(replace(shone, counts=np.zeros_like(shone.counts)), 0) == []


def test_what_shines_inside_of_the_body_is_no_outline_and_without_a_source_behind_there_is_none() -> None:
    shone = transmission(80.0)
    shone.counts[0, 0, 0, 20:28, 34:42] += 200  # an injection site in the body
    (line,) = outline_mm(shone, 0)
    alone = np.zeros_like(shone.counts)
    alone[0, 0, 0] = 2
    alone[0, 0, 0, 16:40, 20:44] = 300

    assert np.hypot(*(line - [20.0, -30.0]).T) == pytest.approx(80.0, abs=8.0)
    assert outline_mm(replace(shone, counts=alone), 0) == []


def test_where_it_beats_is_found_and_how_much() -> None:
    found = beating_region(*over_beat(beating(ejection=0.6, noise=3), 0, 0, np.arange(16)))

    assert found is not None
    rows, columns = np.nonzero(found.region)
    centre_mm = (columns.mean() - 31.5) * 4, (rows.mean() - 31.5) * 4
    assert centre_mm == pytest.approx((40 * 0.7071 - 40 * 0.7071, 20.0), abs=3.0)
    assert found.change_percent == pytest.approx(60.0, abs=6.0)


def test_what_does_not_beat_has_no_region() -> None:
    assert beating_region(*over_beat(beating(ejection=0.0, noise=3), 0, 0, np.arange(16))) is None
    still = beating(noise=3)
    dead = replace(still, slots=replace(still.slots, live_ps=np.zeros(16, np.int64)))
    assert beating_region(*over_beat(dead, 0, 0, np.arange(16))) is None


def test_of_a_gated_rotation_the_views_that_face_the_heart_are_shown_with_their_own_counts() -> None:
    series = gated_tomo()  # begins in front, 30 degrees a view counter-clockwise: 180, 210 ... 330
    turned = replace(series, heads=(head(0, 90.0),))  # 90, 120, 150 ...

    assert facing_slots(series, 0).size == 0
    assert set(series.slots.view[facing_slots(turned, 0)].tolist()) == {1, 2}
    counts, live_s = over_beat(turned, 0, 0, facing_slots(turned, 0))
    assert counts.sum() == series.counts[0, 0, 8:24].sum()
    assert live_s.tolist() == [10.0] * 8


def test_a_quick_look_is_of_rotations_alone_and_of_gated_ones_without_a_set_of_all_beats() -> None:
    ungated = replace(tomo(6), ungated=True)

    assert quick_look([static(), dynamic()], manifest()) is None
    assert list(rotations([static(), gated_tomo(), ungated])) == [ungated]
    assert [one.kind for one in rotations([gated_tomo()])] == [ImageKind.GATED_TOMO]


def test_a_quick_look_says_that_it_is_not_for_diagnosis_in_red() -> None:
    page = quick_look([rotation(views=8)], manifest(simulated=False))

    assert page is not None
    assert dots(page, WARNING) > 300


def test_a_quick_look_and_every_moving_picture_of_a_simulation_say_so() -> None:
    pages = [quick_look([rotation(views=8)], manifest(simulated=each)) for each in (True, False)]
    reels = [cine(tomo(12), manifest(simulated=each)) for each in (True, False)]

    assert pages[0] is not None
    assert pages[1] is not None
    assert dots(pages[0], WARNING) > dots(pages[1], WARNING) + 100
    assert [min(_reddish(reel or b"")) > 20 for reel in reels] == [True, False]


def _reddish(reel: bytes) -> list[int]:
    """Return of each frame how many dots in the corner are nearly of the colour of warnings."""
    found = []
    with Image.open(io.BytesIO(reel)) as opened:
        for number in range(opened.n_frames):  # type: ignore[attr-defined]
            opened.seek(number)
            corner = np.asarray(opened.convert("RGB")).astype(int)[:20, :120]
            found.append(int((np.abs(corner - WARNING).max(axis=2) < 24).sum()))
    return found


def test_a_rotation_that_cannot_be_reconstructed_says_why_on_the_page() -> None:
    nowhere = replace(rotation(views=4), heads=(one_head(None, None).heads[0],) * 2)
    page, whole = (quick_look([each], manifest()) for each in (nowhere, rotation(views=4)))

    assert page is not None
    assert whole is not None
    assert page.height < whole.height / 2


@pytest.mark.parametrize(("series", "frames"), [(dynamic(), 9), (beating(), 16), (tomo(12), 12), (gated_tomo(), 8)])
def test_what_moves_has_a_frame_for_each_picture(series: Framed, frames: int) -> None:
    made = cine(series, manifest())

    assert made is not None
    with Image.open(io.BytesIO(made)) as opened:
        assert opened.n_frames == frames  # type: ignore[attr-defined]


def test_what_is_one_picture_does_not_move() -> None:
    assert cine(static(), manifest()) is None
    assert cine(framed(ImageKind.DYNAMIC, slots(1)), manifest()) is None


@pytest.mark.parametrize(
    ("number", "across", "up"),
    [(0, 6, 6), (1, 6, 3), (2, 2, 3), (3, 6, 3), (4, 2, 3)],
    ids=["transverse", "coronal", "sagittal", "from the front", "from the left"],
)
def test_slices_have_the_patient_s_left_at_the_right_the_front_above_and_the_head_above(
    number: int, across: int, up: int
) -> None:
    values = np.zeros((5, 9, 9))
    values[3, 2, 6] = 1.0  # in the upper row, 2 voxels to the front of the middle, 2 to the left
    panel = slice_panels(Volume(values, 10.0, 0.0), PLAIN)[number]
    zoom = 260 // 9
    grey = np.asarray(panel.convert("L"))
    rows = 9 if number == 0 else 5
    drawn = grey[MARGIN + zoom // 2 : MARGIN + rows * zoom : zoom, MARGIN + zoom // 2 : MARGIN + 9 * zoom : zoom]

    assert [place.tolist() for place in np.nonzero(drawn < 100)] == [[rows - 1 - up], [across]]
