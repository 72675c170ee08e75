"""Acquiring at the console, in presses: the table of flows is the test."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from playwright.sync_api import Browser, expect
from support_console import (
    Clicks,
    Complaints,
    ConsoleStation,
    browser_page,
    in_both_themes,
    shot,
    until,
)

from daq.errors import RefusedError

START, PAUSE, RESUME, STOP, NEXT = (re.compile(text) for text in ("Start", "Pause", "Resume", "Stop…", "Accept"))
SPOTS = "bone-spots"
PATIENT = {"name": "SIM^ADA", "patient_id": "SIM-0009"}
ASKED = """args => fetch('/api/v1/commands/' + args[0], {method: 'POST', body: JSON.stringify(args[1]),
    headers: {'Content-Type': 'application/json', 'Idempotency-Key': crypto.randomUUID()}})
    .then(async answer => [answer.status, (await answer.json()).detail])"""
CUT = """() => {
    window.Kept = window.WebSocket;
    window.sends = Kept.prototype.send;
    Kept.prototype.send = function () { this.close(); };
    window.WebSocket = function () {
        const refused = {readyState: 3, close() {}, send() {}};
        setTimeout(() => refused.onclose?.({code: 1006}), 0);
        return refused;
    };
    window.WebSocket.OPEN = 1;
}"""
"""What a network that is gone does to a socket; offline, Chromium leaves those that are open alone."""
MEND = "() => { window.WebSocket = window.Kept; window.Kept.prototype.send = window.sends; }"


@pytest.fixture
def armed(station: ConsoleStation) -> ConsoleStation:
    """Return the station with the first of two views armed."""
    station.calm()
    station.prepare(SPOTS, views=["thorax", "head"], patient=PATIENT)
    station.hold()
    station.wait_for("armed")
    return station


def _told(station: ConsoleStation) -> dict[str, Any]:
    return dict(station.ask("acquisition")["acquisition"])


def _recording(station: ConsoleStation, step: int = 1) -> None:
    """Wait for the first data of a step."""
    until(lambda: _told(station)["steps"][step - 1]["begin_s"], lambda begun: begun is not None)


def test_start_pause_resume_and_a_mark_take_a_press_each_stopping_early_two_and_leaving_two(
    armed: ConsoleStation, chromium: Browser
) -> None:
    with browser_page(chromium, armed, "#/acquire") as page:
        hand = Clicks(page)
        hand.press(START)
        armed.wait_for("acquiring")
        assert hand.count == 1
        hand.press(PAUSE)
        armed.wait_for("paused")
        assert hand.count == 2
        expect(page.get_by_role("button", name=PAUSE)).to_have_attribute("aria-disabled", "true")
        hand.press(RESUME)
        armed.wait_for("acquiring")
        assert hand.count == 3
        hand.press("Mark")
        expect(page.get_by_text("Marked: Node 1")).to_be_visible()
        assert hand.count == 4
        assert page.get_by_label("Mark", exact=True).input_value() == "Node 2"
        hand.press(STOP)
        expect(page.get_by_role("button", name="Keep acquiring")).to_be_focused()
        hand.press("Stop and keep")
        armed.wait_for("completed")
        assert (hand.count, hand.typed) == (6, 0)

        expect(page.get_by_role("heading", name="The acquisition was stopped")).to_be_visible()
        leaving = page.locator(".leaving")
        off = leaving.get_by_role("button", name="Patient off the bed")
        expect(off).to_have_attribute("aria-disabled", "true")
        assert in_both_themes(page) == []
        shot(page, "acquire-finished")
        hand.press("Finish exam")
        armed.wait_for("ready")
        assert armed.ask("status")["bed"]["patient"]
        hand.on(off)
        until(lambda: armed.ask("status")["bed"]["occupied"], lambda occupied: not occupied)
        assert hand.count == 8


def test_a_view_is_repeated_with_one_press_accepted_with_one_and_the_next_started_with_one(
    armed: ConsoleStation, chromium: Browser
) -> None:
    first = armed.ask("status")["run"]
    with browser_page(chromium, armed, "#/acquire") as page:
        hand = Clicks(page)
        hand.press(START)
        _recording(armed)
        expect(page.locator("canvas").first).to_be_visible()
        assert in_both_themes(page) == []
        shot(page, "acquire-static")
        armed.ask("end-step")
        armed.wait_for("waiting")
        expect(page.get_by_role("button", name=START)).to_have_attribute("aria-disabled", "true")
        assert in_both_themes(page) == []
        shot(page, "acquire-after-view")
        before = hand.count
        hand.press("Repeat view")
        until(lambda: armed.ask("status"), lambda seen: seen["run"] != first and seen["state"] == "armed", 90.0)
        assert hand.count - before == 1
        told = _told(armed)
        assert ([step["name"] for step in told["steps"]], told["repeats"]) == (["thorax", "head"], first)
        assert list(armed.storage.glob(f"*/{first}/manifest.json"))

        hand.press(START)
        _recording(armed)
        armed.ask("end-step")
        armed.wait_for("waiting")
        before = hand.count
        hand.press(NEXT)
        armed.hold()
        hand.press(START)
        armed.wait_for("acquiring")
        assert hand.count - before == 2
        assert [step["accepted"] for step in _told(armed)["steps"]] == [True, False]


def test_a_view_stopped_too_early_goes_on_with_a_press_while_the_patient_lies_there_and_of_two_takings_one_is_chosen(
    armed: ConsoleStation, chromium: Browser
) -> None:
    with browser_page(chromium, armed, "#/acquire") as page:
        hand = Clicks(page)
        first = _stopped_early(hand, armed)
        before = hand.count
        hand.press("Continue thorax")
        until(lambda: armed.ask("status"), lambda seen: seen["run"] != first and seen["state"] == "armed", 90.0)
        assert hand.count - before == 1
        (step,) = _told(armed)["steps"]
        assert (step["name"], step["before"]["run"]) == ("thorax", first)
        assert step["before"]["counted"]["events"] > 0
        second = _stopped_early(hand, armed)
        expect(page.get_by_text("Before the gap:").first).to_be_visible()
        manifest = json.loads(next(armed.storage.glob(f"*/{second}/manifest.json")).read_text(encoding="utf-8"))
        assert manifest["continues"] == first
        assert manifest["study"]["position_uid_of"] == first  # the patient has not moved: one frame of reference

        before = hand.count
        hand.press("Repeat view thorax")
        until(lambda: armed.ask("status"), lambda seen: seen["run"] != second and seen["state"] == "armed", 90.0)
        assert hand.count - before == 1
        third = _stopped_early(hand, armed)
        hand.press("The one before")
        expect(page.get_by_role("button", name="The one before")).to_have_attribute("aria-pressed", "true")
        counts = {run: bool(list(armed.storage.glob(f"*/{run}/remarks.jsonl"))) for run in (second, third)}
        assert counts == {second: True, third: False}

        images = next(armed.storage.glob(f"*/{second}")) / "images"
        until((images / "verdict.json").exists, bool, 60.0)
        own, whole = json.loads((images / "verdict.json").read_bytes())["series"]
        assert (own.get("parts"), whole["parts"], whole["counts"] > own["counts"]) == (None, [first, second], True)

        armed.ask("acknowledge")
        armed.ask("bed-empty")
    with pytest.raises(RefusedError, match="not the acquisition that the station has now"):
        armed.ask("take-views", run=third, views=["thorax"], continues=True)


def _stopped_early(hand: Clicks, station: ConsoleStation) -> str:
    """Start, and stop once there is something; return the acquisition."""
    hand.press(START)
    _recording(station)
    until(lambda: _told(station)["recorded_events"], lambda events: events > 20_000)
    hand.press(STOP)
    hand.press("Stop and keep")
    return str(station.wait_for("completed")["run"])


def test_keys_do_what_the_buttons_do_and_stop_all_motion_is_one_press_before_the_two_that_stop_the_exam(
    armed: ConsoleStation, chromium: Browser
) -> None:
    with browser_page(chromium, armed, "#/acquire") as page:
        hand = Clicks(page)
        expect(page.get_by_role("button", name=START)).not_to_have_attribute("aria-disabled", "true")
        hand.key("F4")
        expect(page.locator(".told")).to_contain_text("Nothing is being acquired now")
        assert armed.state() == "armed"
        hand.key("F8")
        armed.wait_for("acquiring")
        expect(page.get_by_role("button", name=PAUSE)).not_to_have_attribute("aria-disabled", "true")
        hand.key("F9")
        expect(page.get_by_role("dialog")).to_be_visible()
        hand.key("F4")  # while something is asked, keys of the transport do nothing
        hand.key("Escape")
        expect(page.get_by_role("dialog")).to_be_hidden()
        assert armed.state() == "acquiring"
        before = hand.count
        hand.press(re.compile("STOP ALL MOTION"))
        assert hand.count - before == 1
        hand.press(STOP)
        hand.press("Stop and keep")
        armed.wait_for("completed")
        assert hand.count - before == 3


def test_double_presses_old_pages_closed_browsers_and_lost_networks_change_nothing_of_an_acquisition(
    armed: ConsoleStation, chromium: Browser
) -> None:
    complaints = Complaints(allowed=["ERR_INTERNET_DISCONNECTED", "WebSocket"])
    with browser_page(chromium, armed, "#/acquire") as page:
        hand = Clicks(page)
        for verb, more in (("accept-view", {"step": 1}), ("take-views", {"views": ["thorax"]})):
            status, detail = page.evaluate(ASKED, [verb, {"run": "20200101T000000Z-000000", **more}])
            assert status == 409
            assert "is not the acquisition that the station has now" in detail
        hand.press("Renew")
        assert hand.count == 1
        until(lambda: _told(armed)["armed_for_s"], lambda left: left > 890, 5.0)
        page.get_by_role("button", name=START).dblclick()
        armed.wait_for("acquiring")
        assert armed.ask("status")["step"] == 1
        expect(page.locator(".told")).to_have_text("")
        _recording(armed)
    assert armed.state() == "acquiring"
    with browser_page(chromium, armed, "#/acquire", complaints=complaints) as page:
        expect(page.get_by_role("heading", name=re.compile("View 1 of 2"))).to_be_visible()
        expect(page.get_by_role("button", name=PAUSE)).not_to_have_attribute("aria-disabled", "true")
        expect(page.locator("canvas").first).to_be_visible()
        page.context.set_offline(True)
        page.evaluate(CUT)
        expect(page.get_by_text("The acquisition goes on without this page")).to_be_visible(timeout=20_000)
        expect(page.get_by_role("button", name=PAUSE)).to_have_attribute("aria-disabled", "true")
        armed.ask("pause")
        page.evaluate(MEND)
        page.context.set_offline(False)
        expect(page.get_by_role("button", name=RESUME)).not_to_have_attribute("aria-disabled", "true", timeout=20_000)


def test_a_bone_scan_takes_four_presses_and_its_bed_moves_only_while_the_enable_is_latched(
    station: ConsoleStation, chromium: Browser
) -> None:
    station.calm()
    with browser_page(chromium, station) as page:
        hand = Clicks(page)
        hand.on(page.get_by_role("row", name=re.compile("SIM, Ada")))
        hand.press("Prepare")
        hand.press("Identity confirmed - arm")
        station.hold()
        station.wait_for("armed")
        station.ask("simulate", device="enable", action="release")
        hand.press(START)
        expect(page.locator(".told")).to_contain_text("latch")  # refused in words: nothing moves
        assert station.state() == "armed"
        station.ask("simulate", device="enable", action="latch")
        hand.press(START)
        station.wait_for("acquiring")
        assert (hand.count, hand.typed) == (4 + 1, 0)  # one of them was refused
        expect(page.get_by_role("img", name=re.compile("ANT")).first).to_be_visible()
        assert in_both_themes(page) == []
        shot(page, "acquire-whole-body")
        station.ask("stop-motion")
        station.wait_for("interrupted", "fault")
        station.ask("home", within_s=60.0) if station.ask("status")["motion"]["reference"] == "lost" else None


@pytest.mark.soak
@pytest.mark.parametrize(
    ("protocol", "shown"), [("muga", "Bin"), ("renal-mag3", "Frame"), ("bone-spect", "projection")]
)
def test_each_kind_has_a_centre_of_its_own(
    station: ConsoleStation, chromium: Browser, protocol: str, shown: str
) -> None:
    station.calm()
    station.prepare(protocol, views=["renogram"] if protocol == "renal-mag3" else [])
    station.hold()
    station.wait_for("armed")
    with browser_page(chromium, station, "#/acquire") as page:
        Clicks(page).press(START)
        _recording(station)
        expect(page.get_by_role("heading", name=re.compile(shown)).first).to_be_visible(timeout=30_000)
        assert in_both_themes(page) == []
        shot(page, f"acquire-{protocol}")
