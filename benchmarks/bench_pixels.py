"""From a photon to a pixel: a simulated camera's datagram, the readout, the gateway, a canvas in Chromium.

A relay stands between simulator and readout, and notes when each word came to it. The page notes when pictures are
painted, and how many words the figures had seen by then: the first picture that has a word in it is the one that shows
it. So each word has its own delay, the wait for the next publication included. `SCANDAQ_BENCH_SECONDS` is how long, 2
by default; here 5 times. It needs Chromium and playwright.
"""

from __future__ import annotations

import os
import select
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from benchmarks.bench_console import process, said
from benchmarks.common import Row
from daq import composition
from daq.cli.demostation import simulated
from daq.composition.processing import Asked
from daq.composition.sorting import Said
from daq.readout.plan import CONTROL
from daq.wire.native import decode
from device_profiles.load import load_profile

SECONDS = 5 * float(os.environ.get("SCANDAQ_BENCH_SECONDS", "2"))
PROFILE, SCANNER = "head-xye64", "dual-head"
AIM_MS = 50.0
_SHOWN = ("--field", "Tc-99m,mbq=85", "--collimator", "LEHR")
_WARM_S = 3.0
_READY_MS = 60_000
_BUFFER_BYTES = 1 << 22
_SHOW = """async () => {
  const { html, render } = await import("/static/js/preact.js");
  const { connect } = await import("/static/js/live.js");
  const { frames } = await import("/static/js/liveframes.js");
  const { Scopes } = await import("/static/js/widgets/scope.js");
  const { Spectrum } = await import("/static/js/widgets/spectrum.js");
  window.painted = [];
  const put = CanvasRenderingContext2D.prototype.putImageData;
  CanvasRenderingContext2D.prototype.putImageData = function (...given) {
    put.apply(this, given);
    const of = frames.get().parts.rates?.about.looked;
    const seen = of ? of.singles_seen + of.singles_skipped : null;
    requestAnimationFrame(() => {
      const after = new MessageChannel();
      after.port1.onmessage = () => window.painted.push([(performance.timeOrigin + performance.now()) / 1000, seen]);
      after.port2.postMessage(0); // it is heard when this refresh of the screen is done
    });
  };
  render(html`<div class="stack"><${Scopes} /><${Spectrum} /></div>`, document.getElementById("here"));
  connect(() => {});
}"""


class Relay(threading.Thread):
    """Hands datagrams on between the simulator and whoever asks it, and notes when each came."""

    def __init__(self, simulator: str, word_bytes: int) -> None:
        super().__init__(name="relay", daemon=True)
        at = urlsplit(simulator)
        self._word_bytes = word_bytes
        self._there, self._here = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
        for each in (self._there, self._here):
            each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
        self._there.connect((at.hostname, at.port))
        self._here.bind(("127.0.0.1", 0))
        self.url = f"udp://127.0.0.1:{self._here.getsockname()[1]}"
        self.came: list[tuple[float, int]] = []
        """When a datagram came, seconds since 1970, and how many words had come by then."""
        self._ended = threading.Event()

    def run(self) -> None:
        """Hand on until told to end."""
        asked, words = None, 0
        while not self._ended.is_set():
            ready, _, _ = select.select([self._there, self._here], [], [], 0.2)
            if self._here in ready:
                told, asked = self._here.recvfrom(1 << 16)
                self._there.send(told)
            if self._there in ready and asked is not None:
                at_s, told = time.time(), self._there.recv(1 << 16)
                self._here.sendto(told, asked)
                words += decode(told, self._word_bytes).whole_words
                self.came.append((at_s, words))

    def end(self) -> None:
        """Hand nothing on any more."""
        self._ended.set()
        self.join(1.0)
        self._there.close()
        self._here.close()


def run() -> list[Row]:
    """Return the row of the table."""
    what = "photon to pixel: datagram to painted canvas, two heads of 256 x 256 and a spectrum: 50 ms / median"
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        return [Row(what, "not measured: there is no Chromium")]
    came, painted = _measured(browser)
    delays_ms = delays(came, painted) * 1e3
    median, late = (float(np.percentile(delays_ms, part)) for part in (50, 95))
    rate = len(np.unique(painted[:, 0])) / max(np.ptp(painted[:, 0]), 1e-3)
    figure = (
        f"median {median:.0f} ms, 95 % {late:.0f} ms; {rate:.0f} pictures/s; "
        f"{(came[-1, 1] - came[0, 1]) / np.ptp(came[:, 0]) / 1e3:.0f} k words/s"
    )
    return [Row(what, figure, AIM_MS / median, 1.0, 1.5)]


def delays(came: np.ndarray[Any, Any], painted: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the delay of each datagram in seconds, from its time to that of the first picture with its last word.

    `came` and `painted`: (time in seconds, words so far), float64 [n, 2], ascending. Those that no picture shows yet,
    and those from before the first one, have none.
    """
    first = np.searchsorted(painted[:, 1], came[:, 1])
    shown = (first < len(painted)) & (first > 0)
    return painted[first[shown], 0] - came[shown, 0]


def _measured(browser: str) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return when words came to the relay and when they were painted, as `delays` takes them."""
    from playwright.sync_api import sync_playwright

    with _served() as (relay, port), sync_playwright() as playwright:
        options = ["--no-sandbox"] if os.geteuid() == 0 else []
        page = playwright.chromium.launch(executable_path=browser, args=options).new_page()
        page.goto(f"http://127.0.0.1:{port}/")
        page.evaluate(_SHOW)
        page.wait_for_function("() => window.painted.length > 20", timeout=_READY_MS)
        time.sleep(_WARM_S)
        page.evaluate("() => { window.painted = []; }")
        begun = len(relay.came)
        page.wait_for_timeout(SECONDS * 1e3)
        painted = page.evaluate("() => window.painted")
        return np.array(relay.came[begun:]), np.array([each for each in painted if each[1] is not None], float)


@contextmanager
def _served() -> Iterator[tuple[Relay, int]]:
    """Run a simulator, a readout behind a relay, and a server of its live pictures; yield the relay and the port."""
    profile = load_profile(PROFILE)
    with tempfile.TemporaryDirectory(prefix="bench-pixels-") as folder, ExitStack() as stack:
        ready = stack.enter_context(simulated("camera", PROFILE, _SHOWN, SCANNER))
        relay = Relay(str(ready["udp"]), profile.layout.word_bytes)
        stack.callback(relay.end)
        relay.start()
        plan, runtime = composition.plan_recording(
            profile, sources=[relay.url], stop_texts=["time=600s"], out=str(Path(folder) / "run"), storage=None,
            store_raw=True, stall_s=5.0, simulated=True, store_rows=False,
            asked=Asked(Said(SCANNER, None, None, None, ["photopeak=126.45-154.55 keV"])),
        )  # fmt: skip
        readout = composition.start_readout(plan, runtime)
        stack.callback(lambda: readout.stop() if readout.running() else None)
        served = stack.enter_context(process("benchmarks.liveserver", "serve", str(Path(runtime) / CONTROL)))
        yield relay, int(said(served)["port"])


if __name__ == "__main__":
    for row in run():
        print(f"{row.ratio} (floor {row.floor}, aim {row.aim}): {row.what}: {row.figure}")
