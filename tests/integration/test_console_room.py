"""Alarms, motion, the room's display and STOP ALL MOTION, pressed in a browser and looked at at the station."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page
from support_console import (
    Clicks,
    Complaints,
    ConsoleStation,
    browser_page,
    in_both_themes,
    shot,
    until,
)

SCREENS = ("worklist", "acquire", "qc", "protocols", "studies", "alarms", "service", "room")
STOP = "STOP ALL MOTION"
_POST = """([path, body]) => fetch(path, {
  method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
}).then((answer) => answer.status)"""
_QUESTION = """() => { import('/static/js/ui.js').then(ui => ui.decide({title: 'A question', choices: [
    {key: 'keep', label: 'Keep acquiring', safe: true}, {key: 'stop', label: 'Stop and keep'}]})); }"""
_STORM = """async (count) => {
  const { live } = await import("/static/js/live.js");
  const { merged } = await import("/static/js/news.js");
  const news = Array.from({ length: count }, (_, number) => ({ event: "alarm", data: {
    device: "storm", name: `a${number}`, priority: ["low", "medium", "high"][number % 3], text: `alarm ${number}`,
    guidance: "look", since_utc: "2031-01-01T10:00:00Z", active: true, latched: true, acknowledged_by: null } }));
  const began = performance.now();
  live.set((old) => merged(old, news));
  await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
  return performance.now() - began;
}"""


def room(station: ConsoleStation) -> dict[str, Any]:
    return station.ask("room")


def by_hand(station: ConsoleStation, device: str, action: str, value: Any = None) -> None:
    station.ask("simulate", device=device, action=action, **({} if value is None else {"value": value}))


def latched(station: ConsoleStation) -> None:
    """Have the enable latched: a stop takes it away, which the station itself says."""
    by_hand(station, "enable", "release")
    until(lambda: _latched_now(station), lambda enable: enable == "latched", 5.0)


def _latched_now(station: ConsoleStation) -> str:
    """Press it; a stop that is still on its way from the press before takes it away again."""
    by_hand(station, "enable", "latch")
    return str(room(station)["enable"])


def stopped(station: ConsoleStation) -> None:
    until(lambda: room(station)["enable"], lambda enable: enable == "off", 5.0)


def go(page: Page, screen: str) -> None:
    page.evaluate("screen => { location.hash = `#/${screen}`; }", screen)


def test_stop_all_motion_is_one_press_on_every_screen_and_says_what_stands(
    station: ConsoleStation, chromium: Browser
) -> None:
    with browser_page(chromium, station) as page:
        for screen in SCREENS:
            latched(station)
            go(page, screen)
            hand = Clicks(page)
            hand.press(STOP)
            stopped(station)
            assert hand.count == 1, screen
            page.get_by_text("confirmed after").wait_for()  # both ways have come by then
            if screen == SCREENS[0]:
                shot(page, "stop-all-motion")
            page.locator(".stop-report").get_by_role("button", name="Put away").click()


@pytest.mark.parametrize("keys", [["F12"], ["Escape", "Escape"]])
def test_keys_stop_all_motion_also_while_somebody_types(
    station: ConsoleStation, chromium: Browser, keys: list[str]
) -> None:
    with browser_page(chromium, station, "#/alarms") as page:
        latched(station)
        page.get_by_label("Priority").focus()
        for key in keys:
            page.keyboard.press(key)
        stopped(station)


def test_one_escape_stops_nothing(station: ConsoleStation, chromium: Browser) -> None:
    with browser_page(chromium, station, "#/room") as page:
        latched(station)
        page.keyboard.press("Escape")
        page.wait_for_timeout(700)
        page.keyboard.press("Escape")
        assert room(station)["enable"] == "latched"


def test_a_stop_comes_through_while_every_command_of_the_browser_hangs(
    station: ConsoleStation, chromium: Browser
) -> None:
    """Also with a question open and the focus in a field, by keys, while the page is held up for a while."""
    with browser_page(chromium, station, "#/alarms", complaints=Complaints(allowed=["net::"])) as page:
        page.route("**/api/v1/commands/**", lambda _: None)
        latched(station)
        page.evaluate(_QUESTION)
        page.get_by_role("dialog").wait_for()
        page.get_by_label("Priority").focus()
        page.evaluate("() => { const until = performance.now() + 500; while (performance.now() < until); }")
        page.keyboard.press("F12")
        stopped(station)
        page.get_by_text("confirmed after").wait_for()


def test_a_stop_that_cannot_reach_the_scanner_says_so_within_a_second_and_says_when_it_did(
    station: ConsoleStation, chromium: Browser
) -> None:
    with browser_page(chromium, station, "#/studies", complaints=Complaints(allowed=["net::", "WebSocket"])) as page:
        latched(station)
        page.context.set_offline(True)
        Clicks(page).press(STOP)
        page.get_by_text("STOP HAS NOT REACHED THE SCANNER").wait_for(timeout=1000)
        page.get_by_text("Press the emergency stop in the room").wait_for(timeout=1000)
        assert in_both_themes(page) == []
        shot(page, "stop-not-reached")
        page.wait_for_timeout(2100)  # later than a stop is late, however fast the rest was
        page.context.set_offline(False)
        page.get_by_text("STOP reached the scanner only at").wait_for()
        stopped(station)


def test_a_viewer_stops_all_motion_while_somebody_else_holds_control(
    station: ConsoleStation, chromium: Browser, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("a long enough word\n", encoding="utf-8")
    site = station.socket.parent.parent / "site.toml"
    command = ["console", "user", "add", "vera", "--role", "viewer", "--site", str(site)]
    subprocess.run([sys.executable, "-m", "daq", *command, "--password-file", str(secret)], check=True, timeout=30)
    with browser_page(chromium, station) as holder, browser_page(chromium, station) as page:
        holder.evaluate(_POST, ["/api/v1/control", {"action": "take", "reason": "a test"}])
        page.evaluate("() => fetch('/api/v1/session', {method: 'DELETE'})")
        signed_in = page.evaluate(_POST, ["/api/v1/session", {"user": "vera", "password": "a long enough word"}])
        assert signed_in == 200
        page.reload()
        page.get_by_text("vera").first.wait_for()
        latched(station)
        hand = Clicks(page)
        hand.press(STOP)
        stopped(station)
        assert hand.count == 1
        go(page, "alarms")
        page.get_by_role("heading", name="Interlocks", exact=True).wait_for()
        assert page.get_by_role("button", name="Hold").count() == 0
        assert page.get_by_role("button", name="Simulated hand controller").count() == 0


def holding(page: Page, station: ConsoleStation) -> None:
    """Press and keep pressed the button that brings the bed away; return while the bed moves."""
    by_hand(station, "enable", "hold", 60)
    by_hand(station, "bed", "slip", 450)
    button = page.get_by_role("button", name="Hold: bed away")
    button.scroll_into_view_if_needed()
    button.hover()
    page.mouse.down()
    until(lambda: room(station), lambda now: now["moving"] and now["doing"] == "retreat bed", 5.0)


_ENDS: dict[str, Callable[[Page], Any]] = {
    "released": lambda page: page.mouse.up(),
    "left": lambda page: page.mouse.move(5, 5),
    "another finger, a palm": lambda page: page.evaluate("() => dispatchEvent(new PointerEvent('pointercancel'))"),
    "another window": lambda page: page.evaluate("() => dispatchEvent(new Event('blur'))"),
    "key": lambda page: page.keyboard.press("F12"),
}
_GONE: dict[str, Callable[[Page], Any]] = {
    "network": lambda page: page.context.set_offline(True),
    "hang": lambda page: page.evaluate(
        "() => { setTimeout(() => { const end = Date.now() + 2500; while (Date.now() < end); }, 0); }"
    ),
    "close": lambda page: page.goto("about:blank"),
}


def stands(station: ConsoleStation, how: str) -> None:
    now = until(lambda: room(station), lambda now: not now["moving"], 3.0)
    assert now["axes"]["bed"]["position"] > 0, how
    assert now["enable"] in ("off", "spent"), how


def test_what_is_held_stops_at_every_way_out(station: ConsoleStation, chromium: Browser) -> None:
    with browser_page(chromium, station, "#/alarms", complaints=Complaints(allowed=["50"])) as page:
        for how, end in _ENDS.items():
            holding(page, station)
            end(page)
            stands(station, how)
            page.mouse.up()
            by_hand(station, "enable", "release")


@pytest.mark.parametrize("how", _GONE)
def test_what_a_page_holds_that_cannot_say_anything_any_more_is_stopped_by_the_station(
    station: ConsoleStation, chromium: Browser, how: str
) -> None:
    with browser_page(chromium, station, "#/alarms", complaints=Complaints(allowed=["50", "net::", "WebS"])) as page:
        holding(page, station)
        _GONE[how](page)
        stands(station, how)
        page.context.set_offline(False)
        if how == "close":
            page.goto(station.url)  # where the harness signs out


def test_a_movement_held_by_the_keyboard_goes_on_until_the_key_is_let_go(
    station: ConsoleStation, chromium: Browser
) -> None:
    with browser_page(chromium, station, "#/alarms", complaints=Complaints(allowed=["50"])) as page:
        by_hand(station, "enable", "hold", 60)
        by_hand(station, "bed", "slip", 450)
        page.get_by_role("button", name="Hold: bed away").focus()
        page.keyboard.down("Enter")
        until(lambda: room(station), lambda now: now["moving"], 5.0)
        page.keyboard.up("Enter")
        until(lambda: room(station), lambda now: not now["moving"], 3.0)


def test_alarms_are_acknowledged_one_by_one_and_motion_is_found_again(
    station: ConsoleStation, chromium: Browser
) -> None:
    """Emergency stop: red alarm, open link, home while held, confirm what is asked; then everything is as before."""
    station.calm()
    by_hand(station, "enable", "release")
    with browser_page(chromium, station, "#/alarms") as page:
        hand = Clicks(page)
        hand.press("Simulated hand controller")
        panel = page.get_by_role("complementary", name="Simulated hand controller and room")
        hand.press("Press the emergency stop", within=panel)
        page.get_by_text("OPEN").first.wait_for()
        page.get_by_text("blocked").first.wait_for()
        shot(page, "alarms")
        assert in_both_themes(page) == []
        hand.press("Pull the emergency stop out", within=panel)
        hand.press("Put the thumb on the enable", within=panel)
        until(lambda: room(station)["enable"], lambda enable: enable == "held", 5.0)
        hand.press("Put away", within=panel)

        hand = Clicks(page)
        hand.on(page.get_by_role("button", name="Acknowledge: motion lost").first)
        shown = until(
            lambda: [each for each in station.ask("alarms")["alarms"] if each["name"] == "motion-lost"],
            lambda found: found[0]["acknowledged_by"] is not None, 5.0,
        )  # fmt: skip
        assert (hand.count, shown[0]["priority"]) == (1, "high")
        assert page.get_by_role("button", name="Acknowledge all").count() == 0

        home = page.get_by_role("button", name="Hold to home all axes")
        home.scroll_into_view_if_needed()
        home.hover()
        page.mouse.down()
        until(lambda: room(station)["reference"], lambda reference: reference == "homed", 20.0)
        page.mouse.up()
        hand.press("Confirm identity and position")
        page.get_by_role("dialog").get_by_text("Axes stand at").wait_for()
        hand.press("Identity and position are confirmed")
        until(lambda: room(station)["reference"], lambda reference: reference == "confirmed", 5.0)
        page.get_by_text("Acknowledged by", exact=False).first.wait_for()


def test_a_storm_of_a_thousand_alarms_leaves_the_page_usable_and_true(
    station: ConsoleStation, chromium: Browser
) -> None:
    with browser_page(chromium, station, "#/alarms") as page:
        page.get_by_role("heading", name="Active alarms").wait_for()
        before = page.locator(".alarm").count()
        assert page.evaluate(_STORM, 1000) < 1500
        page.get_by_text("333 high").wait_for()
        assert page.locator(".alarm").count() == 40
        assert page.locator(".alarm").first.get_by_text("High").count() == 1
        page.get_by_role("link", name=re.compile(r"High alarm: alarm \d+ \(\+")).wait_for()
        hand = Clicks(page)
        hand.press("Show 40 more")
        until(lambda: page.locator(".alarm").count(), lambda count: count == 80, 5.0)
        assert in_both_themes(page) == []
        asked: list[str] = []
        page.on("request", lambda sent: asked.append(sent.url) if "acknowledge" in sent.url else None)
        hand.press("Acknowledge all low alarms")
        page.get_by_text("low alarms are acknowledged").wait_for()
        assert [each.rpartition("/")[2] for each in asked] == ["acknowledge-low-alarms"]
        latched(station)
        Clicks(page).press(STOP)
        stopped(station)
        assert before < 40


def test_a_patient_stays_on_the_bed_until_somebody_says_otherwise(station: ConsoleStation, chromium: Browser) -> None:
    station.calm()
    with browser_page(chromium, station, "#/alarms") as page:
        station.ask(
            "prepare", protocol="demo-planar-static", draft_reason="a test", overrides={},
            patient={"name": "SIM^Bed", "patient_id": "SIM-1"},
        )  # fmt: skip
        page.get_by_text("A patient is on the bed").first.wait_for()
        by_hand(station, "enable", "release")
        by_hand(station, "enable", "latch")
        page.get_by_text("STAY WITH THE PATIENT").wait_for()
        station.ask("abort")
        station.wait_for("aborted", "ready")
        by_hand(station, "enable", "release")
        until(lambda: page.get_by_text("STAY WITH THE PATIENT").count(), lambda count: count == 0, 5.0)
        hand = Clicks(page)
        hand.press("Patient off the bed")
        until(lambda: room(station)["bed"]["patient"], lambda patient: not patient, 5.0)
        assert hand.count == 1


@pytest.mark.parametrize(("size", "theme"), [((1280, 800), "dark"), ((3840, 2160), "light")])
def test_the_room_shows_what_happens_and_nobodys_name(
    station: ConsoleStation, chromium: Browser, size: tuple[int, int], theme: str
) -> None:
    with browser_page(chromium, station, "#/room", size=size, theme=theme) as page:
        page.get_by_role("button", name=STOP).wait_for()
        page.locator("time").wait_for()
        assert page.get_by_role("navigation").count() == 0
        assert page.locator(".banner").count() == 0
        wide, high = page.evaluate(
            "() => [document.documentElement.scrollWidth, document.documentElement.scrollHeight]"
        )
        assert (wide, high) == size
        assert in_both_themes(page) == []
        shot(page, f"room-{size[0]}")


def test_addresses_that_name_no_screen_but_a_word_of_the_language_lead_to_a_screen(
    station: ConsoleStation, chromium: Browser
) -> None:
    with browser_page(chromium, station, "#/constructor") as page:
        page.get_by_text("There is no such page").wait_for()
        for place, heading in (("#/service/constructor", "Service"), ("#/qc/constructor", "Quality control")):
            page.evaluate("place => { location.hash = place; }", place)
            page.get_by_role("heading", name=heading).first.wait_for()


def test_a_wrong_clock_of_the_browser_changes_no_time_that_is_told_of_the_station(
    station: ConsoleStation, chromium: Browser
) -> None:
    with browser_page(chromium, station, "#/room") as page:
        page.add_init_script("const now = Date.now; Date.now = () => now() + 86_400_000 * 365 + 3_600_000 * 5;")
        page.reload()

        def told() -> set[int]:
            """Return the hour that the room tells, and that of this host, which is the station's."""
            text = page.locator(".room-clock").inner_text()
            here = page.evaluate("seconds => new Date(seconds * 1000).getHours()", time.time())
            return {int(text.split(":")[0]), here}

        until(told, lambda hours: len(hours) == 1)
        page.evaluate("location.hash = '#/service'")
        page.locator(".service-readings tbody tr").first.wait_for()
        until(lambda: page.locator("main").inner_text(), lambda text: "current" in text and "Old:" not in text)


def test_without_a_connection_the_room_counts_how_old_it_is_and_nothing_is_told_to_be_good(
    station: ConsoleStation, chromium: Browser
) -> None:
    station.calm()
    with browser_page(chromium, station, "#/room", complaints=Complaints(["ERR_INTERNET", "WebSocket"])) as page:
        says = page.locator(".room-says")
        until(says.inner_text, lambda text: text.startswith("Ready"))
        page.context.set_offline(True)
        until(says.inner_text, lambda text: text.startswith("OLD"))
        first = says.inner_text()
        until(says.inner_text, lambda text: text.startswith("OLD") and text != first)
        page.evaluate("location.hash = '#/alarms'")  # what was good before the connection was lost is not told to be so
        chips = page.locator(".chips")
        until(chips.inner_text, lambda text: "Interlocks: not known now" in text and "Interlocks closed" not in text)
