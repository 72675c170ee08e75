"""The pictures of the user's guide, made as a user would come to them: `SCANDAQ_SCREENSHOTS=docs/how-to/pictures`."""

from __future__ import annotations

import io
import os
import re
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect
from support_console import Clicks, ConsoleStation, browser_page, until

SIZE, COLOURS = (1200, 750), 192
FAR_MM = 1350.0
ENOUGH = re.compile(r"[4-9][0-9]{2}\sk|[1-9].*\sM")
"""Counts that a picture is made of, as they are shown."""


def picture(page: Page, name: str) -> None:
    """Take a picture, as small as it can be looked at, where a folder is named for it."""
    taken = Image.open(io.BytesIO(page.screenshot())).convert("RGB").resize(SIZE, Image.Resampling.LANCZOS)
    folder = os.environ.get("SCANDAQ_SCREENSHOTS")
    if folder:
        taken.quantize(COLOURS).save(Path(folder) / f"console-{name}.png", optimize=True)


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_what_the_guide_shows_is_there(station: ConsoleStation, chromium: Browser) -> None:
    with browser_page(chromium, station) as page:
        hand = Clicks(page)
        hand.on(page.get_by_role("row", name=re.compile("SIM, Ada")))
        picture(page, "worklist")
        hand.press(re.compile("run now", re.IGNORECASE), role="link")
        hand.press("Bed empty, source in place - start")
        page.get_by_role("button", name="Sign", exact=True).wait_for(timeout=120_000)
        picture(page, "qc")
        hand.press("Sign")
        page.get_by_text(re.compile("Signed: root")).wait_for()
        page.evaluate("() => { location.hash = '#/worklist'; }")
        hand.on(page.get_by_role("row", name=re.compile("SIM, Ada")))
        hand.press("Prepare")
        page.get_by_role("button", name="Identity confirmed - arm").wait_for()
        expect(page.locator(".acquire-none, .setup, main").first).to_contain_text("OK")
        picture(page, "setup")
        hand.press("Identity confirmed - arm")
        station.hold()
        station.wait_for("armed")
        station.ask("simulate", device="enable", action="latch")
        hand.press("Start")
        until(lambda: station.ask("status")["motion"]["axes"]["bed"]["position"], lambda at: at > FAR_MM, 150.0)
        expect(page.get_by_text("POST", exact=True)).to_be_visible()
        picture(page, "whole-body")
        station.calm()
        station.prepare("bone-spots", patient={"name": "SIM^Boris", "patient_id": "SIM-0002"})
        station.hold()
        station.wait_for("armed")
        page.evaluate("() => { location.hash = '#/acquire'; }")
        hand.press("Start")
        counted = page.locator("[data-counts]")
        until(counted.inner_text, lambda told: bool(ENOUGH.fullmatch(told)), 120.0)
        picture(page, "acquire")
        station.calm()
        page.evaluate("() => { location.hash = '#/protocols/bone-spots'; }")
        hand.press("Change", role="link")
        hand.press(re.compile("^1[.] "))
        page.get_by_text("It can be used here.").wait_for()
        picture(page, "protocol")
