"""Protocols at the station: what a form changes is saved as a version, and nothing else is lost."""

from __future__ import annotations

import copy
import json
import threading
import tomllib
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
from daq.errors import MissingError, ProfileError, RefusedError

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
