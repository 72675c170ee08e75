"""Will a recording fit? Judged before the start, so that a full disk is a refusal and not a loss."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from daq.errors import StorageFullError
from daq.listmode.blocks import PAGE
from daq.storage.files import StorageFiles

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pyarrow as pa

    from daq.model.events import StreamName

KEPT_FREE_BYTES = 64 << 20
"""What a recording leaves to others: manifest, images, logs."""

PACKET_BYTES = 1456
"""Payload of a full datagram; smaller packets cost relatively more columns."""

_MARK_SHARE = 0.01
_MARK_BYTES = 64
_BATCHES_PER_S = 4


def estimate_bytes(
    words: float, *, word_bytes: int, schemas: Mapping[StreamName, pa.Schema], duration_s: float = 0.0
) -> int:
    """Return about how many bytes of disk `words` of `word_bytes` take when every stream of `schemas` is stored.

    An upper estimate: each word is taken to give a row in the widest stream of events, one in a hundred a mark, and
    each stream a batch header every 250 ms of `duration_s`.
    """
    total = 0.0
    if "raw" in schemas:
        columns = _row_bytes(schemas["raw"]) / PACKET_BYTES
        total += words * word_bytes * (1 + columns)
    events = [_row_bytes(schema) for stream, schema in schemas.items() if stream not in ("raw", "marks")]
    total += words * max(events, default=0.0)
    if "marks" in schemas:
        total += words * _MARK_SHARE * _MARK_BYTES
    batches = 2 + duration_s * _BATCHES_PER_S
    return math.ceil(total + len(schemas) * batches * 2 * PAGE)


def require_space(
    path: Path,
    estimate: int,
    reserve_bytes: int = KEPT_FREE_BYTES,
    *,
    files: StorageFiles | None = None,
) -> None:
    """Raise `StorageFullError` unless the file system of `path` has room for `estimate` and `reserve_bytes` more.

    `path` need not exist yet: its nearest existing parent counts.
    """
    place = next(p for p in (path.absolute(), *path.absolute().parents) if p.exists())
    try:
        free = (files or StorageFiles()).free_bytes(place)
    except OSError as why:
        raise StorageFullError(f"{place}: the free space cannot be read: {why.strerror}") from None
    if free < estimate + reserve_bytes:
        raise StorageFullError(
            f"{place}: the recording needs about {_words(estimate)} and {_words(reserve_bytes)} must stay free, "
            f"but {_words(free)} are free"
        )


def _row_bytes(schema: pa.Schema) -> float:
    """Return the bytes of a row, 8 for the offset of a text or binary value whose content is not counted."""
    return sum(_width_bits(field.type) / 8 for field in schema)


def _width_bits(kind: pa.DataType) -> int:
    try:
        return int(kind.bit_width)
    except ValueError:
        return 64


def _words(size: int) -> str:
    return f"{size / 1e9:.2f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"  # noqa: PLR2004
