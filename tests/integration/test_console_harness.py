"""The harness of the console's browser tests itself: it must see what it is there to see."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser
from support_console import Clicks, Complaints, ConsoleStation, browser, browser_page, console_station, violations


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConsoleStation]:
    with console_station(tmp_path_factory.mktemp("console")) as station:
        yield station


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as chromium:
        yield chromium


def test_presses_are_counted_and_complaints_are_heard(station: ConsoleStation, chromium: Browser) -> None:
    """An error in the page fails a test, a breach of the policy, too; axe finds what is wrong with a page."""
    complaints = Complaints(allowed=["deliberate", "Content Security Policy"])
    with browser_page(chromium, station, complaints=complaints) as page:
        hand = Clicks(page)
        hand.press("Worklist", role="link")
        page.evaluate("() => console.error('deliberate')")
        page.evaluate(
            "() => { const s = document.createElement('script'); s.textContent = '1'; document.body.append(s); }"
        )
        before = violations(page)
        page.evaluate("() => { const i = document.createElement('img'); i.src = 'data:,'; document.body.append(i); }")
        assert any("image-alt" in each for each in violations(page))
        assert not any("image-alt" in each for each in before)
    assert hand.count == 1
    assert len(complaints.heard) == 2
    assert Complaints(heard=["x"]).left() == ["x"]
