import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daq.errors import MismatchError, MissingError, ProfileError
from daq.model.scanner import Ring, are_virtual, may_pair, modules, place, positions_mm, sectors
from device_profiles.scanners import check_scanner, load_scanner, shipped_scanners

RING: dict[str, Any] = {
    "radius_mm": 100.0,
    "rings": 4,
    "detectors_per_ring": 12,
    "axial_pitch_mm": 5.0,
    "module_detectors": 3,
    "module_rings": 2,
    "sectors": 4,
    "minimum_sector_difference": 1,
}


def ring(**changes: Any) -> Ring:
    return Ring.model_validate_json(json.dumps(RING | changes))


def shipped_ring(name: str) -> Ring:
    found = load_scanner(name).ring
    assert found is not None
    return found


def numbers(*values: int) -> np.ndarray:
    return np.array(values, np.uint32)


@pytest.mark.parametrize("name", shipped_scanners())
def test_a_shipped_scanner_is_named_by_its_file_and_gives_no_finding(name: str) -> None:
    scanner, found = check_scanner(shipped_scanners()[name])

    assert found == []
    assert scanner is not None
    assert scanner.id == name
    assert type(scanner).model_validate_json(json.dumps(scanner.model_dump(mode="json"))) == scanner


def test_crystals_lie_on_a_circle_counted_from_x_towards_y() -> None:
    got = positions_mm(ring(), numbers(0, 3, 6, 9))

    assert np.allclose(got, [[100, 0, -7.5], [0, 100, -7.5], [-100, 0, -7.5], [0, -100, -7.5]])


def test_direction_first_angle_depth_and_layers_are_applied() -> None:
    turned = ring(first_angle_deg=90.0, direction="clockwise", interaction_depth_mm=7.0, layers=2, layer_pitch_mm=10.0)

    got = positions_mm(turned, numbers(0, 3, 48))

    assert np.allclose(got, [[0, 107, -7.5], [107, 0, -7.5], [0, 117, -7.5]])


def test_the_rings_are_centred_on_zero() -> None:
    everything = np.arange(48, dtype=np.uint32)

    z_mm = positions_mm(ring(), everything)[:, 2]

    assert np.isclose(z_mm.mean(), 0)
    assert np.isclose(z_mm.max() - z_mm.min(), 15)


@given(st.integers(0, 3), st.integers(0, 11), st.integers(0, 2))
def test_a_number_is_taken_apart_into_layer_ring_and_crystal(at_ring: int, crystal: int, layer: int) -> None:
    holes = ring(layers=3, layer_pitch_mm=1.0, ring_stride=100, layer_stride=1000)

    got = place(holes, numbers(layer * 1000 + at_ring * 100 + crystal))

    assert (got.layer[0], got.ring[0], got.crystal[0]) == (layer, at_ring, crystal)


@pytest.mark.parametrize("number", [48, 1 << 31, (1 << 32) - 1])
def test_a_number_that_is_not_in_the_ring_is_refused(number: int) -> None:
    with pytest.raises(MismatchError, match=f"detector {number} is not in a scanner with 1 layers of 4 rings of 12"):
        positions_mm(ring(), numbers(0, number))


def test_a_number_in_a_hole_between_rings_is_refused() -> None:
    with pytest.raises(MismatchError, match="detector 12 is not in"):
        place(ring(ring_stride=100), numbers(12))


def test_modules_and_sectors_are_counted_around_the_ring() -> None:
    some = numbers(0, 2, 3, 11, 12, 24, 47)

    assert modules(ring(), some).tolist() == [0, 0, 1, 3, 0, 4, 7]
    assert sectors(ring(), some).tolist() == [0, 0, 1, 3, 0, 0, 3]


def test_sectors_are_apart_the_shorter_way_round() -> None:
    two = ring(minimum_sector_difference=2)

    got = may_pair(two, numbers(0, 0, 0, 0), numbers(1, 3, 6, 11))

    assert got.tolist() == [False, False, True, False]


def test_the_recorded_crystal_map_is_reproduced(recorded_data: Path) -> None:
    table = np.loadtxt(recorded_data / "safir/crystal_map_front.txt")
    number = (table[:, 0] * 65536 + table[:, 1]).astype(np.uint32)

    got = positions_mm(shipped_ring("safir-virtual"), number)

    assert len(number) == 91 * 180
    assert np.abs(got - table[:, 2:]).max() < 0.00051  # the map has three decimals


def test_the_mmr_has_the_geometry_of_its_header() -> None:
    mmr = shipped_ring("siemens-mmr")
    everything = np.arange(mmr.highest_detector + 1, dtype=np.uint32)

    assert len(everything) == 64 * 504
    assert np.allclose(positions_mm(mmr, numbers(503))[0], [0, -335, -31.5 * 4.0625])  # the gap before position 0
    assert modules(mmr, everything).max() + 1 == 2 * 224  # the header counts singles over blocks of 16 rings
    assert np.count_nonzero(~are_virtual(mmr, everything)) == 64 * 448


def test_the_widest_pairs_of_the_mmr_sinogram_are_allowed() -> None:
    mmr = shipped_ring("siemens-mmr")
    first = np.arange(504, dtype=np.uint32)
    apart = 504 // 2 - 344 // 2

    assert may_pair(mmr, first, ((first + apart) % 504).astype(np.uint32)).all()


RING_TOML = """
schema = "scanner-profile/0"
id = "mine"
title = "Mine"
vendor = "example"
source = "drawing 1"
verified = "simulated"
instrument = "siemens-petlink32"
[ring]
radius_mm = 100
rings = 4
detectors_per_ring = 12
axial_pitch_mm = 5
module_detectors = 3
module_rings = 2
sectors = 4
minimum_sector_difference = 1
"""
HEAD_TOML = (
    RING_TOML.partition("instrument =")[0]
    + """
[[heads]]
id = "a"
number = 0
instrument = "head-xye64"
angle_deg = 0
width_mm = 540
height_mm = 400
[[heads]]
id = "b"
number = 1
instrument = "head-xye64"
angle_deg = 180
width_mm = 540
height_mm = 400
[axes.rotary.gantry]
min_deg = 0
max_deg = 360
max_speed_deg_per_s = 3
[axes.linear.bed]
min_mm = 0
max_mm = 2000
max_speed_mm_per_s = 20
"""
)


@pytest.mark.parametrize(
    ("text", "old", "new", "said"),
    [
        (RING_TOML, "module_detectors = 3", "module_detectors = 5", "ring.module_detectors = 5: does not divide"),
        (RING_TOML, "module_rings = 2", "module_rings = 3", "ring.module_rings = 3: does not divide rings = 4"),
        (RING_TOML, "sectors = 4", "sectors = 5", "ring.sectors = 5: does not divide detectors_per_ring = 12"),
        (RING_TOML, "difference = 1", "difference = 3", "ring.minimum_sector_difference = 3: no two of 4 sectors"),
        (RING_TOML, "rings = 4", "rings = 4\nlayers = 2", "ring.layer_pitch_mm = absent: required with 2 layers"),
        (RING_TOML, "rings = 4", "rings = 4\nring_stride = 11", "ring.ring_stride = 11: less than detectors_per_ring"),
        (RING_TOML, "rings = 4", "rings = 4\nlayer_stride = 47", "ring.layer_stride = 47: less than the 4 rings"),
        (
            RING_TOML,
            "rings = 4",
            "rings = 4\nring_stride = 2000000000",
            "the highest detector number would be 6000000011",
        ),
        (RING_TOML, "rings = 4", "rings = 4\nvirtual_positions = [3]", "ring.virtual_positions[0] = 3: a module has"),
        (RING_TOML, "radius_mm = 100", "radius = 100", "ring.radius = 100: unknown key; did you mean radius_mm"),
        (RING_TOML, "siemens-petlink32", "siemens", "instrument = 'siemens': no instrument profile 'siemens'"),
        (RING_TOML, "[ring]", '[[heads]]\nid = "x"', "heads[0].number = absent: required key is missing"),
        (HEAD_TOML, "number = 1", "number = 0", "heads[1].number = 0: two heads would share"),
        (HEAD_TOML, 'id = "b"', 'id = "a"', "heads[1].id = 'a': names a head twice"),
        (HEAD_TOML, "angle_deg = 180", "angle_deg = 361", "heads[1].angle_deg = 361.0: must lie within one turn"),
        (HEAD_TOML, "min_deg = 0", "min_deg = 360", "axes.rotary.gantry.min_deg = 360.0: must be below max_deg"),
        (HEAD_TOML, "max_mm = 2000", "max_mm = 0", "axes.linear.bed.min_mm = 0.0: must be below max_mm = 0.0"),
        (HEAD_TOML, "[[heads]]", 'instrument = "safir64"\n[[heads]]', "instrument = 'safir64': only of a ring"),
        (
            HEAD_TOML,
            HEAD_TOML.partition("[[heads]]")[2].join(["[[heads]]", ""]),
            "",
            "ring = absent: a scanner has either",
        ),
    ],
)
def test_a_wrong_scanner_is_refused_with_key_value_and_reason(
    tmp_path: Path, text: str, old: str, new: str, said: str
) -> None:
    assert old in text
    path = tmp_path / "mine.toml"
    path.write_text(text.replace(old, new, 1))

    with pytest.raises(ProfileError) as caught:
        load_scanner(path)

    assert str(caught.value).startswith(f"{path}: ")
    assert said in str(caught.value)


def test_a_scanner_is_ring_or_heads_and_not_both(tmp_path: Path) -> None:
    path = tmp_path / "both.toml"
    path.write_text(RING_TOML + HEAD_TOML.partition('verified = "simulated"')[2].partition("[axes")[0])

    with pytest.raises(
        ProfileError, match=r"heads = 2 heads: a scanner has either \[ring\] or \[\[heads\]\], not both"
    ):
        load_scanner(path)


def test_a_sector_difference_of_zero_is_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(RING_TOML.replace("difference = 1", "difference = 0"))

    (finding,) = check_scanner(path)[1]

    assert (finding.key, finding.severity) == ("ring.minimum_sector_difference", "warning")


def test_an_instrument_may_stand_beside_the_scanner_file(tmp_path: Path) -> None:
    (tmp_path / "front-end.toml").write_text("schema = 1")
    path = tmp_path / "mine.toml"
    path.write_text(RING_TOML.replace("siemens-petlink32", "front-end.toml"))

    with pytest.raises(
        ProfileError, match=r"instrument = 'front-end.toml': .*front-end.toml: schema = 1: another schema"
    ):
        load_scanner(path)


def test_an_unknown_scanner_names_the_nearest() -> None:
    with pytest.raises(MissingError, match=r"no scanner profile 'siemens-mr'; did you mean siemens-mmr\?"):
        load_scanner("siemens-mr")
