"""Protocols at the station: listed, checked, changed and signed by verbs, and from the shell."""

from __future__ import annotations

import json
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from acquisition_protocols import versions
from acquisition_protocols.book import Book, Edit
from acquisition_protocols.load import shipped
from daq.cli.main import main
from daq.composition.protocolform import choices, hints
from daq.errors import AccessError, RefusedError
from daq.model.console.protocol_verbs import PROTOCOL_ASKING, PROTOCOL_VERBS
from daq.model.finding import Finding, error
from daq.model.protocol import AcquisitionProtocol
from daq.model.station import Actor, Role
from daq.model.verbs import checked as checked_arguments
from daq.services.protocols.desk import ProtocolDesk

SHIPPED = shipped()
TEXTS = {name: path.read_text(encoding="utf-8") for name, path in SHIPPED.items()}


def document(name: str) -> dict[str, Any]:
    """Return what a browser holds of a protocol: its tables, through JSON."""
    return json.loads(json.dumps(tomllib.loads(TEXTS[name])))


def saved(book: Book, name: str, **changes: Any) -> versions.Version:
    now = book.in_force(name)
    assert now is not None
    return book.save(Edit({**now.document, **changes}, now.sha256, "anna", "because"))


class _Facts:
    """A station that has nothing against any protocol."""

    def against(self, protocol: AcquisitionProtocol) -> list[Finding]:
        return [error("modality", protocol.modality, "no ring here")] if protocol.modality == "pet" else []

    def figures(self, protocol: AcquisitionProtocol) -> dict[str, Any]:
        return {"steps": len(protocol.steps)}

    def expected(self, protocol: AcquisitionProtocol, request: Any) -> dict[str, Any] | None:
        raise RefusedError(f"--activity {request.activity} of {protocol.id}")

    def form(self) -> dict[str, Any]:
        return {"hints": hints()}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[tuple[ProtocolDesk, list[str]]]:
    changed: list[str] = []
    made = ProtocolDesk(tmp_path, _Facts(), changed.append)
    yield made, changed
    made.close()


async def ask(desk: ProtocolDesk, verb: str, **args: Any) -> dict[str, Any]:
    role = PROTOCOL_VERBS[verb][1]
    return await desk.handlers[verb](checked_arguments(verb, args, Actor("anna", "console", role)), ANNA)


ANNA = Actor("anna", "console", Role.PHYSICIST)


def test_those_who_are_no_physicists_ask_and_change_nothing() -> None:
    needs = {verb: role for verb, (_, role, _) in PROTOCOL_VERBS.items()}
    assert {verb for verb, role in needs.items() if role is Role.VIEWER} == PROTOCOL_ASKING
    for verb in needs.keys() - PROTOCOL_ASKING:
        for role in (Role.VIEWER, Role.TECHNOLOGIST, Role.QC):
            with pytest.raises(AccessError, match=f"may not {verb}: that needs physicist"):
                checked_arguments(verb, {}, Actor("ben", "console", role))


async def test_the_list_has_the_sites_first_and_sees_what_changes_in_the_folder(
    tmp_path: Path, desk: tuple[ProtocolDesk, list[str]]
) -> None:  # fmt: skip
    there, changed = desk
    rows = (await ask(there, "protocols"))["protocols"]
    assert {row["id"] for row in rows} == set(SHIPPED)
    assert all(row["problems"] for row in rows if row["modality"] == "pet")
    now = await ask(there, "protocol", protocol="muga")
    made = await ask(
        there, "protocol-save", protocol="muga", document={**now["document"], "title": "Ours"}, base=now["base"],
        reason="why",
    )  # fmt: skip
    await ask(there, "protocol-sign", protocol="muga", sha256=made["sha256"], meaning="approved")
    assert changed == ["protocols", "protocols"]
    (tmp_path / "broken.toml").write_text("id = ")
    rows = (await ask(there, "protocols"))["protocols"]
    assert [(row["id"], row["state"], row["owner"]) for row in rows[:2]] == [
        ("broken", "refused", None), ("muga", "signed", "anna"),
    ]  # fmt: skip
    assert "not TOML" in rows[0]["state_reason"]
    assert str(tmp_path) not in json.dumps(rows), "no path of the host leaves it"
    (tmp_path / "broken.toml").unlink()
    found = (await ask(there, "protocols", text="OURS signed"))["protocols"]
    assert [row["id"] for row in found] == ["muga"]
    assert len((await ask(there, "protocols", kind="probe"))["protocols"]) > 0


@pytest.mark.parametrize("title", ["enob\u202e", "\u3164", "   "])
async def test_a_title_that_reads_otherwise_than_it_was_written_is_refused_in_words(
    desk: tuple[ProtocolDesk, list[str]], title: str
) -> None:
    there, _ = desk
    told = await ask(there, "protocol-check", document={**document("muga"), "title": title})
    (wrong,) = [each for each in told["findings"] if each["key"] == "title"]
    assert told["errors"] == 1
    assert wrong["reason"]


async def test_who_saved_first_owns_a_protocol_and_stays_its_owner(
    tmp_path: Path, desk: tuple[ProtocolDesk, list[str]]
) -> None:  # fmt: skip
    there, _ = desk
    book = Book(tmp_path)
    saved(book, "muga", title="Ours")
    now = book.in_force("muga")
    assert now is not None
    book.save(Edit({**now.document, "title": "Theirs"}, now.sha256, "ben", "because"))
    row = (await ask(there, "protocol", protocol="muga"))["row"]
    assert (row["owner"], row["saved_by"]) == ("anna", "ben")


async def test_a_version_that_was_kept_and_never_put_in_force_is_said_to_be_so(
    tmp_path: Path, desk: tuple[ProtocolDesk, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    there, _ = desk
    saved(Book(tmp_path), "muga", title="Ours")

    def dies(*_: Any) -> None:
        raise OSError("killed")

    with monkeypatch.context() as patched:
        patched.setattr(versions, "put_in_force", dies)
        with pytest.raises(OSError, match="killed"):
            saved(Book(tmp_path), "muga", title="Never seen")
    told = (await ask(there, "protocol-versions", protocol="muga"))["versions"]
    assert [(each["version"], each["in_force"], each["not_in_force"]) for each in told] == [
        (3, False, True), (2, True, False), (1, False, False),
    ]  # fmt: skip


async def test_hundreds_are_listed_at_once_when_they_have_not_changed(
    tmp_path: Path, desk: tuple[ProtocolDesk, list[str]]
) -> None:  # fmt: skip
    for number in range(300):
        text = TEXTS["demo-planar-static"].replace('id = "demo-planar-static"', f'id = "site-{number}"')
        (tmp_path / f"site-{number}.toml").write_text(text)
    first = (await ask(desk[0], "protocols"))["protocols"]
    begun_s = time.perf_counter()
    again = (await ask(desk[0], "protocols"))["protocols"]
    assert time.perf_counter() - begun_s < 0.5
    assert again == first
    assert sum(not row["shipped"] for row in again) == 300


async def test_an_edited_protocol_is_checked_with_places_values_and_reasons(
    desk: tuple[ProtocolDesk, list[str]],
) -> None:
    said = document("bone-spots")
    said["steps"][0]["stop"]["host"] = "x7 min"
    told = await ask(desk[0], "protocol-check", document=said)
    assert [(each["key"], each["value"], each["where"]) for each in told["findings"]] == [
        ("steps[0].stop.host", "'x7 min'", "file")
    ]
    assert (told["errors"], told["usable_here"], told["figures"]) == (1, False, None)
    told = await ask(desk[0], "protocol-check", document=document("pet-list-mode"))
    assert (told["errors"], told["usable_here"]) == (0, False)
    assert told["findings"][-1]["where"] == "station"
    for hostile in ({"id": "x"}, {"steps": [[[]]]}, {"schema": "other/1", "id": 5}, {"id": "a", "steps": "x" * 9999}):
        assert (await ask(desk[0], "protocol-check", document=hostile))["errors"] > 0


async def test_what_somebody_has_not_read_he_does_not_sign_and_what_is_shipped_nobody(
    desk: tuple[ProtocolDesk, list[str]],
) -> None:  # fmt: skip
    now = await ask(desk[0], "protocol", protocol="muga", activity="1 MBq")
    assert now["expected_problem"] == "activity 1 MBq of muga"
    with pytest.raises(RefusedError, match="comes with scandaq and is not signed there"):
        await ask(desk[0], "protocol-sign", protocol="muga", sha256=now["base"], meaning="x")
    changed = {**now["document"], "title": "Ours"}
    await ask(desk[0], "protocol-save", protocol="muga", document=changed, base=now["base"], reason="why")
    with pytest.raises(RefusedError, match="has changed since you read it"):
        await ask(desk[0], "protocol-sign", protocol="muga", sha256=now["base"], meaning="x")
    with pytest.raises(RefusedError, match="the document is of 'muga', not of 'other'"):
        await ask(desk[0], "protocol-save", protocol="other", document=changed, reason="why")
    with pytest.raises(RefusedError, match="lower-case letters"):
        await ask(desk[0], "protocol", protocol="../site")


def test_a_form_has_the_models_own_descriptions() -> None:
    told = hints()
    assert told["StopFile.host"].startswith("Host time, the backstop")
    assert all("`" not in text for text in told.values())
    assert choices()["administration"] == ["none", "before_start", "may_follow", "follows"]
    assert set(choices()["step_kind"]) >= {"static", "hand_over"}


def test_the_shell_lists_what_is_retired_as_retired(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    book = Book(tmp_path)
    made = saved(book, "muga", title="Ours")
    book.retire("muga", base=made.sha256, by="anna", reason="nobody needs it")
    assert main(["protocol", "list", "--protocols", str(tmp_path)]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.split()[:1] == ["muga"]]
    assert line.split()[-1] == "retired"
    assert main(["protocol", "list", "--protocols", str(tmp_path), "--json"]) == 0
    rows = {row["id"]: row for row in json.loads(capsys.readouterr().out)["protocols"]}
    assert rows["muga"]["retired"]["by"] == "anna"
    assert rows["bone-spots"]["retired"] is None


def test_the_shell_lists_compares_and_restores_versions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    saved(Book(tmp_path), "bone-spots", title="Ours")
    where = ["--protocols", str(tmp_path)]
    assert main(["protocol", "versions", "bone-spots", "--json", *where]) == 0
    assert [each["version"] for each in json.loads(capsys.readouterr().out)["versions"]] == [2, 1]
    assert main(["protocol", "diff", "bone-spots", "1", *where]) == 0
    assert capsys.readouterr().out.endswith("→ Ours\n")
    assert main(["protocol", "restore", "bone-spots", "1", "--reason", "was better", "--by", "anna", *where]) == 0
    assert "version 1 is in force again, as version 3" in capsys.readouterr().out
    assert main(["protocol", "versions", "bone-spots", "--toml", "1", *where]) == 0
    assert capsys.readouterr().out == TEXTS["bone-spots"]
    assert main(["protocol", "versions", "bone-spots", "--toml", "9", *where]) == 4
    assert main(["protocol", "versions", "bone-spots", *where]) == 0
    assert "restored" not in capsys.readouterr().err
