"""Protocols at the station: what a form changes is saved as a version, and nothing else is lost."""

from __future__ import annotations

import copy
import json
import threading
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acquisition_protocols import versions
from acquisition_protocols.book import Book, Edit
from acquisition_protocols.difference import difference
from acquisition_protocols.load import checked, load_protocol, shipped
from acquisition_protocols.rewrite import rewritten
from acquisition_protocols.signing import sign
from acquisition_protocols.toml_scan import comments
from daq.cli.main import main
from daq.composition.protocolform import choices, hints
from daq.errors import AccessError, MissingError, ProfileError, RefusedError
from daq.model.console.protocol_verbs import PROTOCOL_ASKING, PROTOCOL_VERBS
from daq.model.finding import Finding, error
from daq.model.protocol import AcquisitionProtocol
from daq.model.station import Actor, Role
from daq.model.verbs import checked as checked_arguments
from daq.services.protocols.desk import ProtocolDesk

SHIPPED = shipped()
TEXTS = {name: path.read_text(encoding="utf-8") for name, path in SHIPPED.items()}
COMMENTED = """# of the hospital
schema = "acquisition-protocol/1"
id = "bone-spots"
version = 4
title = "Ours"  # in short
"""


def document(name: str) -> dict[str, Any]:
    """Return what a browser holds of a protocol: its tables, through JSON."""
    return json.loads(json.dumps(tomllib.loads(TEXTS[name])))


def saved(book: Book, name: str, **changes: Any) -> versions.Version:
    now = book.in_force(name)
    assert now is not None
    return book.save(Edit({**now.document, **changes}, now.sha256, "anna", "because"))


# The text


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_a_shipped_protocol_comes_back_from_the_form_byte_for_byte_and_equal_where_written_anew(name: str) -> None:
    said = document(name)
    assert rewritten(TEXTS[name], said).text == TEXTS[name]
    anew = rewritten("", said).text
    path = Path(f"{name}.toml")
    assert tomllib.loads(anew) == said
    assert checked(anew.encode(), path)[0] == checked(TEXTS[name].encode(), path)[0]


QUANTITIES = st.sampled_from(["5 min", "90 s", "500 kcounts", "1 deg", "12.5 %"])
VALUES = st.one_of(
    QUANTITIES, st.text(max_size=30), st.integers(-5, 5), st.booleans(), st.lists(QUANTITIES, max_size=3),
    st.dictionaries(st.text(min_size=1, max_size=8), QUANTITIES, max_size=2),
)  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_whatever_the_form_does_the_file_says_it(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(SHIPPED)))
    said = document(name)
    for _ in range(data.draw(st.integers(1, 4))):
        where: dict[str, Any] = data.draw(st.sampled_from([said, *said["steps"]]))
        key = data.draw(st.one_of(st.sampled_from(sorted(where)), st.text(min_size=1, max_size=8)))
        if key not in ("steps", "name") and data.draw(st.booleans()):
            where[key] = data.draw(VALUES)
        elif key not in ("steps", "name"):
            where.pop(key, None)
    said["steps"] = data.draw(st.permutations(said["steps"]))
    assert tomllib.loads(rewritten(TEXTS[name], said).text) == said


def test_comments_stay_with_their_keys_and_steps_and_those_that_go_are_named() -> None:
    text = TEXTS["thyroid-scan"].replace('[[steps]]\nname = "right', '# from the right\n[[steps]]\nname = "right')
    text = text.replace("[windows.photopeak]\n", "[windows.photopeak] # of Tc\n# the width is ours\n")
    text = "# the site's\n" + text
    said = tomllib.loads(text)
    said["windows"]["photopeak"]["width"] = "15 %"
    said["steps"] = said["steps"][::-1]
    made = rewritten(text, said)
    assert comments(made.text) == ["# the site's", "# of Tc", "# the width is ours", "# from the right"]
    assert made.text.index("# from the right") < made.text.index('name = "right') < made.text.index('name = "anterior')
    said["steps"] = [step for step in said["steps"] if not step["name"].startswith("right")]
    assert rewritten(text, said).comments_lost == ("# from the right",)


def test_a_hash_in_a_text_is_no_comment_and_strings_of_many_lines_stay() -> None:
    text = 'a = """one # two\n[[steps]] three"""\nb = \'it # is\'  # but this\nc = [\n  1, # in it\n  2,\n]\n'
    assert comments(text) == ["# but this", "# in it"]
    made = rewritten(text, {"a": "one # two\n[[steps]] three", "b": "new", "c": [1, 2]})
    assert made.text == text.replace("'it # is'  #", '"new"  #')


# Versions


def test_saving_a_shipped_protocol_makes_it_the_sites_and_keeps_both(tmp_path: Path) -> None:
    book = Book(tmp_path)
    before = SHIPPED["bone-spots"].read_bytes()
    made = saved(book, "bone-spots", title="Ours")
    assert (made.version, made.what, made.by, made.reason) == (2, "saved", "anna", "because")
    assert SHIPPED["bone-spots"].read_bytes() == before
    assert load_protocol("bone-spots", [tmp_path]).protocol.title == "Ours"
    assert load_protocol("bone-spots", [tmp_path]).protocol.version == 2
    history = book.history("bone-spots")
    assert [(each.version.version, each.version.what, each.in_force) for each in history] == [
        (2, "saved", True), (1, "shipped", False),
    ]  # fmt: skip
    assert book.version("bone-spots", 1).text == before.decode()
    with pytest.raises(MissingError, match="has no version 7; there are: 2, 1"):
        book.version("bone-spots", 7)


def test_a_file_that_was_put_there_by_hand_is_kept_before_it_is_replaced_with_its_comments(tmp_path: Path) -> None:
    text = COMMENTED + TEXTS["bone-spots"].partition("\n")[2].partition("title")[2].partition("\n")[2]
    (tmp_path / "bone-spots.toml").write_text(text, encoding="utf-8")
    book = Book(tmp_path)
    made = saved(book, "bone-spots", title="Ours, anew")
    assert made.version == 5
    assert book.version("bone-spots", 4).what == "found"
    assert book.version("bone-spots", 4).text == text
    assert comments(made.text) == ["# of the hospital", "# in short"]


def test_who_saves_over_somebody_elses_version_is_refused_and_told_whose_it_is(tmp_path: Path) -> None:
    book = Book(tmp_path)
    now = book.in_force("bone-spots")
    assert now is not None
    saved(book, "bone-spots", title="Hers")
    with pytest.raises(RefusedError, match="has changed since you read it: version 2, by anna: because"):
        book.save(Edit({**now.document, "title": "His"}, now.sha256, "ben", "mine"))
    with pytest.raises(RefusedError, match="there is a protocol bone-spots already"):
        book.save(Edit({**now.document, "title": "His"}, None, "ben", "mine"))
    assert load_protocol("bone-spots", [tmp_path]).protocol.title == "Hers"


def test_of_many_who_save_at_once_one_succeeds(tmp_path: Path) -> None:
    now = Book(tmp_path).in_force("bone-spots")
    assert now is not None
    done: list[object] = []

    def save(number: int) -> None:
        try:
            done.append(Book(tmp_path).save(Edit({**now.document, "title": f"{number}"}, now.sha256, "x", "y")).version)
        except RefusedError as why:
            done.append(why)

    threads = [threading.Thread(target=save, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [each for each in done if isinstance(each, int)] == [2]
    assert len(done) == 8


def test_nothing_that_is_no_protocol_is_saved_and_no_reason_is_none(tmp_path: Path) -> None:
    book = Book(tmp_path)
    now = book.in_force("bone-spots")
    assert now is not None
    hostile: list[dict[str, Any]] = [
        {"steps": []}, {"kind": "<script>"}, {"unknown": "x"}, {"title": "half \ud800 of it"}, {"version": {"a": 1}},
        {"sources": {}}, {"windows": {"a\nb": {"lower": "1 keV", "upper": "2 keV"}}}, {"notes": "x" * 3000},
    ]  # fmt: skip
    for wrong in hostile[:4] + hostile[5:]:
        with pytest.raises((ProfileError, RefusedError)):
            book.save(Edit({**now.document, **wrong}, now.sha256, "anna", "because"))
    for identity in ("../../etc/passwd", "", "A", "a/b", None, 7, "x" * 64):
        with pytest.raises(RefusedError, match="id: lower-case letters"):
            book.save(Edit({**now.document, "id": identity}, None, "anna", "because"))
    with pytest.raises(RefusedError, match="say why"):
        book.save(Edit({**now.document, "title": "New"}, now.sha256, "anna", "  "))
    with pytest.raises(RefusedError, match="nothing differs from version 1"):
        book.save(Edit(now.document, now.sha256, "anna", "because"))
    assert not list(tmp_path.glob("*.toml"))
    with pytest.raises(RefusedError, match="no folder for protocols"):
        Book(None).save(Edit({**now.document, "title": "New"}, now.sha256, "anna", "because"))


@pytest.mark.parametrize("dies_at", ["keep", "put_in_force", "fsync"])
def test_who_dies_while_saving_leaves_the_old_protocol_whole_and_the_next_save_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dies_at: str
) -> None:  # fmt: skip
    book = Book(tmp_path)
    saved(book, "bone-spots", title="Before")
    before = (tmp_path / "bone-spots.toml").read_bytes()

    def dies(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(versions.os if dies_at == "fsync" else versions, dies_at, dies)
        with pytest.raises(KeyboardInterrupt):
            saved(book, "bone-spots", title="Half")
    assert (tmp_path / "bone-spots.toml").read_bytes() == before
    assert load_protocol("bone-spots", [tmp_path]).protocol.title == "Before"
    kept = {each.version.version: each.in_force for each in book.history("bone-spots")}
    assert kept == ({1: False, 2: True, 3: False} if dies_at == "put_in_force" else {1: False, 2: True})
    made = saved(book, "bone-spots", title="After")
    assert made.version == max(kept) + 1
    assert load_protocol("bone-spots", [tmp_path]).protocol.title == "After"


def test_an_older_version_becomes_the_next_and_a_signature_stays_with_its_bytes(tmp_path: Path) -> None:
    book = Book(tmp_path)
    second = saved(book, "bone-spots", title="Second")
    sign(tmp_path / "bone-spots.toml", "bone-spots", second.sha256, by="P", meaning="approved")
    third = saved(book, "bone-spots", title="Third")
    assert load_protocol("bone-spots", [tmp_path]).state == "draft"
    fourth = book.restore("bone-spots", 2, base=third.sha256, by="anna", reason="was better")
    assert (fourth.version, fourth.what, fourth.restores) == (4, "restored", 2)
    assert load_protocol("bone-spots", [tmp_path]).protocol.title == "Second"
    signed = {each.version.version: each.signature for each in book.history("bone-spots")}
    assert signed[2] is not None
    assert signed[2].meaning == "approved"
    assert signed[4] is None


def test_a_protocol_whose_file_was_deleted_is_had_again_from_its_versions(tmp_path: Path) -> None:
    book = Book(tmp_path)
    now = book.in_force("bone-spots")
    assert now is not None
    mine = {**now.document, "id": "mine", "title": "Mine"}
    made = book.save(Edit(mine, None, "anna", "new", like="bone-spots"))
    assert made.version == 1
    (tmp_path / "mine.toml").unlink()
    with pytest.raises(RefusedError, match="the file of mine is gone"):
        book.save(Edit({**mine, "title": "Later"}, made.sha256, "anna", "more"))
    again = book.restore("mine", 1, base=None, by="anna", reason="was deleted")
    assert again.version == 2
    assert load_protocol("mine", [tmp_path]).protocol.title == "Mine"


def test_a_retired_protocol_stays_in_the_folder_and_is_offered_again_when_a_version_is_restored(tmp_path: Path) -> None:
    book = Book(tmp_path)
    made = saved(book, "bone-spots", title="Ours")
    book.retire("bone-spots", base=made.sha256, by="anna", reason="nobody uses it")
    told = book.retired("bone-spots")
    assert told is not None
    assert (told.by, told.reason) == ("anna", "nobody uses it")
    assert (tmp_path / "bone-spots.toml").exists()
    book.restore("bone-spots", 1, base=made.sha256, by="anna", reason="needed again")
    assert book.retired("bone-spots") is None


def test_a_version_that_was_changed_afterwards_is_refused(tmp_path: Path) -> None:
    book = Book(tmp_path)
    saved(book, "bone-spots", title="Ours")
    path = tmp_path / ".versions" / "bone-spots" / "2.json"
    path.write_text(path.read_text().replace("Ours", "Theirs"))
    with pytest.raises(RefusedError, match=r"2\.json is damaged"):
        book.history("bone-spots")


# Differences


def test_differences_are_told_in_words() -> None:
    old = document("bone-spots")
    new = copy.deepcopy(old)
    first = new["steps"][0]["name"]
    new["title"] = "Ours"
    new["steps"][0]["stop"]["host"] = "9 min"
    new["steps"].append({**copy.deepcopy(new["steps"][0]), "name": "more"})
    new["steps"][1], new["steps"][2] = new["steps"][2], new["steps"][1]
    told = [change.sentence for change in difference(old, new)]
    assert f"title: {old['title']} → Ours" in told
    assert f"step {first}, end, at the latest: {old['steps'][0]['stop']['host']} → 9 min" in told
    assert any(sentence.startswith("step more: added, ") for sentence in told)
    assert sum("moved from place" in sentence for sentence in told) == 1
    assert len(told) == 4
    assert difference(old, {**old, "version": 9}) == []


def test_a_step_of_another_name_in_the_same_place_is_renamed_and_long_lists_tell_what_differs_alone() -> None:
    old = document("bone-spect-contour")
    new = copy.deepcopy(old)
    new["steps"][0]["name"] = "turn"
    new["steps"][0]["repeat"]["also"]["front_radius"][2] = "175 mm"
    told = [change.sentence for change in difference(old, new)]
    assert told == [
        "step stop, name: stop → turn",
        "step turn, repetition, with it, front radius: 173 mm (of 60: number 3) → 175 mm",
    ]


# The station


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
