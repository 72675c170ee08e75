"""PET and the gamma probe from the worklist to the end, by hand, as a newcomer works the demonstrations."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from playwright.sync_api import Browser, Page, expect
from support_console import Clicks, ConsoleStation, browser_page, console_station, in_both_themes, shot, until

PATIENT = {"name": "SIM^Pavel", "patient_id": "SIM-9"}
START = re.compile("Start")
BEDS = 7


@pytest.fixture(scope="module")
def stations(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, ConsoleStation]]:
    """Yield a ring and a probe; they start and end at the same time."""
    with ThreadPoolExecutor(2) as pool:
        stacks = {kind: ExitStack() for kind in ("pet", "probe")}
        try:
            waited = {
                kind: pool.submit(
                    stack.enter_context, console_station(tmp_path_factory.mktemp(kind), times=20, kind=kind)
                )
                for kind, stack in stacks.items()
            }
            yield {kind: each.result() for kind, each in waited.items()}
        finally:
            for ended in [pool.submit(stack.close) for stack in stacks.values()]:
                ended.result()


def opened(page: Page) -> None:
    """Open the simulated hand controller where it is not."""
    button = page.get_by_role("button", name="Simulated hand controller")
    if button.get_attribute("aria-expanded") == "false":
        button.click()


def prepared(page: Page, patient: str) -> Clicks:
    """Prepare for a patient of the worklist, in three presses; return the hand."""
    hand = Clicks(page)
    hand.on(page.get_by_role("row", name=re.compile(patient)))
    hand.press("Prepare")
    hand.press("Identity confirmed - arm")
    return hand


def test_pet_of_seven_beds_takes_four_presses_with_its_beds_and_its_figures_in_view(
    stations: dict[str, ConsoleStation], chromium: Browser
) -> None:
    station = stations["pet"]
    with browser_page(chromium, station) as page:
        hand = prepared(page, "SIM, Pavel")
        station.hold()
        station.wait_for("armed")
        expect(page.locator(".bed")).to_have_count(BEDS)
        expect(page.locator(".bed").first).to_contain_text("900 mm")
        station.ask("simulate", device="enable", action="latch")
        hand.press(START)
        assert (hand.count, hand.typed) == (4, 0)
        until(lambda: station.ask("status")["step"], lambda step: step >= 2, 60.0)
        expect(page.locator(".bed.is-done").first).to_contain_text("prompts")
        expect(page.locator(".bed.is-now")).to_have_count(1)
        for picture in ("Sinogram of prompts", "Time of flight"):
            expect(page.get_by_role("img", name=picture)).to_be_visible(timeout=20_000)
        figures = page.locator(".pet-columns dl.facts").first
        for name in ("Prompts", "Delayed", "Singles", "Randoms", "Dead time"):
            expect(figures).to_contain_text(name)
        assert in_both_themes(page) == []
        shot(page, "acquire-pet")
        page.evaluate("() => { location.hash = '#/room'; }")
        expect(page.get_by_text("kcps").first).to_be_visible()
        assert page.get_by_text("Pavel").count() == 0
        station.calm()


@pytest.mark.soak
def test_a_whole_body_of_pet_goes_from_bed_to_bed_with_the_enable_of_the_simulated_hand_controller(
    stations: dict[str, ConsoleStation], chromium: Browser
) -> None:
    station = stations["pet"]
    station.calm()
    with browser_page(chromium, station, "#/acquire") as page:
        station.prepare("demo-pet-whole-body", draft_reason="a test", patient=PATIENT)
        page.get_by_text("The station waits for the motion enable").wait_for()
        opened(page)
        hand = Clicks(page)
        hand.press("Put the thumb on the enable")
        page.get_by_text("STAY WITH THE PATIENT").wait_for()
        station.wait_for("armed")
        hand.press("Press once: enable the sweep")
        hand.press("Put away")
        hand.press(START)
        station.wait_for("completed", within_s=120.0)
        expect(page.locator(".bed.is-done")).to_have_count(BEDS)


def test_a_probe_takes_one_press_a_count_with_its_rate_in_large_and_numbers_nodes(
    stations: dict[str, ConsoleStation], chromium: Browser
) -> None:
    station = stations["probe"]
    with browser_page(chromium, station) as page:
        hand = prepared(page, "SIM, Nadia")
        station.wait_for("armed")
        hand.press(START)
        assert (hand.count, hand.typed) == (4, 0)
        rate = page.locator("[data-rate]")
        expect(rate).to_have_text(re.compile(r"^\d"), timeout=20_000)
        box = rate.bounding_box()
        assert box is not None
        assert box["height"] >= 80, "it is read across the theatre"
        station.wait_for("waiting", within_s=40.0)
        before = hand.count
        hand.press(re.compile("Accept"))
        hand.press(START)
        assert hand.count - before == 2
        hand.press("Mark")
        expect(page.get_by_text("Marked: Node 1")).to_be_visible()
        until(lambda: station.ask("status"), lambda seen: seen["step"] == 2 and seen["state"] == "waiting", 40.0)
        expect(page.get_by_role("row", name=re.compile("node 1", re.IGNORECASE)).first).to_be_visible()
        assert in_both_themes(page) == []
        shot(page, "acquire-probe")
        station.calm()


@pytest.mark.soak
def test_a_probe_counts_numbered_nodes_and_applies_the_ten_percent_rule(
    stations: dict[str, ConsoleStation], chromium: Browser
) -> None:
    station = stations["probe"]
    station.calm()
    with browser_page(chromium, station, "#/acquire") as page:
        station.prepare("sentinel-node-probe", draft_reason="a test", patient=PATIENT)
        station.wait_for("armed")
        for step in range(1, 7):
            station.ask("start")
            state = station.wait_for("waiting", "completed", within_s=40.0)
            assert state["step"] == step
        page.get_by_text("10 % rule").first.wait_for()
        told = station.ask("probe-nodes")
        assert told["rule"]["go_on"] in (True, False)
        assert len(told["steps"]) == 6


def test_a_ring_or_a_probe_is_served_only_by_name() -> None:
    from daq.cli.demoscanners import PROPOSED, comers

    for kind, proposed in PROPOSED.items():
        assert {f"99SIM:{each.code}" for each in comers(kind)} <= set(proposed)


def test_a_trip_is_forgotten_by_a_press_once_its_cause_is_gone(
    stations: dict[str, ConsoleStation], chromium: Browser
) -> None:
    station = stations["pet"]
    with browser_page(chromium, station, "#/service/devices") as page:
        hand = Clicks(page)
        hand.press("Check now: ring bias")
        hand.press("Clear trip or stall: ring bias")
        page.get_by_text("ring bias: its controller has forgotten it").wait_for()
        assert in_both_themes(page) == []
    lines = [line for line in station.ask("audit-lines")["lines"] if line["verb"] == "clear"]
    assert lines[0]["result"] == "done"
