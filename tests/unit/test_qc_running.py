"""A test is refused with all reasons at once, watched while it counts, analysed once, rarely done by itself."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from support_qc_desk import PERSON, TESTS, MemoryBooks, qc_test, standing

from acquisition_protocols.load import load_protocol
from daq.errors import MissingError, RefusedError, StorageFailedError, UnexpectedError
from daq.model.axissample import AxisSample
from daq.model.protocol import AcquisitionProtocol
from daq.model.qc.documents import Judged, QcResult
from daq.model.qc.figures import Figure, Level, Picture
from daq.model.qc.verbs import QcRun
from daq.model.station import Alarm, Progress
from daq.services.alarms import Alarms
from daq.services.audit import Audit
from daq.services.bus import Bus
from daq.services.qc.analysing import Analysing
from daq.services.qc.asking import Asked, Asking
from daq.services.qc.auto import AutoQc, Leavings, Left, Room, due_day, moving, not_there
from daq.services.qc.bed import Bed
from daq.services.qc.evidence import evidence_bytes
from daq.services.qc.orders import Order, Orders
from daq.services.qc.ratewatch import RateWatch
from daq.services.qc.ringing import Ringing

FLOOD = load_protocol("daily-flood").protocol


def of_id(name: str) -> AcquisitionProtocol:
    return load_protocol(name).protocol


class Desk:
    """A bed that somebody stated to be empty, a background of this morning, a sheet source; a test takes away."""

    def __init__(self) -> None:
        self.books = MemoryBooks()
        self.books.register()
        self.books.enter("camera-background", Level.IN_LIMITS, ago_h=1)
        self.bed = Bed()
        self.bed.state_empty(PERSON)

    async def ask(self, test: str = "daily-flood", **told: Any) -> Asked:
        asking = Asking(standing(self.books), self.bed, of_id)
        return await asking.asked(QcRun(test=test, **{"source": "S-1", **told}), PERSON)


async def test_a_test_is_prepared_with_what_the_manifest_is_to_say_of_it() -> None:
    asked = await Desk().ask(overrides={"collimator": "no sensor"})

    assert (asked.prepare.protocol, asked.prepare.overrides) == ("daily-flood", {"collimator": "no sensor"})
    assert asked.prepare.draft_reason
    assert asked.told["test"] == "daily-flood"
    assert asked.told["source"]["activity_mbq"] == pytest.approx(370 * 0.5 ** (62.875 / 271.74), rel=1e-3)
    assert asked.told["background"]["level"] == "in limits"
    assert asked.told["statements"]["bed empty"].startswith("stated by anna")


async def test_without_a_source_none_is_named_and_none_is_needed() -> None:
    asked = await Desk().ask("camera-background", source=None)

    assert (asked.told["source"], asked.told["background"]) == ({}, {})
    with pytest.raises(RefusedError, match="done without a source, not with S-1"):
        await Desk().ask("camera-background")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"nuclide": "Tc-99m"}, "is Tc-99m; this test is done with Co-57"),
        ({"form": "point"}, "is a point, and a sheet of Co-57 is needed"),
        ({"disposed": "2025-02-01"}, "was disposed of on 2025-02-01"),
        ({"serial": "S-2"}, "source S-1 is not in the register (daq qc source); the register has S-2"),
    ],
)
async def test_a_wrong_source_is_refused(changes: dict[str, Any], why: str) -> None:
    desk = Desk()
    desk.books.documents = {name: each for name, each in desk.books.documents.items() if each.kind != "source"}
    desk.books.register(**changes)

    with pytest.raises(RefusedError, match="daily-flood cannot be run") as refused:
        await desk.ask()

    assert why in str(refused.value)


@pytest.mark.parametrize(
    ("level", "ago_h", "why"),
    [
        (Level.ACTION, 1, "is action"), (Level.SUSPENSION, 1, "do not use"), (Level.IN_LIMITS, 13, "13.0 h old"),
        (Level.NOT_JUDGED, 1, "is not judged"), (Level.NOT_EVALUABLE, 1, "never done"),
    ],
)  # fmt: skip
async def test_no_source_is_used_over_a_background_that_is_not_in_limits_but_with_a_reason_that_stays(
    level: Level, ago_h: float, why: str
) -> None:
    desk = Desk()
    desk.books.documents = {name: each for name, each in desk.books.documents.items() if each.kind != "result"}
    desk.books.enter("camera-background", level, ago_h=ago_h)

    with pytest.raises(RefusedError, match="background") as refused:
        await desk.ask()
    asked = await desk.ask(overrides={"background": "measured by hand"})

    assert why in str(refused.value)
    assert asked.told["overrides"] == {"background": "measured by hand"}
    assert asked.prepare.overrides == {}


async def test_all_that_is_against_a_test_is_said_at_once() -> None:
    desk = Desk()
    desk.bed.state_occupied("a patient was prepared")
    desk.books.documents.clear()

    with pytest.raises(RefusedError) as refused:
        await desk.ask(source=None)

    said = str(refused.value)
    for words in ("occupied since a patient", "name it (--source SERIAL); the register has none", "no background"):
        assert words in said
    assert "no background" in await refusal_with(desk, bed_empty=True)


async def refusal_with(desk: Desk, **told: Any) -> str:
    with pytest.raises(RefusedError) as refused:
        await desk.ask(**told)
    assert not desk.bed.occupied
    return str(refused.value)


async def test_books_that_are_gone_refuse_a_source_in_words() -> None:
    desk = Desk()
    desk.books.gone = "the disk is gone"
    with pytest.raises(RefusedError, match="the disk is gone"):
        await desk.ask()


@pytest.mark.parametrize(
    ("test", "error", "why"),
    [("flood", MissingError, "no test 'flood'"), ("e-stop", RefusedError, "daq qc enter e-stop"),
     ("by-hand", RefusedError, "has no protocol"), ("of-patients", RefusedError, "has no \\[qc\\]")],
)  # fmt: skip
async def test_what_is_not_acquired_cannot_be_run(test: str, error: type[Exception], why: str) -> None:
    tests = {**TESTS, "of-patients": qc_test(protocol="bone-spots")}
    asking = Asking(standing(MemoryBooks(), tests), Bed(), of_id)
    with pytest.raises(error, match=why):
        await asking.asked(QcRun(test=test), PERSON)


# While it counts


def rates(*heads: Sequence[float], step: int = 1, protocol: AcquisitionProtocol = FLOOD) -> tuple[list[str], list[str]]:
    """Let heads count at these rates, a second each; return what stands against the test, and which alarms came."""
    bus, told = Bus(), []
    alarms = Alarms(bus)
    watch = RateWatch("r", protocol, alarms, lambda: True, told.append)
    watch.begin(bus)
    counts = [0.0] * len(heads)
    came: list[str] = []
    for second, each in enumerate(zip(*heads, strict=True)):
        counts = [before + rate for before, rate in zip(counts, each, strict=True)]
        by_head = {f"singles[photopeak]@{head}": int(count) for head, count in enumerate(counts)}
        bus.announce(Progress("r", float(second), step, 1, {"events": int(sum(counts)), **by_head}))
        came += [alarm.text for alarm in alarms.active() if alarm.active and alarm.text not in came]
    watch.end()
    assert [alarm for alarm in alarms.active() if alarm.active] == []
    return told, came


def test_a_rate_outside_of_the_range_for_ten_seconds_stands_against_the_test_once() -> None:
    told, came = rates([5_000] * 30, [500] * 30)

    assert told == ["head 1 counts 500 cps, and 1,000 to 30,000 cps are wanted, for 10 s or longer"]
    assert came
    assert came[0].startswith("head 1 counts 500 cps")


def test_a_short_burst_and_a_rate_within_the_range_are_no_obstacle() -> None:
    assert rates(([5_000] * 5 + [90_000] * 8) * 3) == ([], [])


def test_a_protocol_without_a_range_is_never_outside() -> None:
    assert rates([1] * 30, protocol=of_id("camera-background")) == ([], [])


def test_a_sheet_that_comes_and_goes_before_a_head_in_a_sweep_is_no_obstacle_but_one_too_hot_is() -> None:
    sweep = of_id("whole-body-uniformity")
    assert rates([0] * 30 + [8_000] * 60 + [0] * 30, protocol=sweep) == ([], [])
    told, _ = rates([0] * 30 + [40_000] * 30, protocol=sweep)
    assert told == ["head 0 counts 40,000 cps, and 0 to 30,000 cps are wanted, for 10 s or longer"]


# Analysis

RESULT = QcResult(
    test="daily-flood", title="Daily flood", analysis="planar-uniformity", analysis_version=1, level=Level.IN_LIMITS,
    figures=(Figure.of("ufov_integral", 3.0, "%", subject="head 0"),), judged=(), limits={},
    acquisitions=({"id": "run-1", "directory": "/x/run-1"},),
)  # fmt: skip


class Lab:
    """An analysing desk whose process is a shell script; what it is given lies in a folder."""

    def __init__(self, folder: Path, script: str, *, within_s: float = 10.0, simulated: bool = False) -> None:
        self.books, self.alarms, self.lines = MemoryBooks(), Alarms(Bus()), []
        self.jobs = 0
        (folder / "evidence").write_bytes(evidence_bytes((Picture("flood", np.ones((2, 2)), "1"),), ()))
        audit = cast("Audit", SimpleNamespace(note=lambda *told, **more: self.lines.append((told[1:], more))))

        def command(job: Path, evidence: Path) -> Sequence[str]:
            assert json.loads(job.read_bytes())["test"] == "daily-flood"
            return ("/bin/sh", "-c", f"cp {folder}/evidence {evidence}; {script}")

        async def job_of(order: Order) -> dict[str, Any]:
            self.jobs += 1
            return {"test": order.test}

        self.desk = Analysing(
            command, job_of, self.books, Ringing(self.alarms), audit, folder, station="one", scanner="s",
            within_s=within_s, simulated=simulated,
        )  # fmt: skip

    async def until(self, count: int) -> None:
        running = asyncio.create_task(self.desk.run())
        async with asyncio.timeout(20):
            while self.desk.done + self.desk.failed < count:
                await asyncio.sleep(0.01)
        running.cancel()
        await asyncio.wait({running})

    def ringing(self) -> dict[str, Alarm]:
        return {alarm.name: alarm for alarm in self.alarms.active()}


def saying(level: Level = Level.IN_LIMITS, **changes: Any) -> str:
    judged = (Judged("ufov_integral", "head 0", level, f"ufov_integral of head 0 is {level}"),)
    told = {"level": level, "judged": judged, "advice": "look at the PMTs", **changes}
    fields = {name: getattr(RESULT, name) for name in RESULT.__slots__}
    body = QcResult(**{**fields, **told}).to_body()
    return f"echo '{json.dumps({'result': body, 'at_utc': '2025-03-05T08:00:00.5Z', 'by': 'anna', 'simulated': True})}'"


ORDER = Order("daily-flood", (Path("/x/run-1"),))


async def test_what_was_analysed_is_in_the_books_with_its_pictures_and_is_not_owed_any_more(tmp_path: Path) -> None:
    lab = Lab(tmp_path, saying())
    lab.desk.orders.owe(ORDER)
    lab.desk.put(ORDER)
    lab.desk.put(ORDER)
    assert lab.desk.is_owed("daily-flood")

    await lab.until(1)

    (document,) = lab.books.documents.values()
    assert (document.about, document.by, document.at_utc) == ("daily-flood", "anna", "2025-03-05T08:00:00.500Z")
    assert (document.simulated, document.body["evidence_sha256"]) == (True, "0" * 64)
    assert lab.books.found[document.id].pictures[0].title == "flood"
    assert (lab.desk.orders.owed(), lab.ringing(), lab.jobs) == ([], {}, 1)
    assert not list((tmp_path / "work").iterdir())
    assert not lab.desk.is_owed("daily-flood")


@pytest.mark.parametrize(("order", "simulated"), [(Order("daily-flood", entries={"pads": True}), True), (ORDER, False)])
async def test_what_is_entered_by_hand_on_a_simulated_station_says_so_and_recordings_say_it_themselves(
    tmp_path: Path, order: Order, simulated: bool
) -> None:
    lab = Lab(tmp_path, saying().replace('"simulated": true', '"simulated": false'), simulated=True)

    assert (await lab.desk.analyse(order)).simulated is simulated


async def test_the_same_recording_is_analysed_once_however_often_it_is_asked_for(tmp_path: Path) -> None:
    lab = Lab(tmp_path, saying())

    first, second = [await lab.desk.analyse(ORDER) for _ in range(2)]

    assert first == second
    assert (len(lab.books.documents), lab.jobs) == (1, 1)


async def test_one_that_was_struck_out_is_analysed_again(tmp_path: Path) -> None:
    lab = Lab(tmp_path, saying())
    first = await lab.desk.analyse(ORDER)
    lab.books.note("strike", first.id, ago_h=0)

    await lab.desk.analyse(ORDER)

    assert lab.jobs == 2


@pytest.mark.parametrize(
    ("level", "priority", "words"), [(Level.ACTION, "low", "action level"), (Level.SUSPENSION, "medium", "suspension")]
)
async def test_a_result_beyond_a_level_rings_with_what_to_do_until_a_better_one(
    tmp_path: Path, level: Level, priority: str, words: str
) -> None:
    lab = Lab(tmp_path, saying(level))
    lab.desk.put(ORDER)
    await lab.until(1)
    rung = lab.ringing()["level-daily-flood"]
    assert (rung.priority, rung.active, words in rung.text) == (priority, True, True)
    assert "look at the PMTs" in rung.guidance

    for better, active in ((Level.NOT_EVALUABLE, True), (Level.IN_LIMITS, False)):
        result = QcResult.from_body({**RESULT.to_body(), "level": str(better)})
        lab.desk._ringing.judged("next", result)
        assert lab.ringing()["level-daily-flood"].active is active


@pytest.mark.parametrize(
    ("script", "within_s", "why"),
    [
        ("kill -9 $$", 10.0, "ended with code -9"), ("echo 'no such analysis' >&2; exit 4", 10.0, "no such analysis"),
        ("echo '{'", 10.0, "did not say a result"), ("echo '[]'", 10.0, "ended with code 0"),
        ("sleep 30", 0.3, "not done within 0.3 s"), ("echo '{\"result\": {}}'", 10.0, "not whole"),
    ],
)  # fmt: skip
async def test_an_analysis_that_dies_rings_is_done_by_hand_and_stays_owed(
    tmp_path: Path, script: str, within_s: float, why: str
) -> None:
    lab = Lab(tmp_path, script, within_s=within_s)
    lab.desk.orders.owe(ORDER)
    lab.desk.put(ORDER)
    await lab.until(1)

    rung = lab.ringing()["not-analysed-run-1"]
    assert why in rung.text
    assert "daq qc analyse run-1 --test daily-flood --store" in rung.details
    assert lab.desk.orders.owed() == [ORDER]
    assert not list((tmp_path / "work").iterdir())


@pytest.mark.parametrize("error", [StorageFailedError("disk full"), RefusedError("another one")])
async def test_books_that_take_nothing_leave_the_analysis_owed(tmp_path: Path, error: Exception) -> None:
    lab = Lab(tmp_path, saying())
    lab.books.full = error
    lab.desk.orders.owe(ORDER)
    lab.desk.put(ORDER)
    await lab.until(1)

    assert str(error) in lab.ringing()["not-analysed-run-1"].text
    assert lab.desk.orders.owed() == [ORDER]


def test_an_order_outlives_the_daemon_and_what_is_no_order_is_left_alone(tmp_path: Path) -> None:
    Orders(tmp_path).owe(ORDER)
    (tmp_path / "x.json").write_text("{")
    assert Orders(tmp_path).owed() == [ORDER]
    Orders(tmp_path).drop(ORDER)
    assert Orders(tmp_path).owed() == []
    (tmp_path / "folder").write_text("in the way")
    Orders(tmp_path / "folder").owe(ORDER)  # said in the log: the analysis itself is not hindered


async def test_more_than_can_wait_ring(tmp_path: Path) -> None:
    lab = Lab(tmp_path, saying())
    for number in range(33):
        lab.desk.put(Order("daily-flood", (Path(f"/x/run-{number}"),)))
    assert "32 others wait" in lab.ringing()["not-analysed-run-32"].text


# By itself

ZURICH = ZoneInfo("Europe/Zurich")


@pytest.mark.parametrize(
    ("at", "now_utc", "day"),
    [
        ("05:30", "2025-01-10T04:30:00", "2025-01-10"), ("05:30", "2025-01-10T04:29:59", None),
        ("05:30", "2025-01-10T04:59:59", "2025-01-10"), ("05:30", "2025-01-10T05:00:00", None),
        ("23:50", "2025-01-10T23:05:00", "2025-01-10"), ("00:10", "2025-01-10T23:15:00", "2025-01-11"),
        ("02:30", "2025-03-30T01:30:00", "2025-03-30"), ("02:30", "2025-03-30T00:59:00", None),
        ("02:30", "2025-10-26T00:30:00", "2025-10-26"), ("02:30", "2025-10-26T01:30:00", None),
    ],
)  # fmt: skip
def test_the_hour_comes_once_a_day_also_when_clocks_change(at: str, now_utc: str, day: str | None) -> None:
    found = due_day(at, datetime.fromisoformat(now_utc).replace(tzinfo=UTC), ZURICH)
    assert (None if found is None else found.isoformat()) == day


class Night:
    """A station at night: what a person left, what stands against it, and what was done by itself."""

    def __init__(self, folder: Path, *, left: bool = True) -> None:
        self.acquired: list[tuple[str, str | None]] = []
        self.against: str | None = None
        self.places: dict[str, float] = {"gantry": 0.0, "bed": 10.0}
        self.protocol = FLOOD
        self.refusal = ""
        self.now = datetime(2025, 1, 10, 5, 30, tzinfo=UTC)
        self.alarms, self.leavings = Alarms(Bus()), Leavings()
        self.folder = folder
        if left:
            self.leavings.put(Left("daily-flood", "S-1", "anna", "2025-01-09T18:00:00Z", dict(self.places)))
        self.auto = self.made()

    def made(self) -> AutoQc:
        async def protocol_of(_: str) -> AcquisitionProtocol:
            return self.protocol

        async def places() -> dict[str, float]:
            return self.places

        async def acquire(test: str, source: str | None) -> None:
            if self.refusal:
                raise RefusedError(self.refusal)
            self.acquired.append((test, source))

        tests = {"daily-flood": qc_test(protocol="daily-flood", auto_at="05:30"), "other": TESTS["on-demand"]}
        room = Room(protocol_of, lambda: self.against, places, acquire)
        return AutoQc(
            tests, self.leavings, room, Ringing(self.alarms), self.folder / "auto.json", zone=UTC,
            clock=lambda: self.now,
        )  # fmt: skip

    @property
    def said(self) -> str:
        return " ".join(alarm.text for alarm in self.alarms.active())


async def test_what_was_left_in_place_is_done_once_at_its_hour_whatever_is_restarted(tmp_path: Path) -> None:
    night = Night(tmp_path)
    await night.auto.look()
    await night.auto.look()
    night.auto = night.made()
    await night.auto.look()
    night.now += timedelta(minutes=29)
    await night.auto.look()

    assert (night.acquired, night.said) == ([("daily-flood", "S-1")], "")

    night.now += timedelta(days=1, minutes=-29)
    await night.auto.look()
    assert len(night.acquired) == 2


def _axis_moved(night: Night) -> None:
    night.leavings.heard(AxisSample("gantry", 0, 90.0, True))


def _places(**changed: float) -> Any:
    def change(night: Night) -> None:
        night.places = {**night.places, **changed}

    return change


def _set(name: str, value: Any) -> Any:
    return lambda night: setattr(night, name, value)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (_axis_moved, "gantry was moved since"), (_places(bed=12.0), "bed does not stand where it was left"),
        (_set("places", {"bed": 10.0}), "gantry does not say where it stands"),
        (_set("against", "the bed is occupied since a patient was prepared"), "a patient was prepared"),
        (_set("against", "cover was read 9 s ago, at most 1.25 s is fresh"), "9 s ago"),
        (_set("protocol", load_protocol("centre-of-rotation").protocol), "moves gantry, and nothing moves by itself"),
        (_set("protocol", load_protocol("pet-daily").protocol), "waits for a person between its steps"),
        (_set("refusal", "no background before the source"), "no background"),
        (lambda night: night.leavings.disturbed("something was acquired since"), "something was acquired since"),
    ],
)  # fmt: skip
async def test_what_stands_against_it_is_an_alarm_and_nothing_is_acquired(
    tmp_path: Path, change: Any, why: str
) -> None:
    night = Night(tmp_path)
    change(night)

    await night.auto.look()

    assert night.acquired == []
    assert why in night.said
    assert [alarm.priority for alarm in night.alarms.active()] == ["low"]


async def test_without_a_word_of_a_person_nothing_is_done_by_itself(tmp_path: Path) -> None:
    night = Night(tmp_path, left=False)
    await night.auto.look()
    assert (night.acquired, "nobody has said" in night.said) == ([], True)


async def test_where_nothing_can_be_remembered_nothing_is_done(tmp_path: Path) -> None:
    night = Night(tmp_path)
    (tmp_path / "auto.json.tmp").mkdir()
    (tmp_path / "auto.json").mkdir()
    await night.auto.look()
    assert (night.acquired, "could be done twice" in night.said) == ([], True)


def test_a_protocol_that_stands_still_may_be_done_by_itself_and_axes_may_tremble() -> None:
    assert moving(FLOOD) is None
    assert not_there({"gantry": 0.0}, {"gantry": 0.2, "bed": 3.0}) is None


async def test_a_process_that_cannot_be_started_is_said(tmp_path: Path) -> None:
    lab = Lab(tmp_path, saying())
    lab.desk._command = lambda *_: ("/nowhere/at/all",)
    with pytest.raises(UnexpectedError, match="cannot be started"):
        await lab.desk.analyse(ORDER)
