"""Simulated boards of registers, attacked by software of others, and driven by their profiles over a real wire."""

from __future__ import annotations

import asyncio
import socket
import time
from array import array
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress

import pytest
from basil.TL.SiTcp import SiTcp
from support_instruments import do
from support_simulators import Simulator, simulator

from daq.devices.instruments.courierlink import CourierLink, carried
from daq.devices.instruments.instrument import Instrument
from daq.devices.instruments.registers import Registers
from daq.devices.instruments.session import Session
from daq.devices.instruments.wiring import Wiring
from daq.errors import (
    DeadlineError,
    LimitError,
    MismatchError,
    MissingError,
    ReadbackError,
    RefusedError,
    UnreachableError,
    WireError,
)
from daq.model.control import ControlProfile, ControlTransport, Framing
from daq.transports.links import link_of
from daq.wire.control.codecs import codec_of
from device_profiles.control import load_control
from device_profiles.controllers import Controller

PROFILES = {"ipbus": "ipbus-board", "sitcp-rbcp": "sitcp-rbcp"}


@pytest.fixture(scope="module")
def ipbus_process() -> Iterator[Simulator]:
    with simulator("ipbus") as process:
        yield process


@pytest.fixture(scope="module")
def sitcp_process() -> Iterator[Simulator]:
    with simulator("sitcp-rbcp") as process:
        yield process


@pytest.fixture
def ipbus(ipbus_process: Simulator) -> Simulator:
    return as_new(ipbus_process)


@pytest.fixture
def sitcp(sitcp_process: Simulator) -> Simulator:
    return as_new(sitcp_process)


@pytest.fixture(params=PROFILES)
def board(request: pytest.FixtureRequest, ipbus: Simulator, sitcp: Simulator) -> Simulator:
    return ipbus if request.param == "ipbus" else sitcp


def as_new(simulated: Simulator) -> Simulator:
    do(simulated, {"clear": True})
    for deed in ({"do": "obey"}, {"do": "swap", "serial": 1234}, {"do": "reboot"}):
        do(simulated, deed)
    return simulated


@asynccontextmanager
async def driven(simulated: Simulator, profile: ControlProfile | None = None) -> AsyncIterator[Instrument]:
    known = profile or load_control(PROFILES[simulated.ready["kind"]])
    link = carried(known, link_of(simulated.ready[known.transport.kinds[0]], known.transport))
    instrument = Instrument(Session("board", known, link, codec_of(known)))
    try:
        yield instrument
    finally:
        await instrument.session.close()


def by_tcp() -> ControlProfile:
    """Return the profile for the same board by TCP, as its notes say."""
    known = load_control("ipbus-board")
    return known.model_copy(
        update={"transport": ControlTransport(kinds=("tcp",)), "framing": Framing(codec="ipbus-tcp")}
    )


def test_the_transfer_layer_of_others_reads_and_writes_and_takes_the_stream(sitcp: Simulator) -> None:
    (host, udp), (_, tcp) = sitcp.address("udp"), sitcp.address("tcp")
    layer = SiTcp({"init": {"ip": host, "udp_port": udp, "tcp_port": tcp, "tcp_connection": True}})
    layer.init()
    try:
        layer.write(0x10, array("B", [1, 2, 3, 4]))
        assert layer.read(0x10, 4).tobytes() == bytes([1, 2, 3, 4])
        long = array("B", [number * 7 & 0xFF for number in range(700)])
        layer.write(0x100, long)
        assert layer.read(0x100, 700) == long
        assert layer.read(0x00, 4).tobytes() == b"SCDQ"
        with pytest.raises(OSError, match="RBCP bus error"):
            layer.read(0x50, 4)
        layer.write(0x17, array("B", [0x41]))
        until_s = time.monotonic() + 5
        while layer._get_tcp_data_size() < 400 and time.monotonic() < until_s:
            time.sleep(0.02)
        layer.write(0x17, array("B", [0x40]))
        words = array("I", layer.read(layer.BASE_DATA_TCP, 400).tobytes())
        words.byteswap()
        assert words.tolist() == list(range(100))
    finally:
        layer.close()


async def test_the_profile_is_enough_to_drive_it(board: Simulator) -> None:
    async with driven(board) as it:
        assert (await it.identify()).serial == f"{1234:08x}"
        assert await it.read("temperature") == pytest.approx(22.0, abs=1.0)
        do(board, {"do": "error", "bit": 1})
        assert await it.read("errors.buffer_full") is True
        await it.act("clear_errors")
        assert await it.read("errors.buffer_full") is False
        await it.act("pulse")
        assert do(board, {"told": True})["told"]["pulses"] == 1


async def test_registers_are_read_and_written_by_name(board: Simulator) -> None:
    async with driven(board) as it:
        registers = Registers(it)
        await registers.write("scratch", 0xDEADBEEF)
        await registers.write("threshold", 200)
        await registers.write("gain", 9)
        assert await registers.read_many(["scratch", "run", "gain", "threshold"]) == {
            "scratch": 0xDEADBEEF, "run": 0, "gain": 9, "threshold": 200,
        }  # fmt: skip
        assert do(board, {"told": True})["told"]["settings"] == 200 << 8 | 9 << 4
        words = [number * 2654435761 & 0xFFFFFFFF for number in range(registers.register("memory").words)]
        await registers.write_words("memory", words)
        assert await registers.read_words("memory") == words
        assert await registers.read_words("memory", 5, 3) == words[5:8]
        assert await registers.value("temperature") == pytest.approx(22.0, abs=1.0)


async def test_what_reading_or_writing_changes_is_taken_or_cleared(board: Simulator) -> None:
    async with driven(board) as it:
        registers = Registers(it)
        do(board, {"do": "event", "count": 5})
        assert (await registers.take("events"), await registers.take("events")) == ([5], [0])
        do(board, {"do": "error", "bit": 0})
        do(board, {"do": "error", "bit": 3})
        await registers.clear("errors", 1)
        assert await registers.read("errors") == 8
        await registers.write("pulse", 1)
        assert do(board, {"told": True})["told"]["pulses"] == 1


async def test_a_queue_is_read_at_one_address(ipbus: Simulator) -> None:
    async with driven(ipbus) as it:
        registers = Registers(it)
        do(ipbus, {"do": "fill", "words": list(range(300))})
        assert await registers.take("queue", 300) == list(range(300))
        with pytest.raises(RefusedError, match="there is no register at this address, or it cannot be done there"):
            await registers.take("queue")


async def test_a_wrong_access_is_refused_before_it_is_said(board: Simulator) -> None:
    async with driven(board) as it:
        registers = Registers(it)
        await it.identify()
        before = it.session.tally.exchanges
        for work, error, why in (
            (registers.write("identity", 1), RefusedError, "identity can only be read"),
            (registers.read("pulse"), RefusedError, "pulse can only be written"),
            (registers.read("events"), RefusedError, "reading events takes away what it holds"),
            (registers.write("errors", 1), RefusedError, "clear bits where that is meant"),
            (registers.clear("scratch", 1), RefusedError, "writing 1 to scratch does not clear it"),
            (registers.take("scratch"), RefusedError, "scratch holds what it holds; read it"),
            (registers.write("gain", 16), LimitError, "gain cannot be 16: 0 to 15 have room"),
            (registers.read_words("memory", 500, 20), LimitError, "memory has"),
            (registers.read("scrach"), MissingError, "has no register 'scrach'"),
        ):
            with pytest.raises(error, match=why):
                await work
        assert it.session.tally.exchanges == before


async def test_a_board_that_says_yes_and_does_nothing_is_found_out(board: Simulator) -> None:
    async with driven(board) as it:
        do(board, {"do": "ignore"})
        with pytest.raises(ReadbackError, match="scratch was written 0x5 and reads 0x0"):
            await Registers(it).write("scratch", 5)


async def test_another_board_in_its_place_is_refused(sitcp: Simulator) -> None:
    async with driven(sitcp) as it:
        await it.identify()
        do(sitcp, {"do": "swap", "serial": 7})
        do(sitcp, {"do": "silent"})
        with pytest.raises(DeadlineError):
            await it.read("temperature")
        do(sitcp, {"clear": True})
        await asyncio.sleep(1.1)
        with pytest.raises(MismatchError, match="53434451 000004d2 is gone, 53434451 00000007 is there"):
            await it.read("temperature")


@pytest.mark.parametrize("kind", ["unheard", "missing", "late", "duplicate", "repeat", "reorder", "noise"])
async def test_what_a_network_does_is_mended_and_nothing_is_done_twice(kind: str, ipbus: Simulator) -> None:
    async with driven(ipbus) as it:
        registers = Registers(it)
        await it.identify()
        for number in range(8):
            do(ipbus, {"wire": {"kind": kind, "after": number % 3, "seconds": 0.03}})
            await registers.write("pulse", 1)
            assert do(ipbus, {"told": True})["told"]["pulses"] == number + 1
            await registers.write("scratch", number)
        assert isinstance(it.session.wire.link, CourierLink)
        assert it.session.tally.lost == 0


@pytest.mark.parametrize("kind", ["unheard", "missing", "late", "duplicate", "reorder", "noise"])
async def test_rbcp_says_again_what_does_no_harm(kind: str, sitcp: Simulator) -> None:
    async with driven(sitcp) as it:
        registers = Registers(it)
        await it.identify()
        for number in range(5):
            do(sitcp, {"wire": {"kind": kind, "seconds": 0.015}})
            await registers.write("scratch", number)
            assert await registers.read("scratch") == number


async def test_rbcp_says_once_what_it_cannot_say_again(sitcp: Simulator) -> None:
    async with driven(sitcp) as it:
        registers = Registers(it)
        do(sitcp, {"do": "event", "count": 3})
        await it.identify()
        do(sitcp, {"wire": {"kind": "missing"}})
        with pytest.raises(DeadlineError, match="no reply to"):
            await registers.take("events")
        assert await registers.take("events") == [0]


async def test_the_same_registers_are_there_by_tcp(ipbus: Simulator) -> None:
    async with driven(ipbus, by_tcp()) as it:
        registers = Registers(it)
        await registers.write("threshold", 77)
        assert await registers.read_many(["threshold", "gain"]) == {"threshold": 77, "gain": 4}
        words = list(range(512))
        await registers.write_words("memory", words)
        assert await registers.read_words("memory") == words


async def test_a_board_that_was_started_again_says_anew_who_it_is(ipbus: Simulator) -> None:
    async with driven(ipbus) as it:
        registers = Registers(it)
        await registers.write("scratch", 5)
        before = it.session.connection
        do(ipbus, {"do": "reboot"})
        with pytest.raises((UnreachableError, DeadlineError, WireError)):
            await registers.read("scratch")
        assert await said_at_last(registers, "scratch") == 0
        assert it.session.connection > before


async def said_at_last(registers: Registers, name: str) -> int:
    """Return what a register holds once the conversation is sure again."""
    async with asyncio.timeout(5):
        while True:
            with suppress(UnreachableError, DeadlineError, WireError):
                return await registers.read(name)
            await asyncio.sleep(0.05)


async def test_an_answer_that_nobody_waits_for_any_more_is_not_the_next_one(board: Simulator) -> None:
    behind = "f0000020 1f010120 01000000 02000000" if board.ready["kind"] == "ipbus" else "ff80ff04 00000010 00000002"
    async with driven(board) as it:
        registers = Registers(it)
        await registers.write("scratch", 1)
        for _ in range(5):
            do(board, {"wire": {"kind": "late", "seconds": 0.015}})
            given_up = asyncio.create_task(registers.read("scratch"))
            await asyncio.sleep(0.005)
            given_up.cancel()
            await asyncio.wait({given_up})
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
                other.settimeout(5)
                other.sendto(bytes.fromhex(behind), board.address("udp"))
                other.recv(100)
            assert await registers.read("scratch") == 2
            await registers.write("scratch", 1)
        assert it.session.connection == 1


async def test_many_accesses_have_the_time_of_one_each(sitcp: Simulator) -> None:
    async with driven(sitcp) as it:
        registers = Registers(it)
        await it.identify()
        do(sitcp, {"wire": {"kind": "late", "count": 40, "seconds": 0.012}})
        began_s = time.monotonic()
        assert len(await registers.accesses("; ".join(["read 0 4"] * 40))) == 40 * 10 - 2
        assert time.monotonic() - began_s > 0.4 > it.profile.conversation.reply_s
        do(sitcp, {"do": "silent"})
        with pytest.raises(DeadlineError) as why:
            await registers.accesses("; ".join(["read 0 4"] * 400))
        assert len(str(why.value)) < 300


def test_the_stream_of_a_board_has_one_client(sitcp: Simulator) -> None:
    with (
        socket.create_connection(sitcp.address("tcp"), timeout=5) as first,
        socket.create_connection(sitcp.address("tcp"), timeout=5) as second,
    ):
        assert second.recv(100) == b""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
            wire.settimeout(5)
            wire.sendto(bytes.fromhex("ff800004 00000014 00001041"), sitcp.address("udp"))
            wire.recv(100)
        assert len(first.recv(100)) > 0


@pytest.mark.parametrize("kind", ["garble", "truncate"])
async def test_an_answer_that_is_spoilt_is_asked_for_again_or_an_error(kind: str, board: Simulator) -> None:
    """Of garbled ones those whose head is spoilt: a network with check sums drops the others."""
    async with driven(board) as it:
        registers = Registers(it)
        await registers.write("scratch", 5)
        for _ in range(4):
            do(board, {"wire": {"kind": kind}})
            with suppress(WireError, DeadlineError, UnreachableError, RefusedError):
                found = await registers.read("scratch")
                assert found == 5 or (kind == "garble" and (found ^ 5).bit_count() == 1)
            do(board, {"clear": True})
        assert await said_at_last(registers, "scratch") == 5


async def test_two_programs_on_one_board_read_what_they_asked_for_or_are_told_so(ipbus: Simulator) -> None:
    async with driven(ipbus) as one, driven(ipbus) as other:
        found: list[list[int | str]] = [[], []]
        for _ in range(10):
            for program, name in enumerate(("identity", "serial")):
                try:
                    found[program].append(await Registers((one, other)[program]).read(name))
                except (UnreachableError, DeadlineError, WireError) as why:
                    found[program].append(type(why).__name__)
        assert {each for each in found[0] if isinstance(each, int)} == {0x53434451}
        assert {each for each in found[1] if isinstance(each, int)} == {1234}


async def test_what_was_given_up_is_not_said_when_the_board_is_back(board: Simulator) -> None:
    async with driven(board) as it:
        registers = Registers(it)
        await registers.write("scratch", 1)
        do(board, {"do": "silent"})
        given_up = asyncio.create_task(registers.write("scratch", 7))
        await asyncio.sleep(0.01)
        given_up.cancel()
        await asyncio.wait({given_up})
        do(board, {"clear": True})
        assert await registers.read("gain") == 4
        assert await registers.read("scratch") == 1


async def test_a_station_keeps_boards_known_and_finds_them_again(ipbus: Simulator, sitcp: Simulator) -> None:
    boards = {"front": ipbus, "back": sitcp}
    wired = Wiring(
        {
            name: (Controller(profile=PROFILES[each.ready["kind"]], url=each.ready["udp"]), profile_of(each))
            for name, each in boards.items()
        }
    )
    keeping = asyncio.create_task(wired.run())
    try:
        sessions = [each.session for each in wired.instruments.values()]
        await until(lambda: not any(each.suspect for each in sessions))
        do(ipbus, {"do": "silent"})
        with pytest.raises((DeadlineError, UnreachableError)):
            await wired.instruments["front"].read("temperature")
        assert await wired.instruments["back"].read("temperature") == pytest.approx(22.0, abs=1.0)
        do(ipbus, {"clear": True})
        await until(lambda: not any(each.suspect for each in sessions))
        assert await wired.instruments["front"].read("temperature") == pytest.approx(22.0, abs=1.0)
    finally:
        keeping.cancel()
        await asyncio.wait({keeping})
        await wired.close()


def profile_of(simulated: Simulator) -> ControlProfile:
    return load_control(PROFILES[simulated.ready["kind"]])


async def until(what: Callable[[], bool], within_s: float = 10.0) -> None:
    async with asyncio.timeout(within_s):
        while not what():
            await asyncio.sleep(0.02)
