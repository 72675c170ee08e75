"""Datagrams of a PETsys front end as packets, and a tiny front end, for tests."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from daq.model import tofpet2 as t
from daq.model.events import NO_SOURCE
from daq.model.packets import NO_SEQUENCE, Flag, Packets
from daq.wire import petsys as p
from daq.wire.petsys_config import (
    REGISTER_WRITTEN,
    WIDTHS,
    Register,
    RegisterRead,
    bytes_of,
    decode_register,
    encode_register_data,
)

FRAME_NS = t.FRAME_PS // 1000


def frame(frame_id: int, events: int = 0, *, port: int = 0, slave: int = 0, lost: int = 0) -> p.Frame:
    """Return a frame whose event words are of channel 0 and differ from each other."""
    return p.Frame(frame_id & t.FRAME_ID_MASK, np.arange(events, dtype=np.uint64), port, slave, lost)


def packets_of(datagrams: Sequence[bytes], arrival_ns: Sequence[int] | None = None) -> Packets:
    """Return datagrams as the receiver hands them on."""
    count = len(datagrams)
    length = np.array([len(datagram) for datagram in datagrams], np.int64)
    header = np.zeros((count, 16), np.uint8)
    source = np.full(count, NO_SOURCE, np.uint16)
    sequence = np.full(count, NO_SEQUENCE, np.uint64)
    flags = np.full(count, int(Flag.MALFORMED), np.uint8)
    for row, datagram in enumerate(datagrams):
        if len(datagram) > t.HEADER_BYTES and datagram[0] == p.DATA_MARK:
            first = int.from_bytes(datagram[1:9], "little")
            header[row, :8] = np.frombuffer(datagram[1:9], np.uint8)
            header[row, 8:] = np.frombuffer(last_word(datagram), np.uint8)
            source[row], sequence[row] = first >> t.ADDRESS_SHIFT & t.ADDRESS_MASK, first & t.FRAME_ID_MASK
            flags[row] = 0
    arrival = np.array(range(count) if arrival_ns is None else arrival_ns, np.int64)
    data = np.frombuffer(b"".join(datagrams), np.uint8)
    return Packets(data, np.cumsum(length) - length, length, source, sequence, arrival, flags, header)


def last_word(datagram: bytes) -> bytes:
    """Return the first word of the last frame that begins in a data datagram."""
    at = 1
    word = datagram[1:9]
    while at + t.HEADER_BYTES <= len(datagram):
        word = datagram[at : at + 8]
        at += 8 * max(int.from_bytes(word, "little") >> t.SIZE_SHIFT & t.SIZE_MASK, t.HEADER_WORDS)
    return word


def part(packets: Packets, start: int, stop: int) -> Packets:
    """Return packets `start` to `stop`."""
    cut = slice(start, stop)
    return Packets(
        packets.data, packets.offset[cut], packets.length[cut], packets.source[cut], packets.sequence[cut],
        packets.arrival_ns[cut], packets.flags[cut], packets.header[cut],
    )  # fmt: skip


def runs_as_packets(packets: Packets, walked: object) -> Packets:
    """Return the runs of a walk as the packets that a decoder gets."""
    rows: npt.NDArray[np.int64] = walked.run_packet  # type: ignore[attr-defined]
    return Packets(
        packets.data, walked.run_offset, walked.run_length, walked.run_source,  # type: ignore[attr-defined]
        packets.sequence[rows], packets.arrival_ns[rows], np.zeros(len(rows), np.uint8), packets.header[rows],
    )  # fmt: skip


@dataclass
class Registers:
    """A front end of bytes; `stuck` registers do not take what is written."""

    values: dict[int, int] = field(
        default_factory=lambda: {
            Register.PROTOCOL: 0x104, Register.ASIC_TYPE: 2, Register.PLL_LOCKED: 1, Register.TIME_TAG: 1000,
            Register.BASE_PCB: 5, Register.FIRMWARE_VARIANT: 0x0001_0111_0000_0000,
        }
    )  # fmt: skip
    stuck: frozenset[int] = frozenset()
    links: int = (1 << 64) - 1
    asked: list[tuple[str, int, int]] = field(default_factory=list)

    def answer(self, payload: bytes) -> bytes:
        command = decode_register(payload)
        register = Register(command.address)
        if isinstance(command, RegisterRead):
            value = self.values.get(register, 0)
            if register in (Register.DESERIALISER_STATUS, Register.DECODER_STATUS):
                value = self.values.get(Register.ASIC_ENABLE, 0) & self.links
            self.asked.append(("read", register, value))
            assert command.count == bytes_of(WIDTHS[register])
            return encode_register_data(value.to_bytes(command.count, "little"))
        value = int.from_bytes(command.data, "little")
        self.asked.append(("write", register, value))
        if register not in self.stuck:
            self.values[register] = value
        return REGISTER_WRITTEN

    @property
    def written(self) -> list[tuple[int, int]]:
        return [(register, value) for what, register, value in self.asked if what == "write"]


Answer = Callable[[bytes], list[bytes]]


def replying(registers: Registers, change: Callable[[p.Reply], list[bytes]] | None = None) -> Answer:
    def answer(datagram: bytes) -> list[bytes]:
        if p.is_hello(datagram):
            return [b"\x5a" + datagram]
        command = p.decode_command(datagram)
        reply = p.Reply(command.serial, command.function, registers.answer(command.payload))
        return change(reply) if change else [p.encode_reply(reply)]

    return answer


class ScriptedFrontEnd(threading.Thread):
    """Answers commands, and sends to whoever enabled its ASICs what it is told to."""

    def __init__(self, registers: Registers, change: Callable[[p.Reply], list[bytes]] | None = None) -> None:
        super().__init__(name="front end", daemon=True)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(0.05)
        self.port = int(self._socket.getsockname()[1])
        self.registers = registers
        self._answer = replying(registers, change)
        self._over = threading.Event()
        self.peer: tuple[str, int] | None = None
        self.deaf = False

    def run(self) -> None:
        while not self._over.is_set():
            try:
                datagram, sender = self._socket.recvfrom(2048)
            except TimeoutError:
                continue
            self.peer = sender
            for reply in [] if self.deaf else self._answer(datagram):
                self._socket.sendto(reply, sender)

    def send(self, datagrams: Sequence[bytes]) -> None:
        """Send datagrams to the host."""
        assert self.peer is not None
        for datagram in datagrams:
            self._socket.sendto(datagram, self.peer)

    def close(self) -> None:
        """End the thread."""
        self._over.set()
        self.join(10.0)
        self._socket.close()
