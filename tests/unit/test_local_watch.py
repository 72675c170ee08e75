"""What a slow reader of a watch gets: always the newest, never more than it takes, and the number of what it missed."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support_station import alarm, progress

from daq.model.localapi import Kind, check_request, check_watch, id_of, kind_of
from daq.model.station import (
    Announcement,
    Description,
    Reading,
    RunDocument,
    RunLedger,
    StationStatus,
    utc_now,
)
from daq.services import localwatch
from daq.services.localwatch import Watch

ALL: frozenset[Kind] = frozenset(("status", "progress", "reading", "alarm", "ledger", "document", "description", "qc"))


class Reader:
    """Takes so many lines and no more."""

    def __init__(self, takes: int = 1000) -> None:
        self.takes = takes
        self.lines: list[dict[str, Any]] = []

    @property
    def congested(self) -> bool:
        return self.takes <= 0

    def send(self, line: bytes) -> None:
        self.takes -= 1
        self.lines.append(json.loads(line))


def status(state: str) -> StationStatus:
    return StationStatus(state, utc_now())


def reading(name: str, value: int) -> Reading:
    return Reading("head-1", name, value, "V", "good", utc_now())


def document(number: int) -> RunDocument:
    return RunDocument("run", "event", {"seq_num": number})


async def test_a_reader_that_keeps_up_hears_everything_in_its_order() -> None:
    reader = Reader()
    watch = Watch(7, ALL, reader)

    for said in (status("ready"), progress(), status("armed"), document(1)):
        watch.heard(said)

    assert [(line["id"], line["event"], line["seq"], line["skipped"]) for line in reader.lines] == [
        (7, "status", 1, 0), (7, "progress", 2, 0), (7, "status", 3, 0), (7, "document", 4, 0),
    ]  # fmt: skip
    assert reader.lines[2]["data"]["state"] == "armed"


async def test_only_the_kinds_that_were_asked_for_are_heard() -> None:
    reader = Reader()
    watch = Watch(1, frozenset(("alarm",)), reader)

    for said in (status("ready"), progress(), alarm(), document(1)):
        watch.heard(said)

    assert [line["event"] for line in reader.lines] == ["alarm"]


async def test_a_slow_reader_gets_the_newest_of_each_subject_and_is_told_what_it_missed() -> None:
    reader = Reader(takes=0)
    watch = Watch(1, ALL, reader)

    for number in range(100):
        watch.heard(reading("a", number))
        watch.heard(reading("b", -number))
    reader.takes = 10
    watch.writable()

    assert [(line["data"]["name"], line["data"]["value"]) for line in reader.lines] == [("a", 99), ("b", -99)]
    assert reader.lines[-1]["skipped"] == 198


async def test_documents_are_not_replaced_and_the_latest_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(localwatch, "_MOST_DOCUMENTS", 3)
    reader = Reader(takes=0)
    watch = Watch(1, ALL, reader)

    for number in range(5):
        watch.heard(document(number))
    reader.takes = 10
    watch.writable()

    assert [line["data"]["document"]["seq_num"] for line in reader.lines] == [2, 3, 4]
    assert watch.skipped == 2


async def test_more_subjects_than_fit_are_counted_as_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(localwatch, "_MOST_SUBJECTS", 2)
    reader = Reader(takes=0)
    watch = Watch(1, ALL, reader)

    for name in "abcab":
        watch.heard(reading(name, 1))
    reader.takes = 10
    watch.writable()

    assert [line["data"]["name"] for line in reader.lines] == ["a", "b"]
    assert watch.skipped == 3


async def test_what_is_no_json_is_left_out_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    reader = Reader()
    watch = Watch(1, ALL, reader)

    watch.heard(replace(reading("a", 1), value=float("nan")))
    watch.heard(reading("a", 2))

    assert [line["data"]["value"] for line in reader.lines] == [2]
    assert reader.lines[0]["skipped"] == 1
    assert "no JSON" in caplog.text


async def test_a_silent_station_says_that_it_is_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(localwatch, "_ALIVE_S", 0.05)
    reader = Reader()
    watch = Watch(1, ALL, reader)
    watch.heard(status("ready"))

    watch.tick()
    await asyncio.sleep(0.06)
    watch.tick()
    watch.tick()
    watch.end("the daemon ends")

    assert [line["event"] for line in reader.lines] == ["status", "alive", "end"]


def said() -> st.SearchStrategy[Announcement]:
    return st.one_of(
        st.sampled_from(["ready", "armed", "acquiring"]).map(status),
        st.builds(reading, st.sampled_from("abc"), st.integers(0, 9)),
        st.integers(0, 9).map(document),
        st.integers(0, 9).map(lambda number: progress(elapsed_s=float(number))),
    )


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(said(), st.integers(0, 3)), max_size=60))
async def test_nothing_is_lost_without_being_counted_and_the_newest_never(
    script: list[tuple[Announcement, int]],
) -> None:
    reader = Reader(takes=0)
    watch = Watch(1, ALL, reader)
    newest: dict[str, Any] = {}

    for announcement, takes in script:
        reader.takes += takes
        watch.writable()
        watch.heard(announcement)
        newest[kind_of(announcement) + getattr(announcement, "name", "")] = announcement
    reader.takes = 1000
    watch.writable()

    assert len(reader.lines) + watch.skipped == len(script)
    for announcement in newest.values():
        name, data = kind_of(announcement), json.loads(json.dumps(localwatch.payload(announcement)))
        same = [line["data"] for line in reader.lines if line["event"] == name]
        assert data in same


@pytest.mark.parametrize(
    ("announcement", "kind"),
    [
        (status("ready"), "status"), (progress(), "progress"), (reading("a", 1), "reading"), (alarm(), "alarm"),
        (RunLedger("run", {}), "ledger"), (document(1), "document"), (Description("s", "x", {}), "description"),
    ],
)  # fmt: skip
def test_every_announcement_has_a_kind(announcement: Announcement, kind: str) -> None:
    assert kind_of(announcement) == kind


def test_by_default_documents_are_not_watched() -> None:
    assert set(check_watch({}).kinds) == ALL - {"document"}


@pytest.mark.parametrize(
    ("message", "why"),
    [
        ({}, "do: Field required"),
        ({"do": 1}, "do: Input should be a valid string"),
        ({"do": ""}, "do: String should match"),
        ({"do": "Start"}, "do: String should match"),
        ({"do": "a" * 41}, "at most 40"),
        ({"do": "start", "args": []}, "args: "),
        ({"do": "start", "args": {"x" * 65: 1}}, "args"),
        ({"do": "start", "actor": "root"}, "actor: Extra inputs are not permitted"),
        ({"do": "start", "id": 1.5}, "id"),
        ({"do": "start", "id": True}, "id"),
        ({"do": "start", "id": -1}, "id"),
        ({"do": "start", "id": "x" * 65}, "id"),
        ({"do": "start", "id": [1]}, "id"),
    ],
)
def test_a_request_that_is_none_is_refused_with_its_keys(message: dict[str, Any], why: str) -> None:
    with pytest.raises(Exception, match=why) as refused:
        check_request(message)
    assert "its keys are id, do, args" in str(refused.value)


@pytest.mark.parametrize(
    ("message", "found"),
    [({"id": 3}, 3), ({"id": "x"}, "x"), ({"id": True}, None), ({"id": {}}, None), ({}, None), ({"id": 2**53}, None)],
)
def test_the_id_comes_back_as_far_as_it_is_one(message: dict[str, Any], found: object) -> None:
    assert id_of(message) == found
