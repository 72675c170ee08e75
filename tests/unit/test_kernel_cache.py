"""The cache of generated decoders: whatever state it is in, the same rows come out."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from daq.model.kernel import cache_directory, kernel, writable_cache
from daq.model.layout import Clock, Layout
from daq.storage.accounts import unnumbered
from daq.storage.kernels import load_decoder

LAYOUT = Layout.model_validate_json("""{
 "word_bits": 16, "byte_order": "big",
 "kinds": {"single": {"yields": "single", "fields": {
   "time": {"bits": "15:8", "unit": "tick", "to": "time"},
   "energy": {"bits": "7:0", "unit": "adc", "to": "energy_adc"}}}}
}""")
CLOCK = Clock(tick_ps="7", precision_ps=7, reset_at_start=True)
WORDS = bytes([1, 10, 3, 30, 2, 20])

PROGRAM = """
import sys
import tempfile
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import test_kernel_cache as cache
print(cache.energies())
"""


def energies() -> list[tuple[int, int]]:
    """Load the decoder as a new process would and return what it makes of the words."""
    for name in [name for name in sys.modules if name.startswith("scandaq_layout_")]:
        del sys.modules[name]
    decoder = load_decoder(LAYOUT, CLOCK)
    singles = decoder.decode(unnumbered([(0, WORDS)], source=0, arrival_ns=0), decoder.start(imported=True)).streams
    columns = singles["singles"]
    return list(zip(columns["time_ps"].tolist(), columns["energy_adc"].tolist(), strict=True))


EXPECTED = [(7, 10), (21, 30), (14, 20)]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return cache_directory()


def module_of(cache: Path) -> Path:
    (module,) = cache.glob("scandaq_layout_*.py")
    return module


def test_a_decoder_is_kept_for_the_next_start(cache: Path) -> None:
    assert energies() == EXPECTED
    kept = {path: path.stat().st_mtime_ns for path in cache.rglob("*.nb*")}

    assert kept
    assert energies() == EXPECTED
    assert {path: path.stat().st_mtime_ns for path in cache.rglob("*.nb*")} == kept
    assert cache.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("damage", [b"", b"raise SystemExit(1)\n", b"\xff\xfe not text", b"def decode(:\n"])
def test_a_damaged_module_is_written_anew(cache: Path, damage: bytes) -> None:
    energies()
    module = module_of(cache)
    good = module.read_bytes()
    module.write_bytes(damage)

    assert energies() == EXPECTED
    assert module.read_bytes() == good
    assert list(cache.glob("*.tmp")) == []


@pytest.mark.slow
@pytest.mark.parametrize("kept", ["nbi", "nbc"])
def test_damaged_machine_code_is_compiled_anew_and_said_so(
    cache: Path, kept: str, caplog: pytest.LogCaptureFixture
) -> None:
    energies()
    for path in cache.rglob(f"*.{kept}"):
        path.write_bytes(path.read_bytes()[:40])

    with caplog.at_level(logging.WARNING):
        assert energies() == EXPECTED

    assert "is damaged" in caplog.text
    caplog.clear()
    assert energies() == EXPECTED
    assert caplog.text == ""


def test_without_a_folder_that_can_be_written_it_is_compiled_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way, for root too")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "file"))

    with caplog.at_level(logging.WARNING):
        assert energies() == EXPECTED

    assert "compiled anew at every start" in caplog.text


def test_where_the_home_refuses_a_folder_among_the_temporary_files_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way, for root too")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    with caplog.at_level(logging.WARNING):
        assert energies() == EXPECTED

    (own,) = tmp_path.glob("scandaq-kernels-*")
    assert own.stat().st_mode & 0o777 == 0o700
    assert list(own.rglob("*.nbc"))
    assert caplog.text == ""


def test_a_folder_that_others_can_write_is_not_trusted_with_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way, for root too")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    own = tmp_path / f"scandaq-kernels-{os.geteuid()}"
    own.mkdir(mode=0o777)
    own.chmod(0o777)

    assert writable_cache() is None
    own.rmdir()
    own.symlink_to(tmp_path)
    assert writable_cache() is None


def test_machine_code_that_cannot_be_kept_is_no_obstacle(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(cache.parent))
    cache.mkdir(parents=True)
    (cache / "__pycache__").write_text("in the way")

    assert energies() == EXPECTED


@pytest.mark.slow
def test_two_processes_at_once_do_not_disturb_each_other(cache: Path) -> None:
    command = [sys.executable, "-c", PROGRAM, str(Path(__file__).parent)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]

    said = [process.communicate(timeout=60) for process in both]

    assert said == [(f"{EXPECTED}\n", "")] * 2
    assert list(cache.glob("*.tmp")) == []


def test_another_layout_is_another_module(cache: Path) -> None:
    energies()
    load_decoder(LAYOUT, Clock(tick_ps="8", precision_ps=8, reset_at_start=True))

    assert len(list(cache.glob("scandaq_layout_*.py"))) == 2
    assert np.array(energies())[:, 0].tolist() == [7, 21, 14]


def doubled(number: int) -> int:
    return 2 * number


@pytest.mark.parametrize("kind", ["nbc", "nbi"])
@pytest.mark.parametrize("damage", [b"", bytes(100), b"not a pickle"])
def test_a_damaged_kernel_is_compiled_anew_and_kept(cache: Path, kind: str, damage: bytes) -> None:
    kernel("int64(int64)")(doubled)
    (file,) = cache.rglob(f"*.{kind}")
    whole = file.stat().st_size
    file.write_bytes(damage)

    assert kernel("int64(int64)")(doubled)(21) == 42

    (file,) = cache.rglob(f"*.{kind}")
    assert file.stat().st_size == pytest.approx(whole, rel=0.2)


def test_what_a_kernel_is_made_of_are_its_helpers_and_the_constants_of_both_and_nothing_else() -> None:
    from daq.model import kernel as made
    from daq.pipeline import singles

    here = Path(str(singles.__file__))
    packages = here.parents[2]
    imported = {str(path.relative_to(packages)) for path in made._imported(here)}
    assert {"daq/pipeline/windowing.py", "daq/pipeline/calibrating.py", "daq/model/scanner.py"} <= imported
    assert "daq/pipeline/pairing_kernels.py" not in imported


def test_a_changed_helper_gives_a_kernel_another_name(monkeypatch: pytest.MonkeyPatch) -> None:
    from daq.model import kernel as made
    from daq.pipeline import singles

    here, text = Path(str(singles.__file__)), made._text
    before = made._fingerprint.__wrapped__(here)
    helper = here.with_name("windowing.py")
    monkeypatch.setattr(made, "_text", lambda path: text(path) + (b"#" if path == helper else b""))
    assert made._fingerprint.__wrapped__(here) != before
    assert made._fingerprint.__wrapped__(here.with_name("order_kernels.py")) == made._fingerprint(
        here.with_name("order_kernels.py")
    )
