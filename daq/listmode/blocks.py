"""The bytes of a list-mode segment: an Arrow IPC stream whose every message can be checked on its own.

A segment is one schema message, then record batches, then the end-of-stream marker (8 bytes, written by the seal).

    offset   size     content
    0        4        ff ff ff ff                      Arrow's continuation marker
    4        4        header size h, little-endian     8 + h is a multiple of 4096
    8        h        flatbuffer `Message`             its custom metadata hold `scandaq` (facts) and `pad` (spaces)
    8 + h    b        body                             b is a multiple of 4096, 0 for the schema message

The facts are one line of JSON, first key `listmode`, last key `crc32`. The checksum is the CRC-32 of the *whole*
message with its own eight hex digits read as zeros: header, facts, padding and body. Arrow itself has no checksum.
Because both parts are padded to 4096 bytes, an acknowledged block is never written again and `O_DIRECT` needs no copy.

Only sans-IO code here: buffers in, buffers out.
"""

from __future__ import annotations

import json
import re
import struct
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import flatbuffers
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from daq.errors import FormatError
from daq.listmode.crc import checksum, combine

if TYPE_CHECKING:
    from collections.abc import Sequence

PAGE = 4096
FORMAT_MAJOR = 1
FORMAT_MINOR = 0
CONTINUATION = b"\xff\xff\xff\xff"
END_OF_STREAM = CONTINUATION + b"\x00\x00\x00\x00"
MAX_HEADER = 1 << 20
MAX_BODY = 1 << 30
_PREFIX = struct.Struct("<4sI")
_FACTS = re.compile(rb'\{"listmode":"[^\x00]*?"crc32":"([0-9a-f]{8})"\}')
_FIRST_KEY = re.compile(rb'\{"listmode":"')
# 8 + header size is a multiple of 4096 up to 1 MiB: its bytes are f8, .f, 00-0f, 00, which data rarely hold.
_SIGNATURE = re.compile(
    rb"\xff\xff\xff\xff\xf8[\x0f\x1f\x2f\x3f\x4f\x5f\x6f\x7f\x8f\x9f\xaf\xbf\xcf\xdf\xef\xff][\x00-\x0f]\x00",
    re.DOTALL,
)
_CRC_ZERO = b'"crc32":"00000000"}'
_METADATA_V5 = 4
_RECORD_BATCH = 3
_ALIGNMENT = 64

Facts = dict[str, Any]
Buffer = bytes | bytearray | memoryview


@dataclass(frozen=True, slots=True)
class Message:
    """One message found in a segment, checksum verified. `start` and `end` are byte offsets in the segment."""

    start: int
    body: int
    end: int
    facts: Facts
    crc32: int

    @property
    def is_schema(self) -> bool:
        """True for the schema message, which has no body."""
        return self.body == self.end


def chain(previous: int, crc32: int) -> int:
    """Return the running CRC over message checksums: any message lost, added or moved changes it."""
    return checksum(struct.pack("<I", crc32), previous)


def schema_message(schema: pa.Schema, facts: Facts) -> bytes:
    """Return the padded schema message of a segment, `facts` and checksum in its schema metadata."""
    text = facts_json(facts)
    pad = 0
    while True:
        tagged = schema.with_metadata({"scandaq": text, "pad": " " * pad})
        message = tagged.serialize().to_pybytes()
        short = -len(message) % PAGE
        if short == 0:
            return _with_crc(bytearray(message), 0, 0)[0]
        pad += short


Pieces = tuple[npt.NDArray[np.uint8], ...]
Pairs = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class BatchPlan:
    """Where each Arrow buffer of a record batch goes in the body. Offsets and lengths in bytes.

    `sources` holds per buffer the byte arrays that make it up, one behind the other; none for an absent
    validity map.
    """

    rows: int
    nodes: tuple[tuple[int, int], ...]
    buffers: tuple[tuple[int, int], ...]
    sources: tuple[Pieces, ...]
    body_bytes: int

    @classmethod
    def of(cls, batch: pa.RecordBatch) -> BatchPlan:
        """Plan `batch`, whose columns are flat."""
        return cls.of_chunks([batch])

    @classmethod
    def of_chunks(cls, chunks: Sequence[pa.RecordBatch]) -> BatchPlan:
        """Plan one message of `chunks`: at least one, all of one schema, rows in that order."""
        nodes, buffers, sources, at = [], [], [], 0
        rows = sum(chunk.num_rows for chunk in chunks)
        for index in range(chunks[0].num_columns):
            nulls, column = _column([chunk.column(index) for chunk in chunks])
            nodes.append((rows, nulls))
            for pieces in column:
                size = sum(len(piece) for piece in pieces)
                buffers.append((at, size))
                sources.append(pieces)
                at += -(-size // _ALIGNMENT) * _ALIGNMENT
        body = -(-at // PAGE) * PAGE
        return cls(rows, tuple(nodes), tuple(buffers), tuple(sources), body)

    def without_sources(self) -> BatchPlan:
        """Return the plan alone, which keeps no rows in memory."""
        return BatchPlan(self.rows, self.nodes, self.buffers, (), self.body_bytes)

    def copy_body(self, out: memoryview) -> None:
        """Fill `out` (`body_bytes` long) with the buffers and zeros between them.

        The GIL is kept: a third of a millisecond for 4 MiB, where letting go of it per piece costs twice as much.
        """
        end = 0
        for (start, _), pieces in zip(self.buffers, self.sources, strict=True):
            out[end:start] = bytes(start - end)
            end = start
            for piece in pieces:
                out[end : end + len(piece)] = piece.data
                end += len(piece)
        out[end : self.body_bytes] = bytes(self.body_bytes - end)


def _column(chunks: list[pa.Array]) -> tuple[int, list[Pieces]]:
    """Return the null count and the pieces of each buffer of a column; copies only what has to be shifted."""
    nulls = sum(chunk.null_count for chunk in chunks)
    kind = chunks[0].type
    fixed = pa.types.is_primitive(kind) or pa.types.is_fixed_size_binary(kind)
    if fixed and not nulls and kind.bit_width % 8 == 0:
        width = kind.bit_width // 8
        return 0, [(), tuple(_bytes(c.buffers()[1], c.offset * width, len(c) * width) for c in chunks)]
    if not nulls and pa.types.is_large_binary(kind):
        return 0, [(), *_large_binary(chunks)]
    whole = pa.concat_arrays(chunks)
    return nulls, [() if b is None else (_bytes(b, 0, b.size),) for b in whole.buffers()]


def _large_binary(chunks: list[pa.Array]) -> tuple[Pieces, Pieces]:
    """Return offsets, rebased over all chunks, and the data of large binary columns without nulls."""
    offsets, data, base = [np.zeros(1, np.int64)], [], 0
    for chunk in chunks:
        if len(chunk):
            own = np.frombuffer(chunk.buffers()[1], np.int64, len(chunk) + 1, chunk.offset * 8)
            offsets.append(own[1:] + (base - own[0]))
            base += int(own[-1] - own[0])
            data.append(_bytes(chunk.buffers()[2], int(own[0]), int(own[-1] - own[0])))
    return (np.concatenate(offsets).view(np.uint8),), tuple(data)


def _bytes(buffer: pa.Buffer | None, start: int, size: int) -> npt.NDArray[np.uint8]:
    if buffer is None or size == 0:
        return np.empty(0, np.uint8)
    return np.frombuffer(buffer, np.uint8, size, start)


def batch_header(plan: BatchPlan, facts: Facts, body: Buffer | int) -> tuple[bytes, int]:
    """Return the padded header of a record batch and the CRC-32 of header plus `body`.

    `body` is the bytes, or their CRC-32 where another thread has made it. Raise `FormatError` for a message that is too
    large to be read back.
    """
    text = facts_json({**facts, "body": plan.body_bytes}).encode()
    template, at = _header_template(plan.rows, plan.nodes, plan.buffers, plan.body_bytes, len(text))
    checked = body if isinstance(body, int) else checksum(body)
    header = bytearray(template)
    header[at : at + len(text)] = text
    return _with_crc(header, checked, plan.body_bytes)


@lru_cache(maxsize=64)
def _header_template(rows: int, nodes: Pairs, buffers: Pairs, body_bytes: int, text_bytes: int) -> tuple[bytes, int]:
    """Return a header with blank facts of `text_bytes` bytes, and where they are.

    Full batches differ in nothing else, and the flatbuffer is built in Python, which takes a fifth of a millisecond.
    """
    text, pad = _BLANK * text_bytes, 0
    while True:
        flat = _record_batch_flatbuffer(rows, nodes, buffers, body_bytes, text=text, pad=pad)
        short = -(_PREFIX.size + len(flat)) % PAGE
        if short == 0:
            break
        pad += short
    if _PREFIX.size + len(flat) > MAX_HEADER or body_bytes > MAX_BODY:
        raise FormatError(
            f"a batch with a header of {len(flat)} bytes and a body of {body_bytes}: "
            f"the limits are {MAX_HEADER} and {MAX_BODY}"
        )
    header = _PREFIX.pack(CONTINUATION, len(flat)) + flat
    return header, header.index(text.encode())


def facts_json(facts: Facts) -> str:
    """Return the canonical line: `listmode` first, the order given, a zeroed `crc32` last."""
    line = {"listmode": f"{FORMAT_MAJOR}.{FORMAT_MINOR}", **facts, "crc32": "00000000"}
    return json.dumps(line, separators=(",", ":"), ensure_ascii=True)


def read_message(data: memoryview, at: int, *, check: bool = True) -> Message | str:
    """Return the message at offset `at`, or one sentence that says why there is none.

    `data` is the whole segment, for instance a memory map; nothing is copied. Never raises on hostile bytes.
    With `check=False` the body is not touched and `crc32` is what the header states: good for finding the way.
    """
    prefix = bytes(data[at : at + _PREFIX.size])
    if len(prefix) < _PREFIX.size:
        return f"{len(prefix)} bytes are left, a message begins with {_PREFIX.size}"
    marker, size = _PREFIX.unpack(prefix)
    if marker != CONTINUATION:
        return "no continuation marker"
    if size == 0 or size > MAX_HEADER or (size + _PREFIX.size) % PAGE:
        return f"a header of {size} bytes: not a multiple of {PAGE} less 8, up to {MAX_HEADER}"
    body = at + _PREFIX.size + size
    if body > len(data):
        return f"the header ends {body - len(data)} bytes beyond the file"
    header = bytearray(data[at:body])
    first = _FIRST_KEY.search(header)  # one beginning is tried: hostile text costs no more than its length
    found = _FACTS.match(header, first.start()) if first else None
    if found is None:
        return "the header holds no scandaq facts"
    return _checked(data, at, body, header, found, check=check)


def _checked(
    data: memoryview, at: int, body: int, header: bytearray, found: re.Match[bytes], *, check: bool
) -> Message | str:
    try:
        facts = json.loads(found.group(0))
        length = int(facts.get("body", 0))
    except (ValueError, TypeError, OverflowError, RecursionError):
        return "the facts are not JSON"
    if not 0 <= length <= MAX_BODY or length % PAGE or body + length > len(data):
        return f"a body of {length} bytes does not fit the {len(data) - body} bytes that are left"
    first, last = found.span(1)
    stated = int(found.group(1), 16)
    if not check:
        return Message(at, body, body + length, facts, stated)
    header[first:last] = b"00000000"
    crc = checksum(data[body : body + length], checksum(header))
    if crc != stated:
        return f"CRC-32 is {crc:08x}, the header says {stated:08x}"
    return Message(at, body, body + length, facts, crc)


def next_candidate(data: memoryview, at: int, stop: int) -> int:
    """Return the offset of the next place at or after `at` that could begin a message, or `stop`.

    Every byte offset counts, not the 4096-byte grid alone: after an insertion or a cut nothing lies on the grid. The
    caller confirms a candidate by `read_message`.
    """
    facts_at = -1
    for found in _SIGNATURE.finditer(data, at, min(stop + _PREFIX.size - 1, len(data))):
        start = found.start()
        header_end = start + _PREFIX.size + int.from_bytes(found.group(0)[4:], "little")
        if facts_at < start:
            key = _FIRST_KEY.search(data, start)
            if key is None:
                return stop
            facts_at = key.start()
        if facts_at < header_end:
            return start
    return stop


def _with_crc(header: bytearray, body_crc: int, body_bytes: int) -> tuple[bytes, int]:
    place = header.find(_CRC_ZERO)
    crc = combine(checksum(header), body_crc, body_bytes)
    header[place + 9 : place + 17] = b"%08x" % crc
    return bytes(header), crc


_BLANK = "\x7f"
"""What holds the place of facts in a template: nothing else of a header contains it so often."""


def _record_batch_flatbuffer(rows: int, nodes: Pairs, buffers: Pairs, body_bytes: int, *, text: str, pad: int) -> bytes:
    """Return the flatbuffer `Message{RecordBatch}` (Arrow columnar format 1.x, Message.fbs), a multiple of 8 long."""
    b = flatbuffers.Builder(PAGE)
    pairs = [_key_value(b, "pad", " " * pad), _key_value(b, "scandaq", text)]
    b.StartVector(4, len(pairs), 4)
    for pair in pairs:
        b.PrependUOffsetTRelative(pair)
    metadata = b.EndVector()
    buffers_at = _pairs_of_int64(b, buffers)
    nodes_at = _pairs_of_int64(b, nodes)
    b.StartObject(5)
    b.PrependInt64Slot(0, rows, 0)
    b.PrependUOffsetTRelativeSlot(1, nodes_at, 0)
    b.PrependUOffsetTRelativeSlot(2, buffers_at, 0)
    header = b.EndObject()
    b.StartObject(5)
    b.PrependInt64Slot(3, body_bytes, 0)
    b.PrependUOffsetTRelativeSlot(4, metadata, 0)
    b.PrependUOffsetTRelativeSlot(2, header, 0)
    b.PrependInt16Slot(0, _METADATA_V5, 0)
    b.PrependUint8Slot(1, _RECORD_BATCH, 0)
    b.Finish(b.EndObject())
    flat = bytes(b.Output())
    return flat + bytes(-len(flat) % 8)


def _key_value(b: flatbuffers.Builder, key: str, value: str) -> int:
    value_at, key_at = b.CreateString(value), b.CreateString(key)
    b.StartObject(2)
    b.PrependUOffsetTRelativeSlot(1, value_at, 0)
    b.PrependUOffsetTRelativeSlot(0, key_at, 0)
    return int(b.EndObject())


def _pairs_of_int64(b: flatbuffers.Builder, pairs: Pairs) -> int:
    b.StartVector(16, len(pairs), 8)
    for first, second in reversed(pairs):
        b.Prep(8, 16)
        b.PrependInt64(second)
        b.PrependInt64(first)
    return int(b.EndVector())
