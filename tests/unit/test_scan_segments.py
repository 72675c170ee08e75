"""The walk over a segment: what is found, what is named lost, and that bytes from strangers do no harm."""

import random
import time
from pathlib import Path

import pytest
from support_listmode import coincidences, segment, six_batches

from daq.errors import FormatError, MissingError, RefusedError
from daq.listmode.blocks import END_OF_STREAM, PAGE, next_candidate, read_message
from daq.storage.scan import SegmentScan, scan_segment

NAME = "coincidences-00000.arrows"


def scan(tmp_path: Path, data: bytes, *, growing: bool = False, known: bool = True) -> SegmentScan:
    path = tmp_path / NAME
    path.write_bytes(data)
    return scan_segment(path, expected=six_batches().entry if known else None, growing=growing)


def numbers(found: SegmentScan) -> list[int]:
    return [batch.number - 1 for batch in found.batches]


def test_a_whole_segment_has_all_batches_and_no_damage(tmp_path: Path) -> None:
    made = six_batches()

    found = scan(tmp_path, made.data)

    assert numbers(found) == [0, 1, 2, 3, 4, 5]
    assert [(batch.start, batch.end) for batch in found.batches] == made.messages[1:]
    assert (found.rows, found.sealed, found.damages, found.tail) == (60, True, (), None)
    assert f"{found.chain:08x}" == made.entry.crc_chain


def test_a_flipped_body_byte_loses_that_batch_and_names_its_rows(tmp_path: Path) -> None:
    made = six_batches()
    start, end = made.messages[3]
    data = bytearray(made.data)
    data[end - PAGE] ^= 1

    found = scan(tmp_path, bytes(data))

    assert numbers(found) == [0, 1, 3, 4, 5]
    assert [(d.start, d.end, d.rows) for d in found.damages] == [(start, end, (20, 30))]
    assert "CRC-32" in found.damages[0].reason


@pytest.mark.parametrize("known", [True, False])
def test_a_batch_cut_out_cleanly_is_missed_by_its_number(tmp_path: Path, known: bool) -> None:
    made = six_batches()
    (start, _), (_, end) = made.messages[2], made.messages[3]

    found = scan(tmp_path, made.data[:start] + made.data[end:], known=known)

    assert numbers(found) == [0, 3, 4, 5]
    assert [(d.start, d.end, d.rows) for d in found.damages] == [(start, start, (10, 30))]
    assert found.damages[0].reason == "batches 1 to 2 are not in the file"


def test_batches_cut_from_the_end_are_missed_thanks_to_the_manifest(tmp_path: Path) -> None:
    made = six_batches()
    cut = made.messages[5][0]

    found = scan(tmp_path, made.data[:cut] + END_OF_STREAM)

    assert [d.rows for d in found.damages] == [(40, 60)]
    assert found.sealed


def test_without_a_manifest_a_cut_end_is_of_unknown_length(tmp_path: Path) -> None:
    made = six_batches()

    found = scan(tmp_path, made.data[: made.messages[5][0]], known=False)

    assert [d.rows for d in found.damages] == [(40, None)]
    assert str(found.damages[0]).endswith("rows 40 up to, not including, (not known) are lost")


def test_inserted_bytes_lose_no_rows_and_shift_nothing(tmp_path: Path) -> None:
    made = six_batches()
    at = made.messages[4][0]

    found = scan(tmp_path, made.data[:at] + b"sand in the works" + made.data[at:])

    assert numbers(found) == [0, 1, 2, 3, 4, 5]
    assert [(d.start, d.end, d.rows) for d in found.damages] == [(at, at + 17, None)]


def test_a_message_written_twice_is_read_once(tmp_path: Path) -> None:
    made = six_batches()
    start, end = made.messages[2]

    found = scan(tmp_path, made.data[:end] + made.data[start:])

    assert numbers(found) == [0, 1, 2, 3, 4, 5]
    assert [(d.start, d.reason, d.rows) for d in found.damages] == [(end, "a second copy of batch 1", None)]


def test_messages_that_changed_places_are_read_in_order(tmp_path: Path) -> None:
    made = six_batches()
    (a, b), (_, c) = made.messages[2], made.messages[3]

    found = scan(tmp_path, made.data[:a] + made.data[b:c] + made.data[a:b] + made.data[c:])

    assert numbers(found) == [0, 1, 2, 3, 4, 5]
    assert [batch.first_row for batch in found.batches] == [0, 10, 20, 30, 40, 50]
    assert ["read in its place" in d.reason for d in found.damages] == [True]


def test_a_message_of_another_stream_or_segment_is_not_taken(tmp_path: Path) -> None:
    made, other = six_batches(), six_batches(index=1, first_row=60)
    at = made.messages[3][0]
    (a, b) = other.messages[3]

    found = scan(tmp_path, made.data[:at] + other.data[a:b] + made.data[at:])

    assert numbers(found) == [0, 1, 2, 3, 4, 5]
    assert [d.reason for d in found.damages] == ["a message of coincidences segment 1"]


@pytest.mark.parametrize("place", [1, 2, 4, 6])
def test_a_message_of_another_recording_does_not_continue_the_chain(tmp_path: Path, place: int) -> None:
    made = six_batches()
    stranger = segment("coincidences", [coincidences(1000 + i, 1010 + i) for i in range(6)])
    (a, b), (c, d) = made.messages[place], stranger.messages[place]

    found = scan(tmp_path, made.data[:a] + stranger.data[c:d] + made.data[b:])

    assert numbers(found) == [n for n in range(6) if n != place - 1]
    assert all(batch in scan(tmp_path, made.data).batches for batch in found.batches)
    assert any("does not continue its neighbours" in d.reason for d in found.damages)


def test_a_whole_segment_inside_a_damaged_body_is_not_taken_for_the_segment(tmp_path: Path) -> None:
    made = six_batches()
    stranger = segment("coincidences", [coincidences(1000 + i, 1010 + i) for i in range(3)])
    start, end = made.messages[4]

    found = scan(tmp_path, made.data[:start] + stranger.data + made.data[end:])

    assert numbers(found) == [0, 1, 2, 4, 5]
    assert (30, 40) in [d.rows for d in found.damages]


def test_bytes_after_the_seal_are_named(tmp_path: Path) -> None:
    made = six_batches()

    found = scan(tmp_path, made.data + b"more")

    assert numbers(found) == [0, 1, 2, 3, 4, 5]
    assert "4 bytes follow the end-of-stream marker" in found.damages[0].reason
    assert not found.sealed


@pytest.mark.parametrize(
    ("cut", "zeros", "batches", "reason"),
    [(0, 0, 6, "not sealed"), (0, 3 * PAGE, 6, "zeros"), (100, 0, 5, "a body of"), (PAGE + 100, 9 * PAGE, 5, "CRC-32")],
)
def test_a_growing_file_has_a_tail_and_no_damage(
    tmp_path: Path, cut: int, zeros: int, batches: int, reason: str
) -> None:
    data = six_batches(seal=False).data

    found = scan(tmp_path, data[: len(data) - cut] + bytes(zeros), growing=True, known=False)

    assert (len(found.batches), found.damages, found.sealed) == (batches, (), False)
    assert found.tail is not None
    assert found.tail.reason.startswith(reason)
    assert found.tail.end == found.size


@pytest.mark.parametrize("data", [b"", b"x", END_OF_STREAM, bytes(10_000), b"PAR1" * 1000, b"\xff" * 9000])
def test_what_is_no_segment_is_said_so(tmp_path: Path, data: bytes) -> None:
    found = scan(tmp_path, data)

    assert found.batches == ()
    assert (0, 60) in [damage.rows for damage in found.damages]


def test_no_file_and_no_plain_file_are_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="no such file"):
        scan_segment(tmp_path / NAME)
    with pytest.raises(RefusedError, match="not a plain file"):
        scan_segment(tmp_path)


def test_a_segment_of_another_major_version_is_refused_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daq.listmode.blocks.FORMAT_MAJOR", 2)
    data = six_batches().data
    monkeypatch.undo()

    with pytest.raises(FormatError, match=r"list-mode format 2\.0; this build reads 1\.x"):
        scan(tmp_path, data)


HOSTILE = {
    "markers": b"\xff\xff\xff\xff\xf8\xff\x0f\x00",
    "markers and facts": b'\xff\xff\xff\xff\xf8\xff\x0f\x00{"listmode":"',
    "facts": b'{"listmode":"1.0","crc32":"0000',
    "small headers": b'\xff\xff\xff\xff\xf8\x0f\x00\x00{"listmode":"1.0","body":4096,"crc32":"00000000"}',
    "huge bodies": b'\xff\xff\xff\xff\xf8\x0f\x00\x00{"listmode":"1.0","body":1e999,"crc32":"00000000"}',
    "deep facts": b'\xff\xff\xff\xff\xf8\x0f\x00\x00{"listmode":"' + b"[" * 3000,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", HOSTILE)
def test_bytes_that_imitate_messages_cost_bounded_time(tmp_path: Path, name: str) -> None:
    data = HOSTILE[name] * (4_000_000 // len(HOSTILE[name]))
    begin = time.process_time()

    found = scan(tmp_path, data)

    assert found.batches == ()
    assert time.process_time() - begin < 20


def test_random_bytes_and_offsets_never_raise() -> None:
    rng = random.Random(1)
    whole = six_batches().data
    for _ in range(3000):
        data = bytearray(whole[: rng.randrange(len(whole))])
        for _ in range(rng.randrange(6)):
            if data:
                data[rng.randrange(len(data))] = rng.choice((0, 255, rng.randrange(256)))
        at = rng.randrange(len(data) + 10)
        read_message(memoryview(data), at)
        read_message(memoryview(data), at, check=False)
        assert at <= next_candidate(memoryview(data), at, max(len(data), at)) <= max(len(data), at)
