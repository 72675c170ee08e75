"""The connection for commands of a FERS board: replies belong to their requests, whatever comes late or breaks."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import pytest

from daq.errors import DeadlineError, ReadbackError, RefusedError, UnreachableError
from daq.readout.fers import FersLink
from daq.wire.fers import Register, Request, parse_request, read_register, value_of
from daq.wire.fers_setup import identify, runs, stop

Answer = Callable[[socket.socket, Request], None]


@contextmanager
def board(answer: Answer) -> Iterator[FersLink]:
    """Yield a link to a board that answers each request in its own way, on as many connections as it is asked for."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(10.0)

        def converse(peer: socket.socket) -> None:
            kept = b""
            with peer:
                while chunk := peer.recv(4096):
                    kept += chunk
                    while (parsed := parse_request(kept))[0] is not None:
                        request, used = parsed
                        kept = kept[used:]
                        assert request is not None
                        try:
                            answer(peer, request)
                        except OSError:
                            return

        def serve() -> None:
            while True:
                try:
                    peer, _ = listening.accept()
                except OSError:
                    return
                threading.Thread(target=converse, args=(peer,), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        with closing(FersLink("127.0.0.1", listening.getsockname()[1], 5.0)) as link:
            yield link


def test_a_reply_that_comes_late_is_not_taken_for_that_of_the_next_request() -> None:
    def answer(peer: socket.socket, request: Request) -> None:
        if request.address == Register.FW_REV:
            time.sleep(0.3)
        peer.sendall(int(request.address & 0xFFFF).to_bytes(4, "little"))

    with board(answer) as link:
        with pytest.raises(DeadlineError, match=r"no answer to a command within 0\.05 s"):
            link.ask(read_register(Register.FW_REV), 0.05)
        time.sleep(0.4)
        assert value_of(link.ask(read_register(Register.PID), 2.0)) == Register.PID & 0xFFFF


def test_a_reply_may_come_in_pieces() -> None:
    def answer(peer: socket.socket, request: Request) -> None:
        del request
        for byte in (1, 2, 3, 4):
            peer.sendall(bytes([byte]))
            time.sleep(0.01)

    with board(answer) as link:
        assert value_of(link.ask(read_register(Register.PID), 2.0)) == 0x0403_0201


def test_a_board_that_hangs_up_is_said_and_asked_again_on_another_connection() -> None:
    asked: list[int] = []

    def answer(peer: socket.socket, request: Request) -> None:
        asked.append(request.address)
        if len(asked) == 1:
            peer.shutdown(socket.SHUT_RDWR)
        else:
            peer.sendall(bytes([7, 0, 0, 0]))

    with board(answer) as link:
        with pytest.raises(UnreachableError, match="hung up in the middle of a command"):
            link.ask(read_register(Register.PID), 2.0)
        assert value_of(link.ask(read_register(Register.PID), 2.0)) == 7


def test_an_error_in_a_sequence_says_of_which_board() -> None:
    unusable = r"tcp://127\.0\.0\.1:\d+: the board answers and runs no valid firmware"
    with board(lambda peer, _: peer.sendall(bytes(4))) as link, pytest.raises(RefusedError, match=unusable):
        link.run(identify())

    def goes_on(peer: socket.socket, request: Request) -> None:
        peer.sendall((4 if request.address == Register.ACQ_STATUS else 0).to_bytes(4, "little"))

    with board(goes_on) as link, pytest.raises(ReadbackError, match=r"tcp://127\.0\.0\.1:\d+: .* still runs"):
        link.run(stop())


def test_a_board_that_answers_each_command_in_time_and_is_too_slow_for_all_is_given_up() -> None:
    def answer(peer: socket.socket, request: Request) -> None:
        del request
        time.sleep(0.05)
        peer.sendall(bytes(4))

    with board(answer) as link, pytest.raises(DeadlineError, match=r"answered \d commands within 0\.2 s"):
        link.run(runs(time.monotonic), within_s=0.2)


def test_several_threads_get_their_own_replies() -> None:
    def answer(peer: socket.socket, request: Request) -> None:
        peer.sendall(request.address.to_bytes(4, "little"))

    wrong: list[int] = []
    with board(answer) as link:

        def ask(base: int) -> None:
            asked = range(base, base + 50)
            wrong.extend(each for each in asked if value_of(link.ask(read_register(each), 5.0)) != each)

        threads = [threading.Thread(target=ask, args=(1000 * n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20.0)
            assert not thread.is_alive()
    assert wrong == []
