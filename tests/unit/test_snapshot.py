"""Snapshots: what is published is read whole or not at all, by any number of readers, also after the end."""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from support_snapshot import FIGURES, SPECS, all_of, descriptors_kept, mixed_specs, reader_of

from daq.errors import RefusedError
from daq.readout.snapshot import SnapshotWriter
from daq.readout.snapshotformat import ArraySpec, array, lay_out, text
from daq.readout.snapshotreader import SnapshotReader


@pytest.fixture
def writer() -> Iterator[SnapshotWriter]:
    with SnapshotWriter(SPECS, about={"unit": "counts"}) as writer:
        yield writer


@contextmanager
def descriptor(writer: SnapshotWriter) -> Iterator[int]:
    fd = writer.duplicate()
    yield fd
    os.close(fd)


def test_what_is_published_is_read_with_its_number_and_time(writer: SnapshotWriter) -> None:
    with reader_of(writer) as reader:
        assert writer.publish("figures", FIGURES, now_ns=77) == 1
        reading = reader.read("figures")

    assert (reading.sequence, reading.published_ns) == (1, 77)
    assert {name: found.tolist() for name, found in reading.arrays.items()} == {
        name: given.tolist() for name, given in FIGURES.items()
    }
    assert [found.dtype.str for found in reading.arrays.values()] == ["<u8", "<f8", "<i4"]


def test_a_reader_finds_shapes_and_what_the_writer_says_of_them(writer: SnapshotWriter) -> None:
    with reader_of(writer) as reader:
        assert reader.specs == tuple(SPECS)
        assert reader.about == {"unit": "counts"}
        assert reader.writer_pid == os.getpid()


def test_before_the_first_publication_everything_is_zero_under_the_number_0(writer: SnapshotWriter) -> None:
    with reader_of(writer) as reader:
        figures, words = reader.read("figures"), reader.read("words")

    assert (figures.sequence, words.sequence) == (0, 0)
    assert not figures.arrays["map"].any()
    assert figures.arrays["map"].shape == (3, 4)
    assert words.texts == {"status": ""}


def test_groups_are_numbered_apart_and_one_array_can_be_read_alone(writer: SnapshotWriter) -> None:
    with reader_of(writer) as reader:
        for state in ("arming", "recording", "sealed ✓"):
            writer.publish("words", {"status": state})
        writer.publish("figures", FIGURES)

        assert reader.read("words").texts == {"status": "sealed ✓"}
        assert list(reader.read("figures", ["rates"]).arrays) == ["rates"]
        assert (reader.sequence("words"), reader.sequence("figures")) == (3, 1)


def test_a_text_can_become_shorter(writer: SnapshotWriter) -> None:
    with reader_of(writer) as reader:
        for _ in range(2):
            writer.publish("words", {"status": "a long one"})
        writer.publish("words", {"status": ""})

        assert reader.read("words").texts == {"status": ""}


def test_what_was_read_is_a_copy(writer: SnapshotWriter) -> None:
    with reader_of(writer) as reader:
        writer.publish("figures", FIGURES)
        read = reader.read("figures").arrays["rates"]
        for _ in range(2):
            writer.publish("figures", {**FIGURES, "rates": np.zeros(5)})

    assert read.tolist() == FIGURES["rates"].tolist()


@pytest.mark.parametrize(
    ("group", "values", "words"),
    [
        ("figures", {"map": FIGURES["map"]}, r"has the arrays \['map', 'none', 'rates'\], not \['map'\]"),
        ("figures", {**FIGURES, "rates": np.zeros(6)}, r"float64 \(6,\), declared <f8 \(5,\)"),
        ("figures", {**FIGURES, "rates": np.zeros(5, "f4")}, r"float32 \(5,\), declared <f8"),
        ("figures", {**FIGURES, "rates": "fast"}, "is no text"),
        ("words", {"status": np.zeros(3, "u1")}, "is a text"),
        ("words", {"status": "x" * 101}, "101 bytes; 100 fit"),
        ("words", {"status": "é" * 51}, "102 bytes; 100 fit"),
    ],
)
def test_values_that_do_not_fit_are_refused_and_change_nothing(
    writer: SnapshotWriter, group: str, values: dict[str, Any], words: str
) -> None:
    with pytest.raises(RefusedError, match=words), reader_of(writer) as reader:
        writer.publish(group, values)

    with reader_of(writer) as reader:
        assert reader.sequence(group) == 0


@pytest.mark.parametrize(
    "make",
    [
        lambda: array("a", "g", "c16", 3),
        lambda: array("a", "g", "O", 3),
        lambda: array("a", "g", "u8", -1),
        lambda: ArraySpec("a", "g", "<u8", (3,), text=True),
        lambda: lay_out([array("a", "g", "u8", 1), array("a", "h", "u8", 1)], {}, 1),
    ],
)
def test_declarations_that_make_no_sense_are_refused(make: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"dtype|shape|text|two arrays"):
        make()


def test_a_reader_outlives_the_writer_and_says_that_it_has_finished(writer: SnapshotWriter) -> None:
    with reader_of(writer) as reader:
        writer.publish("figures", FIGURES)
        assert not reader.finished
        writer.close()
        writer.close()

        assert reader.finished
        assert reader.read("figures").arrays["rates"].tolist() == FIGURES["rates"].tolist()


def test_after_closing_nothing_is_published_or_given_away(writer: SnapshotWriter) -> None:
    writer.close()
    with pytest.raises(RefusedError, match="closed"):
        writer.publish("figures", FIGURES)
    with pytest.raises(RefusedError, match="closed"):
        writer.duplicate()


def test_no_descriptor_stays_open() -> None:
    with descriptors_kept():
        for _ in range(5):
            with SnapshotWriter(SPECS) as writer, reader_of(writer) as first, reader_of(writer) as second:
                writer.publish("figures", FIGURES)
                assert first.read("figures").sequence == second.read("figures").sequence == 1


def test_others_can_neither_write_nor_resize_the_memory(writer: SnapshotWriter) -> None:
    assert writer.write_sealed
    with descriptor(writer) as fd:
        for attempt in (lambda: mmap.mmap(fd, 0), lambda: os.write(fd, b"x"), lambda: os.ftruncate(fd, 64)):
            with pytest.raises(PermissionError):
                attempt()
        with pytest.raises(PermissionError):
            fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE)


def test_texts_declared_long_take_no_memory() -> None:
    with SnapshotWriter([text("ledger", "ledger", most_bytes=1 << 30)]) as writer:
        writer.publish("ledger", {"ledger": "short"})
        with descriptor(writer) as fd:
            assert os.fstat(fd).st_blocks * 512 < 64 << 10


def test_memory_of_numbers_is_taken_at_once() -> None:
    with SnapshotWriter([array("map", "figures", "u8", 100_000)]) as writer, descriptor(writer) as fd:
        assert os.fstat(fd).st_blocks * 512 >= 2 * 800_000


def test_too_little_memory_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: int) -> None:
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    with descriptors_kept(), pytest.raises(RefusedError, match=r"no memory for \d+ bytes .* Cannot allocate"):
        SnapshotWriter(SPECS)


# Mixtures: everything equal within a publication, so that any mixture shows.


@pytest.mark.parametrize("length", [1, 1000, 30_000])
def test_no_reader_ever_sees_a_mixture_while_the_writer_writes_at_full_speed(length: int) -> None:
    seen: list[list[int]] = []
    stop = threading.Event()

    def write(writer: SnapshotWriter) -> None:
        number = 2
        while not stop.is_set():
            writer.publish("g", all_of(number, length))
            number += 1

    def read(reader: SnapshotReader) -> None:
        numbers = []
        for _ in range(700):
            reading = reader.read("g", deadline_s=20.0)
            ends = {int(reading.arrays["a"].min()), int(reading.arrays["a"].max())}
            found = {*ends, *reading.arrays["b"].tolist(), int(reading.texts["t"])}
            assert found == {reading.sequence}
            numbers.append(reading.sequence)
        seen.append(numbers)

    with SnapshotWriter(mixed_specs(length)) as writer:
        writer.publish("g", all_of(1, length))
        writing = threading.Thread(target=write, args=(writer,))
        readers = [threading.Thread(target=read, args=(reader_of(writer),)) for _ in range(2)]
        for thread in (writing, *readers):
            thread.start()
        for thread in readers:
            thread.join(60)
        stop.set()
        writing.join(10)

    assert len(seen) == 2
    assert all(numbers == sorted(numbers) for numbers in seen)
