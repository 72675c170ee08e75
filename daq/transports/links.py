"""The wire to an instrument, from what the site file says of its place and the profile of its line."""

from __future__ import annotations

from urllib.parse import urlsplit

from daq.errors import ProfileError
from daq.model.control import ControlTransport, SerialLine
from daq.transports.link import Link
from daq.transports.streamlink import SerialLink, TcpLink

_PARITY = {"none": "N", "even": "E", "odd": "O"}


def link_of(url: str, transport: ControlTransport) -> Link:
    """Return the wire, closed yet. Raises `ProfileError` for a place that the profile's transport does not fit."""
    parts = urlsplit(url)
    match parts.scheme:
        case "tcp":
            return TcpLink(parts.hostname or "", parts.port or transport.port or 0)
        case "serial":
            return SerialLink(parts.path, **serial_settings(_line(url, transport)))
        case "rfc2217":
            return SerialLink(url, **serial_settings(_line(url, transport)))
        case _:
            raise ProfileError(f"{url}: no wire of this version is {parts.scheme}://")


def serial_settings(line: SerialLine) -> dict[str, object]:
    """Return how pyserial is told to set a line."""
    return {
        "baudrate": line.baud, "bytesize": line.bits, "parity": _PARITY[line.parity], "stopbits": line.stop,
        "xonxoff": line.flow == "xon-xoff", "rtscts": line.flow == "rts-cts",
    }  # fmt: skip


def _line(url: str, transport: ControlTransport) -> SerialLine:
    if transport.serial is None:
        raise ProfileError(f"{url}: the profile has no serial line, it knows {', '.join(transport.kinds)}")
    return transport.serial
