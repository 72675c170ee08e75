"""The shipped layouts against their documents and, where it is there, against recorded data."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daq.model.layout import BitField, Layout
from device_profiles.bitmap import bit_rows
from device_profiles.load import load_profile, shipped_profiles

PETLINK = load_profile("siemens-petlink32").layout
SAFIR = load_profile("safir64").layout


def kinds_of(layout: Layout, word: int) -> list[str]:
    return [name for name, kind in layout.kinds.items() if word & kind.tag_mask == kind.tag_value]


def raw(field: BitField, word: int) -> int:
    return (word & field.mask) >> field.low


@given(st.integers(0, (1 << 32) - 1))
def test_every_petlink_word_belongs_to_exactly_one_kind(word: int) -> None:
    assert len(kinds_of(PETLINK, word)) == 1


@given(st.integers(0, (1 << 64) - 1))
def test_every_safir_word_belongs_to_exactly_one_kind(word: int) -> None:
    assert len(kinds_of(SAFIR, word)) == 1


@pytest.mark.parametrize(
    ("word", "kind", "fields"),
    [
        (0x48111002, "prompt", {"bin": 0x08111002}),
        (0x0A17B7E9, "delayed", {"bin": 0x0A17B7E9}),
        (0x80000264, "time", {"elapsed": 612}),
        (0xA00807D0, "singles", {"block": 1, "rate": 2000}),
        (0xBC000000, "singles", {"block": 896, "rate": 0}),
        (0xC4100064, "bed_horizontal", {"moving": 1, "position": 100}),
        (0xC3000007, "bed_vertical", {"position": 7}),
        (0xE00000C3, "gate", {"state": 0xC3}),
        (0xE1001001, "respiratory_trigger", {"data": 1, "cardiac": 0}),
        (0xE100A000, "cardiac_trigger", {"data": 0, "cardiac": 1}),
        (0xE10053FF, "respiratory_phase", {"data": 1023, "cardiac": 0}),
        (0xE1006080, "cardiac_phase", {"data": 128, "cardiac": 0}),
        (0xFFFF0000, "control", {"state": 0x0FFF0000}),
        (0xE1000000, "gating_types_0_4", {}),
        (0xE2000000, "gating_formats_2_3", {}),
        (0xC0000000, "gantry_c0_c1", {}),
        (0xD1234567, "gantry_d0_df", {}),
    ],
)
def test_a_petlink_word_is_read_as_the_guideline_says(word: int, kind: str, fields: dict[str, int]) -> None:
    assert kinds_of(PETLINK, word) == [kind]
    assert {name: raw(field, word) for name, field in PETLINK.kinds[kind].fields.items()} == fields


def test_the_safir_header_struct_is_read_bit_for_bit() -> None:
    word = 1 | 2 << 8 | 300 << 16 | 400 << 32 | 5 << 48 | 6 << 52 | 1 << 62
    delayed = SAFIR.kinds["delayed"]

    assert kinds_of(SAFIR, word) == ["delayed"]
    got = {name: raw(field, word) for name, field in delayed.fields.items()}
    assert got == {"ring_a": 1, "ring_b": 2, "detector_a": 300, "detector_b": 400, "layer_a": 5, "layer_b": 6}


def test_a_safir_detector_number_is_the_bits_of_layer_ring_and_detector() -> None:
    number = SAFIR.kinds["prompt"].detector_a

    assert number is not None
    assert number.digits == ("layer_a", "ring_a", "detector_a")
    assert number.radix == (1 << 4, 1 << 8, 1 << 16)


def counts(layout: Layout, words: np.ndarray) -> dict[str, int]:
    found = {
        name: int(np.count_nonzero(words & kind.tag_mask == kind.tag_value)) for name, kind in layout.kinds.items()
    }
    return {name: count for name, count in found.items() if count}


def test_the_recorded_mmr_file_has_the_known_words(recorded_data: Path) -> None:
    words = np.fromfile(recorded_data / "siemens-mmr/small_listmode_file.l", "<u4").astype(np.int64)

    got = counts(PETLINK, words)

    assert got == {"prompt": 218_881, "delayed": 35_320, "time": 613, "singles": 1, "control": 1}


def test_the_recorded_safir_file_has_the_known_words(recorded_data: Path) -> None:
    content = (recorded_data / "safir/point_5.clm.safir").read_bytes()
    words = np.frombuffer(content[SAFIR.preamble_bytes :], "<u8").astype(object)

    got = counts(SAFIR, words)

    assert got == {"prompt": 35_844, "delayed": 43, "time": 359}
    assert content.startswith(tuple(text.encode() for text in SAFIR.preamble_begins))


@pytest.mark.parametrize("name", shipped_profiles())
def test_the_bit_map_shows_every_bit_of_every_kind_once(name: str) -> None:
    profile = load_profile(name)
    layout = profile.layout

    for kind in layout.kinds.values():
        shown = [row[0] for row in bit_rows(layout, kind, profile.clock)]
        bits = [bit for text in shown for bit in range(int(text.split(":")[-1]), int(text.split(":")[0]) + 1)]
        assert sorted(bits) == list(range(layout.word_bits))
        assert shown == sorted(shown, key=lambda text: -int(text.split(":")[0]))
