"""The desk sees a test from its beginning to its result, also one that the daemon before it had begun."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from support_qc_desk import PERSON, TESTS, MemoryBooks, qc_test, standing

from acquisition_protocols.load import load_protocol
from daq.composition.qc.wiring import _is_sealed
from daq.errors import RefusedError, UsageError
from daq.model.qc.documents import Judged, QcResult
from daq.model.qc.figures import Level
from daq.model.qc.verbs import QcEnter, QcLeave
from daq.services.alarms import Alarms
from daq.services.bus import Bus
from daq.services.qc.analysing import Analysing
from daq.services.qc.asking import Asking
from daq.services.qc.auto import Leavings
from daq.services.qc.bed import Bed
from daq.services.qc.desk import Desk, Surroundings
from daq.services.qc.orders import Order
from daq.services.qc.ringing import Ringing
from daq.state.acquisition import State

BY_ITSELF = {
    **TESTS, "night": qc_test(protocol="daily-flood", auto_at="05:30"),
    "turning": qc_test(protocol="centre-of-rotation", auto_at="05:30"),
}  # fmt: skip


class Room:
    def __init__(self, folder: Path) -> None:
        self.books, self.alarms = MemoryBooks(), Alarms(Bus())
        self.books.register()
        self.books.register(serial="P-1", nuclide="Tc-99m", form="point")
        audit = cast("Any", SimpleNamespace(note=lambda *_, **__: None))
        never = cast("Any", None)
        self.analysing = Analysing(
            never, never, self.books, Ringing(self.alarms), audit, folder, station="one", scanner="s"
        )  # fmt: skip
        stands, bed = standing(self.books, BY_ITSELF), Bed()

        async def places() -> dict[str, float]:
            return {"gantry": 0.0}

        around = Surroundings(Bus(), self.alarms, lambda: True, places, never, lambda *_: None)
        asking = Asking(stands, bed, lambda name: load_protocol(name).protocol)
        self.desk = Desk(asking, stands, bed, self.analysing, Leavings(), around)


def run(folder: Path, *, begun: bool = True) -> Any:
    return SimpleNamespace(identity="r", directory=folder / "r", steps=SimpleNamespace(begun=begun))


@pytest.mark.parametrize(
    ("outcome", "begun", "analysed"),
    [(State.COMPLETED, True, True), (State.INTERRUPTED, True, True), (State.ABORTED, True, False),
     (State.FAULT, False, False)],
)  # fmt: skip
async def test_what_counted_is_analysed_and_what_was_given_up_is_not_owed(
    tmp_path: Path, outcome: State, begun: bool, analysed: bool
) -> None:
    room, made = Room(tmp_path), run(tmp_path, begun=begun)
    await room.desk.begun(made, "daily-flood", load_protocol("daily-flood").protocol)
    owed = room.analysing.orders.owed()
    await room.desk.ended(made, outcome)
    room.desk.hashed(made)

    assert [order.test for order in owed] == ["daily-flood"]
    assert (room.analysing.is_owed("daily-flood"), bool(room.analysing.orders.owed())) == (analysed, analysed)


async def test_the_next_daemon_analyses_what_is_sealed_rings_for_what_is_not_and_forgets_what_never_was(
    tmp_path: Path,
) -> None:
    room = Room(tmp_path)
    sealed = {"a": True, "b": False, "c": None, "d": True}
    for name in sealed:
        room.analysing.orders.owe(Order("daily-flood", (tmp_path / name,)))

    await room.desk.take_over(lambda path: sealed[path.name], "d")

    assert room.analysing.is_owed("daily-flood")
    assert {order.recordings[0].name for order in room.analysing.orders.owed()} == {"a", "d"}
    assert [alarm.name for alarm in room.alarms.active()] == ["not-analysed-b"]
    assert [_is_sealed(tmp_path), _is_sealed(tmp_path / "nowhere")] == [False, None]


async def test_source_and_heads_are_left_for_one_night_by_a_person(tmp_path: Path) -> None:
    desk = Room(tmp_path).desk
    leave = desk.handlers["qc-leave"]
    for test, source, why in (
        ("daily-flood", "S-1", "no auto_at"), ("night", None, "name it"),
        ("turning", "P-1", "moves gantry, and nothing moves by itself"),
    ):  # fmt: skip
        with pytest.raises(RefusedError, match=why):
            await leave(QcLeave(test=test, source=source), PERSON)
    assert desk.bed.occupied

    told = await leave(QcLeave(test="night", source="S-1"), PERSON)

    assert (told["auto_at"], told["left"][0]["source"], desk.bed.occupied) == ("05:30", "S-1", False)
    left, _ = desk.leavings.of("night")
    assert left is not None
    assert left.places == {"gantry": 0.0}

    desk.prepared(load_protocol("bone-spots").protocol)
    assert (desk.leavings.of("night")[0], desk.bed.occupied) == (None, True)


@pytest.mark.parametrize(
    ("performed", "why"), [("yesterday", "is no time"), ("2025-03-05T09:06:00Z", "is still to come")]
)
async def test_what_is_entered_says_when_it_was_done(tmp_path: Path, performed: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        await Room(tmp_path).desk.handlers["qc-enter"](QcEnter(test="e-stop", performed=performed), PERSON)


def test_a_dead_tube_in_a_flood_of_too_few_counts_rings_and_the_next_poor_flood_does_not_end_that() -> None:
    alarms = Alarms(Bus())
    ringing = Ringing(alarms)
    look = "integral uniformity 80 %: not evaluable: 950 counts. It is beyond its suspension level: look at it now"
    told: dict[str, Any] = {"test": "daily-flood", "title": "", "analysis": "planar-uniformity", "analysis_version": 1}

    def result(level: Level, text: str) -> QcResult:
        return QcResult(**told, level=level, figures=(), judged=(Judged("integral", "", level, text),), limits={})

    ringing.judged("a", result(Level.NOT_EVALUABLE, "4 %: not evaluable: 950 counts"))
    assert not alarms.active()
    ringing.judged("b", result(Level.NOT_EVALUABLE, look))
    ringing.judged("c", result(Level.NOT_EVALUABLE, "4 %: not evaluable: 950 counts"))
    (rung,) = alarms.active()
    assert (rung.name, rung.priority, rung.text) == (
        "level-daily-flood", "medium", f"daily-flood: not evaluable, and yet: {look}"
    )  # fmt: skip
    assert "do not acquire patients with it" in rung.guidance
    ringing.judged("d", result(Level.IN_LIMITS, "4 %: in limits"))
    assert not [each for each in alarms.active() if each.active]
