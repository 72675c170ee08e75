"""Give a record batch new numbers without touching its body: the facts are rewritten in place."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from daq.listmode.blocks import Facts, Message, facts_json

if TYPE_CHECKING:
    from daq.listmode.blocks import Buffer

_BEGIN = b'{"listmode":"'
_CRC_BYTES = 10


def resequenced(header: Buffer, message: Message, body: Buffer, changes: Facts) -> tuple[bytes, int] | None:
    """Return the header with `changes` in its facts, and the new CRC-32 of header plus `body`.

    The header keeps its length, so the new facts must not be longer than the old ones (smaller numbers never are);
    None when they are.
    """
    out = bytearray(header)
    begin = out.find(_BEGIN)
    end = out.find(b"\x00", begin)
    text = facts_json({**message.facts, **changes}).encode()
    spare = (end - begin) - len(text)
    if begin < 0 or spare < 0:
        return None
    first_key = text.index(b",") + 1
    out[begin:end] = text[:first_key] + b" " * spare + text[first_key:]
    crc = zlib.crc32(body, zlib.crc32(out))
    out[end - _CRC_BYTES : end - 2] = b"%08x" % crc
    return bytes(out), crc
