"""Commands over HTTP: done once for their key, bounded, and never in the way of what stops something."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from support_gateway import Clock, key, room

from daq.errors import BusyError, UsageError
from daq.gateway import commands, gateway
from daq.gateway.idempotency import KEEP_S, Answer, Answers, checked_key
from daq.model.station import Role

MARK = "/api/v1/commands/mark"


async def test_a_double_click_is_done_once_and_answered_twice(tmp_path: Path) -> None:
    here = room(tmp_path)
    browser = here.signed_in()

    answers = await asyncio.gather(*(browser.post(MARK, json={"text": "a"}, headers=key()) for _ in range(4)))
    later = await browser.post(MARK, json={"text": "a"}, headers=key())

    assert {answer.text for answer in (*answers, later)} == {'{"count":1}'}
    assert here.desk.verbs() == ["mark"]


async def test_a_refusal_is_kept_for_its_key_too(tmp_path: Path) -> None:
    here = room(tmp_path)
    browser = here.signed_in()

    answers = [await browser.post("/api/v1/commands/pause", json={}, headers=key()) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [409, 409]
    assert [answer.headers["content-type"] for answer in answers] == ["application/problem+json"] * 2
    assert here.desk.verbs() == ["pause"]


async def test_a_key_is_of_one_request_and_of_one_session(tmp_path: Path) -> None:
    here = room(tmp_path)
    one, other = here.signed_in(), here.signed_in("weber")
    path = "/api/v1/commands/amend"

    assert (await one.post(path, json={"changes": {"a": 1}}, headers=key())).status_code == 200
    assert (await one.post(path, json={"changes": {"a": 2}}, headers=key())).status_code == 422
    assert (await one.post("/api/v1/commands/mark", json={"text": "a"}, headers=key())).status_code == 422
    assert (await other.post(path, json={"changes": {"a": 2}}, headers=key())).status_code == 200


@pytest.mark.parametrize("wrong", [None, "", "short", "x" * 65, "with space 1", "new\nline-1", "ä" * 10])
def test_a_key_that_is_none_is_refused_in_words(wrong: str | None) -> None:
    with pytest.raises(UsageError, match="Idempotency-Key"):
        checked_key(wrong)


async def test_a_command_that_takes_long_is_accepted_and_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "SOON_S", 0.02)
    here = room(tmp_path)
    browser = here.signed_in()
    here.desk.held["mark"] = asyncio.Event()

    first = await browser.post(MARK, json={"text": "a"}, headers=key())
    here.desk.held["mark"].set()
    monkeypatch.setattr(commands, "SOON_S", 5.0)
    second = await browser.post(MARK, json={"text": "a"}, headers=key())

    assert (first.status_code, first.json()) == (202, {"accepted": True, "key": "key-of-one"})
    assert (second.status_code, second.json()) == (200, {"count": 1})


async def test_a_command_goes_on_when_its_browser_goes(tmp_path: Path) -> None:
    here = room(tmp_path)
    browser = here.signed_in()
    here.desk.held["mark"] = asyncio.Event()
    asking = asyncio.create_task(browser.post(MARK, json={"text": "a"}, headers=key()))
    while not here.desk.done:
        await asyncio.sleep(0)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    here.desk.held["mark"].set()

    assert (await browser.post(MARK, json={"text": "a"}, headers=key())).json() == {"count": 1}


async def test_stopping_waits_for_nothing_that_is_under_way_and_needs_no_key(tmp_path: Path) -> None:
    here = room(tmp_path)
    browser = here.signed_in("guest", Role.SERVICE)
    here.desk.held["mark"] = asyncio.Event()
    waiting = [
        asyncio.create_task(browser.post(MARK, json={"text": "a"}, headers=key(str(number)))) for number in range(20)
    ]
    while here.desk.verbs().count("mark") < 8:
        await asyncio.sleep(0)

    stopped = [await browser.post(f"/api/v1/commands/{verb}", json={}) for verb in ("stop", "abort", "stop-motion")]
    here.desk.held["mark"].set()
    answers = [answer.status_code for answer in await asyncio.gather(*waiting)]

    assert [answer.status_code for answer in stopped] == [200] * 3
    assert (answers.count(200), answers.count(429)) == (8, 12)


async def test_a_tab_from_yesterday_is_told_why_and_may_still_stop(tmp_path: Path) -> None:
    here = room(tmp_path)
    browser = here.signed_in()
    here.clock.now_s += 12 * 3600 + 1

    asked = await browser.post("/api/v1/ask/status", json={})
    session = (await browser.get("/api/v1/session")).json()
    stopped = await browser.post("/api/v1/commands/stop-motion", json={})
    started = await browser.post("/api/v1/commands/start", json={}, headers=key())

    assert (asked.status_code, asked.json()["kind"]) == (401, "NotSignedInError")
    assert (session["signed_in"], session["ended"]) == (False, "nothing was commanded for 12 hours")
    assert (stopped.status_code, started.status_code) == (200, 401)
    assert here.desk.done[-1][2].role is Role.VIEWER
    assert (await here.browser().post("/api/v1/commands/stop-motion", json={})).status_code == 401


async def test_a_fault_of_the_daemon_tells_no_value(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    here = room(tmp_path)
    browser = here.signed_in()
    here.desk.raising["mark"] = ValueError("Doe^John")

    answer = await browser.post(MARK, json={"text": "a"}, headers=key())

    assert (answer.status_code, answer.json()["kind"]) == (500, "UnexpectedError")
    assert "Doe" not in answer.text + caplog.text
    assert "ValueError" in caplog.text


async def test_bodies_are_bounded_in_size_and_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway, "BODY_S", 0.02)
    here = room(tmp_path)
    browser = here.signed_in()

    async def slow() -> object:
        yield b"{"
        await asyncio.sleep(5.0)

    large = await browser.post(MARK, content=b'{"text": "' + b"x" * 65536 + b'"}', headers=key())
    late = await browser.post(MARK, content=slow(), headers=key("2"))

    assert (large.status_code, "64 KiB" in large.json()["detail"]) == (422, True)
    assert (late.status_code, "0.02 s" in late.json()["detail"]) == (422, True)
    assert here.desk.done == []
    document = {"steps": [{"name": "x" * 1500}] * 100}
    assert (await browser.post("/api/v1/ask/protocol-check", json={"document": document})).status_code == 200
    document["steps"] *= 4
    more = await browser.post("/api/v1/ask/protocol-check", json={"document": document})
    assert "protocol-check: what is sent has more than 512 KiB" in more.json()["detail"]


async def test_a_body_that_is_too_long_is_heard_to_its_end_before_that_is_said(tmp_path: Path) -> None:
    browser, read = room(tmp_path).signed_in(), []

    async def body() -> object:
        for number in range(160):
            read.append(number)
            yield b"x" * 65536

    answer = await browser.post(MARK, content=body(), headers=key())

    assert (answer.status_code, len(read)) == (422, 160)


@pytest.mark.parametrize(
    "body", [b"[]", b"1", b'{"a":1,"a":2}', b'{"text": NaN}', b"\xff", b"{" * 5000, b'{"text": "\\ud800"}', b"null"]
)
async def test_odd_json_is_refused_in_words(tmp_path: Path, body: bytes) -> None:
    here = room(tmp_path)

    answer = await here.signed_in().post(MARK, content=body, headers=key())

    assert (answer.status_code, answer.json()["kind"]) == (422, "UsageError")


async def _answer(text: bytes) -> Answer:
    return Answer(200, text)


async def test_answers_are_kept_for_ten_minutes_and_not_beyond_their_room() -> None:
    clock = Clock()
    answers = Answers(clock)
    for number in range(3):
        await answers.once("a", f"key-{number:05}", "x", lambda: _answer(b"x" * (12 << 20)), within_s=1.0)

    await answers.once("a", "key-00003", "x", lambda: _answer(b"y"), within_s=1.0)
    assert (answers.known("a", "key-00000"), answers.known("a", "key-00002"), answers.dropped) == (False, True, 1)
    clock.now_s += KEEP_S + 1.0
    assert not answers.known("a", "key-00003")


async def test_too_many_keys_push_out_the_oldest_answer_never_what_is_under_way() -> None:
    answers = Answers(Clock())
    waits = asyncio.Event()

    async def waiting() -> Answer:
        await waits.wait()
        return Answer(200, b"late")

    assert await answers.once("a", "key-of-long", "x", waiting, within_s=0.0) is None
    for number in range(4100):
        await answers.once("b", f"key-{number:05}", "x", lambda: _answer(b""), within_s=1.0)
    waits.set()
    late = await answers.once("a", "key-of-long", "x", waiting, within_s=1.0)

    assert late is not None
    assert (late.body, answers.dropped > 0) == (b"late", True)


async def test_one_session_cannot_have_more_than_eight_commands_under_way() -> None:
    answers = Answers(Clock())
    never = asyncio.Event()

    async def waiting() -> Answer:
        await never.wait()
        return Answer(200, b"")

    for number in range(8):
        await answers.once("a", f"key-{number:05}", "x", waiting, within_s=0.0)
    with pytest.raises(BusyError, match="8 commands"):
        await answers.once("a", "key-00008", "x", waiting, within_s=0.0)
    assert await answers.once("b", "key-00000", "x", lambda: _answer(b""), within_s=1.0) is not None
    never.set()
