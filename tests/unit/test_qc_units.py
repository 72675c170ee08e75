"""A good result of one head does not stand for another one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from daq.model.qc.documents import Judged, QcResult
from daq.model.qc.figures import Figure, Level
from daq.model.qc.limits import QcTest
from daq.qc import units
from daq.qc.judging import worst
from daq.qc.schedule import Done, due
from daq.services.alarms import Alarms
from daq.services.bus import Bus
from daq.services.qc.ringing import Ringing

MORNING = datetime(2021, 3, 1, 7, tzinfo=UTC)


def result(source: str = "", analysis: str = "planar-uniformity", **levels: Level) -> QcResult:
    """Make a result of heads (`head_0=Level.ACTION`), or of the whole (`all=`)."""
    said = {name.replace("_", " ") if name != "all" else "": level for name, level in levels.items()}
    figure = Figure("integral", "%", tuple(said), (3.0,) * len(said))
    judged = tuple(Judged("integral", subject, level, "text") for subject, level in said.items())
    return QcResult(
        test="flood", title="Flood", analysis=analysis, analysis_version=1, level=worst(list(said.values())),
        figures=(figure,), judged=judged, limits={}, source={"serial": source} if source else {},
    )  # fmt: skip


def stands(*results: QcResult) -> str:
    """Return the state after these results, an hour after another."""
    done = [
        Done(str(at), MORNING + timedelta(hours=at), one.level, False, units.evaluated(one) | units.suspended(one),
             units.suspended(one))
        for at, one in enumerate(results)
    ]  # fmt: skip
    test = QcTest(title="Flood", analysis="planar-uniformity", every="week")
    return due("flood", test, done, (), now=MORNING + timedelta(hours=9), zone=UTC).state


GOOD, STOP, NONE = Level.IN_LIMITS, Level.SUSPENSION, Level.NOT_EVALUABLE


def test_a_good_flood_of_another_head_leaves_a_suspended_one_suspended() -> None:
    assert stands(result(head_0=STOP), result(head_1=GOOD)) == "failed"
    assert stands(result(head_0=STOP), result(head_1=GOOD), result(head_0=GOOD)) == "valid"
    assert stands(result(head_0=GOOD, head_1=STOP), result(head_1=GOOD)) == "valid"
    assert stands(result(head_0=STOP), result(head_0=GOOD, head_1=GOOD)) == "valid"
    assert stands(result(head_0=STOP), result(head_0=NONE, head_1=Level.ACTION)) == "failed"
    assert stands(result(all=STOP), result(all=GOOD)) == "valid"


def test_the_wipe_of_another_source_leaves_a_leaking_one_leaking() -> None:
    leaking, other = (result(serial, "leak-test", all=level) for serial, level in (("a", STOP), ("b", GOOD)))
    assert stands(leaking, other) == "failed"
    assert stands(leaking, other, result("a", "leak-test", all=GOOD)) == "valid"


def test_the_alarm_of_a_head_is_not_ended_by_another_head() -> None:
    alarms = Alarms(Bus())
    ringing = Ringing(alarms)
    for one, rings in ((result(head_0=STOP), True), (result(head_1=GOOD), True), (result(head_0=GOOD), False)):
        ringing.judged("id", one)
        assert any(each.active for each in alarms.active()) is rings
