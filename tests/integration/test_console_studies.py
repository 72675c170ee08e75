"""Studies and service in the browser: verify, export, remark; high voltage up by a held press, down by one."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from support_console import Clicks, ConsoleStation, browser_page, in_both_themes, shot, until

HELD_MS = 2600
PARTS = ("devices", "voltage", "registers", "calibrations", "logs", "station")


@pytest.fixture(scope="module")
def recorded(station: ConsoleStation) -> str:
    """Record a short acquisition; return its id once its pictures are there."""
    patient = {"name": "SIM^Study", "patient_id": "SIM-0042", "birth_date": "1960-04-05"}
    run = str(station.ask("prepare", protocol="demo-planar-static", patient=patient, within_s=60.0)["run"])
    station.wait_for("armed")
    station.ask("start")
    station.wait_for("completed")
    until(lambda: station.ask("studies")["studies"][0]["pictured"], lambda pictured: pictured == run, 60.0)
    return run


def volts(station: ConsoleStation) -> float:
    return float(station.ask("read", device="bias", name="voltage")["read"][0]["value"])


def test_a_study_is_opened_verified_and_exported(station: ConsoleStation, chromium: Browser, recorded: str) -> None:
    with browser_page(chromium, station, "#/studies") as page:
        hand = Clicks(page)
        expect(page.get_by_role("img", name=f"Small picture of {recorded}")).to_be_visible()
        assert in_both_themes(page) == []
        shot(page, "studies")
        hand.press("SIM, Study", "link")
        picture = page.get_by_role("img", name="Contact sheet of")
        expect(picture).to_be_visible()
        until(lambda: picture.evaluate("image => image.naturalWidth"), lambda width: width > 300)
        expect(page.get_by_text("Every word is accounted for")).to_be_visible()
        hand.press("Verify")
        hand.press("Verify now")
        expect(page.get_by_text("Whole: every byte of")).to_be_visible(timeout=30_000)
        expect(page.get_by_text("Completed, Verified")).to_be_visible()
        hand.press("Export")
        hand.press("Export now")
        expect(page.get_by_text("1 DICOM objects")).to_be_visible(timeout=30_000)
        assert hand.count == 5
        assert in_both_themes(page) == []
        shot(page, "study")
    done = next(job for job in station.ask("jobs")["jobs"] if job["kind"] == "export")
    assert [path.suffix for path in Path(done["result"]["folder"]).iterdir()] == [".dcm"]


def test_files_are_given_to_those_who_are_signed_in_and_no_others(
    station: ConsoleStation, chromium: Browser, recorded: str
) -> None:
    with browser_page(chromium, station, "#/studies") as page:
        fetched = "async path => (await fetch(path)).status"
        files = f"/api/v1/files/studies/{recorded}"
        assert page.evaluate(fetched, f"{files}/contact-sheet.png") == 200
        for wrong in ("patient.json", "..%2fpatient.json", "%2e%2e/patient.json", "manifest.json"):
            assert page.evaluate(fetched, f"{files}/{wrong}") in (404, 422)
        page.context.clear_cookies()
        assert page.evaluate(fetched, f"{files}/contact-sheet.png") == 401


def test_a_remark_stays_with_its_reason(station: ConsoleStation, chromium: Browser, recorded: str) -> None:
    with browser_page(chromium, station, f"#/studies/{recorded}") as page:
        hand = Clicks(page)
        hand.press("Remark")
        keep = page.get_by_role("button", name="Keep this remark")
        expect(keep).to_have_attribute("aria-disabled", "true")
        page.get_by_role("textbox", name="Why").fill("the patient moved")
        hand.press("Keep this remark")
        expect(page.get_by_text("the patient moved")).to_be_visible()
    assert station.ask("studies")["studies"][0]["not_for_diagnosis"]
    assert "the patient moved" not in str(station.ask("audit-lines", limit=500))


def test_high_voltage_rises_only_by_a_press_that_is_held_and_falls_by_one(
    station: ConsoleStation, chromium: Browser
) -> None:
    station.calm()
    with browser_page(chromium, station, "#/service/voltage") as page:
        hand = Clicks(page)
        hand.type("Raise to, in volts", "100")
        hand.press("Preview")
        expect(page.get_by_text("Arming raises nothing")).to_be_visible()
        hand.press("Arm")
        hold = page.get_by_role("button", name="Hold 2 seconds to raise")
        hold.click()  # one press is no held one
        hold.scroll_into_view_if_needed()
        hold.hover()
        page.mouse.down()
        page.wait_for_timeout(HELD_MS / 3)
        page.mouse.up()  # let go before the time is up
        page.wait_for_timeout(HELD_MS)
        assert volts(station) < 1.0
        assert not any(line["verb"] == "raise-voltage" for line in station.ask("audit-lines")["lines"])
        assert in_both_themes(page) == []
        shot(page, "service-voltage")
        hold.hover()
        page.mouse.down()
        page.wait_for_timeout(HELD_MS)
        page.mouse.up()
        until(lambda: volts(station), lambda now: now > 98.0, 30.0)
        before = hand.count
        hand.press("Off: bias")
        assert hand.count - before == 1
        until(lambda: volts(station), lambda now: now < 2.0, 30.0)


def test_every_part_of_service_is_readable_for_all_in_both_themes(station: ConsoleStation, chromium: Browser) -> None:
    with browser_page(chromium, station, "#/service") as page:
        for part in PARTS:
            page.evaluate("part => { location.hash = `#/service/${part}`; }", part)
            page.locator(f"#tab-{part}[aria-selected=true]").wait_for()
            page.locator("#service-panel > *").first.wait_for()
            assert in_both_themes(page) == [], part
            shot(page, f"service-{part}")
            assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth"), part
        began = time.monotonic()
        page.evaluate("() => { location.hash = '#/service/devices'; }")
        Clicks(page).press("Check now: bias")
        expect(page.get_by_text("Against raising")).to_be_visible()
        assert time.monotonic() - began < 20.0
