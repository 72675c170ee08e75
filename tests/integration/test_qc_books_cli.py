"""`daq qc history`, show, sign, strike, reference, event, source, import, export: with a station, and without one."""

from __future__ import annotations

import asyncio
import getpass
import json
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support_cli import Done, call
from support_qc_books import DEADLINE_S, books_at, moment, result

from daq.model.qc.documents import document_from
from daq.model.qc.figures import Figure, Level
from daq.model.qc.limits import QcTest
from daq.model.station import Actor, Role, utc_now
from daq.model.verbs import checked
from daq.services.bus import Bus
from daq.services.localapi import LocalApi
from daq.services.qc.books import QcBooks
from daq.services.qc.importing import Importing
from daq.services.qc.register import Register
from daq.services.qc.signing import Signing, Where

ME = getpass.getuser()
TESTS = {"daily-flood": QcTest(title="Daily flood", analysis="planar-uniformity")}


@dataclass(frozen=True)
class Here:
    """A station whose books are kept, its site file, and the command line of a person at it."""

    books: QcBooks
    site: Path
    ask: Callable[..., Awaitable[Done]]


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Here]:
    socket = Path(tempfile.mkdtemp(prefix="scandaq-qc-")) / "s"
    site = tmp_path / "site.toml"
    site.write_text(f'schema = "site/0"\nstation = "one"\nstorage = "store"\nsocket = "{socket}"\nsimulated = true\n')
    state = tmp_path / "store" / "station"
    async with books_at(f"sqlite:///{state}/catalogue.sqlite", state / "qc") as books:
        where = Where("one", "cam", simulated=True)
        parts = (Signing(books, where), Register(books, where, TESTS), Importing(books, where, TESTS))
        handlers = {verb: work for part in parts for verb, work in part.handlers().items()}

        async def command(verb: str, args: dict[str, object], actor: Actor) -> dict[str, object]:
            return await handlers[verb](checked(verb, args, actor), actor)

        api = LocalApi(socket, None, command, Bus(), lambda _, __: Role.PHYSICIST)
        serving = asyncio.create_task(api.run(), name="api")
        await api.serving()

        async def ask(*arguments: object) -> Done:
            return await asyncio.to_thread(call, "qc", *arguments, "--site", site)

        yield Here(books, site, ask)
        serving.cancel()
        with suppress(asyncio.CancelledError):
            await serving
    socket.parent.rmdir()


async def test_results_are_listed_shown_signed_made_the_reference_and_struck_out(here: Here) -> None:
    for day in (1, 2):
        await here.books.put(result(day))
    await here.books.put(bad := result(3, level=Level.ACTION, obstacles=("half a flood",)))
    newest = result(2)

    listed = await here.ask("history", "daily-flood", "--until", "2025-01-03")
    shown = await here.ask("show", newest.id)
    unasked = await here.ask("sign", newest.id, "--meaning", "approved")
    signed = await here.ask("sign", newest.id, "--meaning", "approved", "--yes")
    reference = await here.ask("reference", newest.id, "--reason", "acceptance")
    struck = await here.ask("strike", newest.id, "--reason", "wrong phantom")
    after = await here.ask("history", "--level", "in limits")

    assert [line.split()[-1] for line in listed.out.splitlines()[2:]] == [newest.id, result(1).id]
    assert newest.sha256 in shown.out
    assert "efficiency  block 2    2.3  %       0.5  not judged" in shown.out
    assert (unasked.code, unasked.err) == (2, "daq: nobody can be asked here: say --yes where you mean it\n")
    assert f"signed as approved by {ME}" in signed.out
    assert f"{newest.id} is the reference of daily-flood" in reference.out
    assert "was the reference of its test: there is none until" in struck.err
    first = after.out.splitlines()[2]
    assert "struck out" in first
    assert f"{ME} approved" in first
    assert "not evaluable: half a flood" in (await here.ask("show", "daily-flood")).out
    await here.ask("sign", bad.id, "--meaning", "approved", "--yes")
    refused = await here.ask("reference", bad.id)
    assert (refused.code, "a reference is in limits, or not judged" in refused.err) == (3, True), refused


async def test_books_are_read_without_a_daemon_and_say_where_there_are_none(here: Here, tmp_path: Path) -> None:
    for day in (1, 2):
        await here.books.put(result(day, at=utc_now()))
    await here.books.flush(DEADLINE_S)
    (catalogue,) = (tmp_path / "store" / "station").glob("catalogue.sqlite")
    catalogue.rename(catalogue.with_name("gone"))

    listed = await here.ask("history", "--json")
    nothing = await here.ask("show", "bars")
    other = tmp_path / "other.toml"
    other.write_text('schema = "site/0"\nstation = "two"\nstorage = "other"\n')

    assert len(listed.json["results"]) == 2
    assert "the database does not answer" in listed.err
    assert (nothing.code, "no result 'bars'" in nothing.err) == (4, True)
    empty = await asyncio.to_thread(call, "qc", "history", "--site", other)
    assert (empty.code, "no books of quality control yet" in empty.err) == (4, True)


async def test_a_figure_of_many_subjects_is_shown_by_what_is_beyond_its_limits(here: Here) -> None:
    from daq.model.qc.documents import Judged

    names = tuple(f"block {number}" for number in range(448))
    figure = Figure("efficiency", "%", names, tuple(float(number) for number in range(448)))
    judged = (Judged("efficiency", "block 17", Level.ACTION, "efficiency of block 17 is 17 %, below 20 %"),)
    await here.books.put(first := result(1, figures=(figure,), judged=judged))

    few, all_ = await here.ask("show", first.id), await here.ask("show", first.id, "--all")

    assert ["efficiency", "block", "17", "17", "%", "action"] in [line.split() for line in few.out.splitlines()]
    assert "447 others  0 to 447" in few.out
    assert "judged: efficiency of block 17 is 17 %, below 20 %" in few.out
    assert len(all_.out.splitlines()) > 448 > len(few.out.splitlines())


async def test_events_and_sources_are_entered_and_listed(here: Here) -> None:
    fields = ["nuclide=Co-57", "form=sheet", "activity=370 MBq", "reference=2025-01-01T12:00:00Z", "certificate=C-1",
              "place=hot lab", "co56_percent=0.01"]  # fmt: skip

    noted = await here.ask("event", "service", "new PMT", "--at", "2025-02-03T07:00:00+01:00", "--test", "daily-flood")
    added = await here.ask("source", "add", "HC-57", *fields)
    again = await here.ask("source", "add", "HC-57", "place=room 2", "--note", "moved")
    await here.ask("source", "note", "HC-57", "leak test done")
    wrong = await here.ask("source", "add", "HC-57", "co56_percent=many")
    listed = await here.ask("source", "list", "HC-57")

    assert noted.out == "service noted for 2025-02-03T06:00:00.000Z: daily-flood\n"
    assert (added.out, again.out) == (
        "source HC-57 is entered in the register\n", "source HC-57 is renewed in the register\n",
    )  # fmt: skip
    assert (wrong.code, "must be a number" in wrong.err) == (2, True)
    assert "370 MBq on 2025-01-01  room 2" in listed.out
    assert [line.rpartition(": ")[2] for line in listed.out.splitlines()[3:]] == ["leak test done", "moved"]


async def test_past_results_are_looked_at_first_then_taken_in_once(here: Here, tmp_path: Path) -> None:
    table = tmp_path / "past.csv"
    table.write_text("Date,IU\n2020-02-03,3.1\n2020-02-04,high\n2020-02-05,3.3\n")
    how = [
        "import",
        table,
        "--test",
        "daily-flood",
        "--column",
        "ufov_integral[%]=IU",
        "--date",
        "Date",
        "--zone",
        "UTC",
    ]

    looked = await here.ask(*how)
    skipping = [await here.ask(*how, "--skip-wrong", "--yes") for _ in range(2)]
    (table.parent / "other.csv").write_text("Date,IU\n2020-02-03,3.1\n")
    unknown = await here.ask("import", tmp_path / "other.csv", *how[2:4], "--column", "iu[%]=IU", *how[6:], "--yes")

    assert (looked.code, "nothing is entered: mend the lines" in looked.out) == (3, True)
    assert "line 3: 'high' is no number" in looked.err
    assert "2 entered, 0 were there already" in skipping[0].out
    assert "0 entered, 2 were there already" in skipping[1].out
    assert [kept.document.at_utc for kept in await here.books.results()] == [
        "2020-02-05T12:00:00.000Z", "2020-02-03T12:00:00.000Z",
    ]  # fmt: skip
    assert (unknown.code, "planar-uniformity has no figure 'iu'" in unknown.err) == (2, True)


async def test_documents_are_exported_with_their_hashes_and_values_as_a_table(here: Here, tmp_path: Path) -> None:
    await here.books.put(first := result(1))
    await here.ask("sign", first.id, "--meaning", "reviewed", "--yes")
    await here.ask("event", "service", "new PMT")

    told = json.loads((await here.ask("export", "--json")).out)
    written = await here.ask("export", "--csv", "--out", tmp_path / "out.csv")
    again = await here.ask("export", "--csv", "--out", tmp_path / "out.csv")

    documents = [document_from(each) for each in told["documents"]]
    assert [each.kind for each in documents] == ["result", "signature", "event"]
    assert documents[0] == first
    assert (written.code, again.code, "is there already" in again.err) == (0, 3, True)
    assert text_of(tmp_path / "out.csv").splitlines()[1] == (
        f"{first.id},daily-flood,{moment(1)},in limits,efficiency,%,block 0,1.1,0.5,"
    )


def text_of(path: Path) -> str:
    return path.read_text()


async def test_a_large_table_goes_to_the_station_in_portions(here: Here, tmp_path: Path) -> None:
    table = tmp_path / "past.csv"
    days = [f"{2000 + n // 336}-{1 + n // 28 % 12:02d}-{1 + n % 28:02d},{n}.5" for n in range(120)]
    write(table, "Date,IU\n" + "\n".join(days) + "\n")
    how: list[Any] = ["--test", "daily-flood", "--column", "ufov_integral[%]=IU", "--date", "Date", "--zone", "UTC"]

    done = (await here.ask("import", table, *how, "--yes", "--json")).json

    assert (done["entered"], done["there"], done["refused"]) == (120, 0, [])
    series = await here.books.series("daily-flood", "ufov_integral")
    assert series.values[:, 0].tolist() == [n + 0.5 for n in range(120)]


def write(path: Path, text: str) -> None:
    path.write_text(text)
