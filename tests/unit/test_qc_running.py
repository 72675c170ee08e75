"""A test is refused with all reasons at once, and watched while it counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from support_qc_desk import PERSON, TESTS, MemoryBooks, qc_test, standing

from acquisition_protocols.load import load_protocol
from daq.errors import MissingError, RefusedError
from daq.model.protocol import AcquisitionProtocol
from daq.model.qc.figures import Level
from daq.model.qc.verbs import QcRun
from daq.model.station import Progress
from daq.services.alarms import Alarms
from daq.services.bus import Bus
from daq.services.qc.asking import Asked, Asking
from daq.services.qc.bed import Bed
from daq.services.qc.ratewatch import RateWatch

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
