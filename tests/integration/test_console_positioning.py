"""A patient is positioned by the live picture: before the start, in a pause, from the room; nothing of it counts."""

from __future__ import annotations

import re
from typing import Any

from playwright.sync_api import Browser, Page, expect
from support_console import Clicks, ConsoleStation, browser_page, shot, until, violations

NOTE = ".phase-note"
RECORDED_NOT = "Positioning: nothing is recorded yet"
_PIXELS = """() => [...document.querySelectorAll("canvas[role=img]")].slice(0, 2).map((canvas) => {
  const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  let [sum, kinds] = [0, new Set()];
  for (let at = 0; at < data.length; at += 4) { sum = (sum * 31 + data[at]) % 1000003; kinds.add(data[at]); }
  return [sum, kinds.size];
})"""
_FRAMES = """async () => {
  const { parts } = (await import("/static/js/liveframes.js")).frames.get();
  const total = (name) => Object.values(parts[name]?.arrays ?? {}).reduce((sum, each) => sum + each.values.reduce((a, b) => a + b, 0), 0);
  return {
    phase: parts.rates?.about.phase, kcps: Math.max(...(parts.rates?.about.heads ?? []).map((each) => each.rate_cps ?? 0), 0) / 1000,
    counted: (parts.rates?.about.heads ?? []).map((each) => each.windows[0].counts), pictured: total("counts"),
    peaks: (parts.spectrum?.about.peaks ?? []).length,
  };
}"""  # noqa: E501


def seen(page: Page) -> dict[str, Any]:
    return dict(page.evaluate(_FRAMES))


def moves(page: Page) -> None:
    """See pictures of many shades that change."""
    before = page.evaluate(_PIXELS)
    now = until(lambda: page.evaluate(_PIXELS), lambda each: [sum_ for sum_, _ in each] != [sum_ for sum_, _ in before])
    assert len(now) == 2
    assert all(shades > 10 for _, shades in now), now


def test_whoever_positions_sees_what_comes_now_and_counts_begin_at_the_start(
    chromium: Browser, station: ConsoleStation
) -> None:
    station.calm()
    station.prepare("demo-planar-static")
    station.hold()
    station.wait_for("armed")
    with browser_page(chromium, station, "#/acquire") as page:
        expect(page.locator(NOTE).first).to_have_text(RECORDED_NOT)
        before = until(lambda: seen(page), lambda each: each["kcps"] > 1 and each["peaks"])
        moves(page)
        assert before["phase"] == "positioning"
        assert before["counted"] == [0, 0]
        assert page.locator(".picture-window.stale").count() == 0
        assert page.get_by_role("img", name=re.compile("Energy spectrum.*peak of")).count() == 1
        assert violations(page) == []
        shot(page, "console-positioning")

        page.goto(f"{station.url}/room")
        expect(page.locator(NOTE)).to_have_text(RECORDED_NOT)
        moves(page)
        assert page.locator(".room-figure").count() == 0  # nothing is counted, and nothing to go
        page.goto(f"{station.url}/#/acquire")

        hand = Clicks(page)
        hand.press(re.compile("Start"))
        first = until(lambda: seen(page), lambda each: each["phase"] == "counting" and each["pictured"] > 0)
        assert first["pictured"] < 100_000  # of the view alone: it had been armed for seconds, at tens of kcps
        station.ask("pause")
        expect(page.locator(NOTE).first).to_have_text("Paused: what comes now does not count")
        held = seen(page)["counted"]
        moves(page)
        assert seen(page)["counted"] == held
    station.calm()
