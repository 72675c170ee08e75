"""`daq demo` says beforehand that a first start compiles, and is silent about it later; refuses what makes no sense."""

from __future__ import annotations

from pathlib import Path

import pytest

from daq.cli.demo import _compiled_before
from daq.cli.main import main


def test_a_start_knows_whether_one_before_has_left_compiled_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    assert not _compiled_before()
    (tmp_path / "scandaq" / "kernels" / "of-one-version").mkdir(parents=True)
    assert _compiled_before()


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        (["study", "bone-whole-body", "--times", "0"], "--times 0: possible are 1 to 100"),
        (["study", "bone-whole-body", "--times", "101"], "--times 101: possible are 1 to 100"),
        (["gamma", "--times", "4"], "--times is of studies"),
        (["pet", "bone-whole-body"], "bone-whole-body is of studies"),
    ],
)
def test_what_is_of_studies_alone_is_refused_before_anything_starts(
    asked: list[str], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo", *asked]) == 2
    assert why in capsys.readouterr().err
