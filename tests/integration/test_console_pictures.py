"""Live pictures and spectra in a browser: where things are, how they are shown, what is said when they are old."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from support_console import violations

import daq.gateway
from benchmarks.livereadout import ShownReadout
from benchmarks.liveserver import application, offer_of, server
from daq.gateway.security import HEADERS

STATIC = Path(daq.gateway.__file__).parent / "static"
STYLES = "".join(f'<link rel="stylesheet" href="/static/{name}">' for name in (
    "css/tokens.css", "css/console.css", "css/pictures.css", "vendor/uplot.css",
))  # fmt: skip
PAGE = (
    f'<!doctype html><html lang="en" data-theme="dark"><title>pictures</title>{STYLES}'
    '<body><main><h1>Pictures</h1><div id="here"></div></main></body></html>'
)
SHOW = """async () => {
  const { html, render, useState } = await import("/static/js/preact.js");
  const { connect } = await import("/static/js/live.js");
  const { frames } = await import("/static/js/liveframes.js");
  const { Scopes } = await import("/static/js/widgets/scope.js");
  const { Spectrum } = await import("/static/js/widgets/spectrum.js");
  window.delays = [];
  frames.watch(() => {
    const { parts } = frames.get();
    if (parts.scope) requestAnimationFrame(() => window.delays.push(Date.now() - frames.get().timeS * 1000));
  });
  const Edited = () => {
    const [windows, setWindows] = useState(undefined);
    return html`<${Spectrum} windows=${windows} onEdit=${setWindows} />`;
  };
  render(html`<div class="stack"><${Scopes} /><${Edited} /></div>`, document.getElementById("here"));
  connect(() => {});
}"""
LOOK = """([name, x, y]) => {
  const canvas = [...document.querySelectorAll("canvas[role=img]")].find((each) => each.ariaLabel.startsWith(name));
  const [column, row] = [Math.floor(x * canvas.width), Math.floor(y * canvas.height)];
  return [...canvas.getContext("2d").getImageData(column, row, 1, 1).data];
}"""
BRIGHT = """(name) => {
  const canvas = [...document.querySelectorAll("canvas[role=img]")].find((each) => each.ariaLabel.startsWith(name));
  return canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.reduce(
    (sum, value, at) => (at % 4 === 0 ? sum + value : sum), 0);
}"""
WHITE, BLACK, MASKED = [255, 255, 255, 255], [0, 0, 0, 255], [128, 128, 128, 255]
SPOT = (0.75, 0.25)
MS = 10_000


@dataclass(slots=True)
class Shown:
    """A readout that shows a spot to the upper right of each head, and a server of its pictures in this process."""

    control: list[Path]
    port: int = 0
    readout: ShownReadout | None = None
    _app: Any = None
    _server: Any = None
    _threads: list[threading.Thread] = field(default_factory=list)
    _ended: threading.Event = field(default_factory=threading.Event)

    def serve(self) -> None:
        """Serve, at the same port each time."""

        async def page(_: Request) -> HTMLResponse:
            return HTMLResponse(PAGE, headers=HEADERS)

        static = (Route("/", page), Mount("/static", StaticFiles(directory=STATIC)))
        app, _ = application(offer_of(self.control), *static)
        taken = socket.create_server(("127.0.0.1", self.port))
        self.port = taken.getsockname()[1]
        self._server = server(app)
        running = threading.Thread(target=lambda: asyncio.run(self._server.serve([taken])))
        running.start()
        self._threads.append(running)

    def leave(self) -> None:
        """Serve no more."""
        self._server.should_exit = self._server.force_exit = True
        self._threads.pop().join(MS / 1e3)

    def feed(self) -> None:
        """Show events until told to end."""
        while not self._ended.wait(0.01) and self.readout is not None:
            self.readout.see(200, x_mm=135.0, y_mm=100.0)
            self.readout.see(40)
            self.readout.publish()

    @contextmanager
    def feeding(self) -> Iterator[None]:
        """Show events meanwhile."""
        self._ended.clear()
        feeder = threading.Thread(target=self.feed)
        feeder.start()
        try:
            yield
        finally:
            self._ended.set()
            feeder.join(MS / 1e3)


@pytest.fixture
def shown(tmp_path: Path) -> Iterator[Shown]:
    made = Shown([tmp_path / "run" / "control"])
    with ShownReadout(tmp_path / "run") as made.readout:
        made.readout.live.view(1, 0, None)
        made.serve()
        try:
            yield made
        finally:
            made.leave()


@pytest.fixture
def page(chromium: Browser, shown: Shown) -> Iterator[Page]:
    made = chromium.new_page(viewport={"width": 1280, "height": 800})
    complaints: list[str] = []
    made.on("pageerror", lambda why: complaints.append(str(why)))
    made.on("console", lambda said: complaints.append(said.text) if "Content Security" in said.text else None)
    made.goto(f"http://127.0.0.1:{shown.port}/")
    made.evaluate(SHOW)
    yield made
    made.close()
    assert complaints == []


def pixel(page: Page, place: tuple[float, float], name: str = "ANT") -> list[int]:
    return list(page.evaluate(LOOK, [name, *place]))


def until_pixel(page: Page, place: tuple[float, float], colour: list[int]) -> None:
    deadline = time.monotonic() + MS / 1e3
    while (found := pixel(page, place)) != colour:
        assert time.monotonic() < deadline, f"{found}, not {colour}"
        page.wait_for_timeout(20)


def test_pictures_have_letters_and_places_and_their_display_can_be_changed_by_keyboard(
    shown: Shown, page: Page
) -> None:
    with shown.feeding():
        ant = page.get_by_role("img", name="ANT, Head 0, front")
        expect(ant).to_be_visible(timeout=MS)
        until_pixel(page, SPOT, BLACK)
        assert pixel(page, (0.25, 0.75))[0] > 200
        for edge, letter in (("left", "R"), ("right", "L"), ("top", "H"), ("bottom", "F")):
            expect(page.locator("figure").first.locator(f".letter-{edge}")).to_have_text(letter)
        expect(page.locator("figure").nth(1).locator(".letter-left")).to_have_text("L")
        assert "Left edge R, right edge L, upper edge H, lower edge F" in str(ant.get_attribute("aria-label"))

        page.get_by_label("Colours").select_option("grey")
        until_pixel(page, SPOT, WHITE)
        page.get_by_role("button", name="Rectangle").focus()
        page.keyboard.press("Enter")
        first = page.locator("figure").first.locator(".picture-drawing")
        box = first.bounding_box()
        assert box is not None
        for x, y in ((0.6, 0.1), (0.9, 0.4)):  # two presses, no dragging
            first.click(position={"x": box["width"] * x, "y": box["height"] * y})
        expect(page.get_by_text("1 masked")).to_be_visible()
        until_pixel(page, SPOT, MASKED)
        page.get_by_role("button", name="Remove masks").click()
        until_pixel(page, SPOT, WHITE)
        plain = page.evaluate(BRIGHT, "ANT")
        page.get_by_label("Logarithmic").check()
        page.wait_for_function(f"least => ({BRIGHT})('ANT') > least", arg=2 * plain, timeout=MS)
        slider = page.get_by_role("slider", name="Brightest at")
        slider.focus()
        page.keyboard.press("Home")
        expect(slider).to_have_attribute("aria-valuetext", "1 % of the most")
        assert violations(page, "main") == []


def test_edges_of_windows_go_by_half_a_kev_with_arrow_keys_and_by_five_with_shift(shown: Shown, page: Page) -> None:
    with shown.feeding():
        lower = page.get_by_role("slider", name="Lower edge of photopeak")
        lower.focus(timeout=MS)
        for key, value in (("ArrowRight", "127"), ("Shift+ArrowLeft", "122"), ("ArrowDown", "121.5")):
            page.keyboard.press(key)
            expect(lower).to_have_attribute("aria-valuenow", value)
        upper = page.get_by_role("slider", name="Upper edge of photopeak")
        box = upper.bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 40)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] / 2 + 60, box["y"] + 40, steps=4)
        page.mouse.up()
        assert float(str(upper.get_attribute("aria-valuenow"))) > 160


def test_a_picture_says_how_old_it_is_when_the_readout_was_killed_or_the_station_is_gone(
    shown: Shown, page: Page
) -> None:
    with shown.feeding():
        expect(page.get_by_role("img", name="ANT")).to_be_visible(timeout=MS)
        expect(page.locator(".picture-over")).to_have_count(0)
    expect(page.locator(".picture-over").first).to_have_text("Image 3 s old", timeout=MS)
    expect(page.locator(".picture-window").first).to_have_class("picture-window stale")
    shown.leave()
    expect(page.locator(".picture-over").first).to_contain_text("Connection lost: image", timeout=MS)
    shown.serve()
    with shown.feeding():
        expect(page.locator(".picture-over")).to_have_count(0, timeout=2 * MS)
        until_pixel(page, SPOT, BLACK)


def test_an_acquisition_that_has_ended_says_that_this_is_its_last_image(shown: Shown, page: Page) -> None:
    with shown.feeding():
        expect(page.get_by_role("img", name="ANT")).to_be_visible(timeout=MS)
    assert shown.readout is not None
    shown.readout.live.finish({}, "null")
    expect(page.locator(".picture-over").first).to_contain_text("Acquisition ended: last image", timeout=MS)
