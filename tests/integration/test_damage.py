"""Damage anywhere: exactly the touched batches are lost and named, the others read back, nothing wrong is returned.

The oracle is simple: a batch is whole when its message's bytes still stand, in one piece, in the file.
"""

import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support_damage import MADE, use_info, use_reader, use_recover, use_verify
from support_listmode import Made, coincidences, make_directory, segment

from daq.errors import FormatError, ScandaqError, VerificationError
from daq.listmode.blocks import CONTINUATION, PAGE, read_message
from daq.storage.manifest import MANIFEST, parse_manifest
from daq.storage.reader import open_listmode
from daq.storage.recover import recover
from daq.storage.scan import scan_segment
from daq.storage.verify import Report, verify

EXAMPLES = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
Harm = Callable[[bytes], bytes]


def flip(at: int, bit: int) -> Harm:
    return lambda data: data[: at % len(data)] + bytes([data[at % len(data)] ^ 1 << bit]) + data[at % len(data) + 1 :]


def cut(at: int, size: int) -> Harm:
    return lambda data: data[: at % len(data)] + data[at % len(data) + size :]


def insert(at: int, more: bytes) -> Harm:
    return lambda data: data[: at % len(data)] + more + data[at % len(data) :]


def truncate(at: int, zeros: int) -> Harm:
    return lambda data: data[: at % len(data)] + bytes(zeros)


def zero_pages(page: int, count: int) -> Harm:
    def harm(data: bytes) -> bytes:
        start = page * PAGE % len(data)
        stop = min(start + count * PAGE, len(data))
        return data[:start] + bytes(stop - start) + data[stop:]

    return harm


def move(start: int, size: int, to: int) -> Harm:
    def harm(data: bytes) -> bytes:
        a = start % len(data)
        rest = data[:a] + data[a + size :]
        return insert(to, data[a : a + size])(rest) if rest else data

    return harm


def replace(new: bytes) -> Harm:
    return lambda _: new


offsets = st.one_of(st.integers(0, 60_000), st.integers(0, 14).map(lambda page: page * PAGE))
sizes = st.one_of(st.integers(1, 12_000), st.integers(1, 4).map(lambda pages: pages * PAGE))
harms = st.one_of(
    st.builds(flip, offsets, st.integers(0, 7)),
    st.builds(cut, offsets, sizes),
    st.builds(
        insert, offsets, st.one_of(st.binary(min_size=1, max_size=300), sizes.map(bytes), st.just(CONTINUATION * 2))
    ),
    st.builds(truncate, offsets, st.sampled_from([0, 8, PAGE, 10_000])),
    st.builds(zero_pages, st.integers(0, 14), st.integers(1, 3)),
    st.builds(move, offsets, sizes, offsets),
)


def whole_rows(made: Made, data: bytes, first_row: int) -> list[tuple[int, int]]:
    """Return the row ranges of batches whose message stands in `data`."""
    ranges, row = [], first_row
    for start, end in made.messages[1:]:
        found = read_message(memoryview(made.data), start)
        assert not isinstance(found, str)
        rows = found.facts["rows"]
        if made.data[start:end] in data:
            ranges.append((row, row + rows))
        row += rows
    return ranges


def lost_rows(report: Report) -> set[int]:
    lost: set[int] = set()
    for found in report.segments:
        for damage in found.damages:
            if damage.rows is not None:
                first, stop = damage.rows
                assert first is not None
                assert stop is not None
                lost |= set(range(first, stop))
    return lost


@EXAMPLES
@given(st.lists(harms, min_size=1, max_size=3), st.integers(0, 1))
def test_exactly_the_damaged_batches_are_lost_and_named(many: list[Harm], which: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        directory = make_directory(Path(name) / "run", MADE[:2])
        data = MADE[which].data
        for harm in many:
            data = harm(data) if data else data
        (directory / MADE[which].entry.file).write_bytes(data)
        ranges = whole_rows(MADE[which], data, 60 * which) + whole_rows(
            MADE[1 - which], MADE[1 - which].data, 60 - 60 * which
        )
        expected = pa.Table.from_batches([coincidences(a, b) for a, b in sorted(ranges)], MADE_SCHEMA)

        report = verify(directory)
        with open_listmode(directory, allow_damaged=True) as run:
            read = run.table("coincidences")

        assert read.combine_chunks() == expected.combine_chunks()
        assert lost_rows(report) == set(range(120)) - {row for a, b in ranges for row in range(a, b)}
        if data == MADE[which].data:
            assert report.verdict == "ok"
            return
        assert report.verdict == "damaged"
        with pytest.raises(VerificationError), open_listmode(directory) as run:
            run.table("coincidences")
        saved = Path(name) / "saved"
        recover(directory, saved)
        assert verify(saved).verdict == "ok"
        with open_listmode(saved) as run:
            assert run.table("coincidences").combine_chunks() == expected.combine_chunks()


MADE_SCHEMA = coincidences(0, 0).schema


def test_every_byte_of_headers_and_seal_matters(tmp_path: Path) -> None:
    made = segment("coincidences", [coincidences(0, 10), coincidences(10, 20)])
    path = tmp_path / made.entry.file
    path.write_bytes(made.data)
    (_, schema_end), first, second = made.messages
    headers = [*range(schema_end), *range(first[0], first[0] + PAGE), *range(second[0], second[0] + PAGE)]
    lost = {0: None, 1: (0, 10), 2: (10, 20)}
    with path.open("r+b", buffering=0) as file:
        for at in [*headers, *range(second[1], len(made.data))]:
            os.pwrite(file.fileno(), bytes([made.data[at] ^ 1 << at % 8]), at)
            found = scan_segment(path, expected=made.entry)
            os.pwrite(file.fileno(), made.data[at : at + 1], at)

            hit = next((i for i, (a, b) in enumerate(made.messages) if a <= at < b), None)
            assert found.damages, at
            assert [b.number for b in found.batches] == [n for n in (1, 2) if n != hit], at
            rows = [damage.rows for damage in found.damages if damage.rows is not None]
            assert rows == ([] if hit is None or lost[hit] is None else [lost[hit]]), at
    assert scan_segment(path, expected=made.entry).damages == ()


def test_every_flipped_byte_of_the_manifest_is_refused_and_recovered_from(tmp_path: Path) -> None:
    directory = make_directory(tmp_path / "run", MADE)
    text = (directory / MANIFEST).read_bytes()
    for at in range(len(text)):
        changed = text[:at] + bytes([text[at] ^ 1 << at % 8]) + text[at + 1 :]
        with pytest.raises(FormatError):
            parse_manifest(changed, MANIFEST)
    (directory / MANIFEST).write_bytes(text[: len(text) // 2])
    assert verify(directory).rows == {"coincidences": 120, "marks": 5}
    recover(directory, tmp_path / "saved")
    assert verify(tmp_path / "saved").rows == {"coincidences": 120, "marks": 5}


@EXAMPLES
@given(
    st.lists(st.one_of(harms, st.builds(replace, st.binary(max_size=5000))), min_size=1, max_size=3),
    st.sampled_from([MANIFEST, *(made.entry.file for made in MADE)]),
    st.sampled_from(["sealed", "open"]),
)
def test_no_bytes_give_a_traceback_or_wrong_rows(many: list[Harm], file: str, state: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        directory = make_directory(Path(name) / "run", MADE, state=state)
        data = (directory / file).read_bytes()
        for harm in many:
            data = harm(data) if data else data
        (directory / file).write_bytes(data)

        for use in (use_verify, use_info, use_reader, use_recover):
            with suppress(ScandaqError):
                use(directory)
