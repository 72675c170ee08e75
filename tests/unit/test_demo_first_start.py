"""`daq demo` says beforehand that a first start compiles, and is silent about it afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest

from daq.cli.demo import _compiled_before


def test_a_start_knows_whether_one_before_has_left_compiled_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    assert not _compiled_before()
    (tmp_path / "scandaq" / "kernels" / "of-one-version").mkdir(parents=True)
    assert _compiled_before()
