"""A simulated station with its console, and a browser before it: tests in presses and typed characters.

The browser is Debian's Chromium, driven by playwright's synchronous interface: no test of a module that uses it may be
a coroutine. One station and one browser per module:

    @pytest.fixture(scope="module")
    def station(tmp_path_factory):
        with console_station(tmp_path_factory.mktemp("console")) as station:
            yield station

    @pytest.fixture(scope="module")
    def chromium():
        with browser() as chromium:
            yield chromium

    def test_something(station, chromium):
        with browser_page(chromium, station, "#/acquire") as page:
            hand = Clicks(page)
            hand.press("Start")
            assert hand.count == 1
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, TypeVar

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, sync_playwright

from daq.errors import RefusedError
from daq.transports.localclient import LocalClient

ROOT = Path(__file__).parent.parent
AXE = ROOT / "console" / "node_modules" / "axe-core" / "axe.min.js"
READY_S, ENDED_S, LOOK_S = 60.0, 40.0, 0.1
PAGE_MS = 10_000
BETWEEN_S = 0.3
"""Nobody presses sooner again on purpose; buttons take no second press within 0.2 s."""
T = TypeVar("T")
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
SMALL, LARGE = (1280, 800), (2560, 1440)
_MISSING = re.compile(r"(?<=: |; )([a-z0-9-]+)(?=: )")
_REFUSED = re.compile(r"Failed to load resource: the server responded with a status of 4\d\d")


@dataclass(slots=True)
class ConsoleStation:
    """A station under test: `daq demo console` as a process of its own."""

    url: str
    link: str
    """Signs in once; `sign_in` gives more."""
    socket: Path
    storage: Path
    process: subprocess.Popen[str]
    said: list[str] = field(default_factory=list)
    """What the process wrote to stderr."""

    def ask(self, verb: str, within_s: float = 30.0, **args: Any) -> dict[str, Any]:
        """Ask the daemon on its socket, as root of its host would."""
        with LocalClient(self.socket) as client:
            return client.ask(verb, args, within_s=within_s)

    def sign_in(self) -> str:
        """Return a link that signs in once."""
        return str(self.ask("console-link")["url"])

    def state(self) -> str:
        """Return the state of the acquisition."""
        return str(self.ask("status")["state"])

    def wait_for(self, *states: str, within_s: float = 60.0) -> dict[str, Any]:
        """Return the status once it is one of these states."""
        return until(lambda: self.ask("status"), lambda status: status["state"] in states, within_s)

    def prepare(self, protocol: str, **more: Any) -> dict[str, Any]:
        """Prepare a protocol for a simulated patient as a site would that has no quality control to show for it."""
        over: dict[str, str] = {}
        while True:
            try:
                return self.ask("prepare", protocol=protocol, overrides=over, **more)
            except RefusedError as why:
                missing = set(_MISSING.findall(str(why))) - set(over)
                if not missing:
                    raise
                over |= dict.fromkeys(missing, "a simulated patient")

    def hold(self, seconds: float = 30.0) -> None:
        """Hold the enable of the simulated room, so that axes go where the protocol wants them."""
        self.ask("simulate", device="enable", action="hold", value=seconds)

    def calm(self, within_s: float = 60.0) -> None:
        """Have no acquisition under way, and nobody on the bed."""
        if self.state() not in IDLE:
            self.ask("abort")
            self.wait_for(*IDLE, within_s=within_s)
        if self.state() != "ready":
            self.ask("acknowledge")
        self.ask("bed-empty")


IDLE = ("ready", "completed", "interrupted", "aborted", "fault")


def until(look: Callable[[], T], good: Callable[[T], bool], within_s: float = 30.0) -> T:
    """Look until it is good; fail with what was seen last."""
    end_s = time.monotonic() + within_s
    while not good(seen := look()):
        assert time.monotonic() < end_s, f"not within {within_s:g} s; seen last: {seen!r}"
        time.sleep(LOOK_S)
    return seen


@contextmanager
def console_station(tmp: Path, times: int = 10, kind: str = "camera") -> Iterator[ConsoleStation]:
    """Run a simulated station with its console; protocols run `times` as fast. It is ended as Ctrl-C would."""
    asked = [sys.executable, "-m", "daq", "demo", "console", *([] if kind == "camera" else [kind])]
    options = ["--port", "0", "--json", "--times", str(times), "--out", str(tmp / "recorded")]
    process = subprocess.Popen(
        [*asked, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, start_new_session=True
    )
    said: list[str] = []
    printed: list[str] = []
    readers = [_reading(process.stderr, said), _reading(process.stdout, printed)]
    try:
        until(lambda: (printed[-1:], process.poll()), lambda seen: seen[0] == ["}\n"] or seen[1] is not None, READY_S)
        assert process.poll() is None, f"the demonstration ended before it was ready: {''.join(said)}"
        told = json.loads("".join(printed))
        yield ConsoleStation(told["url"], told["link"], Path(told["socket"]), Path(told["storage"]), process, said)
    finally:
        _end(process)
        for reader in readers:
            reader.join(5.0)


def _reading(pipe: IO[str] | None, lines: list[str]) -> threading.Thread:
    assert pipe is not None

    def read() -> None:
        with pipe:
            for line in pipe:
                lines.append(line)  # noqa: PERF402 - each line is looked at when it is there

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    return thread


def _end(process: subprocess.Popen[str]) -> None:
    """Have it end in order; what does not is killed, with the processes that it started."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    try:
        process.wait(ENDED_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(ENDED_S)
        raise


@contextmanager
def browser() -> Iterator[Browser]:
    """Run Chromium. Where there is none the test is skipped, but not for root, who can install it."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    root = os.geteuid() == 0
    if found is None:
        assert root is False, "there is no Chromium, and root can install it: apt-get install chromium"
        pytest.skip("there is no Chromium here: apt-get install chromium")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"] if root else [])
        try:
            yield chromium
        finally:
            chromium.close()


@dataclass(slots=True)
class Complaints:
    """What a browser complains of about a page: errors in the console, uncaught exceptions, breaches of the policy."""

    allowed: list[str] = field(default_factory=list)
    """Parts of complaints that a test brings about itself, such as `net::ERR_INTERNET_DISCONNECTED`."""
    heard: list[str] = field(default_factory=list)

    def hear(self, message: ConsoleMessage) -> None:
        """Note an error. A refusal of the station is none: people are told it, and the test sees it."""
        refused = _REFUSED.match(message.text) and "/api/v1/" in message.location.get("url", "")
        if message.type == "error" and not refused:
            self.heard.append(f"{message.text} ({message.location.get('url', '')})")

    def left(self) -> list[str]:
        """Return those that nobody allowed."""
        return [each for each in self.heard if not any(part in each for part in self.allowed)]


@contextmanager
def browser_page(
    chromium: Browser,
    station: ConsoleStation,
    place: str = "#/worklist",
    size: tuple[int, int] = SMALL,
    theme: str = "dark",
    complaints: Complaints | None = None,
) -> Iterator[Page]:
    """Open the console, signed in, at a place. Fails at the end where the browser complained of something."""
    heard = Complaints() if complaints is None else complaints
    context = chromium.new_context(
        viewport={"width": size[0], "height": size[1]}, color_scheme="light" if theme == "light" else "dark",
        reduced_motion="reduce", locale="en-GB",
    )  # fmt: skip
    context.set_default_timeout(PAGE_MS)
    try:
        page = context.new_page()
        page.on("console", lambda message: heard.hear(message))  # noqa: PLW0108 - it is marked by who calls it
        page.on("pageerror", lambda error: heard.heard.append(str(error)))
        page.goto(station.sign_in())
        page.get_by_role("navigation").wait_for()
        page.evaluate("place => { location.hash = place; }", place)
        page.locator("main").wait_for()
        try:
            yield page
        finally:
            _sign_out(page)
    finally:
        context.close()
    assert not heard.left(), f"the browser complains: {heard.left()}"


_LEAVING = """async () => {
    const body = JSON.stringify({action: 'release', reason: 'the test is over'});
    await fetch('/api/v1/control', {method: 'POST', headers: {'Content-Type': 'application/json'}, body});
    await fetch('/api/v1/session', {method: 'DELETE'});
}"""


def _sign_out(page: Page) -> None:
    """Leave control of the scanner to whoever comes next, a patient on the bed or not."""
    page.context.set_offline(False)
    page.evaluate(_LEAVING)


@dataclass(slots=True)
class Clicks:
    """A hand at a page: counts every deliberate press, of the pointer or of a key, and every typed character."""

    page: Page
    count: int = 0
    typed: int = 0
    _last_s: float = 0.0

    def press(self, name: str | re.Pattern[str], role: Any = "button", within: Locator | None = None) -> None:
        """Press what has a role and a name (whole, or a pattern), once it is there and can be pressed."""
        place = self.page if within is None else within
        exact = isinstance(name, str)
        self.on(place.get_by_role(role, name=name, exact=exact))

    def on(self, what: Locator) -> None:
        """Press a part of the page. It must be one part, and not one that says it cannot be pressed."""
        what.wait_for()
        until(lambda: what.get_attribute("aria-disabled"), lambda seen: seen != "true", PAGE_MS / 1000)
        self.page.wait_for_timeout(max(0.0, (self._last_s + BETWEEN_S - time.monotonic()) * 1000))
        what.click()
        self._last_s = time.monotonic()
        self.count += 1

    def key(self, key: str) -> None:
        """Press a key; with `Tab` and arrows one goes somewhere, which is no press."""
        self.page.keyboard.press(key)
        self.count += key not in ("Tab", "Shift+Tab", "ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight")

    def type(self, label: str | re.Pattern[str], text: str, within: Locator | None = None) -> None:
        """Type a text into a field; each character counts."""
        place = self.page if within is None else within
        place.get_by_label(label, exact=isinstance(label, str)).fill(text)
        self.typed += len(text)


def violations(page: Page, part: str = "body") -> list[str]:
    """Return what axe finds against WCAG 2.2 AA in the page as it is shown now, a line each."""
    assert AXE.is_file(), "axe is not there: npm ci --prefix console"
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate(
        "([part, tags]) => window.axe.run(part, {runOnly: {type: 'tag', values: tags}, resultTypes: ['violations']})",
        [part, WCAG],
    )
    return [
        f"{each['id']}: {each['help']}: {node['html'][:160]} ({node['failureSummary']})"
        for each in found["violations"]
        for node in each["nodes"]
    ]


def in_both_themes(page: Page, look: Callable[[Page], list[str]] = violations) -> list[str]:
    """Return what is found in the light theme and in the dark one; the theme is then as before."""
    before = page.evaluate("() => document.documentElement.dataset.theme")
    found = []
    for theme in ("light", "dark"):
        page.evaluate("theme => { document.documentElement.dataset.theme = theme; }", theme)
        found += [f"{theme}: {each}" for each in look(page)]
    page.evaluate("theme => { document.documentElement.dataset.theme = theme; }", before)
    return found


def shot(page: Page, name: str) -> None:
    """Take a picture for the user's guide, where `SCANDAQ_SCREENSHOTS` names a folder."""
    folder = os.environ.get("SCANDAQ_SCREENSHOTS")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=Path(folder) / f"{name}.png")
