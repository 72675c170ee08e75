"""Bin addresses: each is one pair of detectors, and headers that mean something else are refused."""

import numpy as np
import pytest
from support_exports import RING

from daq.errors import FormatError, MismatchError, RefusedError
from daq.listmode.interfile import parse_header
from daq.model.scanner import Ring, place
from daq.model.sinogram import Sinogram, pair_table

SMALL = Sinogram(projections=7, views=12, rings=4, max_ring_difference=2, axial_compression=1)
HEADER = """!INTERFILE:=
number of rings:=4
distance between rings (cm) := 0.5
gantry crystal radius (cm):=10
%axial compression:=1
%maximum ring difference:=2
%number of projections:=7
%number of views:=12
%segment table:={4,3,3,2,2}
%energy window lower level (keV) [1]:=430
%energy window upper level (keV) [1]:=610
"""


def all_pairs(sinogram: Sinogram = SMALL, ring: Ring = RING) -> tuple[np.ndarray, np.ndarray]:
    return pair_table(sinogram, ring).detectors(np.arange(sinogram.bins, dtype=np.uint32))


def test_every_bin_is_another_pair_of_detectors() -> None:
    a, b = all_pairs()

    assert SMALL.bins == (4 + 2 * (3 + 2)) * 12 * 7
    assert np.all(a < b)
    assert len(np.unique(a.astype(np.int64) * 1000 + b)) == SMALL.bins


def test_planes_are_ring_differences_in_the_vendors_order() -> None:
    a, b = all_pairs()
    first = place(RING, a[:: 12 * 7]), place(RING, b[:: 12 * 7])
    apart = np.abs(first[0].ring - first[1].ring)

    assert apart.tolist() == [0] * 4 + [1] * 6 + [2] * 4


def test_the_middle_projection_is_the_line_through_the_axis() -> None:
    middle = np.arange(SMALL.bins, dtype=np.uint32).reshape(-1, 12, 7)[:, :, 3].ravel()
    a, b = pair_table(SMALL, RING).detectors(middle)

    assert np.all(np.abs(place(RING, a).crystal - place(RING, b).crystal) == 12)


def test_neighbouring_projections_lie_half_a_crystal_apart_on_alternating_sides() -> None:
    around = np.abs(np.subtract(*(place(RING, one).crystal for one in all_pairs()))).reshape(-1, 12, 7)

    assert np.array_equal(np.minimum(around, 24 - around)[0, 5], [9, 10, 11, 12, 11, 10, 9])


@pytest.mark.parametrize(
    ("changes", "kind", "words"),
    [
        ({"axial_compression": 11}, RefusedError, "stands for several pairs of rings"),
        ({"tof_bins": 13}, RefusedError, "13 time-of-flight bins"),
        ({"rings": 5}, MismatchError, "the header says 5 rings, the scanner profile means 4"),
        ({"views": 6}, MismatchError, "the header says 6 views, the scanner profile means 12"),
        ({"max_ring_difference": 4}, MismatchError, "has no such sinogram"),
    ],
)
def test_a_sinogram_that_means_no_single_pairs_is_refused(
    changes: dict[str, int], kind: type[Exception], words: str
) -> None:
    with pytest.raises(kind, match=words):
        pair_table(SMALL.model_copy(update=changes), RING)


def test_an_address_beyond_the_sinogram_is_refused() -> None:
    with pytest.raises(MismatchError, match=f"bin address {SMALL.bins}: .* has {SMALL.bins} bins"):
        pair_table(SMALL, RING).detectors(np.array([0, SMALL.bins], np.uint32))


def test_the_header_is_read_whatever_its_keys_look_like() -> None:
    header = parse_header(HEADER.replace("%number of views", "! %Number Of  Views "), "lm.hdr")

    assert header.sinogram == SMALL
    assert (header.energy_window_kev, header.ring_pitch_mm, header.radius_mm, header.notes) == ((430, 610), 5, 100, ())


def test_a_segment_table_that_contradicts_the_compression_is_noted() -> None:
    header = parse_header(HEADER.replace("{4,3,3,2,2}", "{7,5,5}"), "lm.hdr")

    assert "segment table has 17 planes; its axial compression 1 and ring difference 2 mean 14" in header.notes[0]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("!INTERFILE:=", "", "lm.hdr: not an Interfile header"),
        ("%number of views:=12\n", "", "lm.hdr: no key `number of views`"),
        ("views:=12", "views:=twelve", "number of views = 'twelve', must be a whole number of at least 1"),
        ("(keV) [1]:=430", "(keV) [1]:=low", "= 'low' is no number"),
        ("(keV) [1]:=430", "(keV) [1]:=nan", "= 'nan' is no number"),
        ("difference:=2", "difference:=" + "9" * 5000, "maximum ring difference = '9999"),
    ],
)
def test_a_header_without_what_is_needed_is_refused(old: str, new: str, words: str) -> None:
    with pytest.raises(FormatError, match=words.replace("[", r"\[")):
        parse_header(HEADER.replace(old, new), "lm.hdr")


def test_a_ring_difference_beyond_all_scanners_takes_no_time() -> None:
    header = parse_header(HEADER.replace("difference:=2", "difference:=999999999"), "lm.hdr")

    with pytest.raises(MismatchError, match="has no such sinogram"):
        pair_table(header.sinogram, RING)
