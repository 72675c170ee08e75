"""A board of registers that speaks IPbus 2.0 on UDP and on TCP."""

from __future__ import annotations

import argparse
import socket

from daq.wire.control.ipbus import LENGTH
from simulators.instruments.boardoptions import add_board_options, ports
from simulators.instruments.boardserver import BoardServer
from simulators.instruments.ipbusboard import IpbusBoard
from simulators.instruments.registers import Registers

_MOST_BYTES = 1 << 16


def add_options(parser: argparse.ArgumentParser) -> None:
    """Register the options of `ipbus`."""
    add_board_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Serve until stopped."""
    board = IpbusBoard(Registers(arguments.serial))
    server = BoardServer(
        "ipbus", board, host=arguments.host, ports=ports(arguments), client=_packets, seed=arguments.fault_seed
    )
    return server.serve()


def _packets(client: socket.socket, server: BoardServer) -> None:
    """Answer packets, each after its length in bytes, until the client leaves or says nonsense."""
    got = bytearray()
    while not server.stopping.is_set():
        try:
            data = client.recv(_MOST_BYTES)
        except TimeoutError:
            continue
        if not data:
            return
        got += data
        while len(got) >= LENGTH.size:
            (long,) = LENGTH.unpack_from(got)
            if long > _MOST_BYTES:
                return
            if len(got) < LENGTH.size + long:
                break
            whole = bytes(got[LENGTH.size : LENGTH.size + long])
            del got[: LENGTH.size + long]
            with server.lock:
                answer = None if server.deaf else server.board.answer(whole)
            if answer is not None:
                client.sendall(LENGTH.pack(len(answer)) + answer)
