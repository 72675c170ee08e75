"""`daq catalogue` without a daemon: list, show, rebuild, verify."""

from __future__ import annotations

from pathlib import Path

import pytest
from support_catalogue import golden, identity, recording
from support_cli import call


@pytest.fixture
def storage(tmp_path: Path) -> Path:
    storage = tmp_path / "storage"
    for number in range(3):
        recording(storage, number, state="open" if number == 2 else "sealed")
    recording(storage, 0, 2, protocol={"id": "bone", "state": "draft"}, steps=None)
    return storage


def test_a_storage_is_catalogued_and_listed(storage: Path) -> None:
    rebuilt = call("catalogue", "rebuild", "--storage", storage)
    listed = call("catalogue", "list", "--storage", storage)

    assert "4 acquisitions found, 4 rows made or renewed, 0 damaged" in rebuilt.out
    lines = listed.out.splitlines()
    assert [line.split()[0] for line in lines[2:]] == [identity(0, 2), identity(2), identity(1), identity(0)]
    assert (storage / "station" / "catalogue.sqlite").exists()


@pytest.mark.parametrize(
    ("conditions", "ids"),
    [
        (["--since", "2026-11-02"], [identity(0, 2)]),
        (["--until", "2026-11-01", "--state", "sealed"], [identity(1), identity(0)]),
        (["--state", "open", "--state", "damaged"], [identity(2)]),
        (["--protocol", "bone"], [identity(0, 2)]),
        (["--outcome", "aborted"], []),
        (["--limit", "1", "--offset", "1"], [identity(2)]),
        (["--station", "two"], []),
        (["--patient", "p-" + "a" * 26], []),
    ],
)
def test_lists_are_filtered(storage: Path, conditions: list[str], ids: list[str]) -> None:
    call("catalogue", "rebuild", "--storage", storage)

    told = call("catalogue", "list", "--storage", storage, *conditions, "--json").json

    assert [row["id"] for row in told["acquisitions"]] == ids
    assert told["total"] == (4 if "--limit" in conditions else len(ids))


def test_a_site_file_says_where_storage_and_catalogue_are(storage: Path, tmp_path: Path) -> None:
    site = tmp_path / "site.toml"
    site.write_text(
        f'schema = "site/0"\nstation = "one"\nstorage = "{storage}"\ncatalogue = "sqlite:///{tmp_path}/own.sqlite"\n'
    )

    told = call("catalogue", "rebuild", "--site", site, "--json").json

    assert (told["directories"], told["stored"], told["problems"], told["moved_aside"]) == (4, 4, [], None)
    assert (tmp_path / "own.sqlite").exists()
    assert call("catalogue", "list", "--site", site, "--json").json["acquisitions"][0]["keeper"] == "one"


def test_an_acquisition_is_shown_whole(storage: Path) -> None:
    call("catalogue", "rebuild", "--storage", storage)

    done = call("catalogue", "show", identity(1), "--storage", storage)
    told = call("catalogue", "show", identity(1), "--storage", storage, "--json").json

    assert "step 1  flood  completed: time" in done.out
    assert "1,001 singles, 7 marks" in done.out
    assert (told["created_utc"], told["protocol_state"]) == ("2026-11-01T00:00:01.000Z", "signed")


def test_a_verification_is_kept_and_says_what_failed(storage: Path) -> None:
    golden(storage / "golden")
    call("catalogue", "rebuild", "--storage", storage)

    good = call("catalogue", "verify", "golden-1.0", "--storage", storage, "--json")
    rest = call("catalogue", "verify", "--unverified", "--storage", storage)
    none = call("catalogue", "verify", "--unverified", "--storage", storage)

    assert (good.code, good.json["acquisitions"][0]["verdict"]) == (0, "ok")
    assert rest.code == 6
    assert rest.out.count("damaged") == 3
    assert none.code == 0
    shown = call("catalogue", "show", "golden-1.0", "--storage", storage, "--json").json
    assert (shown["verified"], shown["verified_utc"] is not None) == ("ok", True)


def test_a_directory_that_is_gone_is_no_reason_to_stop(storage: Path) -> None:
    call("catalogue", "rebuild", "--storage", storage)
    (storage / "2026-11-01" / identity(0)).rename(storage.parent / "away")

    done = call("catalogue", "verify", identity(0), identity(1), "--storage", storage, "--json")

    assert done.code == 6
    assert [row["verdict"] for row in done.json["acquisitions"]] == ["missing", "damaged"]


def test_a_damaged_catalogue_is_put_aside_by_rebuild_alone(storage: Path) -> None:
    call("catalogue", "rebuild", "--storage", storage)
    path = storage / "station" / "catalogue.sqlite"
    path.write_bytes(b"garbage" * 1000)

    listed = call("catalogue", "list", "--storage", storage)
    rebuilt = call("catalogue", "rebuild", "--storage", storage)

    assert listed.code == 3
    assert "`daq catalogue rebuild` makes it anew" in listed.err
    assert "the catalogue was damaged; the old one is" in rebuilt.out
    (aside,) = path.parent.glob("catalogue.sqlite.damaged-*")
    assert aside.read_bytes() == b"garbage" * 1000
    assert call("catalogue", "list", "--storage", storage).code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["list"], 4, "no catalogue; `daq catalogue rebuild` makes one"),
        (["show", "x"], 4, "no catalogue"),
        (["verify"], 2, "give acquisition ids, or --unverified"),
        (["verify", "x", "--unverified"], 2, "give acquisition ids, or --unverified"),
        (["list", "--since", "yesterday"], 2, "--since yesterday: must be a date"),
        (["list", "--limit", "0"], 2, "from 1 to"),
        (["list", "--site", "x"], 2, "exclude each other"),
    ],
)
def test_what_makes_no_sense_is_said_in_words(storage: Path, arguments: list[str], code: int, says: str) -> None:
    done = call("catalogue", *arguments, "--storage", storage)

    assert (done.code, done.out) == (code, "")
    assert says in done.err


def test_a_storage_that_is_not_there_is_said(tmp_path: Path) -> None:
    done = call("catalogue", "rebuild", "--storage", tmp_path / "none")

    assert done.code == 4
    assert not (tmp_path / "none").exists()
