"""Calibration tables of time converters in the vendor's format: read whole, or refused with line and reason."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from daq.errors import MissingError, ProfileError
from daq.model.tofpet2 import channel_id
from device_profiles.load import load_profile, shipped_profiles
from device_profiles.petsystables import parse_tdc

TABLE = b"""# portID\tslaveID\tchipID\tchannelID\ttacID\tbranch\tt0\ta0\ta1\ta2
0\t0\t3\t17\t2\tT\t0.000000\t95.5\t198.25\t-1.5
0\t0\t3\t17\t2\tE\t0.1\t96.5\t197.25\t-2.5  # remarks are allowed

"""
PROFILE = shipped_profiles()["petsys-tofpet2-gbe"].read_text()


def profile_with(folder: Path, lines: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(PROFILE.replace('energy = "qdc"', f'energy = "qdc"\n{lines}'))
    return path


def test_a_profile_that_names_a_table_holds_its_rows(tmp_path: Path) -> None:
    (tmp_path / "tdc.tsv").write_bytes(TABLE)
    settings = load_profile(profile_with(tmp_path, 'tdc_table = "tdc.tsv"\ntdc_made_utc = "2026-11-20"')).layout.tofpet2
    assert settings is not None
    channel = channel_id(0, 0, 3, 17)
    assert settings.tdc == ((channel, 2, "T", 0.0, 95.5, 198.25, -1.5), (channel, 2, "E", 0.1, 96.5, 197.25, -2.5))
    assert settings.tdc_sha256 == hashlib.sha256(TABLE).hexdigest()


def test_a_table_that_is_not_there_or_another_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="tdc_table"):
        load_profile(profile_with(tmp_path, 'tdc_table = "tdc.tsv"'))
    (tmp_path / "tdc.tsv").write_bytes(TABLE)
    with pytest.raises(ProfileError, match="not the same table"):
        load_profile(profile_with(tmp_path, f'tdc_table = "tdc.tsv"\ntdc_sha256 = "{"0" * 64}"'))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no row"),
        (b"0 0 3 17 2 T 0 95 198\n", "line 1: 9 columns"),
        (b"0 0 3 17 2 X 0 95 198 0\n", "line 1: Input should be 'T' or 'E'"),
        (b"0 0 64 17 2 T 0 95 198 0\n", "line 1: 64 is not between 0 and 63"),
        (b"0 0 3 17 2 T 0 nan 198 0\n", "line 1: a value that is no number"),
        (b"0 0 3 a 2 T 0 95 198 0\n", "line 1: invalid literal"),
        (b"# x\n0 0 3 17 2 T 0 95 198 0\n0 0 3 17 2 T 0 95 199 0\n", "line 3: the converter of 0 0 3 17 2 T is there"),
    ],
)
def test_a_broken_table_is_refused_with_its_line(content: bytes, reason: str) -> None:
    with pytest.raises(ProfileError, match=reason):
        parse_tdc(content, "tdc.tsv")
