"""Snapshots of a writer that died, of damaged memory, of memory that is none: refused, or read within bounds."""

from __future__ import annotations

import fcntl
import itertools
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from support_snapshot import SPECS, all_of, descriptors_kept, mixed_specs, reader_of

from daq.errors import DeadlineError, FormatError
from daq.readout.snapshot import SnapshotWriter
from daq.readout.snapshotformat import DIRECTORY_AT, MAGIC, array, lay_out, parse_directory
from daq.readout.snapshotreader import SnapshotReader


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


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from([0, 0, 0, 0, 1, 1, 2, 3]), max_size=60))
def test_whatever_the_writer_does_between_two_steps_of_a_reader_no_mixture_comes_out(steps: list[int]) -> None:
    with SnapshotWriter(mixed_specs(20)) as writer, reader_of(writer) as reader:
        writer.publish("g", all_of(1, 20))
        published = [1]

        def meddle() -> None:
            for _ in range(steps.pop() if steps else 0):
                published.append(published[-1] + 1)
                writer.publish("g", all_of(published[-1], 20))

        reader._words = Meddled(reader._words, meddle)  # type: ignore[assignment]
        reader._bytes = Meddled(reader._bytes, meddle)  # type: ignore[assignment]
        reading = reader.read("g", deadline_s=20.0)

    found = {*reading.arrays["a"].tolist(), *reading.arrays["b"].tolist(), int(reading.texts["t"])}
    assert found == {reading.sequence}
    assert reading.sequence in published


def test_a_publication_broken_off_in_the_middle_leaves_the_one_before() -> None:
    with SnapshotWriter(mixed_specs(100)) as writer, reader_of(writer) as reader:
        for number in (1, 2, 3):
            writer.publish("g", all_of(number, 100))
        group = writer._directory.groups["g"]
        slot = group.slots[4 % 2]
        writer._words[slot // 8] = 4
        writer._copy(slot + group.arrays["a"].at, 4, np.full(80, 9, "u1"))

        reading = reader.read("g", deadline_s=0.1)

    assert (reading.sequence, set(reading.arrays["a"].tolist()), reading.texts["t"]) == (3, {3}, "3")


@pytest.mark.parametrize("offset", [0, 8], ids=["begin", "end"])
def test_a_slot_that_never_becomes_whole_is_a_deadline_not_a_hang(offset: int) -> None:
    with SnapshotWriter(mixed_specs(100)) as writer, reader_of(writer) as reader:
        writer.publish("g", all_of(1, 100))
        writer._words[(writer._directory.groups["g"].slots[1] + offset) // 8] += 2
        began = time.monotonic()
        with pytest.raises(DeadlineError, match=r"group 'g' was written over .* the deadline is 0\.05 s"):
            reader.read("g", deadline_s=0.05)

    assert time.monotonic() - began < 5.0


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_any_flipped_bit_of_an_array_is_found_out(data: st.DataObject) -> None:
    with SnapshotWriter(mixed_specs(20)) as writer, reader_of(writer) as reader:
        writer.publish("g", all_of(1, 20))
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
