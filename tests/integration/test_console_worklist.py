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


def row_of(station: ConsoleStation, name: str) -> dict[str, Any]:
    """Return the row of somebody; not that of an emergency which turned out to be them."""
    return next(row for row in rows(station) if row["name"] == name and row["status"] != "discontinued")


def entry_of(station: ConsoleStation, name: str) -> str:
    return str(row_of(station, name)["entry"])


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
        expect(page).to_have_url(re.compile(r"#/setup/w-[a-z2-7]{26}$"))  # who loads it again has read no wristband
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
        station.ask("simulate", device="enable", action="latch")
        hand.press(re.compile("Start"))
        until(lambda: station.ask("acquisition")["acquisition"]["recorded_events"], lambda events: events > 1000)
        station.ask("stop")
        station.wait_for("completed")
        assert station.ask("status")["motion"]["enable"] == "off"  # it was latched for this exam alone
        left_bed(hand, station)
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
    assert [json.loads(path.read_text())["identity"]["patient_id"] for path in patients] == ["SIM-0007"]


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


def armed_by(hand: Clicks, station: ConsoleStation) -> None:
    """Press what arms, with a hand on the enable, until it is armed."""
    hand.press(ARM)
    station.hold()
    station.wait_for("armed")


def left_bed(hand: Clicks, station: ConsoleStation) -> None:
    hand.press("Finish exam")
    hand.on(hand.page.locator(".leaving").get_by_role("button", name="Patient off the bed"))
    until(lambda: station.ask("status")["bed"]["patient"], lambda lies: not lies)


def test_an_exam_that_ended_early_says_so_and_goes_on_with_what_is_left_and_gets_a_late_view_by_three_presses(
    station: ConsoleStation, chromium: Browser
) -> None:
    with browser_page(chromium, station) as page:
        hand = Clicks(page)
        hand.on(page.get_by_role("row", name=re.compile("SIM, Boris")))
        hand.press("Prepare")
        armed_by(hand, station)
        hand.press(re.compile("Start"))
        until(lambda: station.ask("acquisition")["acquisition"]["recorded_events"], lambda events: events > 50_000)
        station.ask("end-step")
        station.wait_for("waiting")
        hand.press(re.compile("Accept"))
        expect(page.get_by_text("accepted", exact=True)).to_be_visible()
        expect(page.locator(".step-picture").first).to_be_visible()
        until(lambda: row_of(station, "SIM^Boris")["status"], lambda status: status == "acquiring")
        page.reload()  # what was accepted and taken is the station's to know, not the page's
        expect(page.get_by_text("accepted", exact=True)).to_be_visible()
        expect(page.locator(".step-picture").first).to_be_visible()
        assert page.locator(".step-picture").first.evaluate("image => image.naturalWidth") > 16
        hand.press(re.compile("Stop…"))
        hand.press("Stop and keep")
        first = station.wait_for("completed")["run"]
        left_bed(hand, station)
        page.evaluate("location.hash = '#/worklist'")
        expect(page.get_by_text("Ended early - 1 of 5 views")).to_be_visible()
        assert in_both_themes(page) == []
        shot(page, "worklist-ended-early")
        before = hand.count
        hand.press("Continue exam: SIM, Boris")
        expect(page.get_by_role("checkbox", name="thorax")).not_to_be_checked()
        expect(page.get_by_role("checkbox", name="pelvis")).to_be_checked()
        armed_by(hand, station)
        assert hand.count - before == 2
        told = station.ask("acquisition")["acquisition"]
        assert [step["name"] for step in told["steps"]] == ["pelvis", "head", "knees", "extremities"]
        station.calm()

        study = station.ask("studies", text=first)["studies"][0]["study"]
        page.evaluate("location.hash = '#/studies'")
        before = hand.count
        hand.on(page.locator(f"a[href='#/studies/{study}']").first)
        hand.press("Add late view")
        expect(page.get_by_text("it belongs to the same study")).to_be_visible()
        armed_by(hand, station)
        assert (hand.count - before, hand.typed) == (3, 0)
        assert [step["name"] for step in station.ask("acquisition")["acquisition"]["steps"]] == ["thorax"]
    late = station.ask("status")["run"]
    assert station.ask("worklist-late", run=late) == {"entry": entry_of(station, "SIM^Boris")}


def test_a_late_view_of_an_exam_that_is_done_is_begun_by_three_presses_from_the_worklist(
    station: ConsoleStation, chromium: Browser
) -> None:
    station.prepare("demo-planar-static", entry=entry_of(station, "SIM^Greta"))
    station.hold()
    station.wait_for("armed")
    station.ask("start")
    first = station.wait_for("completed")["run"]
    station.calm()
    until(lambda: row_of(station, "SIM^Greta")["status"], lambda status: status == "done")
    with browser_page(chromium, station) as page:
        hand = Clicks(page)
        hand.press("Add late view: SIM, Greta")
        armed_by(hand, station)
        hand.press(re.compile("Start"))
        station.wait_for("acquiring")
        assert (hand.count, hand.typed) == (3, 0)
    second = station.ask("status")["run"]
    assert [station.ask("worklist-late", run=each)["entry"] for each in (first, second)] == [
        entry_of(station, "SIM^Greta")
    ] * 2


def test_a_protocol_that_is_used_from_its_page_is_chosen_on_the_card_of_whoever_comes_next(
    station: ConsoleStation, chromium: Browser
) -> None:
    with browser_page(chromium, station, "#/protocols/bone-spots") as page:
        hand = Clicks(page)
        hand.press("Use it: to the worklist", role="link")
        expect(page.get_by_text("is chosen for whom you prepare next")).to_be_visible()
        hand.on(page.get_by_role("row", name=re.compile("SIM, Ada")))
        hand.press("Prepare")
        expect(page.get_by_label("Protocol")).to_have_value("bone-spots")


def test_an_address_that_leads_nowhere_says_so_and_shows_a_way_back(station: ConsoleStation, chromium: Browser) -> None:
    with browser_page(chromium, station) as page:
        for typed in ("#/nowhere", "#/acquire/x", "#/worklist/../../etc", "#/setup/../x", "#/setup/w-a", "#/setup/%00"):
            page.evaluate("place => { location.hash = place; }", typed)
            expect(page.get_by_text(re.compile("There is no such page|leads to nobody"))).to_be_visible()
            assert "[a-z" not in page.locator("main").inner_text()
            page.locator("main").get_by_role("link", name="Worklist").click()
            expect(page.get_by_role("row", name=re.compile("SIM, Ada"))).to_be_visible()
