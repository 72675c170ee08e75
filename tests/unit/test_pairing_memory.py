"""Memory of rows is used again when nobody has the rows any more, and never before."""

from __future__ import annotations

import threading

import numpy as np
import pyarrow as pa

from daq.pipeline.pairing import new_columns
from daq.pipeline.pairing_memory import LARGEST_BYTES, MOST_PIECES, Memory


def address(columns: dict[str, np.ndarray]) -> int:
    return int(columns["time_ps"].ctypes.data)


def test_rows_that_nobody_has_any_more_give_their_memory_back() -> None:
    memory = Memory()
    first = new_columns(1000, memory)
    at = address(first)
    del first

    assert address(new_columns(900, memory)) == at


def test_one_column_that_is_kept_keeps_all_its_memory() -> None:
    memory = Memory()
    first = new_columns(1000, memory)
    kept, at = first["kind"][10:20], address(first)
    del first

    assert address(new_columns(900, memory)) != at
    del kept
    assert address(new_columns(900, memory)) == at


def test_a_buffer_of_arrow_keeps_the_rows_it_is_made_of() -> None:
    memory = Memory()
    first = new_columns(1000, memory)
    first["time_ps"][:] = np.arange(1000)
    array = pa.Array.from_buffers(pa.int64(), 1000, [None, pa.py_buffer(first["time_ps"])])
    del first
    second = new_columns(1000, memory)
    second["time_ps"][:] = -1

    assert array.to_numpy().tolist() == list(range(1000))


def test_what_another_thread_lets_go_of_is_used_again() -> None:
    memory = Memory()
    handed = [new_columns(1000, memory)]
    at = address(handed[0])
    thread = threading.Thread(target=handed.clear)
    thread.start()
    thread.join()

    assert address(new_columns(1000, memory)) == at


def test_the_pieces_that_are_kept_are_bounded() -> None:
    memory = Memory()
    held = [memory.piece(1000) for _ in range(3 * MOST_PIECES)]
    memory.piece(LARGEST_BYTES + 1)

    assert len(memory._pieces) == MOST_PIECES
    assert len({piece.ctypes.data for piece in held}) == len(held)
