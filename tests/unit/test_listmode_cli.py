"""`daq listmode info|verify|recover|export`: text for people, JSON for programs, exit codes for scripts."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from support_listmode import make_directory, six_batches

from daq.cli.main import main
from daq.listmode.blocks import PAGE
from daq.model.ledger import Ledger, SourceLedger


def whole(tmp_path: Path, **changes: object) -> Path:
    return make_directory(tmp_path / "run", [six_batches()], **changes)


def damaged(tmp_path: Path) -> Path:
    directory = whole(tmp_path)
    path = directory / "coincidences-00000.arrows"
    data = bytearray(path.read_bytes())
    data[six_batches().messages[2][1] - PAGE] ^= 4
    path.write_bytes(data)
    return directory


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = main(["listmode", *map(str, arguments)])
    out, err = capsys.readouterr()
    return code, out, err


def test_info_as_json_has_the_promised_keys(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "info", whole(tmp_path), "--json")

    info = json.loads(out)
    assert code == 0
    assert {key: info[key] for key in ("state", "words_by_kind", "rows", "duration_ps", "acquisition_id")} == {
        "state": "sealed",
        "words_by_kind": {"prompt": 60},
        "rows": {"coincidences": 60},
        "duration_ps": 59_000,
        "acquisition_id": "test-1",
    }
    assert info["ledger"]["balanced"] is True
    assert info["size_bytes"] == info["segments"][0]["size_bytes"] == len(six_batches().data)
    assert (info["profile"], info["source"], info["format"]) == ("test-profile", "test.bin", "1.0")


def test_info_for_people_says_what_is_not_known(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ledger = Ledger(unit="word", sources=(SourceLedger(source=3, basis="none", sent=None, received=60, recorded=60),))
    _, out, _ = run(capsys, "info", whole(tmp_path, ledger=ledger, ended_by=None))

    lines = out.splitlines()
    assert lines[0] == "acquisition test-1"
    assert "  ended by  not known" in lines
    assert "ledger, in words: balance not known" in lines
    assert lines[-2].split() == ["3", "none", "not", "known", "0", "60", "60", *"0000", "not", "known"]


def test_info_counts_the_whole_batches_of_an_open_directory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = six_batches(seal=False)
    made.entry.rows, made.entry.batches = 0, 0
    directory = make_directory(tmp_path / "run", [made], state="open", ledger=None, sealed_utc=None)

    _, out, _ = run(capsys, "info", directory, "--json")

    assert json.loads(out)["rows"] == {"coincidences": 60}


def test_verify_exits_0_when_whole_and_6_when_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "verify", whole(tmp_path / "a"))[0] == 0
    code, out, err = run(capsys, "verify", damaged(tmp_path / "b"))

    assert (code, err) == (6, "")
    assert "rows 10 up to, not including, 20 are lost" in out
    assert out.splitlines()[-1] == "verdict: damaged"


def test_verify_as_json_names_bytes_and_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "verify", damaged(tmp_path), "--json")

    report = json.loads(out)
    start, end = six_batches().messages[2]
    damage = report["segments"][0]["damages"][0]
    assert (code, report["verdict"], report["rows"]) == (6, "damaged", {"coincidences": 50})
    assert [damage[key] for key in ("start_byte", "stop_byte", "first_row", "stop_row")] == [start, end, 10, 20]


def test_recover_then_export_then_verify(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "recover", damaged(tmp_path), "--out", tmp_path / "saved")
    assert (code, out.splitlines()[-1]) == (0, f"written to {tmp_path / 'saved'}")
    assert "rows 10 up to, not including, 20" in out
    assert run(capsys, "verify", tmp_path / "saved")[0] == 0

    code, out, err = run(capsys, "export", tmp_path / "saved", "--to", "arrow", "--out", tmp_path / "f", "--json")
    assert (code, json.loads(out)["rows"]) == (0, 50)
    assert "lost before the recovery" in err


def test_refusals_are_one_sentence_and_their_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory = whole(tmp_path)
    for code, arguments in (
        (4, ["info", tmp_path / "nowhere"]),
        (4, ["verify", tmp_path]),
        (3, ["recover", directory, "--out", tmp_path / "saved"]),
        (3, ["export", directory, "--to", "raw", "--out", tmp_path / "out"]),
        (3, ["export", damaged(tmp_path / "b"), "--to", "arrow", "--out", tmp_path / "out"]),
    ):
        found, out, err = run(capsys, *arguments)
        assert (found, out) == (code, ""), arguments
        assert err.startswith("daq: ")
        assert err.count("\n") == 1


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys, argparse; from daq.cli import listmode; p = argparse.ArgumentParser();"
        "listmode.add_parser(p.add_subparsers());"
        "print([m for m in ('numpy', 'pyarrow', 'numba', 'pydantic', 'rich') if m in sys.modules])"
    )

    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
