"""The catalogue's service: what the daemon notes is found, also after its end; lists are bounded."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from support_catalogue import golden, identity, recording
from support_catalogue_running import DEADLINE_S, catalogue_at

from daq.errors import MissingError, UsageError
from daq.services.catalogue.database import Database
from daq.services.catalogue.entry import Acquisition, Filter
from daq.services.catalogue.service import Catalogue


async def test_what_the_daemon_notes_is_found(url: str, storage: Path) -> None:
    async with catalogue_at(url, storage) as catalogue:
        directory = recording(storage, 1, state="open", ended_by=None, sealed_utc=None)
        catalogue.note(directory)
        assert await catalogue.flush(DEADLINE_S)
        first = await catalogue.get(identity(1))

        recording(storage, 1, ended_by="operator")
        catalogue.note(directory, outcome="interrupted")
        assert await catalogue.flush(DEADLINE_S)
        second = await catalogue.get(identity(1))

    assert (first.state, first.outcome) == ("open", None)
    assert (second.state, second.outcome, second.ended_by) == ("sealed", "interrupted", "operator")


async def test_it_is_right_by_itself_when_it_starts(url: str, storage: Path) -> None:
    for number in range(250):
        recording(storage, number)

    async with catalogue_at(url, storage) as catalogue:
        assert await catalogue.flush(DEADLINE_S)

        assert await catalogue.count() == 250


async def test_what_was_noted_last_is_written_when_the_service_ends(url: str, storage: Path) -> None:
    async with catalogue_at(url, storage) as catalogue:
        assert await catalogue.flush(DEADLINE_S)
        catalogue.note(recording(storage, 1), outcome="aborted")

    database = Database(url)
    assert database.get(identity(1)).outcome == "aborted"
    database.close()


async def test_an_acquisition_without_a_manifest_can_be_added(url: str, tmp_path: Path) -> None:
    row = Acquisition(id="planned", directory=str(tmp_path / "not-yet"), state="open", outcome="aborted", protocol="p")
    async with catalogue_at(url) as catalogue:
        catalogue.add(row)
        assert await catalogue.flush(DEADLINE_S)
        found = await catalogue.get("planned")

    assert (found.state, found.outcome, found.protocol, found.keeper) == ("open", "aborted", "p", "one")


async def test_nothing_is_noted_of_a_directory_that_never_was(url: str, tmp_path: Path) -> None:
    async with catalogue_at(url) as catalogue:
        catalogue.note(tmp_path / "nothing")
        assert await catalogue.flush(DEADLINE_S)

        assert await catalogue.count() == 0


@pytest.mark.parametrize("wrong", [{"directory": "x"}, {"colour": "red"}, {"stamp": ""}, {"id": "x"}])
async def test_only_fields_that_are_known_can_be_noted(url: str, tmp_path: Path, wrong: dict[str, Any]) -> None:
    catalogue = Catalogue(url)

    with pytest.raises(UsageError, match="cannot be noted"):
        catalogue.note(tmp_path, **wrong)
    with pytest.raises(UsageError, match="not UTF-8"):
        catalogue.note(tmp_path / "\udcff")


async def test_a_directory_is_opened_by_the_name_of_its_acquisition(url: str, storage: Path) -> None:
    directory = recording(storage, 1)
    async with catalogue_at(url, storage) as catalogue:
        await catalogue.rebuild()
        assert await catalogue.open_directory(identity(1)) == directory

        shutil.rmtree(directory)
        with pytest.raises(MissingError, match="is not there"):
            await catalogue.open_directory(identity(1))
        with pytest.raises(MissingError, match="not in the catalogue"):
            await catalogue.open_directory("none")


async def test_a_verification_is_kept_in_the_catalogue(url: str, storage: Path) -> None:
    directory = golden(storage / "recording")
    async with catalogue_at(url, storage) as catalogue:
        await catalogue.rebuild()
        (row,) = await catalogue.find()
        good = await catalogue.verify(row.id)
        segment = next(directory.glob("raw-*.arrows"))
        segment.write_bytes(segment.read_bytes()[:-5000])
        bad = await catalogue.verify(row.id)

    assert (row.verified, good.verified, bad.verified) == (None, "ok", "damaged")
    assert good.verified_ms is not None


async def test_of_two_directories_of_one_acquisition_the_whole_one_is_found(url: str, storage: Path) -> None:
    recording(storage, 1, state="open")
    recovered = recording(storage / "recovered", 1, state="recovered", recovered_from=str(storage))
    async with catalogue_at(url, storage) as catalogue:
        await catalogue.rebuild()

        assert await catalogue.open_directory(identity(1)) == recovered
        assert await catalogue.count(Filter(id=identity(1))) == 2


async def test_a_list_is_bounded(url: str) -> None:
    async with catalogue_at(url) as catalogue:
        for wrong in ({"limit": 0}, {"limit": 10**9}, {"offset": -1}):
            with pytest.raises(UsageError, match="rows from"):
                await catalogue.find(**wrong)


@pytest.mark.parametrize("wrong", ["gone", ("gone",)])
def test_a_state_that_is_none_is_refused(wrong: Any) -> None:
    with pytest.raises(UsageError, match="possible are open, sealed"):
        Filter(states=(wrong,) if isinstance(wrong, str) else wrong)
