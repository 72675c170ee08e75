"""A board of registers behind SiTCP: RBCP on UDP, a stream of events on TCP."""

from __future__ import annotations

import argparse
import socket
import threading
import time

from simulators.instruments.boardoptions import add_board_options, ports
from simulators.instruments.boardserver import BoardServer
from simulators.instruments.rbcpboard import RbcpBoard
from simulators.instruments.registers import Registers

_STEP_S = 0.01


def add_options(parser: argparse.ArgumentParser) -> None:
    """Register the options of `sitcp-rbcp`."""
    add_board_options(parser)
    parser.add_argument(
        "--rate", type=float, default=10_000.0, metavar="WORDS", help="of the stream per second (default %(default)g)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Serve until stopped."""
    board = RbcpBoard(Registers(arguments.serial))
    alone = threading.Lock()

    def stream(client: socket.socket, server: BoardServer) -> None:
        """Send words while the board runs; SiTCP has one client at a time, and refuses a second."""
        if not alone.acquire(blocking=False):
            return
        try:
            _stream(client, server, board, arguments.rate)
        finally:
            alone.release()

    server = BoardServer(
        "sitcp-rbcp", board, host=arguments.host, ports=ports(arguments), client=stream, seed=arguments.fault_seed
    )
    return server.serve()


def _stream(client: socket.socket, server: BoardServer, board: RbcpBoard, rate_per_s: float) -> None:
    client.settimeout(None)
    at_s, owed = time.monotonic(), 0.0
    while not server.stopping.wait(_STEP_S):
        now_s = time.monotonic()
        with server.lock:
            owed = owed + rate_per_s * (now_s - at_s) if board.runs else 0.0
            words = int(owed)
            data = board.stream(words)
        at_s, owed = now_s, owed - words
        if data:
            client.sendall(data)
        elif _gone(client):
            return


def _gone(client: socket.socket) -> bool:
    try:
        return client.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
