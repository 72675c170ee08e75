"""Registers over a network that loses, doubles, delays and reorders: each access is done once, or known not to be."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support_registers import LATE_S, Client, fresh_readings, ipbus, rbcp, simulated

from daq.errors import BusyError, DeadlineError, UnreachableError
from daq.wire.control.ipbuscodec import IpbusCodec
from daq.wire.control.ipbuscourier import IpbusCourier
from daq.wire.control.rbcp import RbcpCodec
from daq.wire.control.rbcpcourier import RbcpCourier
from simulators.instruments.ipbusboard import IpbusBoard


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 1 << 30), st.sampled_from([0.0, 0.05, 0.2]), st.lists(st.integers(0, 999), max_size=25))
def test_ipbus_adds_once_whatever_the_network_does(seed: int, chance: float, numbers: list[int]) -> None:
    client, _ = ipbus(seed, chance)
    total = 0

    for number in numbers:
        assert client.ask(f"add 1 {number:x}; read 1") == f"{total:08x}; {total + number:08x}"
        total += number


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 1 << 30), st.sampled_from([0.0, 0.05, 0.2]), st.integers(1, 512))
def test_blocks_of_many_packets_come_whole_and_in_order(seed: int, chance: float, count: int) -> None:
    client, _ = ipbus(seed, chance)
    words = " ".join(f"{number * 2654435761 & 0xFFFFFFFF:08x}" for number in range(count))

    assert client.ask(f"write 1000 {words}") == "done"
    assert client.ask(f"read 1000 {count}") == words


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 1 << 30), st.sampled_from([0.0, 0.05, 0.2]), st.lists(st.integers(0, 999), max_size=25))
def test_rbcp_reads_what_was_written_last_or_says_that_it_does_not_know(
    seed: int, chance: float, numbers: list[int]
) -> None:
    client, _ = rbcp(seed, chance)
    client.network.doubles_requests = (
        False  # a write that comes once more, and late, is done once more: nobody can tell
    )

    for number in numbers:
        try:
            assert client.ask(f"write 10 x4 {number:x}") in ("done", None)
            assert client.ask("read 10 4") in (f"{number:08x}", None)
        except DeadlineError:
            return


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 1 << 30), st.sampled_from([0.0, 0.05, 0.2]), st.integers(1, 25))
def test_rbcp_never_tells_a_board_twice_what_is_to_be_told_once(seed: int, chance: float, count: int) -> None:
    client, board = rbcp(seed, chance)
    said = 0

    for _ in range(count):
        said += 1
        try:
            client.ask("put 24 x4 1")
        except DeadlineError:
            break

    doubled = len(client.network.heard) - len(set(client.network.heard))
    assert client.courier.resent == 0
    assert board.registers.words["pulses"] <= said + doubled


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 1 << 30), st.sampled_from(["ipbus", "rbcp"]), st.sampled_from([0.05, 0.3]), st.integers(1, 40))
def test_what_is_read_was_so_after_it_was_asked(seed: int, protocol: str, chance: float, count: int) -> None:
    assert fresh_readings(seed, protocol, chance, count) <= count


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 1 << 30), st.sampled_from([0.0, 0.05, 0.2]), st.integers(1, 150))
def test_rbcp_hands_answers_over_in_order_though_many_are_under_way(seed: int, chance: float, count: int) -> None:
    client, board = rbcp(seed, chance, window=8)
    for number in range(count):
        board.answer(bytes.fromhex("ff800004") + (0x100 + 4 * number).to_bytes(4, "big") + number.to_bytes(4, "big"))

    with suppress(DeadlineError):
        said = client.ask("; ".join(f"read {0x100 + 4 * number:x} 4" for number in range(count)))

        assert said in (None, "; ".join(f"{number:08x}" for number in range(count)))


def test_what_is_said_once_is_said_alone() -> None:
    codec, courier = RbcpCodec(), RbcpCourier(LATE_S, LATE_S, window=8)
    courier.submit(codec.begin("read 10 4; read 10 4; put 24 x4 1; read 10 4"))

    said = [courier.outgoing(0.0)]
    for _ in range(2):
        for request in said[-1]:
            courier.incoming(request[:1] + bytes([request[1] | 8]) + request[2:] + bytes(12 - len(request)), 0.001)
        said.append(courier.outgoing(0.001))

    assert [len(each) for each in said] == [2, 1, 1]


def test_a_reply_that_comes_twice_is_a_stray_the_second_time() -> None:
    courier = RbcpCourier(LATE_S, LATE_S)
    courier.submit(RbcpCodec().begin("read 10 4"))
    (request,) = courier.outgoing(0.0)
    answer = bytes([0xFF, 0xC8]) + request[2:8] + bytes(4)

    courier.incoming(answer, 0.001)
    courier.incoming(answer, 0.002)

    assert courier.strays == 1
    assert len(courier.replies()) == 4 + 12


def test_an_id_of_rbcp_rests_until_no_answer_to_it_can_come() -> None:
    codec, courier = RbcpCodec(), RbcpCourier(LATE_S, LATE_S, window=300)
    courier.submit(codec.begin("; ".join(["read 10 4"] * 300)))

    first = courier.outgoing(0.0)
    for request in first:
        courier.incoming(bytes([0xFF, 0xC8]) + request[2:8] + bytes(4), 0.001)

    assert len(first) == 256
    assert courier.outgoing(0.001 + LATE_S - 1e-9) == []
    assert len(courier.outgoing(0.001 + LATE_S + 1e-9)) == 44


def test_a_write_that_was_said_again_is_let_arrive_before_anything_else_is_said() -> None:
    codec, courier = RbcpCodec(), RbcpCourier(LATE_S, 3 * LATE_S)
    courier.submit(codec.begin("write 10 x4 1; write 10 x4 2"))
    courier.outgoing(0.0)
    (again,) = courier.outgoing(LATE_S)

    courier.incoming(bytes([0xFF, 0x88]) + again[2:], LATE_S + 0.001)

    assert courier.outgoing(4 * LATE_S - 1e-9) == []
    assert len(courier.outgoing(4 * LATE_S)) == 1


def test_what_is_said_once_and_not_answered_is_an_error_that_names_it() -> None:
    courier = RbcpCourier(LATE_S, LATE_S)
    courier.submit(RbcpCodec().begin("take 20 4"))
    courier.outgoing(0.0)

    with pytest.raises(DeadlineError, match="no answer to a read of 0x00000020, which is not said twice"):
        courier.outgoing(LATE_S)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 1 << 30), st.integers(0, 1 << 23), st.lists(st.booleans(), min_size=2, max_size=30))
def test_two_programs_on_one_board_never_read_the_others_answer(seed: int, apart: int, turns: list[bool]) -> None:
    """Not even where their numbers of transactions are the same."""
    one, board = ipbus(seed, 0.0)
    other = Client(IpbusCodec(datagrams=True, seed=apart), IpbusCourier(LATE_S), one.network, 5.0)

    for turn in turns:
        asked, answer = ("read 0", "53434451") if turn else ("read 2", "00001267")
        client = one if turn else other
        with suppress(UnreachableError):
            assert client.ask(asked) in (answer, None)
            continue
        client.courier.opened()

    assert board.registers.serial == 0x1267


def test_a_target_that_was_started_again_in_the_midst_is_found_out() -> None:
    client, board = ipbus(1, 0.0)
    assert client.ask("write 1 5; write 1 6") == "done; done"
    for _ in range(40):
        client.ask("read 1")
    board.deeds()["reboot"]({})

    with pytest.raises(UnreachableError, match="takes packet 1 next, 42 was due: it was started again"):
        client.ask("read 1")


def test_a_stop_in_the_midst_leaves_at_once_and_its_answer_is_a_stray() -> None:
    codec, courier = IpbusCodec(datagrams=True), IpbusCourier(LATE_S)
    board, registers = simulated(IpbusBoard)
    courier.opened()
    courier.submit(codec.begin("read 1"))
    (question,) = courier.outgoing(0.0)
    courier.incoming(board.answer(question), 0.001)
    courier.outgoing(0.001)

    courier.submit(codec.interject("write 1 7"))
    (stop,) = courier.outgoing(0.002)
    courier.incoming(board.answer(stop), 0.003)

    assert registers.words["scratch"] == 7
    assert (courier.replies(), courier.strays) == (b"", 1)


def test_a_stop_by_rbcp_leaves_though_a_board_is_busy_with_a_long_request() -> None:
    codec, courier = RbcpCodec(), RbcpCourier(LATE_S, LATE_S)
    courier.submit(codec.begin("; ".join(["read 10 4"] * 50)))
    assert len(courier.outgoing(0.0)) == 1

    courier.submit(codec.interject("write 10 x4 7"))

    (stop,) = courier.outgoing(0.001)
    assert stop[1:2] + stop[3:] == bytes.fromhex("80 04 00000010 00000007")


def test_more_than_may_wait_is_refused() -> None:
    codec, courier = RbcpCodec(), RbcpCourier(LATE_S, LATE_S)
    request = codec.begin("; ".join(["read 10 4"] * 4096))
    courier.submit(request)
    courier.submit(request)

    with pytest.raises(BusyError, match="12288 datagrams wait for their turn, 8192 may"):
        courier.submit(request)
