"""Import refuses a file that is plainly another format's, and says which profile it belongs to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from daq import composition
from daq.errors import MismatchError
from daq.storage.importing import import_file
from device_profiles.load import load_profile


def imported(file: Path, out: Path, profile_id: str, **options: object) -> None:
    profile = load_profile(profile_id)
    manifest = composition.new_manifest(profile, identity="x", source="s", stop="end")
    import_file(file, out, manifest, profile.layout, profile.clock, **options)  # type: ignore[arg-type]


def test_a_file_that_begins_like_another_profiles_is_refused_by_name(tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_bytes(b"SAFIR CListModeData".ljust(32, b"\0") + bytes(800))

    with pytest.raises(MismatchError, match="profile safir64 is for that"):
        imported(file, tmp_path / "out", "siemens-petlink32", foreign={"safir64": ["SAFIR CListModeData"]})

    assert not (tmp_path / "out").exists()


def test_events_without_any_time_word_are_refused_unless_forced(tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_bytes(np.full(100_000, 0x40000001, "<u4").tobytes())

    with pytest.raises(MismatchError, match="no time word among the first 100000 words"):
        imported(file, tmp_path / "out", "siemens-petlink32")
    imported(file, tmp_path / "out", "siemens-petlink32", force=True)

    assert (tmp_path / "out" / "manifest.json").is_file()
