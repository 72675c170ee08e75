"""The energy window of one exam, and its peak: one drag and one press, one press; nothing of it while it records."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Page, expect
from support_console import Clicks, ConsoleStation, browser_page, in_both_themes, shot, until

from daq.errors import TransitionRefusedError

PATIENT = {"name": "Sim^Window", "patient_id": "SIM-W"}
SIGNED, TAKES_MS = "126.5 to 154.6 keV", 30_000


@pytest.fixture
def armed(station: ConsoleStation) -> ConsoleStation:
    station.calm()
    station.hold(60)
    station.prepare("bone-spots", patient=PATIENT)
    station.wait_for("armed")
    return station


def told(page: Page, text: str) -> str:
    """Return what stands below the spectrum once it holds a text."""
    notice = page.locator(".energies .notice").filter(has_text=text)
    notice.wait_for(timeout=TAKES_MS)
    return notice.inner_text()


def test_a_window_is_moved_for_this_exam_with_one_drag_and_one_press_and_follows_the_peak_of_a_source_with_one(
    armed: ConsoleStation, chromium: Browser
) -> None:
    with browser_page(chromium, armed, "#/acquire") as page:
        hand = Clicks(page)
        window = page.get_by_role("slider", name="Window photopeak")
        window.wait_for()
        expect(page.locator(".heads canvas")).to_have_count(2)
        told_by = page.get_by_role("button", name=re.compile("Use for this exam|Start"))
        for seen in (page.locator(".heads .picture").first, window, told_by.first, told_by.last):
            expect(seen).to_be_in_viewport(ratio=0.95)  # pictures, energies and Start at once, without scrolling
        assert window.get_attribute("aria-valuetext") == SIGNED
        box = window.bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) >= 44
        middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        page.mouse.move(*middle)
        page.mouse.down()
        page.mouse.move(middle[0] + 11, middle[1], steps=3)
        page.mouse.up()
        moved = str(window.get_attribute("aria-valuetext"))
        assert moved != SIGNED
        shot(page, "console-energy-window")
        hand.press("Use for this exam")
        assert moved in told(page, "In this exam: photopeak")
        assert hand.count == 1

        (change,) = armed.ask("acquisition")["acquisition"]["window_changes"]
        assert change["from_kev"] == pytest.approx([126.45, 154.55])
        assert change["to_kev"][0] == pytest.approx(float(moved.split(maxsplit=1)[0]), abs=0.06)
        assert change["how"] == "by hand"
        assert in_both_themes(page) == []

        page.get_by_role("button", name="Re-peak on a source").and_(page.locator(":not([aria-disabled])")).wait_for()
        page.wait_for_timeout(500)  # 2,000 counts of each head
        before = hand.count
        hand.press("Re-peak on a source")
        assert "keV off 140.5 keV" in told(page, "The photopeak is")
        assert hand.count == before + 1
        lower = page.get_by_role("slider", name="Lower edge of photopeak")
        at = float(str(lower.get_attribute("aria-valuenow")))
        lower.focus()
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("Shift+ArrowLeft")
        assert lower.get_attribute("aria-valuetext") == f"{round((at - 5.5) * 2) / 2:.1f} keV"


def test_while_it_records_nothing_is_dragged_the_station_refuses_and_each_mark_on_a_picture_is_one_press(
    armed: ConsoleStation, chromium: Browser
) -> None:
    wanted = [{"window": "photopeak", "lower_kev": 129.0, "upper_kev": 157.0}]
    with browser_page(chromium, armed, "#/acquire") as page:
        hand = Clicks(page)
        hand.press("Start")
        armed.wait_for("acquiring")
        page.get_by_role("slider").first.wait_for(state="detached")
        with pytest.raises(TransitionRefusedError, match="stays as it is while the exam is acquiring"):
            armed.ask("energy-window", windows=wanted)
        with pytest.raises(TransitionRefusedError, match="finish or abort first"):
            armed.ask("repeak", source=True)

        until(lambda: armed.ask("acquisition")["acquisition"]["recorded_events"], bool)
        hand.press("On the picture")
        before = hand.count
        place = page.get_by_role("application", name=re.compile("Press where the mark belongs")).first
        with page.expect_response("**/api/v1/commands/mark", timeout=TAKES_MS) as answered:
            hand.on(place)
        assert answered.value.ok, answered.value.text()
        page.get_by_text("Marked: Node 1").wait_for()
        assert hand.count == before + 1
        text = answered.value.request.post_data_json["text"]
        assert re.fullmatch(
            r"Node 1: \d+\.\d mm to the (left|right) and \d+\.\d mm (up|down) from the middle of ANT, .*", text
        )
        assert page.locator(".picture-mark").inner_text() == "Node 1"
        assert in_both_themes(page) == []
        hand.press("Body contour 1")
        with page.expect_response("**/api/v1/commands/mark", timeout=TAKES_MS) as answered:
            place.focus()
            page.keyboard.press("ArrowRight")
            hand.key("Enter")
        assert answered.value.request.post_data_json["text"].startswith("Body contour 1: ")
