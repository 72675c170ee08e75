"""PET and the gamma probe from the worklist to the end, by hand, as a newcomer works the demonstrations."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page
from support_console import Clicks, ConsoleStation, browser, browser_page, console_station, in_both_themes, shot, until

PATIENT = {"name": "SIM^Pavel", "patient_id": "SIM-9"}


def prepared(station: ConsoleStation, protocol: str) -> None:
    station.ask("prepare", protocol=protocol, draft_reason="a test", overrides={}, patient=PATIENT)


def opened(page: Page) -> None:
    """Open the simulated hand controller where it is not."""
    button = page.get_by_role("button", name="Simulated hand controller")
    if button.get_attribute("aria-expanded") == "false":
        button.click()


@pytest.mark.soak
def test_a_whole_body_of_pet_goes_from_bed_to_bed_with_the_enable_of_the_room(tmp_path: Path) -> None:
    with (
        console_station(tmp_path, times=20, kind="pet") as station,
        browser() as chromium,
        browser_page(chromium, station, "#/acquire") as page,
    ):
        prepared(station, "demo-pet-whole-body")
        page.get_by_text("The station waits for the motion enable").wait_for()
        opened(page)
        hand = Clicks(page)
        hand.press("Put the thumb on the enable")
        page.get_by_text("STAY WITH THE PATIENT").wait_for()
        station.wait_for("armed")
        hand.press("Press once: enable the sweep")
        hand.press("Put away")
        hand.press("Start")
        until(lambda: station.ask("status")["step"], lambda step: step >= 2, 60.0)
        page.locator(".bed.is-now").wait_for()
        until(lambda: page.get_by_role("img", name="Sinogram of prompts").count(), lambda count: count == 1, 20.0)
        page.get_by_role("img", name="Time of flight").wait_for()
        assert in_both_themes(page) == []
        shot(page, "acquire-pet")
        page.evaluate("() => { location.hash = '#/room'; }")
        page.get_by_text("kcps").first.wait_for()
        assert page.get_by_text("Pavel").count() == 0
        page.evaluate("() => { location.hash = '#/acquire'; }")
        station.wait_for("completed", within_s=90.0)
        assert page.locator(".bed.is-done").count() == 5


@pytest.mark.soak
def test_a_probe_counts_numbered_nodes_and_applies_the_ten_percent_rule(tmp_path: Path) -> None:
    with (
        console_station(tmp_path, times=5, kind="probe") as station,
        browser() as chromium,
        browser_page(chromium, station, "#/acquire") as page,
    ):
        prepared(station, "sentinel-node-probe")
        station.wait_for("armed")
        for step in range(1, 7):
            station.ask("start")
            state = station.wait_for("waiting", "completed", within_s=40.0)
            assert state["step"] == step
            if step == 2:
                assert in_both_themes(page) == []
                assert page.locator("[data-rate]").inner_text()[0].isdigit()
                shot(page, "acquire-probe")
        page.get_by_text("10 % rule").first.wait_for()
        rule = station.ask("probe-nodes")["rule"]
        assert rule["go_on"] in (True, False)
        assert len(station.ask("probe-nodes")["steps"]) == 6


def test_a_ring_or_a_probe_is_served_only_by_name() -> None:
    from daq.cli.demoscanners import PROPOSED, comers

    for kind, proposed in PROPOSED.items():
        assert {f"99SIM:{each.code}" for each in comers(kind)} <= set(proposed)
