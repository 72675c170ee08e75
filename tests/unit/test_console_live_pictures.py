"""Live pictures as browsers get them: what they want, the newest of it, upright, and old when it is old."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from benchmarks.livereadout import ShownReadout
from benchmarks.liveserver import NoNews, offer_of
from daq.errors import UsageError
from daq.gateway.live import gallery as gallery_module
from daq.gateway.live import socket as socket_module
from daq.gateway.live import watcher as watcher_module
from daq.gateway.live.frames import MOST_KEPT, Frames
from daq.gateway.live.gallery import Gallery
from daq.gateway.live.pictures import binned, scaled, upright
from daq.gateway.live.socket import serve_browser
from daq.gateway.live.viewer import Viewer
from daq.gateway.live.wants import MOST_MESSAGE_BYTES, Ack, Want, message_in
from daq.gateway.live.watcher import MOST_UNPAINTED, Watcher
from daq.readout import liveview
from daq.readout.plan import PLAN
from daq.readout.snapshotreader import SnapshotReader
from daq.storage.manifest import MANIFEST
from daq.wire.liveframe import SIMULATED, Frame, decode

CAMERA = Want(what=("scope", "spectrum", "rates"), hz=30)
DEADLINE_S = 10.0


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gallery_module, "FOLLOW_S", 0.01)
    monkeypatch.setattr(watcher_module, "QUIET_S", 0.1)


class Screen:
    """A browser: what it was sent, newest last. It paints when it is told to."""

    def __init__(self, watcher: Watcher) -> None:
        self.watcher = watcher
        self.frames: list[Frame] = []
        self.came = asyncio.Event()

    async def take(self, data: bytes) -> None:
        self.frames.append(decode(data))
        self.came.set()

    def paint(self) -> None:
        """Say that all that came is painted."""
        if self.frames:
            self.watcher.said(Ack(seq=self.frames[-1].number))

    async def until(self, found: Callable[[Frame], Any], *, paints: bool = True) -> Frame:
        """Return the newest frame in which something is found."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                for frame in self.frames:
                    if found(frame):
                        return frame
                if paints:
                    self.paint()
                self.frames.clear()
                self.came.clear()
                await self.came.wait()


@contextmanager
def screens(gallery: Gallery, count: int = 1, want: Want = CAMERA) -> Iterator[list[Screen]]:
    """Have browsers that want something; within a running loop."""
    opened, shows = [gallery.watching() for _ in range(count)], []
    found = []
    try:
        for each in opened:
            screen = Screen(each.__enter__())
            screen.watcher.said(want)
            shows.append(asyncio.ensure_future(screen.watcher.show(screen.take)))
            found.append(screen)
        yield found
    finally:
        for show in shows:
            show.cancel()
        for each in opened:
            each.__exit__(None, None, None)


def publish(readout: ShownReadout, events: int = 1000, **where: float) -> None:
    """Show events and publish them, whenever the last publication was."""
    readout.see(events, **where)
    readout.live._figures_due_ns = 0
    readout.publish()


def has(what: str) -> Callable[[Frame], bool]:
    return lambda frame: what in frame.about["parts"]


@pytest.mark.parametrize(("lies", "letters", "row", "column"), [
    ("HFS", ["R", "L", "H", "F"], 0.25, 0.75), ("FFS", ["R", "L", "H", "F"], 0.75, 0.25),
])  # fmt: skip
async def test_pictures_are_head_up_and_never_mirrored(
    tmp_path: Path, lies: str, letters: list[str], row: float, column: float
) -> None:
    with (
        ShownReadout(tmp_path / "run", orientation=lies) as readout,
        screens(gallery := Gallery(offer_of([readout.path]))) as (screen,),
    ):
        readout.live.view(1, 0, None)
        publish(readout, 4000, x_mm=135.0, y_mm=100.0)  # of a field of 540 by 400 mm: right and upper, as the head sees
        frame = await screen.until(lambda frame: "scope" in frame.about["parts"])
        heads = {head["number"]: head for head in frame.about["parts"]["scope"]["heads"]}
        picture = frame.arrays["scope/0"]

    at = np.unravel_index(int(picture.argmax()), picture.shape)
    assert picture.shape[0] < picture.shape[1] == 225
    assert (at[0] / picture.shape[0], at[1] / picture.shape[1]) == pytest.approx((row, column), abs=0.02)
    assert (heads[0]["view"], list(heads[0]["letters"])) == ("ANT", letters)
    assert list(heads[1]["letters"]) == ["L", "R", "H", "F"]
    assert gallery.viewer.run == "shown"
    assert frame.flags & SIMULATED


async def test_counts_rates_and_spectra_are_those_of_the_readout(tmp_path: Path) -> None:
    want = Want(what=("counts", "spectrum", "rates", "scope", "ring", "probe", "study", "energy"), hz=30)
    with ShownReadout(tmp_path / "run") as readout, screens(Gallery(offer_of([readout.path])), want=want) as (screen,):
        readout.live.view(1, 0, None)
        publish(readout, 5000, x_mm=10.0, y_mm=10.0)
        frame = await screen.until(has("counts"))

    parts = frame.about["parts"]
    assert frame.arrays["spectrum/0"].sum() == frame.arrays["spectrum/1"].sum() == 2500
    inside = [head["windows"][0]["counts"] for head in parts["rates"]["heads"]]
    assert [int(frame.arrays[f"counts/{head}"].sum()) for head in (0, 1)] == inside
    assert 4500 < sum(inside) <= 5000
    assert parts["rates"]["counts"] == {"single": 5000}
    assert (parts["ring"], parts["probe"]) == (None, None)
    assert "study" not in parts
    assert frame.arrays["energy/all"].sum() == 5000
    scale = frame.abouts["scope/0"]["scale"]
    assert frame.arrays["scope/0"].sum() * scale == pytest.approx(inside[0], rel=0.05)


async def test_before_the_start_a_frame_says_so_shows_what_comes_now_and_counts_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    want = Want(what=("scope", "counts", "spectrum", "rates"), hz=30)
    with ShownReadout(tmp_path / "run") as readout, screens(Gallery(offer_of([readout.path])), want=want) as (screen,):
        manifest = readout.path.parent / MANIFEST
        told = {"manifest": json.loads(manifest.read_bytes())}
        (readout.path.parent / PLAN).write_text(json.dumps(told), encoding="utf-8")
        manifest.unlink()  # nothing is recorded yet
        readout.live.position()
        monkeypatch.setattr(readout.live, "see", readout.live.see_before)
        readout.see(4000, x_mm=10.0, y_mm=10.0)
        readout.live.tick_before(time.monotonic_ns(), dict, share=0.5)
        frame = await screen.until(has("scope"))
        readout.live.begin()
        monkeypatch.undo()
        readout.live.view(1, 0, None)
        publish(readout, 100, x_mm=10.0, y_mm=10.0)
        begun = await screen.until(lambda frame: frame.about["parts"].get("scope", {}).get("phase") == "counting")

    parts = frame.about["parts"]
    assert {part["phase"] for part in parts.values()} == {"positioning"}
    assert parts["scope"]["heads"][0]["view"] == "ANT"
    assert frame.arrays["scope/0"].any()
    assert frame.arrays["spectrum/recent/0"].sum() == pytest.approx(2000, rel=0.02)
    assert not frame.arrays["spectrum/0"].any()
    assert not frame.arrays["counts/0"].any()
    assert (parts["rates"]["counts"], parts["rates"]["heads"][0]["windows"][0]["counts"]) == ({"single": 0}, 0)
    assert begun.arrays["spectrum/0"].sum() == 50
    assert begun.arrays["scope/0"].sum() * begun.abouts["scope/0"]["scale"] > 1000  # fades on


async def test_a_frame_is_made_once_for_all_who_want_the_same_and_never_in_the_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[int] = []
    made = Frames._make

    def make(self: Frames, *given: Any) -> Any:
        threads.append(threading.get_ident())
        return made(self, *given)

    monkeypatch.setattr(Frames, "_make", make)
    with (
        ShownReadout(tmp_path / "run") as readout,
        screens(gallery := Gallery(offer_of([readout.path])), 4) as all_four,
    ):
        publish(readout)
        frames = [await screen.until(has("scope")) for screen in all_four]

    with_parts = {frame.number for frame in frames}
    assert len(with_parts) == 1
    assert gallery.frames.made == len(threads)
    assert threading.get_ident() not in threads


async def test_what_has_not_changed_is_not_sent_again_but_its_age_is(tmp_path: Path) -> None:
    with ShownReadout(tmp_path / "run") as readout, screens(Gallery(offer_of([readout.path]))) as (screen,):
        publish(readout)
        await screen.until(has("scope"))
        quiet = await screen.until(lambda frame: not frame.about["parts"])
        later = await screen.until(lambda frame: not frame.about["parts"] and frame.number > quiet.number)
        publish(readout)
        again = await screen.until(has("scope"))

    ages = [frame.about["fresh"]["looks"]["age_s"] for frame in (quiet, later)]
    assert ages[1] > ages[0]
    assert not quiet.arrays
    assert again.about["fresh"]["looks"]["sequence"] == 2


async def test_a_browser_that_paints_nothing_is_sent_two_frames_and_then_the_newest(tmp_path: Path) -> None:
    with ShownReadout(tmp_path / "run") as readout, screens(Gallery(offer_of([readout.path])), 2) as (slow, quick):
        for number in range(8):
            publish(readout)
            await quick.until(lambda frame, at=number + 1: frame.about["fresh"]["looks"]["sequence"] == at)
        assert len(slow.frames) == MOST_UNPAINTED == slow.watcher.unpainted
        slow.paint()
        newest = await slow.until(lambda frame: frame.about["fresh"]["looks"]["sequence"] == 8)

    assert newest.about["parts"]


async def test_another_run_is_looked_at_when_it_begins_and_the_last_one_is_kept_until_then(tmp_path: Path) -> None:
    where: list[Path] = []
    with screens(Gallery(offer_of(where))) as (screen,):
        nothing = await screen.until(lambda frame: True)
        with ShownReadout(tmp_path / "one", "one") as first:
            where.append(first.path)
            publish(first)
            await screen.until(lambda frame: frame.about["run"] == "one" and "scope" in frame.about["parts"])
            first.end()
            closed = await screen.until(lambda frame: frame.about["fresh"]["looks"]["state"] == "closed")
        where.append(tmp_path / "two" / "control")
        waiting = await screen.until(lambda frame: frame.about["problem"])
        with ShownReadout(tmp_path / "two", "two") as second:
            publish(second)
            other = await screen.until(lambda frame: frame.about["run"] == "two" and "scope" in frame.about["parts"])

    assert (nothing.about["run"], nothing.about["fresh"]["looks"]["state"]) == (None, "none")
    assert (closed.about["run"], waiting.about["run"]) == ("one", "one")
    assert "no readout answers" in waiting.about["problem"]
    assert (other.about["problem"], other.about["fresh"]["looks"]["state"]) == ("", "live")


async def test_a_frame_during_which_another_run_begins_is_none_of_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ShownReadout(tmp_path / "one", "one") as first, ShownReadout(tmp_path / "two", "two") as second:
        where = [first.path]
        viewer = Viewer(offer_of(where))
        frames = Frames(viewer)
        for readout in (first, second):
            publish(readout)
        await viewer.follow()
        loop, copied = asyncio.get_running_loop(), SnapshotReader._copy

        def copy(reader: SnapshotReader, at: int, most_bytes: int) -> Any:
            if len(where) == 1 and loop is not asyncio._get_running_loop():
                where.append(second.path)
                asyncio.run_coroutine_threadsafe(viewer.follow(), loop).result(DEADLINE_S)
            return copied(reader, at, most_bytes)

        monkeypatch.setattr(SnapshotReader, "_copy", copy)
        between = await frames.frame(CAMERA, {}, anyway=True)
        after = await frames.frame(CAMERA, {}, anyway=True)

    assert between is None
    assert after is not None
    assert decode(after.data).about["run"] == "two"


async def test_a_browser_that_comes_when_the_last_one_goes_sees_what_comes(tmp_path: Path) -> None:
    gallery = Gallery(offer_of([tmp_path / "run" / "control"]))
    with ShownReadout(tmp_path / "run") as readout:
        with gallery.watching() as goes:
            goes.said(CAMERA)
            await asyncio.sleep(0)
        with screens(gallery) as (screen,):
            publish(readout)
            assert await screen.until(has("scope"))


async def test_figures_of_a_readout_that_was_killed_are_said_to_be_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(liveview, "STALE_NS", 50_000_000)
    with ShownReadout(tmp_path / "run") as readout, screens(Gallery(offer_of([readout.path]))) as (screen,):
        publish(readout)
        await screen.until(lambda frame: frame.about["run"])
    with screens(Gallery(offer_of([readout.path]))) as (later,):  # nobody answers at its socket any more
        none = await later.until(lambda frame: frame.about["problem"])
        assert none.about["fresh"]["looks"]["state"] == "none"
    with ShownReadout(tmp_path / "again") as readout, screens(Gallery(offer_of([readout.path]))) as (screen,):
        publish(readout)
        old = await screen.until(lambda frame: frame.about["fresh"]["looks"]["state"] == "stale")
    assert old.about["fresh"]["looks"]["age_s"] > 0.05


async def test_a_browser_that_comes_again_has_everything_again(tmp_path: Path) -> None:
    gallery = Gallery(offer_of([tmp_path / "run" / "control"]))
    with ShownReadout(tmp_path / "run") as readout:
        publish(readout)
        for _ in range(2):
            with screens(gallery) as (screen,):
                frame = await screen.until(has("scope"))
                assert set(frame.about["parts"]) == set(CAMERA.what)
    assert not gallery.frames.wanted


async def test_a_want_that_changes_is_answered_with_what_is_wanted_now(tmp_path: Path) -> None:
    with ShownReadout(tmp_path / "run") as readout, screens(Gallery(offer_of([readout.path]))) as (screen,):
        publish(readout)
        await screen.until(has("scope"))
        screen.watcher.said(Want(what=("scope",), heads=(1,), size=64, persistence=9))
        frame = await screen.until(lambda frame: frame.about["parts"].get("scope", {}).get("fade_s") == 10.0)

    assert set(frame.arrays) == {"scope/1"}
    assert max(frame.arrays["scope/1"].shape) <= 64
    assert frame.abouts["scope/1"]["pixel_mm"] == pytest.approx(4 * 2.4)


async def test_however_often_a_browser_wants_something_else_few_frames_are_kept(tmp_path: Path) -> None:
    with ShownReadout(tmp_path / "run") as readout, screens(gallery := Gallery(offer_of([readout.path]))) as (screen,):
        publish(readout)
        await screen.until(has("scope"))
        fresh = {"scope": (0, 0)}
        for size in range(16, 16 + 3 * MOST_KEPT):
            frame = await gallery.frames.frame(Want(what=("scope",), size=size), fresh, anyway=False)
            assert frame is not None
            assert max(decode(frame.data).arrays["scope/0"].shape) <= size
            assert 0 < len(gallery.frames._kept) <= MOST_KEPT


@pytest.mark.parametrize("text", [
    "", "[]", "null", '{"type": "want", "what": ["everything"]}', '{"type": "want", "size": 100000}',
    '{"type": "want", "hz": 1e9}', '{"type": "want", "hz": NaN}', '{"type": "want", "heads": [-1]}',
    '{"type": "want", "what": ["scope"], "more": 1}', '{"type": "ack", "seq": -1}', '{"type": "ack", "seq": 1e30}',
    '{"type": "ack"}', '{"type": "do", "what": "stop"}', "{" * 100, "x" * (MOST_MESSAGE_BYTES + 1),
    '{"type": "want", "window": "' + "w" * 65 + '"}', '{"type": "want", "heads": ' + str(list(range(17))) + "}",
])  # fmt: skip
def test_what_cannot_be_understood_is_refused_in_words(text: str) -> None:
    with pytest.raises(UsageError, match=r"\w+"):
        message_in(text)


def test_a_frame_that_was_never_sent_may_be_acknowledged_in_vain() -> None:
    watcher = Watcher(cast(Frames, None))
    watcher.said(Ack(seq=4_000_000_000))
    assert (watcher.unpainted, watcher.wants) == (0, False)


class Wire:
    """A WebSocket on which somebody says the same thing again and again."""

    def __init__(self, text: str | None) -> None:
        self.text, self.told, self.closed = text, [], 0

    async def receive(self) -> dict[str, Any]:
        await asyncio.sleep(0)
        return {"type": "websocket.receive", "text": self.text, "bytes": None if self.text else b"\0"}

    async def send_text(self, text: str) -> None:
        self.told.append(json.loads(text))

    async def send_bytes(self, _: bytes) -> None:
        await asyncio.Event().wait()

    async def close(self, code: int, _: str) -> None:
        self.closed = code


@pytest.mark.parametrize("text", ["nonsense", None])
async def test_a_browser_that_says_nothing_but_nonsense_is_told_so_and_left(text: str | None) -> None:
    wire = Wire(text)
    with Gallery(offer_of([])).watching() as watcher:
        async with asyncio.timeout(DEADLINE_S):
            await serve_browser(cast(Any, wire), cast(Any, NoNews()), watcher)

    problems = [told for told in wire.told if told["type"] == "problem"]
    assert len(problems) == socket_module._MOST_MISSES
    assert wire.closed == socket_module.NOT_UNDERSTOOD


async def test_a_browser_that_takes_nothing_in_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket_module, "_SEND_S", 0.05)
    wire = Wire(json.dumps({"type": "want", "what": ["scope"]}))
    with Gallery(offer_of([])).watching() as watcher:
        async with asyncio.timeout(DEADLINE_S):
            await serve_browser(cast(Any, wire), cast(Any, NoNews()), watcher)
    assert watcher.sent == 1


def test_a_picture_is_cut_to_the_field_and_turned_but_its_counts_stay() -> None:
    frame = {"x0_mm": -4.0, "y0_mm": -4.0, "pixel_mm": 1.0}
    image = np.zeros((8, 8), np.uint64)
    image[5, 6] = 7  # upper right, for row 0 is the lowest
    field = upright(image, frame, (6.0, 4.0), turned=False)
    assert (field.shape, field[0, 5], field.sum()) == ((4, 6), 7, 7)
    turned = upright(image, frame, (6.0, 4.0), turned=True)
    assert (turned[3, 0], turned.sum()) == (7, 7)
    small, by = binned(np.ones((5, 9), np.uint64), 4)
    assert (small.shape, by, small.sum(), small[0, 0], small[1, 2]) == ((2, 3), 3, 45, 9, 6)
    assert binned(image, 8)[1] == 1


def test_whole_counts_stay_whole_and_others_are_scaled() -> None:
    counts, one = scaled(np.array([0, 65535], np.uint64))
    assert (counts.tolist(), one) == ([0, 65535], 1.0)
    large, by = scaled(np.array([0, 131070], np.uint64))
    assert (large.tolist(), by) == ([0, 65535], 2.0)
    faded, by = scaled(np.array([0.0, 0.5, 1.0], np.float32))
    assert faded.tolist() == [0, 32768, 65535]
    assert by * 65535 == pytest.approx(1.0)
    assert scaled(np.zeros(3, np.float32))[0].tolist() == [0, 0, 0]
