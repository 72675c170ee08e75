"""Datagrams of a PETsys TOFPET2 front end with Gigabit Ethernet: bytes in, values out, and back.

All goes over one UDP socket; port 2000 is the vendor's.

    host -> front end   22 bytes 0xFF                                   hello: any answer means that it is there
    host -> front end   serial (16 bytes) | function | payload          command
    front end -> host   0x5A | serial (16 bytes) | function | payload   reply
    front end -> host   0xA5 | little-endian words of 64 bits           data: one or more whole frames

Source: PETsys `sw_daq_tofpet2` 194662e, `src/daqd/UDPFrameServer.cpp`, `src/petsys_py_lib/daqd.py`. What the words of a
frame are is in `daq.model.tofpet2`, what the payloads of commands are in `daq.wire.petsys_config`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum

import numpy as np
import numpy.typing as npt

from daq.errors import WireError
from daq.model import tofpet2 as t

DATA_MARK = 0xA5
REPLY_MARK = 0x5A
SERIAL_BYTES = 16
HELLO = b"\xff" * 22
DEFAULT_PORT = 2000

COMMAND_HEADER_BYTES = SERIAL_BYTES + 1
REPLY_HEADER_BYTES = 1 + COMMAND_HEADER_BYTES
MAX_SERIAL = (1 << 8 * SERIAL_BYTES) - 1
SERIAL_WRAP = 1 << 15
"""The vendor's host counts commands up to here; of the serial number it compares the low 16 bits alone."""

MAX_DATAGRAM_BYTES = 1472
"""What an Ethernet frame of 1500 bytes carries; a single larger frame of events makes a larger datagram."""
_MOST_UDP_BYTES = 65_507

Words = npt.NDArray[np.uint64]


class Kind(Enum):
    """What a datagram of the front end is."""

    DATA = "data"
    REPLY = "reply"
    UNKNOWN = "unknown"


class Damage(Enum):
    """Why the rest of a data datagram is not frames."""

    TRUNCATED = "ends in the middle of a frame"
    SIZE = "the frame's size and its number of events contradict each other"


@dataclass(frozen=True, slots=True)
class Command:
    """A command: its number, the function it is for, what is asked."""

    serial: int
    function: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Reply(Command):
    """A reply, with serial number and function of its command."""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """What one unit sent of 1024 clocks. `events` uint64 [n]; `lost` two bits, not zero where events were lost."""

    frame_id: int
    events: Words = field(default_factory=lambda: np.empty(0, np.uint64))
    port: int = 0
    slave: int = 0
    lost: int = 0
    kind: int = 0

    @property
    def source(self) -> int:
        """Return the number of the source."""
        return t.source_of(self.port, self.slave)


@dataclass(frozen=True, slots=True, eq=False)
class Event:
    """Fields of events, each an integer array of the same length. Fine codes are those after the offset of 27."""

    channel: npt.NDArray[np.int64]
    tac: npt.NDArray[np.int64]
    t_coarse: npt.NDArray[np.int64]
    e_coarse: npt.NDArray[np.int64]
    t_fine: npt.NDArray[np.int64]
    e_fine: npt.NDArray[np.int64]


def kind_of(datagram: bytes | bytearray | memoryview) -> Kind:
    """Return what the first byte says that a datagram from the front end is."""
    first = datagram[0] if len(datagram) else -1
    return {DATA_MARK: Kind.DATA, REPLY_MARK: Kind.REPLY}.get(first, Kind.UNKNOWN)


def is_hello(datagram: bytes | bytearray | memoryview) -> bool:
    """Tell whether a datagram from the host is the greeting; it could also be a command with an odd number."""
    return bytes(datagram) == HELLO


def encode_command(command: Command) -> bytes:
    """Return the datagram of a command; raise `WireError` for a number or function that does not fit its bytes."""
    if not 0 <= command.serial <= MAX_SERIAL or not 0 <= command.function <= 0xFF:  # noqa: PLR2004 - one byte
        raise WireError(
            f"serial {command.serial}, function {command.function}: {SERIAL_BYTES} bytes and 1 byte, not below zero"
        )
    return command.serial.to_bytes(SERIAL_BYTES, "little") + bytes([command.function]) + command.payload


def decode_command(datagram: bytes | bytearray | memoryview) -> Command:
    """Return the command in a datagram from the host; raise `WireError` when it is too short for one."""
    if len(datagram) < COMMAND_HEADER_BYTES:
        raise WireError(f"a command of {len(datagram)} bytes; its header alone has {COMMAND_HEADER_BYTES}")
    data = bytes(datagram)
    return Command(int.from_bytes(data[:SERIAL_BYTES], "little"), data[SERIAL_BYTES], data[COMMAND_HEADER_BYTES:])


def encode_reply(reply: Reply) -> bytes:
    """Return the datagram of a reply."""
    return bytes([REPLY_MARK]) + encode_command(reply)


def decode_reply(datagram: bytes | bytearray | memoryview) -> Reply:
    """Return the reply in a datagram from the front end, or raise `WireError`."""
    if kind_of(datagram) is not Kind.REPLY:
        raise WireError(f"a reply begins with 0x{REPLY_MARK:02X}, this with {bytes(datagram[:1]).hex() or 'nothing'}")
    command = decode_command(datagram[1:])
    return Reply(command.serial, command.function, command.payload)


def encode_frame(frame: Frame) -> Words:
    """Return the words of a frame, uint64 [2 + events]; raise `WireError` where a field does not fit its bits."""
    count = len(frame.events)
    limits = (
        ("frame_id", frame.frame_id, t.FRAME_ID_MASK), ("port", frame.port, t.MOST_PORTS - 1),
        ("slave", frame.slave, t.MOST_SLAVES - 1), ("lost", frame.lost, t.LOST_MASK),
        ("kind", frame.kind, t.TYPE_MASK), ("events", count, t.MOST_FRAME_WORDS - t.HEADER_WORDS),
    )  # fmt: skip
    for name, value, most in limits:
        if not 0 <= value <= most:
            raise WireError(f"frame: {name} = {value}; possible are 0 to {most}")
    words = np.empty(t.HEADER_WORDS + count, np.uint64)
    words[0] = (
        frame.frame_id | len(words) << t.SIZE_SHIFT | frame.kind << t.TYPE_SHIFT | frame.source << t.ADDRESS_SHIFT
    )
    words[1] = count | frame.lost << t.LOST_SHIFT
    words[t.HEADER_WORDS :] = frame.events
    return words


def encode_data(frames: Sequence[Frame]) -> bytes:
    """Return one data datagram with `frames`; raise `WireError` when UDP cannot carry it."""
    words = [encode_frame(frame).astype("<u8").tobytes() for frame in frames]
    datagram = bytes([DATA_MARK]) + b"".join(words)
    if len(datagram) > _MOST_UDP_BYTES:
        raise WireError(f"{len(frames)} frames make a datagram of {len(datagram)} bytes; UDP carries {_MOST_UDP_BYTES}")
    return datagram


def packetise(frames: Iterable[Frame], most_bytes: int = MAX_DATAGRAM_BYTES) -> Iterator[bytes]:
    """Yield data datagrams of at most `most_bytes`, but for frames that are larger by themselves."""
    waiting: list[Frame] = []
    size = 1
    for frame in frames:
        needed = t.HEADER_BYTES + t.WORD_BYTES * len(frame.events)
        if waiting and size + needed > most_bytes:
            yield encode_data(waiting)
            waiting, size = [], 1
        waiting.append(frame)
        size += needed
    if waiting:
        yield encode_data(waiting)


def decode_data(datagram: bytes | bytearray | memoryview) -> tuple[list[Frame], Damage | None]:
    """Return the whole frames of a data datagram up to the first damage, and what that is.

    Raise `WireError` for a datagram that is no data. The readout goes on behind a damaged frame where it can
    (`daq.wire.petsys_tracking`); this does not.
    """
    if kind_of(datagram) is not Kind.DATA:
        raise WireError(f"data begin with 0x{DATA_MARK:02X}, this with {bytes(datagram[:1]).hex() or 'nothing'}")
    body = bytes(datagram[1:])
    words = np.frombuffer(body, "<u8", count=len(body) // t.WORD_BYTES).astype(np.uint64)
    frames: list[Frame] = []
    at = 0
    while at + t.HEADER_WORDS <= len(words):
        first, second = int(words[at]), int(words[at + 1])
        size, count = first >> t.SIZE_SHIFT & t.SIZE_MASK, second & t.EVENTS_MASK
        if size != count + t.HEADER_WORDS:
            return frames, Damage.SIZE
        if at + size > len(words):
            return frames, Damage.TRUNCATED
        port, slave = t.unit_of(first >> t.ADDRESS_SHIFT & t.ADDRESS_MASK)
        frames.append(
            Frame(
                first & t.FRAME_ID_MASK,
                words[at + t.HEADER_WORDS : at + size],
                port,
                slave,
                second >> t.LOST_SHIFT & t.LOST_MASK,
                first >> t.TYPE_SHIFT & t.TYPE_MASK,
            )
        )
        at += size
    return frames, Damage.TRUNCATED if at * t.WORD_BYTES < len(body) else None


def encode_events(event: Event) -> Words:
    """Return event words, uint64 [n]; raise `WireError` where a value does not fit its bits."""
    parts = (
        ("channel", event.channel, t.CHANNEL_MASK, t.CHANNEL_SHIFT), ("tac", event.tac, t.TAC_MASK, t.TAC_SHIFT),
        ("t_coarse", event.t_coarse, t.CODE_MASK, t.T_COARSE_SHIFT),
        ("e_coarse", event.e_coarse, t.CODE_MASK, t.E_COARSE_SHIFT),
        ("t_fine", event.t_fine, t.CODE_MASK, t.T_FINE_SHIFT), ("e_fine", event.e_fine, t.CODE_MASK, t.E_FINE_SHIFT),
    )  # fmt: skip
    words = np.zeros(len(event.channel), np.uint64)
    for name, values, mask, shift in parts:
        codes = np.asarray(values, np.int64)
        if len(codes) and (codes.min() < 0 or codes.max() > mask):
            raise WireError(f"event: {name} from {codes.min()} to {codes.max()}; possible are 0 to {mask}")
        if name in ("t_fine", "e_fine"):
            codes = (codes - t.FINE_OFFSET) & mask
        words |= codes.astype(np.uint64) << np.uint64(shift)
    return words


def decode_events(words: Words) -> Event:
    """Return the fields of event words."""

    def part(shift: int, mask: int) -> npt.NDArray[np.int64]:
        return (words >> np.uint64(shift) & np.uint64(mask)).astype(np.int64)

    return Event(
        part(t.CHANNEL_SHIFT, t.CHANNEL_MASK), part(t.TAC_SHIFT, t.TAC_MASK), part(t.T_COARSE_SHIFT, t.CODE_MASK),
        part(t.E_COARSE_SHIFT, t.CODE_MASK), part(t.T_FINE_SHIFT, t.CODE_MASK) + t.FINE_OFFSET & t.CODE_MASK,
        part(t.E_FINE_SHIFT, t.CODE_MASK) + t.FINE_OFFSET & t.CODE_MASK,
    )  # fmt: skip
