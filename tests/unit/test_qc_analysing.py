"""A recording of a test is analysed once; its result is in the books and rings; what dies is owed and said."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from support_qc_desk import MemoryBooks

from daq.errors import RefusedError, StorageFailedError, UnexpectedError
from daq.model.qc.documents import Judged, QcResult
from daq.model.qc.figures import Figure, Level, Picture
from daq.model.station import Alarm
from daq.services.alarms import Alarms
from daq.services.audit import Audit
from daq.services.bus import Bus
from daq.services.qc.analysing import Analysing
from daq.services.qc.evidence import evidence_bytes
from daq.services.qc.orders import Order, Orders
from daq.services.qc.ringing import Ringing

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


async def test_a_process_that_cannot_be_started_is_said(tmp_path: Path) -> None:
    lab = Lab(tmp_path, saying())
    lab.desk._command = lambda *_: ("/nowhere/at/all",)
    with pytest.raises(UnexpectedError, match="cannot be started"):
        await lab.desk.analyse(ORDER)
