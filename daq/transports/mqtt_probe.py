"""Small questions about ports of this host: which is free, and whether a broker of MQTT answers on one."""

from __future__ import annotations

import socket

from daq.errors import UnreachableError

_CONNECT_311 = bytes.fromhex("10 0c 0004 4d515454 04 02 0005 0000")
"""CONNECT of MQTT 3.1.1: clean session, keep alive 5 s, no client id."""
_DISCONNECT = bytes.fromhex("e0 00")
_CONNACK = 0x20
_CONNACK_BYTES = 4


def free_port(host: str = "127.0.0.1") -> int:
    """Return a port that nobody listened on a moment ago."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def answers(host: str, port: int, *, within_s: float) -> bool:
    """Return True when a broker takes a connection within the time; False when nobody listens or it stays silent.

    Raise `UnreachableError` where something else than a broker answers.
    """
    try:
        with socket.create_connection((host, port), timeout=within_s) as wire:
            wire.sendall(_CONNECT_311)
            answer = wire.recv(_CONNACK_BYTES)
            if answer[:1] == bytes([_CONNACK]):
                wire.sendall(_DISCONNECT)
                return True
    except OSError:
        return False
    if not answer:
        return False
    raise UnreachableError(f"what listens on {host}:{port} is no broker of MQTT")
