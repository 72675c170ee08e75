"""Pictures of a study are the same while it is recorded, replayed and framed again: pixel for pixel, of every kind."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support_head_words import HEADS
from support_live_study import Axis, Camera
from support_readout import free_port, plan_of, until
from support_registry import only_place

from daq.model.framed import Framed, ImageKind
from daq.model.protocol import AcquisitionProtocol, Step
from daq.model.windows import WindowSet
from daq.readout.liveview import LiveView
from daq.readout.parent import ReadoutProcess
from daq.readout.registry import runtime_directory
from daq.readout.studydeclaration import MOST_PIXELS
from daq.storage.framed import framed_in
from daq.storage.manifestfacts import recorded_protocol
from daq.storage.reader import open_listmode
from daq.storage.replaying import compare, rewrite
from device_profiles.scanners import load_scanner

PROTOCOL = """
schema = "acquisition-protocol/1"
id = "mine"
version = 1
title = "Everything"
kind = "static"
modality = "gamma_camera"
instrument.heads = 2
sources."*" = "this test"

[windows.photopeak]
peak = "140.5 keV"
width = "20 %"
[windows.scatter]
lower = "100 keV"
upper = "126 keV"

[[steps]]
name = "view"
view = "ANT"
stop.counts.counter = "events"
stop.counts.limit = "1 kcounts"
stop.counts.window = "photopeak"
stop.counts.head = "both"
stop.counts.region = ["-120 mm", "-100 mm", "100 mm", "150 mm"]
image.matrix = [128, 128]

[[steps]]
name = "flow"
kind = "dynamic"
frame_zero = { by = "count_rate", rate = "9000 cps", over = "50 ms" }
phases = [{ frames = 3, frame = "0.3 s" }, { frames = 1, frame = "0.2 s" }]
image.matrix = [64, 64]

[[steps]]
name = "body"
kind = "whole_body"
sweep = { axis = "bed", from = "0 mm", to = "240 mm", speed = "200 mm/s" }
image.matrix = [128, 256]

[[steps]]
name = "heart"
kind = "gated"
gate = { trigger = "ecg", bins = 8, framing = "percent", interval = ["150 ms", "250 ms"], skip = 1 }
stop.beats = 5
image.matrix = [64, 64]

[[steps]]
name = "around"
kind = "spect"
repeat = { count = 3, axis = "gantry", from = "0 deg", step = "30 deg" }
gate = { trigger = "ecg", bins = 4, framing = "percent", interval = ["150 ms", "250 ms"] }
stop.time = "1.2 s"
image.matrix = [32, 32]

[[steps]]
name = "shoot"
kind = "spect"
repeat = { count = 3, axis = "gantry", from = "60 deg", step = "-30 deg" }
stop.time = "0.2 s"
image.matrix = [32, 32]

[[steps]]
name = "turn"
kind = "spect"
sweep = { axis = "gantry", from = "0 deg", to = "90 deg", speed = "100 deg/s", views = 6 }
image.matrix = [32, 32]
"""


@dataclass
class Seen:
    """What was seen of each series when its last step had ended, and where it was recorded."""

    directory: Path
    live: dict[str, dict[str, Any]] = field(default_factory=dict)
    status: dict[str, Any] = field(default_factory=dict)


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    folder = tmp_path_factory.mktemp("study")
    with pytest.MonkeyPatch.context() as patch:
        only_place(folder, patch)
        yield acquired(folder)


def acquired(folder: Path) -> Seen:
    """Acquire all steps through a readout of its own process, looking after each."""
    port, runtime = free_port(), runtime_directory()
    plan = plan_of(
        folder, f"udp://@127.0.0.1:{port}", profile=HEADS, start_at_once=False, single_step=False, attend_s=60.0,
        order=HEADS.order, buffer_bytes=64 << 20,
    )  # fmt: skip
    plan = plan.model_copy(update={"control": str(runtime / "control")})
    plan.manifest.protocol = {"toml": PROTOCOL}
    plan.manifest.scanner = load_scanner("dual-head").model_dump(mode="json")
    plan.manifest.study = {"key": "s-" + "a" * 26, "patient_orientation": "FFS"}
    protocol = recorded_protocol(plan.manifest, "here")
    assert protocol is not None
    plan.processing = plan.processing.model_copy(update={"windows": protocol.windows.windows})
    first = protocol.steps[0]
    plan = plan.model_copy(update={"stop": parsed(first), "step_name": first.name})
    plan.manifest.stop = str(plan.stop)
    found = Seen(folder / "run")
    readout = ReadoutProcess.launch(plan, runtime)
    with Camera(port, rate_cps=6000.0).running() as camera:
        until(lambda: readout.status()["state"] == "armed", "armed")
        readout.start()
        until(lambda: readout.status()["state"] == "recording", "recording")
        with LiveView.attach(readout.control) as view:
            taken(readout, view, camera, protocol, found)
            readout.stop(by="operator")
            found.status = readout.result()
            found.live["last"] = view.study() or {}
    return found


def parsed(step: Step) -> Any:
    from daq.model.stop import parse_stop

    return parse_stop(step.stop_limits())


def taken(readout: ReadoutProcess, view: LiveView, camera: Camera, protocol: AcquisitionProtocol, found: Seen) -> None:
    bed, gantry = Axis("bed", 0.0, readout.positions), Axis("gantry", 0.0, readout.positions)
    for number, step in enumerate(protocol.steps):
        readout.attend(60.0)
        for axis in (bed, gantry):
            axis.say()
        if number:
            readout.step(*step.stop_limits(), name=step.name, moving=step.moving)
        if step.name == "flow":
            time.sleep(0.3)
            camera.rate_cps = 20_000.0
        if step.sweep is not None:
            moved = {"bed": bed, "gantry": gantry}[step.sweep.axis]
            moved.go(step.sweep.end, step.sweep.speed)
            readout.end_step(by=f"the {moved.name} has arrived", completed=True)
        until(lambda: readout.status()["step_ended_by"] is not None, f"the end of {step.name}")
        bed.say()
        if not step.name.endswith(("1/3", "2/3")):
            look(view, step.name, found)
        if number + 1 < len(protocol.steps) and (to := protocol.steps[number + 1].positions.get("gantry")) is not None:
            gantry.go(to, 300.0)


def look(view: LiveView, name: str, found: Seen) -> None:
    """Keep what is shown once it stands still."""
    before: Any = None
    deadline = time.monotonic() + 10.0
    while time.monotonic() < deadline:
        shown = view.study()
        assert shown is not None
        still = before is not None and shown["sequence"] > before["sequence"]
        if still and shown["study"]["series"] and np.array_equal(shown["counts"], before["counts"]):
            found.live[name] = shown
            return
        if before is None or shown["sequence"] > before["sequence"]:
            before = shown
        time.sleep(0.05)
    raise AssertionError(f"{name} was never still: {before}")


def again(directory: Path) -> dict[tuple[str, ImageKind], Framed]:
    with open_listmode(directory) as recording:
        return {(one.name, one.kind): one for one in framed_in(recording, most_pixels=MOST_PIXELS)}


KINDS = {
    "view": ImageKind.STATIC, "flow": ImageKind.DYNAMIC, "body": ImageKind.WHOLE_BODY, "heart": ImageKind.GATED,
    "around": ImageKind.GATED_TOMO, "shoot": ImageKind.TOMO, "turn": ImageKind.TOMO,
}  # fmt: skip


def test_what_was_seen_live_is_what_is_framed_of_the_recording_and_of_its_replay(seen: Seen, tmp_path: Path) -> None:
    with open_listmode(seen.directory) as recording:
        assert compare(recording).differences == []
        rewrite(recording, tmp_path / "again")
    recorded, replayed = again(seen.directory), again(tmp_path / "again")

    assert recorded.keys() == replayed.keys()
    for key, framed in recorded.items():
        np.testing.assert_array_equal(framed.counts, replayed[key].counts, err_msg=str(key))
    for name, live in seen.live.items():
        about = live["study"]
        series = recorded[about["series"]["name"], ImageKind(about["series"]["kind"])]
        slots = slice(about["slot"], about["slot"] + about["shape"][2])
        np.testing.assert_array_equal(live["counts"], series.counts[:, :, slots], err_msg=name)
        assert about["series"]["pixels"] == series.pixels.about
        assert about["skipped"] == 0
        assert live["counts"].sum() > 300, name


@pytest.mark.parametrize("name", KINDS)
def test_each_kind_shows_what_it_is_of(seen: Seen, name: str) -> None:
    live = seen.live.get(name) or seen.live[f"{name} 3/3"]
    about, series = live["study"], again(seen.directory)[name, KINDS[name]]

    assert about["series"]["kind"] == str(KINDS[name])
    assert about["slots"]["live_ps"] == series.slots.live_ps[about["slot"] :][: about["shape"][2]].tolist()
    assert about["planned"] == {"view": 1, "flow": 4, "body": 1, "heart": 8, "around": 12, "shoot": 3, "turn": 6}[name]
    assert [head["number"] for head in about["heads"]] == [0, 1]


def test_the_strip_tells_how_long_each_row_was_seen(seen: Seen) -> None:
    live, series = seen.live["body"], again(seen.directory)["body", ImageKind.WHOLE_BODY]

    assert series.strip is not None
    assert live["exposure_ps"].tolist() == list(series.strip.exposure_ps)
    assert live["study"]["strip"]["mean_speed_mm_per_s"] == pytest.approx(200.0, rel=0.05)


def test_beats_end_a_step_as_framing_takes_them_and_their_intervals_are_told(seen: Seen) -> None:
    live, series = seen.live["heart"], again(seen.directory)["heart", ImageKind.GATED]
    assert series.beats is not None
    told = live["study"]["beats"]

    assert (told["accepted"], told["rejected"]) == (series.beats.accepted, series.beats.rejected)
    assert series.beats.accepted == 5
    assert series.ended_by == "beats=5"
    assert live["intervals"].sum(axis=1).tolist() == [5, told["rejected"]]
    assert live["intervals"][0].argmax() == 20


def test_the_bolus_began_the_frames_and_the_region_ended_the_view(seen: Seen) -> None:
    with open_listmode(seen.directory) as recording:
        steps = recording.manifest.steps or []
        singles = recording.table("singles", ["time_ps", "head", "windows", "x_mm", "y_mm"])
    view, flow = steps[:2]
    time_ps, head, windows, x, y = (singles.column(name).to_numpy() for name in singles.column_names)
    there = (time_ps <= view.end_ps) & (windows & 1 != 0) & (-x >= -120) & (-x < 100) & (-y >= -100) & (-y < 150)

    assert view.ended_by == "singles[photopeak]@0+1(-120:-100:100:150)=1000"
    assert min(np.bincount(head[there])) == 1000
    assert flow.frame_zero_ps is not None
    assert flow.frame_zero_ps - flow.begin_ps > 250 * 10**9
    assert (flow.end_ps or 0) - flow.frame_zero_ps == 1100 * 10**9
    inside = (time_ps > flow.frame_zero_ps - 50 * 10**9) & (time_ps <= flow.frame_zero_ps)
    assert inside.sum() == pytest.approx(450, abs=1)


def test_windows_of_the_pictures_are_those_of_the_protocol(seen: Seen) -> None:
    names = [window.name for window in WindowSet(again(seen.directory)["view", ImageKind.STATIC].windows).windows]

    assert seen.live["view"]["study"]["series"]["windows"] == names == ["photopeak", "scatter"]
    assert seen.status["positions_refused"] == 0
