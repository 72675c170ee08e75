"""One datagram to an endpoint, at once: for what is said again soon, so that a lost one does no harm."""

from __future__ import annotations

import socket


def send_datagram(host: str, port: int, data: bytes) -> None:
    """Send, without waiting; raise `OSError` where this host cannot. Whether anybody hears it is not known."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sender:
        sender.sendto(data, socket.MSG_DONTWAIT, (host, port))
