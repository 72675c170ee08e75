"""Documents read from their files alone, while others are written."""

from __future__ import annotations

from pathlib import Path

import pytest
from support_qc_books import result

from daq.errors import StorageFailedError
from daq.services.qc.entries import Wanted
from daq.services.qc.fileshelf import FileShelf
from daq.services.qc.store import Listed, Store
from daq.storage.files import Handle, StorageFiles


def test_what_is_written_while_the_folder_is_looked_through_is_found(tmp_path: Path) -> None:
    class Busy(Store):
        def listed(self) -> dict[str, Listed]:
            found = super().listed()
            self.write(late)
            shelf.add(late)
            return found

    first, late = result(1), result(2)
    store = Busy(tmp_path)
    store.write(first)
    shelf = FileShelf(store, days=100_000)
    shelf.fill()

    assert shelf.find(Wanted()) == [late, first]


def test_what_is_written_while_documents_are_looked_for_does_no_harm(tmp_path: Path) -> None:
    class Adds(tuple[str, ...]):
        __slots__ = ()

        def __contains__(self, kind: object) -> bool:
            shelf.add(late)
            return kind == "result"

    store = Store(tmp_path)
    first, second, late = result(1), result(2), result(3)
    for document in (first, second, late):
        store.write(document)
    shelf = FileShelf(store)
    for document in (first, second):
        shelf.add(document)

    assert shelf.find(Wanted(kinds=Adds(("result",)))) == [second, first]  # type: ignore[arg-type]
    assert shelf.find(Wanted())[0] == late


def test_a_year_that_was_moved_to_another_disk_and_linked_is_found(tmp_path: Path) -> None:
    store = Store(tmp_path / "qc")
    store.write(result(1))
    (tmp_path / "qc" / "2025").rename(tmp_path / "elsewhere")
    (tmp_path / "qc" / "2025").symlink_to(tmp_path / "elsewhere")
    store.write(result(2))

    assert set(store.listed()) == {result(1).id, result(2).id}


def test_a_document_is_on_the_disk_with_all_its_folders_before_it_is_kept(tmp_path: Path) -> None:
    class Told(StorageFiles):
        def sync(self, handle: Handle) -> None:
            super().sync(handle)
            done.append("file")

        def sync_directory(self, path: Path) -> None:
            super().sync_directory(path)
            done.append(path.relative_to(tmp_path).as_posix())

    done: list[str] = []
    Store(tmp_path / "qc", files=Told()).write(result(1))

    assert done == [".", "qc", "qc/2025", "file", "qc/2025/01"]


def test_a_folder_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    (tmp_path / "qc").write_text("no folder")

    with pytest.raises(StorageFailedError, match="qc cannot be read: Not a directory"):
        FileShelf(Store(tmp_path / "qc")).fill()
