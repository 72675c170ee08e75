"""Snapshots: what is published is read whole or not at all, by any number of readers, also after the end."""

from __future__ import annotations

import errno
import fcntl
import itertools
import mmap
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from daq.errors import DeadlineError, FormatError, RefusedError
from daq.readout.snapshot import SnapshotWriter
from daq.readout.snapshotformat import DIRECTORY_AT, MAGIC, ArraySpec, array, lay_out, parse_directory, text
from daq.readout.snapshotreader import SnapshotReader

SPECS = [
    array("map", "figures", "u8", 3, 4),
    array("rates", "figures", "f8", 5),
    array("none", "figures", "i4", 0, 7),
    text("status", "words", most_bytes=100),
]
FIGURES = {
    "map": np.arange(12, dtype="u8").reshape(3, 4),
    "rates": np.linspace(0, 1, 5),
    "none": np.zeros((0, 7), "i4"),
}


@pytest.fixture
def writer() -> Iterator[SnapshotWriter]:
    with SnapshotWriter(SPECS, about={"unit": "counts"}) as writer:
        yield writer


def reader_of(writer: SnapshotWriter) -> SnapshotReader:
    return SnapshotReader(writer.duplicate())


@contextmanager
def descriptor(writer: SnapshotWriter) -> Iterator[int]:
    fd = writer.duplicate()
    yield fd
    os.close(fd)


@contextmanager
def descriptors_kept() -> Iterator[None]:
    before = len(list(Path("/proc/self/fd").iterdir()))
    yield
    assert len(list(Path("/proc/self/fd").iterdir())) == before


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


def _all_of(number: int, length: int) -> dict[str, Any]:
    return {"a": np.full(length, number, "u8"), "b": np.full(3, number, "u8"), "t": f"{number}"}


def mixed_specs(length: int) -> list[ArraySpec]:
    return [array("a", "g", "u8", length), array("b", "g", "u8", 3), text("t", "g", most_bytes=20)]


@pytest.mark.parametrize("length", [1, 1000, 30_000])
def test_no_reader_ever_sees_a_mixture_while_the_writer_writes_at_full_speed(length: int) -> None:
    seen: list[list[int]] = []
    stop = threading.Event()

    def write(writer: SnapshotWriter) -> None:
        number = 2
        while not stop.is_set():
            writer.publish("g", _all_of(number, length))
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
        writer.publish("g", _all_of(1, length))
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


class Meddled:
    """An array between whose elements, when it is read, something else happens."""

    def __init__(self, content: Any, meddle: Callable[[], None]) -> None:
        self._content = content
        self._meddle = meddle

    def __getitem__(self, key: Any) -> Any:
        self._meddle()
        found = self._content[key]
        if not isinstance(key, slice):
            return found
        first = found[: len(found) // 2].copy()
        self._meddle()
        return np.concatenate([first, found[len(found) // 2 :]])


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from([0, 0, 0, 0, 1, 1, 2, 3]), max_size=60))
def test_whatever_the_writer_does_between_two_steps_of_a_reader_no_mixture_comes_out(steps: list[int]) -> None:
    with SnapshotWriter(mixed_specs(20)) as writer, reader_of(writer) as reader:
        writer.publish("g", _all_of(1, 20))
        published = [1]

        def meddle() -> None:
            for _ in range(steps.pop() if steps else 0):
                published.append(published[-1] + 1)
                writer.publish("g", _all_of(published[-1], 20))

        reader._words = Meddled(reader._words, meddle)  # type: ignore[assignment]
        reader._bytes = Meddled(reader._bytes, meddle)  # type: ignore[assignment]
        reading = reader.read("g", deadline_s=20.0)

    found = {*reading.arrays["a"].tolist(), *reading.arrays["b"].tolist(), int(reading.texts["t"])}
    assert found == {reading.sequence}
    assert reading.sequence in published


def test_a_publication_broken_off_in_the_middle_leaves_the_one_before() -> None:
    with SnapshotWriter(mixed_specs(100)) as writer, reader_of(writer) as reader:
        for number in (1, 2, 3):
            writer.publish("g", _all_of(number, 100))
        group = writer._directory.groups["g"]
        slot = group.slots[4 % 2]
        writer._words[slot // 8] = 4
        writer._copy(slot + group.arrays["a"].at, 4, np.full(80, 9, "u1"))

        reading = reader.read("g", deadline_s=0.1)

    assert (reading.sequence, set(reading.arrays["a"].tolist()), reading.texts["t"]) == (3, {3}, "3")


@pytest.mark.parametrize("offset", [0, 8], ids=["begin", "end"])
def test_a_slot_that_never_becomes_whole_is_a_deadline_not_a_hang(offset: int) -> None:
    with SnapshotWriter(mixed_specs(100)) as writer, reader_of(writer) as reader:
        writer.publish("g", _all_of(1, 100))
        writer._words[(writer._directory.groups["g"].slots[1] + offset) // 8] += 2
        began = time.monotonic()
        with pytest.raises(DeadlineError, match=r"group 'g' was written over .* the deadline is 0\.05 s"):
            reader.read("g", deadline_s=0.05)

    assert time.monotonic() - began < 5.0


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_any_flipped_bit_of_an_array_is_found_out(data: st.DataObject) -> None:
    with SnapshotWriter(mixed_specs(20)) as writer, reader_of(writer) as reader:
        writer.publish("g", _all_of(1, 20))
        group = writer._directory.groups["g"]
        name, length = data.draw(st.sampled_from([("a", 160), ("b", 24), ("t", 1)]))
        at = group.slots[1] + group.arrays[name].at + 64 + data.draw(st.integers(0, length - 1))
        writer._bytes[at] ^= 1 << data.draw(st.integers(0, 7))
        with pytest.raises(DeadlineError):
            reader.read("g", deadline_s=0.0)


@settings(max_examples=50, deadline=None)
@given(
    st.dictionaries(
        st.text(min_size=1, max_size=10),
        hnp.arrays(
            st.sampled_from(["u1", "i2", "u4", "i8", "f4", "f8"]), hnp.array_shapes(min_dims=0, max_dims=3, min_side=0)
        ),
        min_size=1,
        max_size=6,
    )
)
def test_any_arrays_come_back_byte_for_byte(values: dict[str, Any]) -> None:
    specs = [array(name, "g", value.dtype, *value.shape) for name, value in values.items()]
    with SnapshotWriter(specs) as writer, reader_of(writer) as reader:
        for _ in range(3):
            writer.publish("g", values)
        reading = reader.read("g")

    assert reading.sequence == 3
    for name, value in values.items():
        assert reading.arrays[name].tobytes() == value.tobytes()
        assert (reading.arrays[name].shape, reading.arrays[name].dtype) == (value.shape, value.dtype)


# What is no snapshot


def memory(content: bytes, *, seals: int = fcntl.F_SEAL_SHRINK) -> int:
    fd = os.memfd_create("test", os.MFD_ALLOW_SEALING)
    os.write(fd, content)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
    return fd


WHOLE = lay_out(SPECS, {}, 1)[1].ljust(lay_out(SPECS, {}, 1)[0].total_bytes, b"\0")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "0 bytes"),
        (b"x" * 4096, "begins with"),
        (WHOLE.replace(MAGIC + b"\x01", MAGIC + b"\x02"), "version 2; this build knows 1"),
        (WHOLE[:-4096], "bytes announced"),
        (WHOLE.replace(b'"groups"', b'"grapes"'), "cannot be understood"),
        (WHOLE.replace(b'"|u1"', b'"|O8"'), "dtype"),
        (WHOLE.replace(b'"<u8"', b'"<c8"'), "dtype"),
        (WHOLE.replace(b"[3,4]", b"[3,9]"), "bytes at"),
        (WHOLE.replace(b"[3,4]", b"[-12]"), "cannot be understood"),
        (WHOLE.replace(b'"at":64', b'"at":65'), "offset 65"),
    ],
)
def test_memory_that_is_no_snapshot_is_refused_in_words(content: bytes, words: str) -> None:
    with descriptors_kept():
        fd = memory(content)
        with pytest.raises(FormatError, match=words):
            SnapshotReader(fd)


def test_memory_that_can_shrink_under_a_reader_is_refused(tmp_path: Path) -> None:
    with descriptors_kept():
        unsealed = memory(WHOLE, seals=0)
        with pytest.raises(FormatError, match="may change"):
            SnapshotReader(unsealed)
        (tmp_path / "file").write_bytes(WHOLE)
        file = os.open(tmp_path / "file", os.O_RDONLY)
        with pytest.raises(FormatError, match="may change"):
            SnapshotReader(file)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 40), st.binary(max_size=60), st.integers(0, 1200))
def test_damaged_headers_are_refused_or_read_within_bounds(kept: int, garbage: bytes, at: int) -> None:
    content = bytearray(WHOLE)
    content[at : at + len(garbage)] = garbage
    content[:kept] = WHOLE[:kept]
    try:
        reader = SnapshotReader(memory(bytes(content)))
    except FormatError:
        return
    with reader:
        for spec in reader.specs:
            assert spec.nbytes <= len(content)


def test_every_array_of_a_directory_lies_inside_and_none_overlap() -> None:
    directory, header = lay_out(SPECS, {"x": "y" * 5000}, 1)
    length = len(header) - DIRECTORY_AT
    places = sorted(
        (slot + place.at, slot + place.at + 64 + place.spec.nbytes)
        for group in directory.groups.values()
        for slot in group.slots
        for place in group.arrays.values()
    )

    assert parse_directory(header[DIRECTORY_AT:], directory.total_bytes) == directory
    assert places[0][0] > DIRECTORY_AT + length
    assert places[-1][1] <= directory.total_bytes
    assert all(end <= begin for (_, end), (begin, _) in itertools.pairwise(places))
