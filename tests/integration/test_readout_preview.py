"""What comes before the start is shown, and is nowhere in the recording: not a byte, not a count, not a loss."""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support_head_words import HEADS, WINDOWED, event
from support_readout import Running, free_port, manifest_of, plan_of, running, until
from support_recording import content, packet

from daq.errors import UnexpectedError
from daq.readout.control import ask
from daq.readout.liveview import LiveView
from daq.readout.plan import CONTROL
from daq.readout.preview import LOOKED_BYTES, Preview
from daq.storage.reader import open_listmode
from daq.wire.native import Header, NativeFlag, encode, request

US = 10**6
ZERO = {"counts", "images", "spectra", "window_counts", "not_converted", "view"}


class Head:
    """Sends what a test tells it to a port; photons of head 0 at one place, one each 100 us, about 140.5 keV."""

    def __init__(self, port: int) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._to = ("127.0.0.1", port)
        self.sent = 0
        self.now_us = 0

    def photons(self, count: int, *, x_mm: float = 0.0, each: int = 100) -> None:
        for first in range(0, count, each):
            some = min(each, count - first)
            spread = random.Random(self.now_us)  # the same energies at the same time
            at = [(self.now_us + 100 * k, spread.gauss(140.5, 5.0)) for k in range(some)]
            words = [event(us * US, 0, kev, x_mm, 0.0) for us, kev in at]
            self.socket.sendto(packet(0, self.sent, words), self._to)
            self.sent += some
            self.now_us += 100 * some

    def say(self, datagram: bytes) -> None:
        self.socket.sendto(datagram, self._to)

    def end(self) -> None:
        self.say(encode(Header(0, NativeFlag.END, 0, self.sent)))


@contextmanager
def armed(folder: Path, *, preview: bool = True, **changes: Any) -> Iterator[tuple[Running, Head]]:
    port = free_port()
    plan = plan_of(
        folder, f"udp://@127.0.0.1:{port}", profile=HEADS, start_at_once=False, preview=preview, order=HEADS.order,
        **{"processing": WINDOWED, **changes},
    )  # fmt: skip
    with running(plan) as run:
        until(lambda: run.readout.status()["state"] == "armed", "armed")
        head = Head(port)
        with closing(head.socket):
            yield run, head


def preview_of(run: Running) -> dict[str, Any]:
    return dict(run.readout.status()["preview"] or {})


def heard(run: Running) -> bool:
    return preview_of(run).get("state") == "live"


def start(run: Running) -> None:
    ask(run.folder / CONTROL, {"do": "start"})
    until(lambda: run.readout.status()["state"] == "recording", "recording")


def before(head: Head) -> None:
    """Send what may come before a start: photons, a hole, rubbish, a source that nobody knows, a request."""
    head.say(encode(Header(0, NativeFlag.START, 0, 0)))
    head.photons(3000, x_mm=120.0)
    head.sent += 500
    head.photons(1000, x_mm=120.0)
    for rubbish in (b"", b"x" * 9, b"SN" + bytes(1400), request(), packet(77, 12, [event(US)])):
        head.say(rubbish)


def raw_of(folder: Path) -> list[tuple[Any, ...]]:
    """Return the raw rows but for the times of arrival."""
    with open_listmode(folder) as recording:
        return [
            tuple(value for name, value in row.items() if name != "arrival_ns")
            for batch in recording.batches("raw")
            for row in batch.to_pylist()
        ]


def test_a_recording_after_a_preview_is_the_same_as_one_without(tmp_path: Path) -> None:
    found = []
    for preview in (True, False):
        folder = tmp_path / str(preview)
        folder.mkdir()
        with armed(folder, preview=preview) as (run, head):
            if preview:
                before(head)
                until(lambda: heard(run), "the preview")
            head.sent, head.now_us = 4500, 10_000_000
            start(run)
            head.photons(2000)
            head.sent += 100  # the only loss there is
            head.photons(2000)
            head.end()
            assert run.finish() == 0
        ledger = manifest_of(run).ledger
        assert ledger is not None
        rows = content(folder / "run")
        rows["marks"] = [mark for mark in rows["marks"] if mark["kind"] != "clock"]  # one each second of the host's
        found.append((raw_of(folder / "run"), rows, ledger.model_dump()))

    with_preview, without = found
    assert with_preview[2] == without[2]
    assert (with_preview[2]["sources"][0]["recorded"], with_preview[2]["sources"][0]["gap"]) == (4000, 100)
    assert len(with_preview[2]["sources"]) == 1
    assert with_preview[2]["socket"]["foreign"] == 0
    assert with_preview[0] == without[0]
    assert with_preview[1] == without[1]


def test_before_the_start_pictures_fade_and_rates_are_shown_and_all_counts_are_nothing(tmp_path: Path) -> None:
    with armed(tmp_path) as (run, head), LiveView.attach(tmp_path / CONTROL) as view:
        phases = view.about["looks"]["phases"]
        shown: dict[str, Any] = {}

        def seen() -> bool:
            head.photons(2000, x_mm=120.0)
            shown.update(view.figures())
            return bool(shown["window_rates_per_s"][0, 0] > 0 and np.isfinite(shown["peak_kev"][0, 0]))

        until(seen, "rates and a peak")
        status = view.status()["status"]
        start(run)
        head.sent = 10**6
        head.photons(1500, x_mm=-120.0)

        def counted() -> bool:
            shown.update(after=view.figures())
            return int(shown["after"]["spectra"].sum()) == 1500

        until(counted, "the counts of the step")
        ask(tmp_path / CONTROL, {"do": "pause"})
        head.photons(100)
        until(lambda: view.figures()["phase"][0] == phases.index("aside"), "that it is paused")
        head.end()
        run.finish()

    assert phases[int(shown["phase"][0])] == "positioning"
    assert shown["state"] == "live"
    assert status["state"] == "armed"
    assert status["preview"]["state"] == "live"
    assert "counts_live" not in status
    assert not any(shown[name].any() for name in ZERO)
    right, left = shown["persistence"][0, 0, 0][:, 128:].sum(), shown["persistence"][0, 0, 0][:, :128].sum()
    assert right > 0
    assert left == 0
    assert shown["spectra_recent"][0].argmax() * 0.5 == pytest.approx(140.5, abs=4.0)
    assert 1200 < shown["after"]["images"].sum() == shown["after"]["window_counts"].sum() < 1500
    assert shown["after"]["images"][0, 0][:, 128:].sum() == 0
    assert shown["after"]["persistence"][2, 0, 0][:, 128:].sum() > 0  # fades on
    assert phases[int(shown["after"]["phase"][0])] == "counting"


def test_more_than_can_be_looked_at_is_passed_over_and_nothing_is_lost_after_the_start(tmp_path: Path) -> None:
    with armed(tmp_path) as (run, head):
        until(lambda: preview_of(run) != {}, "a preview")
        words = [event(k * US) for k in range(180)]
        least, until_s = 1.0, time.monotonic() + 20.0
        while least > 0.95 and time.monotonic() < until_s:
            for _ in range(3 * LOOKED_BYTES // (8 * len(words))):
                head.say(packet(0, head.sent, words))
                head.sent += len(words)
            least = min(least, preview_of(run)["looked_share"])
        start(run)
        head.sent = 10**9
        for _ in range(20):
            head.photons(1000)
        head.end()
        run.finish()

    ledger = manifest_of(run).ledger
    assert ledger is not None
    assert least <= 0.95
    assert [(each.recorded, each.gap) for each in ledger.sources] == [(20_000, 0)]


def test_a_preview_that_fails_is_given_up_and_the_recording_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: Preview) -> None:
        raise UnexpectedError("broken on purpose")

    monkeypatch.setattr(Preview, "turn", broken)
    with armed(tmp_path) as (run, head):
        until(lambda: preview_of(run).get("state") == "failed", "the failure")
        with LiveView.attach(tmp_path / CONTROL) as view:
            until(lambda: view.figures()["phase"][0] == 0, "that nothing is shown")
        start(run)
        head.photons(700)
        head.end()
        code = run.finish()

    assert code == 0
    assert [each.recorded for each in manifest_of(run).ledger.sources] == [700]  # type: ignore[union-attr]


@pytest.mark.parametrize("what", ["stop", "nobody"])
def test_a_readout_that_shows_what_comes_ends_when_told_and_when_nobody_watches(tmp_path: Path, what: str) -> None:
    with armed(tmp_path, **({"attend_s": 0.2, "unattended_s": 0.1} if what == "nobody" else {})) as (run, head):
        head.photons(500)
        if what == "stop":
            until(lambda: heard(run), "the preview")
            ask(tmp_path / CONTROL, {"do": "stop", "by": "arming expired"})
        run.finish()

    assert manifest_of(run).ended_by == ("arming expired" if what == "stop" else "unattended")
    assert manifest_of(run).ledger.sources == ()  # type: ignore[union-attr]


def test_a_source_that_is_silent_is_said_to_be_and_front_ends_of_several_addresses_are_shown(tmp_path: Path) -> None:
    first, second = free_port(), free_port()
    plan = plan_of(
        tmp_path, f"udp://@127.0.0.1:{first}", f"udp://@127.0.0.1:{second}", profile=HEADS, start_at_once=False,
        preview=True, processing=WINDOWED,
    )  # fmt: skip
    with running(plan) as run:
        until(lambda: run.readout.status()["state"] == "armed", "armed")
        silent = preview_of(run)["state"]
        one, other = Head(first), Head(second)
        with closing(one.socket), closing(other.socket):
            one.say(packet(40, 0, [event(US)]))  # another number than after the start
            other.photons(300)
            until(lambda: heard(run), "the preview")
            start(run)
            other.sent = 5000
            for head in (one, other):
                head.photons(250)
                head.end()
            run.finish()

    assert silent == "silent"
    sources = manifest_of(run).ledger.sources  # type: ignore[union-attr]
    assert [(each.source, each.recorded, each.gap) for each in sources] == [(0, 250, 0), (1, 250, 0)]
