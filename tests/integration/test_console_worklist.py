"""From the worklist to an armed scanner, in presses and typed characters; emergencies; hostile input; a long list."""

from __future__ import annotations

import json
import re
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from support_console import (
    Clicks,
    ConsoleStation,
    browser_page,
    in_both_themes,
    shot,
    until,
)

from daq.errors import ScandaqError

ARM = "Identity confirmed - arm"
HOSTILE = "<script>document.title='x'</script>"
FIELDS = ("Family name", "First name", "Patient ID", "Born", "Accession number", "What is to be done")


@pytest.fixture(autouse=True)
def calm(station: ConsoleStation) -> None:
    station.calm()


def rows(station: ConsoleStation) -> list[dict[str, Any]]:
    return list(station.ask("worklist")["rows"])


def entry_of(station: ConsoleStation, name: str) -> str:
    return next(str(row["entry"]) for row in rows(station) if row["name"] == name)


def labelled(field: str) -> re.Pattern[str]:
    """Return what finds a field by its label, before any hint."""
    return re.compile(f"^{field}")


def shown(name: str) -> str:
    """Return the beginning of a name as the card shows it."""
    return name.partition("=")[0].partition(" ")[0]


def banner(page: Page) -> str:
    return page.get_by_role("region", name="Patient").inner_text()


def test_a_bone_scan_is_armed_by_three_presses_and_no_typed_character(
    station: ConsoleStation, chromium: Browser
) -> None:
    with browser_page(chromium, station) as page:
        hand = Clicks(page)
        hand.on(page.get_by_role("row", name=re.compile("SIM, Ada")))
        expect(page.get_by_role("region", name="Patient")).to_contain_text("SIM-0001")
        shot(page, "worklist")
        hand.press("Prepare")
        expect(page.get_by_role("heading", name="SIM, Ada")).to_be_visible()
        expect(page.get_by_text("1961-03-09").first).to_be_visible()
        hand.press(ARM)
        station.hold()
        status = station.wait_for("armed")

        assert (hand.count, hand.typed) == (3, 0)
        assert status["protocol"] == "bone-whole-body"
        expect(page).to_have_url(re.compile("#/acquire"))
        expect(page.get_by_role("region", name="Patient")).to_contain_text("SIM, Ada")
        assert "MBq @" in banner(page)
        assert "SIM" not in page.url
    row = next(row for row in rows(station) if row["name"] == "SIM^Ada")
    assert row["status"] == "in preparation"


def test_a_wristband_opens_the_card_and_counts_as_read_back(station: ConsoleStation, chromium: Browser) -> None:
    with browser_page(chromium, station) as page:
        hand = Clicks(page)
        page.get_by_role("row", name=re.compile("SIM, Boris")).wait_for()
        page.keyboard.type("SIM-0002")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="SIM, Boris")).to_be_visible()
        hand.press("Identity read from wristband - arm")
        station.wait_for("preparing", "configuring", "positioning", "armed")

        assert hand.count == 1
    told = station.ask("worklist-entry", entry=entry_of(station, "SIM^Boris"))
    assert told["runs"][-1]["identity_confirmed"] == "wristband"


def test_an_emergency_is_armed_by_two_presses_and_reconciled_later(station: ConsoleStation, chromium: Browser) -> None:
    with browser_page(chromium, station) as page:
        hand = Clicks(page)
        hand.press("EMERGENCY")
        hand.press("Temporary identity - arm")
        station.wait_for("armed")

        assert (hand.count, hand.typed) == (2, 0)
        expect(page.get_by_role("region", name="Patient")).to_contain_text("temporary identity")
        assert "SIM-EMERG-" in banner(page)
    station.calm()
    key = next(str(row["entry"]) for row in rows(station) if row["to_reconcile"])
    with browser_page(chromium, station, f"#/setup/{key}") as page:
        hand = Clicks(page)
        hand.press("Say who it is")
        page.get_by_label("Somebody on today's list").select_option(entry_of(station, "SIM^Greta"))
        page.get_by_role("button", name="This is who it is").first.click()
        expect(page.get_by_role("heading", name="SIM, Greta")).to_be_visible()
    told = station.ask("worklist-entry", entry=entry_of(station, "SIM^Greta"))
    directory = station.storage
    run = told["runs"][-1]["run"]
    patients = list(directory.glob(f"*/{run}/patient.json"))
    assert all(json.loads(path.read_text())["identity"]["patient_id"] == "SIM-0007" for path in patients)


@pytest.mark.parametrize(
    "text", [HOSTILE, "x" * 10_240, "\u05d0\u05d3 \u202ex", "\u00c4\u6f22\U0001f642"],
    ids=["script", "10 kB", "turning", "unicode"],
)  # fmt: skip
def test_hostile_input_in_every_field_is_shown_as_text_or_refused_in_words(
    station: ConsoleStation, chromium: Browser, text: str
) -> None:
    before = len(rows(station))
    with browser_page(chromium, station, "#/worklist?add=1") as page:
        hand = Clicks(page)
        for field in FIELDS:
            hand.type(labelled(field), text)
        hand.type(labelled("Why not on the list"), text)
        hand.press("Enter and prepare")
        expect(page.locator(".wrong")).not_to_be_empty()
        hand.type(labelled("Born"), "")
        hand.type(labelled("Accession number"), "")
        hand.press("Enter and prepare")
        until(lambda: page.locator(".wrong").count() or "#/setup/" in page.url, bool)
        if "#/setup/" in page.url:
            expect(page.locator(".identity h1")).to_contain_text(shown(text), ignore_case=True)
        assert page.title() == "scandaq"
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        was_taken = "#/setup/" in page.url
    assert len(rows(station)) - before == was_taken


@contextmanager
def listed(station: ConsoleStation, entries: list[dict[str, Any]]) -> Iterator[None]:
    """Put other entries into the file of the station for a while."""
    site = tomllib.loads((station.socket.parent.parent / "site.toml").read_text(encoding="utf-8"))
    path = Path(site["worklist"])
    before = path.read_text(encoding="utf-8")
    beside = path.with_suffix(".new")
    try:
        beside.write_text(json.dumps({"schema": "worklist/1", "entries": entries}), encoding="utf-8")
        beside.replace(path)
        yield
    finally:
        beside.write_text(before, encoding="utf-8")
        beside.replace(path)


def test_ten_thousand_entries_are_usable(station: ConsoleStation, chromium: Browser) -> None:
    day = str(station.ask("worklist")["today"])
    entries = [
        {"scheduled_procedure_step_start": f"{day}T12:00", "patient_name": f"SIM^Number{n}",
         "patient_id": f"N{n:05d}", "accession_number": f"A{n:05d}"}
        for n in range(10_000)
    ]  # fmt: skip
    with listed(station, entries), browser_page(chromium, station) as page:
        page.get_by_text(re.compile(r"100 of 10\d+ shown")).wait_for()
        assert page.locator(".rows .line").count() <= 102
        page.get_by_role("searchbox").fill("N09876")
        began = time.monotonic()
        expect(page.get_by_role("row", name=re.compile("N09876"))).to_be_visible()
        assert time.monotonic() - began < 5.0
        page.get_by_role("searchbox").press("Enter")
        expect(page.get_by_role("heading", name="SIM, Number9876")).to_be_visible()


def test_the_list_is_worked_by_the_keyboard_alone(station: ConsoleStation, chromium: Browser) -> None:
    with browser_page(chromium, station) as page:
        grid = page.get_by_role("grid")
        grid.focus()
        page.keyboard.press("Home")
        page.keyboard.press("ArrowDown")
        chosen = page.locator('[role="row"][aria-selected="true"]')
        expect(chosen).to_have_count(1)
        name = chosen.locator("strong").inner_text()
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name=name)).to_be_visible()


def test_worklist_and_set_up_card_have_nothing_against_accessibility(
    station: ConsoleStation, chromium: Browser
) -> None:
    key = entry_of(station, "SIM^Farid")
    with browser_page(chromium, station) as page:
        page.get_by_role("row", name=re.compile("SIM, Ada")).click()
        assert in_both_themes(page) == []
        page.evaluate("location.hash = '#/worklist?add=1'")
        page.get_by_label("Family name").wait_for()
        assert in_both_themes(page) == []
        page.evaluate(f"location.hash = '#/setup/{key}'")
        page.get_by_label("Reason", exact=True).wait_for()
        page.get_by_role("button", name="Fill in or change").click()
        page.get_by_role("button", name="How the patient lies").click()
        assert in_both_themes(page) == []
        shot(page, "setup")


def test_what_is_missing_blocks_until_it_is_overridden_by_name_with_a_reason(
    station: ConsoleStation, chromium: Browser
) -> None:
    with browser_page(chromium, station, f"#/setup/{entry_of(station, 'SIM^Farid')}") as page:
        hand = Clicks(page)
        arm = page.get_by_role("button", name=ARM)
        expect(page.locator(".setup-actions .why")).to_contain_text("say why for Collimator")
        assert arm.get_attribute("aria-disabled") == "true"
        hand.on(page.get_by_role("checkbox", name="In spite of: Collimator"))
        assert arm.get_attribute("aria-disabled") == "true"
        hand.type("Reason", "pinhole is being repaired")
        hand.press(ARM)
        station.wait_for("preparing", "configuring", "positioning", "armed")


@pytest.mark.parametrize("name", ["SIM^Chiara", "SIM^Farid"])
def test_what_the_rehearsal_says_is_what_prepare_does(station: ConsoleStation, name: str) -> None:
    key = entry_of(station, name)
    protocol = station.ask("worklist-entry", entry=key)["protocol"]
    ready = station.ask("rehearse", protocol=protocol, entry=key)["ready"]
    for wrong in ({}, {"patient_orientation": "FFP"}, {"session": 9}, {"study": "nothing"}, {"protocol": "nothing"}):
        asked = {"protocol": protocol, "entry": key, **wrong}
        told = station.ask("rehearse", **asked)
        try:
            station.ask("prepare", **asked)
        except ScandaqError as why:
            refused = str(why)
        else:
            refused = ""
            station.calm()
        against = [item["sentence"] for item in told["items"] if item["state"] in ("missing", "refused")]
        assert told["ready"] == (not refused), (asked, refused, told["items"])
        assert not against or any(each in refused for each in against), (against, refused)
        assert wrong or told["ready"] == ready
