"""What a profile of a pulse height analyser must say, and what its simulator's scene."""

from __future__ import annotations

from pathlib import Path

import pytest

from daq.errors import ProfileError, UsageError
from device_profiles.load import FOLDER, check_profile, load_profile
from simulators.redpitaya.scene import parse_moves

TEXT = (FOLDER / "probe" / "redpitaya-mcpha.toml").read_text(encoding="utf-8")


def with_change(tmp_path: Path, old: str, new: str) -> Path:
    assert old in TEXT
    path = tmp_path / "changed.toml"
    path.write_text(TEXT.replace(old, new), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ('tick_ps = "8000"', 'tick_ps = "5000"', "clock.tick_ps"),
        ("word_bits = 16", "word_bits = 32", "layout.word_bits"),
        ("radix = [2]", "radix = [4]", "layout.kinds.single.detector"),
        ('bits = "11:0"', 'bits = "10:0"', "layout.kinds.single.fields"),
        ("inputs = [0]", "inputs = [0, 0]", "layout.mcpha.inputs"),
        ("threshold_min_adc = 50", "threshold_min_adc = 4095", "layout.mcpha.threshold_min_adc"),
        ('counting_unit = "event"', 'counting_unit = "word"', "counting_unit"),
    ],
)
def test_a_profile_that_the_decoder_does_not_know_is_refused(tmp_path: Path, old: str, new: str, key: str) -> None:
    with pytest.raises(ProfileError, match=key.replace(".", r"\.")):
        load_profile(with_change(tmp_path, old, new))


def test_a_precision_better_than_the_polls_is_warned_of(tmp_path: Path) -> None:
    _, findings = check_profile(with_change(tmp_path, "precision_ps = 100_000_000_000", "precision_ps = 8000"))

    assert [finding.key for finding in findings] == ["clock.precision_ps"]


def test_moves_are_read_in_order() -> None:
    assert parse_moves("0:1,5:20,8:0.5") == ((0.0, 1.0), (5.0, 20.0), (8.0, 0.5))


@pytest.mark.parametrize("text", ["", "5", "5:x", "5:1,3:1", "0:-1", "0:inf"])
def test_moves_that_make_no_sense_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--moves"):
        parse_moves(text)
