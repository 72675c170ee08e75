"""What quality control allows: of a protocol that needs it, of patients where a test blocks, without books."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from support_qc_desk import NOW, PERSON, TESTS, MemoryBooks, protocol, qc_test, standing

from daq.composition import judging
from daq.errors import AccessError, MissingError
from daq.model.qc.figures import Level
from daq.model.station import DAEMON, Actor, Role
from daq.services.qc.bed import Bed
from daq.services.qc.duetable import asks, due_table

FLOOD = {"daily-flood": TESTS["daily-flood"]}
QUIET = {"daily-flood": qc_test(protocol="daily-flood", every="day")}


@pytest.mark.parametrize(
    ("level", "ago_h", "maximum_h", "why"),
    [
        (Level.IN_LIMITS, 1, 24, None), (Level.NOT_JUDGED, 1, 24, None), (Level.ACTION, 1, 24, None),
        (Level.IN_LIMITS, 1, None, None), (Level.IN_LIMITS, 25, 24, "25.0 h old, at most 24 h"),
        (Level.SUSPENSION, 1, 24, "do not use"), (Level.NOT_EVALUABLE, 1, 24, "never done"),
        (Level.IN_LIMITS, -2, 24, "never done"),
    ],
)  # fmt: skip
async def test_what_a_protocol_requires_is_there_in_time_and_usable(
    level: Level, ago_h: float, maximum_h: float | None, why: str | None
) -> None:
    books = MemoryBooks()
    document = books.enter("daily-flood", level, ago_h=ago_h)

    stands = await standing(books, QUIET).of_protocol(protocol(daily_flood=maximum_h))

    if why is None:
        assert stands.missing == {}
        assert [(each["result"], each["sha256"]) for each in stands.valid] == [(document.id, document.sha256)]
        assert bool(stands.remarks) is (level is Level.ACTION)
    else:
        assert why in stands.missing["daily-flood"]
        assert stands.valid == ()


async def test_a_result_that_was_struck_out_or_made_before_a_service_allows_nothing() -> None:
    books = MemoryBooks()
    first = books.enter("daily-flood", Level.IN_LIMITS, ago_h=2)
    books.note("event", "", ago_h=1, what="service", tests=["daily-flood"])
    after = await standing(books, QUIET).of_protocol(protocol(daily_flood=24))
    books.documents = {first.id: first}
    books.note("strike", first.id, ago_h=1)
    struck = await standing(books, QUIET).of_protocol(protocol(daily_flood=24))

    assert "it was not done since" in after.missing["daily-flood"]
    assert "never done" in struck.missing["daily-flood"]


async def test_a_blocking_test_blocks_every_patient_and_no_test() -> None:
    books = MemoryBooks()
    patient = await standing(books, FLOOD).of_protocol(protocol())
    flood = await standing(books, FLOOD).of_protocol(protocol(patient=False))
    books.enter("daily-flood", Level.IN_LIMITS, ago_h=1)
    done = await standing(books, FLOOD).of_protocol(protocol())

    assert patient.missing == {"daily-flood": "daily-flood blocks: every day; never done"}
    assert flood.missing == done.missing == {}


async def test_books_that_are_gone_are_one_sentence_for_each_test_and_nothing_valid() -> None:
    books = MemoryBooks()
    books.gone = "the disk is gone"

    stands = await standing(books, FLOOD).of_protocol(protocol(daily_flood=24, unknown=24))

    assert stands.missing == {
        "unknown": "unknown is needed, and this scanner has no such test",
        "daily-flood": "the books of quality control cannot be read: the disk is gone",
    }


@pytest.mark.parametrize(
    ("overrides", "left"),
    [({}, ["qc"]), ({"qc": "late"}, ["qc"]), ({"daily-flood": "late"}, ["daily-flood", "qc"]),
     ({"daily-flood": "late", "e-stop": "late"}, ["daily-flood", "e-stop"])],
)  # fmt: skip
async def test_however_much_is_overdue_is_one_requirement_but_what_is_overridden_by_its_own_name(
    overrides: dict[str, str], left: list[str]
) -> None:
    equipment: Any = type("Equipment", (), {"standing": standing(MemoryBooks())})

    lacking = await judging._lacks_quality(equipment, protocol(), overrides)

    assert sorted(lacking) == left


async def test_without_a_scanner_each_test_that_is_required_has_no_record() -> None:
    equipment: Any = type("Equipment", (), {"standing": None})

    lacking = await judging._lacks_quality(equipment, protocol(daily_flood=24), {})

    assert lacking == {"qc": "daily-flood is needed, and this station has no record of one"}


async def test_the_list_says_what_is_to_be_done_by_which_command() -> None:
    books = MemoryBooks()
    books.enter("daily-flood", Level.IN_LIMITS, ago_h=1)
    rows = {row["test"]: row for row in due_table(await standing(books).due(), TESTS, {"on-demand": True})}

    assert [rows[name]["state"] for name in ("daily-flood", "camera-background")] == ["valid", "never"]
    assert [rows[name]["next"] for name in ("daily-flood", "e-stop", "by-hand")] == [
        "daq qc run daily-flood", "daq qc enter e-stop", "daq qc analyse DIR --test by-hand",
    ]  # fmt: skip
    assert rows["daily-flood"]["valid_until_utc"] == "2025-03-06T00:00:00Z"
    assert rows["e-stop"]["asks"] == asks(TESTS["e-stop"])
    assert [each["about"] for each in rows["e-stop"]["asks"]] == ["emergency stop", "pads"]
    assert [rows[name]["analysing"] for name in ("on-demand", "by-hand")] == [True, False]
    with pytest.raises(MissingError, match="no test 'flood'; there are camera-background, daily-flood"):
        await standing(books).due("flood")


class Device:
    """A bed that can be asked what it was told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def state_empty(self, actor: Actor) -> None:
        self.told.append(f"empty {actor.user}")

    def state_occupied(self) -> None:
        self.told.append("occupied")


def test_somebody_is_on_the_bed_until_a_person_says_otherwise_and_again_when_a_patient_comes() -> None:
    device = Device()
    bed = Bed([device], clock=NOW.isoformat)
    assert (bed.occupied, bed.statement) == (True, "occupied since the daemon was started")
    bed.state_empty(PERSON)
    assert (bed.occupied, bed.figures()["stated_by"]) == (False, "anna")
    assert bed.statement == f"stated by anna at {NOW.isoformat()}"
    bed.state_occupied("a patient was prepared")
    assert bed.figures() == {
        "occupied": True, "patient": False, "stated_by": "", "since_utc": NOW.isoformat(),
        "why": "a patient was prepared",
    }  # fmt: skip
    assert device.told == ["empty anna", "occupied"]


@pytest.mark.parametrize("who", [DAEMON, Actor("guest", "local", Role.VIEWER), Actor("autoqc", "daemon", Role.QC)])
def test_neither_a_viewer_nor_a_program_may_say_that_the_bed_is_empty(who: Actor) -> None:
    bed = Bed()
    with pytest.raises(AccessError, match="that is for a person"):
        bed.state_empty(who)
    assert bed.occupied


async def test_a_leaking_source_keeps_its_test_failed_until_it_is_disposed_of() -> None:
    books, tests = MemoryBooks(), {"leak-test": qc_test(analysis="leak-test", every="half-year")}
    books.register(serial="A")
    for serial, level, ago_h in (("A", Level.SUSPENSION, 3.0), ("B", Level.IN_LIMITS, 1.0)):
        made = books.enter("leak-test", level, ago_h=ago_h)
        body = {**made.body, "analysis": "leak-test", "source": {"serial": serial}}
        books.documents[made.id] = replace(made, body=body)
    (leaks,) = await standing(books, tests).due()
    books.register(serial="A", disposed="2020-01-01")
    (gone,) = await standing(books, tests).due()
    assert (leaks.state, gone.state) == ("failed", "valid")
