"""Hello, checks, clock and ASICs of a PETsys front end: the sequence against registers, the link against a socket."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager

import pytest
from support_petsys import Answer, Registers, replying

from daq.errors import (
    DeadlineError,
    MismatchError,
    ReadbackError,
    RefusedError,
    ScandaqError,
    UnreachableError,
    WireError,
)
from daq.model.frontend import FrontEnd
from daq.readout import petsys as link_module
from daq.readout.petsys import PetsysLink
from daq.wire import petsys as p
from daq.wire.petsys_config import AsicStatus, Function, Register, decode_asic, encode_asic_reply
from daq.wire.petsys_setup import Ask, Sequence, Unit, read_asic, set_up, shut_down, write_asic

ALL = 0xFFFF


def carried_out(sequence: Sequence, answer: Callable[[bytes], bytes]) -> Unit:
    try:
        ask = next(sequence)
        while True:
            ask = sequence.send(answer(ask.payload))
    except StopIteration as end:
        unit: Unit = end.value
        return unit


def ticking() -> Callable[[], float]:
    """Return a clock that goes on by a tenth of a second each time it is looked at."""
    now_s = [0.0]

    def now() -> float:
        now_s[0] += 0.1
        return now_s[0]

    return now


def test_a_front_end_is_looked_at_set_to_zero_and_enabled() -> None:
    registers = Registers()
    unit = carried_out(set_up(FrontEnd(), ALL, ticking()), registers.answer)
    assert unit == Unit(5, 0x0001_0111_0000_0000, ALL)
    assert registers.written == [
        (Register.ASIC_ENABLE, 0), (Register.SYNC, 1), (Register.SYNC, 0), (Register.ASIC_ENABLE, ALL),
    ]  # fmt: skip
    assert registers.asked[0] == ("read", Register.PROTOCOL, 0x104)


def test_what_the_profile_leaves_alone_is_left_alone() -> None:
    registers = Registers()
    registers.values[Register.ASIC_ENABLE] = 3
    settings = FrontEnd(reset_time_tag=False, enable_asics=False)
    assert carried_out(set_up(settings, ALL, ticking()), registers.answer).asics == 3
    assert registers.written == []


def test_a_front_end_is_shut_down_by_taking_data_from_none() -> None:
    registers = Registers()
    carried_out(shut_down(), registers.answer)
    assert registers.written == [(Register.ASIC_ENABLE, 0)]


@pytest.mark.parametrize(
    ("register", "value", "why", "said"),
    [
        (Register.PROTOCOL, 0x105, MismatchError, "speaks protocol 0x105; this build knows 0x104"),
        (Register.ASIC_TYPE, 3, MismatchError, "ASICs of type 3"),
        (Register.PLL_LOCKED, 0, RefusedError, "clock is not locked"),
        (Register.TIME_TAG, 10 * 200_000_000, ReadbackError, "says 10.000 s"),
    ],
)
def test_another_front_end_than_expected_is_refused_in_words(
    register: Register, value: int, why: type[ScandaqError], said: str
) -> None:
    registers = Registers()
    registers.values[register] = value
    with pytest.raises(why, match=said):
        carried_out(set_up(FrontEnd(), ALL, ticking()), registers.answer)
    assert dict(registers.written).get(Register.ASIC_ENABLE, 0) == 0


def test_a_register_that_does_not_take_its_value_is_found() -> None:
    registers = Registers(stuck=frozenset({Register.ASIC_ENABLE}))
    with pytest.raises(ReadbackError, match="asic_enable was set to 0xFFFF and holds 0x0"):
        carried_out(set_up(FrontEnd(), ALL, ticking()), registers.answer)


def test_asics_without_a_link_are_named() -> None:
    registers = Registers(links=ALL & ~(1 << 3 | 1 << 9))
    with pytest.raises(DeadlineError, match="no data link to ASICs 3, 9 after 2 s"):
        carried_out(set_up(FrontEnd(), ALL, ticking()), registers.answer)


class Asics:
    """ASICs that hold what they are told, but for bits that are stuck at 0."""

    def __init__(self, stuck: int = 0) -> None:
        self.held: dict[tuple[int, int | None], int] = {}
        self._stuck = stuck
        self.status = AsicStatus.OK

    def answer(self, payload: bytes) -> bytes:
        command = decode_asic(payload)
        place = command.spi_id, command.channel
        if command.value is not None:
            self.held[place] = command.value & ~self._stuck
        return encode_asic_reply(command.code, self.status, self.held.get(place, 0))


def finished(sequence: Generator[Ask, bytes, object], answer: Callable[[bytes], bytes]) -> object:
    try:
        ask = next(sequence)
        while True:
            assert ask.function is Function.ASIC
            ask = sequence.send(answer(ask.payload))
    except StopIteration as end:
        return end.value


def test_a_configuration_of_an_asic_is_written_and_read_back() -> None:
    asics = Asics()
    finished(write_asic(0x0102, 0x1234, channel=5), asics.answer)
    finished(write_asic(0x0102, 0x77), asics.answer)
    assert asics.held == {(0x0102, 5): 0x1234, (0x0102, None): 0x77}
    assert finished(read_asic(0x0102, channel=5), asics.answer) == 0x1234


def test_an_asic_that_does_not_hold_its_configuration_is_found() -> None:
    with pytest.raises(ReadbackError, match="ASIC 0x0102: that of channel 5 was set to 0x1235 and is 0x1234"):
        finished(write_asic(0x0102, 0x1235, channel=5), Asics(stuck=1).answer)
    complaining = Asics()
    complaining.status = AsicStatus.BAD_CHECKSUM
    with pytest.raises(WireError, match="bad checksum"):
        finished(write_asic(0x0102, 1), complaining.answer)


def test_a_write_that_is_not_confirmed_is_an_error() -> None:
    registers = Registers()
    with pytest.raises(WireError, match="answered with 01"):
        carried_out(
            set_up(FrontEnd(), ALL, ticking()),
            lambda payload: b"\x01" if payload[0] == 1 else registers.answer(payload),
        )


@contextmanager
def front_end(answer: Answer) -> Iterator[socket.socket]:
    """Give a socket connected to a thread that answers each datagram."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as there,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as here,
    ):
        there.bind(("127.0.0.1", 0))
        there.settimeout(0.05)
        here.connect(there.getsockname())
        over = threading.Event()

        def serve() -> None:
            while not over.is_set():
                try:
                    datagram, peer = there.recvfrom(2048)
                except TimeoutError:
                    continue
                for reply in answer(datagram):
                    there.sendto(reply, peer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield here
        finally:
            over.set()
            thread.join()


def test_the_link_greets_and_carries_out_the_sequence() -> None:
    with front_end(replying(Registers())) as here:
        link = PetsysLink(here, "udp://there")
        link.greet(2.0)
        assert link.run(set_up(FrontEnd(), ALL, ticking())).asics == ALL
        assert here.gettimeout() is None


def test_replies_to_others_data_and_rubbish_are_passed_over_and_counted() -> None:
    def noisy(reply: p.Reply) -> list[bytes]:
        good, other = p.encode_reply(reply), p.encode_reply(p.Reply(reply.serial ^ 1, reply.function, b"\0" * 10))
        elsewhere = p.encode_reply(p.Reply(reply.serial, 3, reply.payload))
        return [p.encode_data([p.Frame(1)]), other, elsewhere, b"\x5a\x01", good, good]

    with front_end(replying(Registers(), noisy)) as here:
        link = PetsysLink(here, "udp://there")
        link.greet(2.0)
        assert link.run(set_up(FrontEnd(), ALL, ticking())).asics == ALL
        assert link.data >= 10
        assert link.replies >= 20


def test_a_reply_that_is_lost_is_asked_for_again_under_another_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_module, "REPLY_WAIT_S", 0.02)
    serials: list[int] = []

    def every_third(reply: p.Reply) -> list[bytes]:
        serials.append(reply.serial)
        return [p.encode_reply(reply)] if len(serials) % 3 == 0 else []

    with front_end(replying(Registers(), every_third)) as here:
        assert PetsysLink(here, "udp://there").run(shut_down()).base_pcb == 5
    assert len(set(serials)) == len(serials)


def test_a_front_end_that_is_slower_than_the_wait_is_understood_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_module, "REPLY_WAIT_S", 0.02)
    waiting: list[bytes] = []

    def one_behind(reply: p.Reply) -> list[bytes]:
        waiting.append(p.encode_reply(reply))
        return waiting[-2:-1]

    with front_end(replying(Registers(), one_behind)) as here:
        link = PetsysLink(here, "udp://there")
        assert link.run(shut_down()).base_pcb == 5
        assert link.replies > 0


def test_a_front_end_that_never_answers_a_command_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_module, "REPLY_WAIT_S", 0.01)
    with front_end(lambda _: []) as here, pytest.raises(DeadlineError, match=r"udp://there: no reply to 3 commands"):
        PetsysLink(here, "udp://there").run(shut_down(), tries=3)


def test_nobody_at_the_address_is_unreachable_in_words() -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as nobody,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as here,
    ):
        nobody.bind(("127.0.0.1", 0))
        here.connect(nobody.getsockname())
        with pytest.raises(UnreachableError, match=r"udp://there: no answer to \d+ hellos in 0.2 s"):
            PetsysLink(here, "udp://there").greet(0.2)
