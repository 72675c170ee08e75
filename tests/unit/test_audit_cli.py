"""`daq audit`: anybody can check the log of a station, and read its newest lines."""

from __future__ import annotations

from pathlib import Path

import pytest
from support_audit import log_of
from support_cli import call

from daq.storage.auditlook import audit_files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    log_of(tmp_path / "storage" / "station" / "audit", 5)
    return tmp_path / "storage" / "station" / "audit"


@pytest.fixture
def site(folder: Path, tmp_path: Path) -> Path:
    path = tmp_path / "site.toml"
    path.write_text('schema = "site/0"\nstation = "one"\nstorage = "storage"\n')
    return path


def test_a_good_log_is_ok_and_its_head_is_told(folder: Path) -> None:
    done = call("audit", "verify", folder)

    assert done.code == 0
    assert "1 file, 6 lines, from line 1 to 6" in done.out
    assert done.out.rstrip().endswith("verdict: ok")


def test_the_log_of_the_station_is_found_by_its_site_file(site: Path) -> None:
    done = call("audit", "verify", "--site", site, "--json")

    assert (done.code, done.json["verdict"], done.json["lines"]) == (0, "ok", 6)


def test_a_log_that_was_changed_fails_and_the_line_is_named(folder: Path) -> None:
    path = audit_files(folder)[0]
    path.write_bytes(path.read_bytes().replace(b"run-2", b"run-8"))

    done = call("audit", "verify", path)
    told = call("audit", "verify", path, "--json").json

    assert done.code == 6
    assert "audit-00001.jsonl line 4: edited: its hash is not that of its text" in done.out
    assert done.out.rstrip().endswith("verdict: FAILED")
    assert (told["verdict"], told["broken"]["line"], told["broken"]["kind"]) == ("FAILED", 4, "edited")


def test_an_end_that_was_removed_is_found_by_the_head_that_was_noted(folder: Path) -> None:
    head = call("audit", "verify", folder, "--json").json["head"]
    path = audit_files(folder)[0]
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))

    assert call("audit", "verify", folder).code == 0
    done = call("audit", "verify", folder, "--expect", head)

    assert done.code == 6
    assert "truncated: the log ends with line 5, line 6 was there once" in done.out


def test_a_torn_end_that_is_on_record_is_told(folder: Path) -> None:
    with audit_files(folder)[0].open("ab") as file:
        file.write(b'{"seq"')
    log_of(folder, 1)

    done = call("audit", "verify", folder)

    assert done.code == 0
    assert "kept aside after a crash, on record: audit-00001.jsonl: torn 6 bytes" in done.out


def test_the_newest_lines_are_shown(folder: Path) -> None:
    done = call("audit", "show", folder, "--last", 2)
    told = call("audit", "show", folder, "--last", 2, "--json").json

    assert done.code == 0
    assert ["run-3" in done.out, "run-4" in done.out, "run-2" in done.out] == [True, True, False]
    assert [line["object"] for line in told["lines"]] == ["run-3", "run-4"]


def test_lines_of_others_cannot_reach_the_terminal(folder: Path) -> None:
    from support_audit import fields, own

    from daq.storage.auditfile import AuditFile

    audit = AuditFile(folder, own)
    audit.append(fields("start", "\x1b[2J\x07", reason="a\nb"))
    audit.close()

    assert "\x1b" not in call("audit", "show", folder, "--last", 1).out


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["verify", "none"], 4, "no audit log"),
        (["show", "none"], 4, "no audit log"),
        (["verify", ".", "--expect", "5"], 2, "must be SEQ:HASH"),
        (["verify", ".", "--site", "site.toml"], 2, "exclude each other"),
        (["show", ".", "--last", "0"], 2, "from 1 to"),
        (["verify", "--site", "none.toml"], 4, "none.toml"),
    ],
)
def test_what_makes_no_sense_is_said_in_words(arguments: list[str], code: int, says: str) -> None:
    done = call("audit", *arguments)

    assert (done.code, done.out) == (code, "")
    assert says in done.err


def test_a_folder_in_the_place_of_a_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "audit-00001.jsonl").mkdir()

    done = call("audit", "verify", tmp_path)

    assert done.code in (1, 4)
    assert "Traceback" not in done.err
