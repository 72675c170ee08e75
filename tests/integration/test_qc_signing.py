"""Signing, striking, references, events, sources and past results, as requests that a station carries out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support_qc_books import DEADLINE_S, QUICK, about, books_at, result

from daq.errors import AccessError, MissingError, RefusedError, UsageError
from daq.model.qc.documents import Document, QcResult, document_bytes
from daq.model.qc.figures import Figure, Findings, Level
from daq.model.qc.known import ANALYSES
from daq.model.qc.limits import Bounds, Limit, QcTest
from daq.model.qc.verbs import QC_VERBS
from daq.model.station import DAEMON, Actor, Role
from daq.qc.judging import judged
from daq.qc.sources import source_entry
from daq.services.alarms import Alarms
from daq.services.bus import Bus
from daq.services.qc.books import QcBooks
from daq.services.qc.importing import Importing
from daq.services.qc.register import Register
from daq.services.qc.signing import Signing, Where

ANNA = Actor("anna", "local", Role.QC, uid=1001)
BERTA = Actor("berta", "local", Role.PHYSICIST, uid=1002)
CARL = Actor("carl", "local", Role.PHYSICIST, uid=1003)
WHERE = Where("one", "s")
SHEET = {
    "nuclide": "Co-57", "form": "sheet", "activity": "370 MBq", "reference": "2025-01-01T12:00:00Z",
    "certificate": "C-1", "place": "safe",
}  # fmt: skip
TESTS = {"daily-flood": QcTest(title="Daily flood", analysis="planar-uniformity")}


@pytest.fixture
async def books(tmp_path: Path) -> AsyncIterator[QcBooks]:
    async with books_at(f"sqlite:///{tmp_path}/c.sqlite", tmp_path / "qc") as made:
        yield made


async def ask(books: QcBooks, verb: str, actor: Actor = BERTA, *, alone: bool = False, **args: Any) -> dict[str, Any]:
    request = QC_VERBS[verb][0].model_validate(args)
    parts = (Signing(books, WHERE, alone=alone), Register(books, WHERE, TESTS), Importing(books, WHERE, TESTS))
    handlers = {name: work for part in parts for name, work in part.handlers().items()}
    return await handlers[verb](request, actor)


async def test_a_signature_is_bound_to_what_was_read_and_to_who_the_kernel_says_signs(books: QcBooks) -> None:
    await books.put(first := result(1))

    answer = await ask(books, "qc-sign", result=first.id, sha256=first.sha256, meaning="reviewed", comment="fine")
    kept = await books.result(first.id)

    (signature,) = kept.signed("reviewed")
    assert (signature.by, signature.body["sha256"], signature.body["uid"]) == ("berta", first.sha256, 1002)
    assert answer["signatures"] == [["berta", "reviewed", signature.at_utc]]
    with pytest.raises(RefusedError, match="what you read has the SHA-256 000000000000"):
        await ask(books, "qc-sign", result=first.id, sha256="0" * 64, meaning="reviewed")
    with pytest.raises(RefusedError, match="berta has signed it as reviewed before"):
        await ask(books, "qc-sign", result=first.id, sha256=first.sha256, meaning="reviewed")
    remote = Actor("berta", "mqtt", Role.PHYSICIST)
    with pytest.raises(AccessError, match="on the station's own host alone"):
        await ask(books, "qc-sign", remote, result=first.id, sha256=first.sha256, meaning="reviewed")
    with pytest.raises(MissingError):
        await ask(books, "qc-sign", result="none", sha256=first.sha256, meaning="reviewed")


async def test_whoever_performed_a_test_does_not_approve_it_unless_the_site_allows_that(books: QcBooks) -> None:
    await books.put(first := result(1))
    about: dict[str, Any] = {"result": first.id, "sha256": first.sha256}
    performer = Actor("anna", "local", Role.PHYSICIST, uid=1001)

    with pytest.raises(RefusedError, match="anna cannot both perform and approve it"):
        await ask(books, "qc-sign", performer, meaning="approved", **about)
    with pytest.raises(AccessError, match="may not approve: that needs physicist"):
        await ask(books, "qc-sign", ANNA, meaning="approved", **about)
    await ask(books, "qc-sign", BERTA, meaning="performed", **about)
    with pytest.raises(RefusedError, match="berta cannot both"):
        await ask(books, "qc-sign", BERTA, meaning="approved", **about)
    await ask(books, "qc-sign", CARL, meaning="approved", **about)
    with pytest.raises(RefusedError, match="carl cannot both"):
        await ask(books, "qc-sign", CARL, meaning="performed", **about)

    await ask(books, "qc-sign", performer, alone=True, meaning="approved", **about)
    assert [each.by for each in (await books.result(first.id)).signed("approved")] == ["carl", "anna"]


async def test_two_who_sign_at_the_same_moment_both_stand_in_order(books: QcBooks) -> None:
    await books.put(first := result(1))
    about: dict[str, Any] = {"result": first.id, "sha256": first.sha256, "meaning": "reviewed"}
    signing = Signing(books, WHERE).handlers()["qc-sign"]
    request = QC_VERBS["qc-sign"][0].model_validate(about)

    answers = await asyncio.gather(*(signing(request, actor) for actor in (ANNA, BERTA, CARL)))

    assert [len(answer["signatures"]) for answer in answers] == [1, 2, 3]
    assert [each.by for each in (await books.result(first.id)).signed("reviewed")] == ["anna", "berta", "carl"]


async def test_who_signs_twice_at_the_same_moment_has_signed_once(books: QcBooks) -> None:
    await books.put(first := result(1))
    request = QC_VERBS["qc-sign"][0].model_validate({"result": first.id, "sha256": first.sha256, "meaning": "reviewed"})
    signing = Signing(books, WHERE).handlers()["qc-sign"]

    answers = await asyncio.gather(*(signing(request, BERTA) for _ in range(3)), return_exceptions=True)

    assert sum(isinstance(answer, RefusedError) for answer in answers) == 2
    assert len((await books.result(first.id)).signatures) == 1


async def test_what_is_struck_out_has_a_reason_and_is_neither_signed_nor_struck_again(books: QcBooks) -> None:
    await books.put(first := result(1))

    with pytest.raises(UsageError, match="a reason is needed"):
        await ask(books, "qc-strike", result=first.id)
    await ask(books, "qc-strike", result=first.id, reason="wrong collimator")

    for verb, args in (
        ("qc-strike", {"reason": "again"}),
        ("qc-sign", {"sha256": first.sha256, "meaning": "reviewed"}),
        ("qc-reference", {}),
    ):
        with pytest.raises(RefusedError, match=r"was struck out by berta, .*: wrong collimator"):
            await ask(books, verb, result=first.id, **args)
    assert (await books.result(first.id)).document == first


async def test_a_reference_is_approved_and_in_limits_and_takes_the_place_of_the_one_before(books: QcBooks) -> None:
    good, better, bad = result(1), result(2, level=Level.NOT_JUDGED), result(3, level=Level.ACTION)
    for document in (good, better, bad):
        await books.put(document)
    with pytest.raises(RefusedError, match="nobody has approved it"):
        await ask(books, "qc-reference", result=good.id)
    for document in (good, better, bad):
        await ask(books, "qc-sign", result=document.id, sha256=document.sha256, meaning="approved")

    await ask(books, "qc-reference", result=good.id)
    assert (await ask(books, "qc-reference", result=better.id))["before"] == good.id
    assert (await books.reference("daily-flood")).document == better  # type: ignore[union-attr]
    with pytest.raises(RefusedError, match="this result is action"):
        await ask(books, "qc-reference", result=bad.id)
    with pytest.raises(RefusedError, match="is the reference of daily-flood already"):
        await ask(books, "qc-reference", result=better.id)
    assert (await ask(books, "qc-strike", result=better.id, reason="x"))["was_reference"]
    assert await books.reference("daily-flood") is None


RELATIVE = Limit(
    unit="%", of="reference-percent", action=Bounds(below=-5.0, above=5.0), suspension=Bounds(below=-10.0, above=10.0),
    counts_needed=10_000, source="book",
)  # fmt: skip


def sensitivity(day: int, value: float, reference: Document | None = None, counts: float = 1e6) -> Document:
    """Make a result as the station does: judged by a limit that is relative to a reference."""
    figure = Figure.of("sensitivity", value, "cps/MBq", subject="head 0", noise=0.1, counts=counts)
    limits = {"sensitivity": RELATIVE}
    kind, test = ANALYSES["system-sensitivity"], QcTest(title="S", analysis="system-sensitivity", limits=limits)
    before = None if reference is None else QcResult.from_body(reference.body)
    found = judged(Findings((figure,)), test, kind, before)
    return result(
        day, test="system-sensitivity", level=found.level, analysis=kind.name, analysis_version=kind.version,
        figures=(figure,), judged=found.judged, limits={"sensitivity": RELATIVE.model_dump(mode="json")},
    )  # fmt: skip


async def refer(books: QcBooks, document: Document) -> dict[str, Any]:
    await books.put(document)
    await ask(books, "qc-sign", result=document.id, sha256=document.sha256, meaning="approved")
    return await ask(books, "qc-reference", result=document.id, reason="the normal")


async def test_the_first_reference_of_a_relative_limit_is_a_result_that_lacks_nothing_else(books: QcBooks) -> None:
    few, first = sensitivity(1, 90.0, counts=100.0), sensitivity(2, 90.0)
    assert (few.body["level"], first.body["level"]) == ("not evaluable", "not evaluable")

    with pytest.raises(RefusedError, match="this result is not evaluable, whatever it is compared with"):
        await refer(books, few)
    assert (await refer(books, first))["before"] is None
    assert sensitivity(3, 93.0, first).body["level"] == "in limits"


async def test_another_normal_needs_an_event_that_explains_it(books: QcBooks) -> None:
    first = sensitivity(1, 90.0)
    await refer(books, first)
    after = sensitivity(5, 99.5, first)
    assert after.body["level"] == "suspension"

    with pytest.raises(RefusedError, match="a change that nobody explains is no new normal"):
        await refer(books, after)
    for day, tests in ((3, ["daily-flood"]), (6, [])):
        at = result(day).at_utc
        await ask(books, "qc-event", what="service", text="new crystal", at=at, tests=tests)
        with pytest.raises(RefusedError, match="no event lies between them"):
            await ask(books, "qc-reference", result=after.id, reason="new crystal")
    await ask(books, "qc-event", what="service", text="new crystal", at=result(4).at_utc, tests=[])
    assert (await ask(books, "qc-reference", result=after.id, reason="new crystal"))["before"] == first.id


async def test_a_clock_that_was_ahead_keeps_no_later_reference_and_no_later_source_entry_from_counting(
    books: QcBooks,
) -> None:
    ahead = "2999-01-01T00:00:00.000Z"
    good, better = result(1), result(2)
    for document in (good, better):
        await books.put(document)
        await ask(books, "qc-sign", result=document.id, sha256=document.sha256, meaning="approved")
    await books.put(about("reference", good, test="daily-flood", at=ahead))
    early = Document(
        "source-s-1",
        "source",
        ahead,
        ahead,
        "anna",
        source_entry("S-1", SHEET).model_dump(mode="json", exclude_none=True),
        "S-1",
    )
    await books.put(early)

    await ask(books, "qc-reference", result=better.id)
    await ask(books, "qc-source", serial="S-1", fields={"place": "waste"})

    assert (await books.reference("daily-flood")).document == better  # type: ignore[union-attr]
    newest = await books.source("S-1")
    assert newest is not None
    assert (newest.body["place"], newest.entered_utc) == ("waste", "2999-01-01T00:00:00.001Z")


async def test_what_is_simulated_counts_for_nothing_at_a_real_machine(books: QcBooks, tmp_path: Path) -> None:
    made_up = replace(result(5), simulated=True)
    for document in (result(1), made_up, replace(about("reference", made_up, test="daily-flood"), simulated=True)):
        await books.put(document)
    await ask(books, "qc-sign", result=made_up.id, sha256=made_up.sha256, meaning="approved")
    with pytest.raises(RefusedError, match="it is simulated, and this is a real machine"):
        await ask(books, "qc-reference", result=made_up.id)
    assert await books.flush(DEADLINE_S)

    for url in (f"sqlite:///{tmp_path}/c.sqlite", f"sqlite:///{tmp_path}/none.sqlite"):  # and from the files alone
        real = QcBooks(url, tmp_path / "qc", station="one", simulated=False, bounds=QUICK)
        assert [kept.document for kept in await real.results("daily-flood")] == [result(1)]
        assert (await real.newest("daily-flood")).document == result(1)  # type: ignore[union-attr]
        assert (await real.series("daily-flood", "efficiency")).results == (result(1).id,)
        assert await real.reference("daily-flood") is None
        assert (await real.result(made_up.id)).document == made_up
        real.close()
    assert (await books.newest("daily-flood")).document == made_up  # type: ignore[union-attr]


async def test_a_result_whose_file_was_forged_is_said_as_soon_as_it_is_read(tmp_path: Path) -> None:
    alarms, first = Alarms(Bus()), result(1, level=Level.ACTION)
    async with books_at(f"sqlite:///{tmp_path}/c.sqlite", tmp_path / "qc", alarms=alarms) as books:
        await books.put(first)
        await ask(books, "qc-sign", result=first.id, sha256=first.sha256, meaning="approved")
        assert await books.flush(DEADLINE_S)
        forged = replace(first, body={**first.body, "level": "in limits"})
        (tmp_path / "qc" / "2025" / "01" / f"{first.id}.json").write_bytes(document_bytes(forged))
        with pytest.raises(RefusedError, match="read it again, then sign"):
            await ask(books, "qc-sign", CARL, result=first.id, sha256=first.sha256, meaning="approved")
        assert await books.flush(DEADLINE_S)
        (kept,) = await books.results()

    assert [alarm.name for alarm in alarms.active()] == ["altered"]
    assert (kept.document, kept.signed("approved")) == (forged, ())


async def test_events_name_tests_that_there_are_and_times_that_have_been(books: QcBooks) -> None:
    await ask(books, "qc-event", what="service", text="new PMT 7", at="2025-03-01T10:00:00+01:00")
    await ask(books, "qc-event", ANNA, what="damage", text="coffee", tests=["daily-flood"])

    assert [(each.body["text"], each.by) for each in await books.events("daily-flood")] == [
        ("coffee", "anna"), ("new PMT 7", "berta"),
    ]  # fmt: skip
    assert (await books.events())[1].at_utc == "2025-03-01T09:00:00.000Z"
    with pytest.raises(MissingError, match="no test 'daily-flod'; did you mean daily-flood"):
        await ask(books, "qc-event", what="service", text="x", tests=["daily-flod"])
    for at, why in (
        ("2999-01-01T00:00:00Z", "in the future"),
        ("2025-01-01T00:00:00", "no time zone"),
        ("x", "no tim"),
    ):
        with pytest.raises(UsageError, match=why):
            await ask(books, "qc-event", what="service", text="x", at=at)


SOURCE = {
    "nuclide": "Co-57", "form": "sheet", "activity": "370 MBq", "reference": "2025-01-01T12:00:00Z",
    "certificate": "C-1", "place": "hot lab",
}  # fmt: skip


async def test_a_source_is_entered_renewed_and_has_a_log(books: QcBooks) -> None:
    assert (await ask(books, "qc-source", serial="HC-57", fields=SOURCE))["is_new"]
    await ask(books, "qc-source", serial="HC-57", fields={"place": "room 2"}, note="moved")

    assert (await books.source("HC-57")).body == {**SOURCE, "serial": "HC-57", "place": "room 2"}  # type: ignore[union-attr]
    assert [each.body["note"] for each in await books.source_notes("HC-57")] == ["moved"]
    with pytest.raises(RefusedError, match="that is another certificate"):
        await ask(books, "qc-source", serial="HC-57", fields={"activity": "400 MBq"})
    with pytest.raises(RefusedError, match="says just that already"):
        await ask(books, "qc-source", serial="HC-57", fields={"place": "room 2"})
    with pytest.raises(MissingError, match="no source 'X'"):
        await ask(books, "qc-source", serial="X", note="what")
    with pytest.raises(UsageError, match="fields or a note"):
        await ask(books, "qc-source", serial="HC-57")


def past(value: float = 3.1, at: str = "2024-05-06T07:08:00Z", **other: Any) -> dict[str, Any]:
    figure = {"name": "ufov_integral", "unit": "%", "subjects": ["head 0", "head 1"], "values": [value, None]}
    return {"test": "daily-flood", "at": at, "figures": [{**figure, **other}]}


async def test_past_results_are_taken_in_once_unjudged_and_of_version_0(books: QcBooks) -> None:
    first = await ask(books, "qc-import", documents=[past(), past(3.3, "2024-05-07T07:08:00Z"), past()])
    again = await ask(books, "qc-import", CARL, documents=[past()])
    kept = (await books.results("daily-flood"))[-1]

    assert (first["entered"], first["there"], first["refusals"]) == (2, 1, 0)
    assert (again["entered"], again["there"]) == (0, 1)
    assert (kept.document.at_utc, kept.document.by) == ("2024-05-06T07:08:00.000Z", "berta")
    assert (kept.result.level, kept.result.analysis_version) == (Level.NOT_JUDGED, 0)
    assert kept.result.figures[0].values == (3.1, None)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"name": "ufov"}, "no figure 'ufov'; known: ufov_integral"), ({"unit": "1"}, "its unit is %, not 1"),
        ({"values": [1.0]}, "1 values of 2 subjects"), ({"subjects": ["a", "a"]}, "named twice"),
        ({"subjects": ["=HYPERLINK(1)", "b"]}, "is no subject"), ({"subjects": ["a", "b\n"]}, "is no subject"),
        ({"patient": "x"}, "figures.0.patient"), ({"values": [1.0, float("nan")]}, "finite"),
    ],
)  # fmt: skip
async def test_a_past_result_that_is_wrong_is_named_and_nothing_is_entered(
    books: QcBooks, wrong: dict[str, Any], why: str
) -> None:
    with pytest.raises(UsageError, match=f"result 1: .*{why}"):
        await ask(books, "qc-import", documents=[past(), past(9.0, **wrong)])
    assert await books.results() == []


async def test_a_test_that_ran_by_itself_may_be_approved_by_anybody_who_may_approve(books: QcBooks) -> None:
    first = replace(result(1), by=DAEMON.user)
    await books.put(first)

    await ask(books, "qc-sign", CARL, result=first.id, sha256=first.sha256, meaning="approved")
    assert len((await books.result(first.id)).signed("approved")) == 1
