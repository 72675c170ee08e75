"""Protocols at the console: edit, review, save as the next version with a reason, sign; who may not; bad days."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from support_console import (
    LARGE,
    Clicks,
    ConsoleStation,
    browser_page,
    in_both_themes,
    shot,
    until,
)

from daq.errors import RefusedError

NAME = "bone-spots"
WORDS = "a long enough password"


def site_file(station: ConsoleStation) -> Path:
    return station.socket.parent.parent / "site.toml"


def protocols(station: ConsoleStation) -> Path:
    return Path(tomllib.loads(site_file(station).read_text())["protocols"])


def field(page: Page, label: str) -> Locator:
    """Return the field of a number with its unit; its label holds what is wrong with it, too."""
    return page.locator(".form-quantity label", has_text=label).locator("input")


def whole(page: Page) -> None:
    """Go to the end of the page, where the buttons at its foot lie over nothing."""
    page.locator("main").evaluate("each => each.scrollTo(0, each.scrollHeight)")


def test_a_physicist_changes_a_protocol_reviews_saves_and_signs(station: ConsoleStation, chromium: Browser) -> None:
    before = station.ask("protocol", protocol=NAME)
    step = before["document"]["steps"][0]
    with browser_page(chromium, station, "#/protocols") as page:
        hand = Clicks(page)
        page.get_by_text("Of this site").wait_for()
        assert in_both_themes(page) == []
        shot(page, "protocols")
        page.get_by_label("Search").fill("spot anterior")
        expect(page.get_by_role("status").filter(has_text="1 of ")).to_be_visible()
        page.get_by_role("link", name=before["document"]["title"]).click()
        page.get_by_role("heading", name="Steps, from first to last").wait_for()
        hand.press("Work it out")
        page.get_by_text("Counts of a head").wait_for()
        whole(page)
        shot(page, "protocol-counts")
        assert in_both_themes(page) == []
        shot(page, "protocol")

        hand.press("Change", role="link")
        hand.press(f"1. {step['name']}")
        field(page, "At the latest after").fill("x7")
        page.get_by_text("1 to put right before it can be saved.").wait_for()
        page.get_by_text('not a number with a unit; write e.g. "20 s"').first.wait_for()
        assert in_both_themes(page) == []
        shot(page, "protocol-edit")
        field(page, "At the latest after").fill("33")
        page.get_by_text("It can be used here.").wait_for()

        page.reload()  # what was typed is there again
        page.get_by_text("that were not saved are here again").wait_for()
        count = hand.count
        hand.press("Review changes")
        row = page.get_by_role("row").filter(has_text=f"step {step['name']}, end, at the latest")
        expect(row.locator("del")).to_have_text(step["stop"]["host"])
        expect(row.locator("ins")).to_have_text("33 min")
        expect(page.get_by_role("button", name="Save as version 2")).to_have_attribute("aria-disabled", "true")
        hand.type(re.compile("^Reason"), "large patients need longer")
        assert in_both_themes(page) == []
        shot(page, "protocol-review")
        hand.press("Save as version 2")
        assert hand.count - count == 2, "review, save: each once"
        page.get_by_text("version 2 is saved").wait_for()
        expect(page.get_by_text("Draft: nobody has signed it")).to_be_visible()
        signed(page, hand)

    after = station.ask("protocol", protocol=NAME)
    assert after["document"]["steps"][0]["stop"]["host"] == "33 min"
    assert (after["version"], after["row"]["state"], after["row"]["meaning"]) == (2, "signed", "approved for adults")
    assert after["versions"][0]["reason"] == "large patients need longer"


def signed(page: Page, hand: Clicks) -> None:
    """Look at what differs, and sign."""
    hand.press("What differs between version 1 and version 2")
    expect(page.locator(".changes ins")).to_have_text("33 min")
    hand.press("Sign…")
    hand.type(re.compile("^What your signature means"), "approved for adults")
    hand.press("Sign version 2")
    page.get_by_text(f"{NAME} version 2 is signed.").wait_for()
    expect(page.locator(".protocol-state").get_by_text("Signed by root")).to_be_visible()
    whole(page)
    assert in_both_themes(page) == []
    shot(page, "protocol-signed")


def test_steps_are_worked_by_keys_and_buttons_and_undone(station: ConsoleStation, chromium: Browser) -> None:
    names = [step["name"] for step in station.ask("protocol", protocol="thyroid-scan")["document"]["steps"]]
    with browser_page(chromium, station, "#/protocols/thyroid-scan/edit", size=LARGE) as page:
        hand = Clicks(page)

        def shown() -> list[str]:
            return [
                text.partition(". ")[2]
                for text in page.locator(".form-steps button > span:first-child").all_inner_texts()
            ]

        def becomes(wanted: list[str]) -> None:
            until(shown, lambda seen: seen == wanted)

        hand.press(f"1. {names[0]}")
        page.locator(".form-steps button").first.focus()
        hand.key("Alt+ArrowDown")
        becomes([names[1], names[0], names[2]])
        hand.press(f"Duplicate step {names[0]}")
        becomes([names[1], names[0], f"{names[0]} 2", names[2]])
        hand.press(f"Remove step {names[0]} 2")
        becomes([names[1], names[0], names[2]])
        for wanted in ([names[1], names[0], f"{names[0]} 2", names[2]], [names[1], names[0], names[2]], names):
            hand.press("Undo")
            becomes(wanted)
        expect(page.get_by_role("button", name="Review changes")).to_have_attribute("aria-disabled", "true")
        assert in_both_themes(page) == []
        shot(page, "protocol-edit-large")


def test_somebody_elses_save_is_told_before_anything_is_overwritten(station: ConsoleStation, chromium: Browser) -> None:
    with browser_page(chromium, station, "#/protocols/muga/edit") as page:
        hand = Clicks(page)
        page.get_by_label("Title").fill("Mine")
        page.get_by_role("button", name="Undo").wait_for()
        now = station.ask("protocol", protocol="muga")
        theirs = {**now["document"], "title": "Theirs", "notes": "shorter"}
        station.ask("protocol-save", protocol="muga", document=theirs, base=now["base"], reason="of the other console")
        page.get_by_text("root saved version").wait_for()
        expect(page.get_by_text("of the other console")).to_be_visible()
        expect(page.get_by_role("button", name="Review changes")).to_have_attribute("aria-disabled", "true")
        hand.press(f"Compare and keep mine, on version {now['version'] + 1}")
        hand.press("Review changes")
        row = page.get_by_role("row").filter(has_text="title")
        expect(row.locator("del")).to_have_text("Theirs")
        expect(row.locator("ins")).to_have_text("Mine")
        assert station.ask("protocol", protocol="muga")["document"]["title"] == "Theirs"


def test_an_address_of_no_protocol_leads_back_to_the_list(station: ConsoleStation, chromium: Browser) -> None:
    with browser_page(chromium, station, "#/protocols/no-such-thing") as page:
        page.get_by_text("there is no protocol 'no-such-thing'").wait_for()
        page.get_by_role("link", name="To the protocols").click()
        page.get_by_role("heading", name="Protocols").wait_for()


def test_a_technologist_looks_and_changes_nothing(station: ConsoleStation, chromium: Browser, tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text(WORDS)
    added = ["console", "user", "add", "keller", "--role", "technologist", "--password-file", str(secret)]
    subprocess.run([sys.executable, "-m", "daq", *added, "--site", str(site_file(station))], check=True, timeout=60)
    context = chromium.new_context(viewport={"width": 1280, "height": 800}, reduced_motion="reduce")
    try:
        page = context.new_page()
        page.goto(station.url)

        def signs_in() -> bool:
            page.get_by_label("User").fill("keller")
            page.get_by_label("Password").fill(WORDS)
            page.get_by_role("button", name="Sign in").click()
            page.wait_for_timeout(500)
            return page.get_by_role("navigation").count() == 1

        until(signs_in, bool, 20.0)
        page.evaluate("place => { location.hash = place; }", f"#/protocols/{NAME}")
        page.get_by_text("Protocols are changed by a physicist.").wait_for()
        for name in ("Change", "Sign…", "Retire…", "New one made of it…"):
            assert page.get_by_text(name, exact=True).count() == 0
        assert page.get_by_role("button", name="Restore version 1").count() == 0
        page.evaluate("place => { location.hash = place; }", f"#/protocols/{NAME}/edit")
        page.get_by_text("Protocols are changed by a physicist. You can look at this one.").wait_for()
        told = page.evaluate(
            """async () => {
                const headers = {'Content-Type': 'application/json', 'Idempotency-Key': crypto.randomUUID()};
                const body = JSON.stringify({protocol: 'bone-spots', sha256: '0'.repeat(64), meaning: 'x'});
                const answer = await fetch('/api/v1/commands/protocol-sign', {method: 'POST', headers, body});
                return [answer.status, (await answer.json()).detail];
            }"""
        )
        assert told[0] == 403
        assert "keller (technologist) may not protocol-sign: that needs physicist" in told[1]
    finally:
        context.close()


def test_a_protocol_deleted_while_prepared_goes_on_and_its_page_restores_it(
    station: ConsoleStation, chromium: Browser
) -> None:  # fmt: skip
    name = "demo-planar-static"
    now = station.ask("protocol", protocol=name)
    document = {**now["document"], "id": "to-be-deleted", "title": "To be deleted"}
    made = station.ask("protocol-save", protocol="to-be-deleted", document=document, like=name, reason="for a while")
    station.ask("protocol-sign", protocol="to-be-deleted", sha256=made["sha256"], meaning="for this test")
    station.calm()
    station.ask("prepare", protocol="to-be-deleted", overrides={"qc": "a test"}, within_s=60.0)
    station.wait_for("armed")
    (protocols(station) / "to-be-deleted.toml").unlink()
    with browser_page(chromium, station, "#/protocols/to-be-deleted") as page:
        page.get_by_text("What was prepared with it goes on with what it has.").wait_for()
        assert station.state() == "armed"
        assert in_both_themes(page) == []
        hand = Clicks(page)
        hand.press("Restore version 1")
        hand.type(re.compile("^Reason"), "was deleted")
        hand.press("Restore as version 2")
        page.get_by_text("Version 1 is in force again, as version 2.").wait_for()
        page.get_by_role("heading", name="To be deleted").wait_for()
    run = Path(station.ask("status")["directory"])
    station.ask("start")
    station.wait_for("acquiring")
    station.ask("stop")
    station.wait_for("completed")
    (manifest,) = until(lambda: sorted(run.glob("manifest*.json")), bool)
    assert '"to-be-deleted"' in manifest.read_text()
    assert made["sha256"] in manifest.read_text(), "the recording says which version it was made with"
    station.calm()

    newest = station.ask("protocol", protocol="to-be-deleted")
    station.ask("protocol-retire", protocol="to-be-deleted", base=newest["base"], reason="nobody needs it")
    assert "to-be-deleted" not in [row["id"] for row in station.ask("protocols")["protocols"]]
    with pytest.raises(RefusedError, match="was retired by root: nobody needs it"):
        station.ask("prepare", protocol="to-be-deleted", overrides={"qc": "a test"})
    entry = station.ask("worklist")["rows"][0]["entry"]
    with browser_page(chromium, station, f"#/setup/{entry}?protocol=to-be-deleted") as page:
        page.locator(".setup-actions .why").get_by_text("was retired by root: nobody needs it").wait_for()
        page.get_by_label("Protocol").select_option("bone-spots")  # another one is chosen, and nothing was lost
        page.locator(".setup-actions .why").get_by_text("was retired").wait_for(state="detached")
