"""The binary frame of live pictures: bytes that Python writes and the page reads (console/tests/frame.test.js)."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from daq.errors import FormatError, RefusedError
from daq.wire.liveframe import MOST_ARRAYS, SCALED, SIMULATED, Part, decode, encode

GOLDEN = Path(__file__).parents[1] / "golden" / "live-frame.bin"
PARTS = (
    Part("scope/0", np.arange(6, dtype=np.uint16).reshape(2, 3), {"scale": 0.5, "letters": ["R", "L", "H", "F"]}),
    Part("spectrum/0", np.array([1, 2, 4_000_000_000], np.uint32)),
    Part("study/exposure", np.array([0.25, 1.0], np.float32)),
    Part("modules", np.array([1, 1 << 40], np.uint64)),
    Part("mask", np.array([1, 0, 1], np.uint8)),
    Part("empty", np.zeros((0, 4), np.int32)),
)


def golden() -> bytes:
    about = {"run": "a run", "fresh": {"looks": {"state": "live", "age_s": 0.05}}}
    return encode(PARTS, number=7, time_s=1234.5, about=about, flags=SCALED | SIMULATED)


def test_a_frame_has_the_bytes_that_the_page_is_tested_with() -> None:
    assert golden() == GOLDEN.read_bytes()


def test_what_is_written_is_read() -> None:
    frame = decode(golden())

    assert (frame.number, frame.time_s, frame.flags) == (7, 1234.5, SCALED | SIMULATED)
    assert frame.about["fresh"]["looks"] == {"state": "live", "age_s": 0.05}
    for part in PARTS:
        assert frame.arrays[part.name].tolist() == part.values.tolist()
        assert frame.abouts[part.name] == part.about
    assert frame.arrays["modules"].dtype == np.float64


@pytest.mark.parametrize("digits", range(1, 12))
def test_every_array_lies_on_a_multiple_of_eight_bytes_however_long_the_directory_is(digits: int) -> None:
    parts = [Part("n" * at, np.full(at, at, np.uint8), {"x": "y" * digits}) for at in range(1, 9)]

    data = encode(parts, number=1, time_s=0.0, about={})

    frame = decode(data)
    base = np.frombuffer(data, np.uint8).ctypes.data
    for at in range(1, 9):
        found = frame.arrays["n" * at]
        assert found.tolist() == [at] * at
        assert (found.ctypes.data - base) % 8 == 0


def test_a_frame_is_bounded_and_takes_only_what_browsers_have() -> None:
    with pytest.raises(RefusedError, match=f"{MOST_ARRAYS + 1} arrays"):
        encode([Part(str(at), np.zeros(1)) for at in range(MOST_ARRAYS + 1)], number=1, time_s=0.0, about={})
    with pytest.raises(RefusedError, match="bytes"):
        encode([Part("large", np.zeros(5 << 20))], number=1, time_s=0.0, about={})
    with pytest.raises(RefusedError, match="complex128"):
        encode([Part("odd", np.zeros(1, complex))], number=1, time_s=0.0, about={})


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data[:31],
        lambda data: b"NMF2" + data[4:],
        lambda data: data[:4] + struct.pack("<H", 2) + data[6:],
        lambda data: data + b"\0",
        lambda data: data[:12] + struct.pack("<I", len(data)) + data[16:],
        lambda data: data.replace(b'"u2"', b'"u3"'),
        lambda data: data.replace(b'"shape":[2,3]', b'"shape":[9,9]'),
        lambda data: data.replace(b'{"arrays"', b'["arrays"'),
    ],
)  # fmt: skip
def test_anything_else_is_refused_in_words(change: object) -> None:
    with pytest.raises(FormatError, match="live frame"):
        decode(change(golden()))  # type: ignore[operator]
