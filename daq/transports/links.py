"""The wire to an instrument, from what the site file says of its place and the profile of its line."""

from __future__ import annotations

from urllib.parse import urlsplit

from daq.errors import ProfileError
from daq.model.control import ControlTransport, SerialLine
from daq.transports.link import Link
from daq.transports.rfc2217link import Rfc2217Link
from daq.transports.serialline import serial_settings
from daq.transports.streamlink import SerialLink, TcpLink
from daq.transports.udplink import UdpLink
from daq.transports.visalink import VisaLink

_KINDS = ("serial", "tcp", "udp", "visa")


def link_of(url: str, transport: ControlTransport, *, read_end: str = "\n") -> Link:
    """Return the wire, closed yet. `read_end`: of the profile's framing; VISA must know it where a socket is read.

    Raises `ProfileError` for a place that the profile's transport does not fit.
    """
    parts = urlsplit(url)
    kind = {"rfc2217": "serial"}.get(parts.scheme, parts.scheme)
    if kind in _KINDS and kind not in transport.kinds:
        raise ProfileError(f"{url}: the profile knows {', '.join(transport.kinds)}")
    match parts.scheme:
        case "tcp":
            return TcpLink(parts.hostname or "", parts.port or transport.port or 0)
        case "udp":
            return UdpLink(parts.hostname or "", parts.port or transport.port or 0)
        case "serial":
            return SerialLink(parts.path, **serial_settings(_line(url, transport)))
        case "rfc2217":
            return Rfc2217Link(parts.hostname or "", parts.port or 0, _line(url, transport))
        case "visa":
            resource, _, library = url.removeprefix("visa://").partition("?library=")
            return VisaLink(resource, library=library or "@py", line_end=ord(read_end[-1:] or "\n"))
        case _:
            raise ProfileError(f"{url}: no wire of this version is {parts.scheme}://")


def _line(url: str, transport: ControlTransport) -> SerialLine:
    if transport.serial is None:
        raise ProfileError(f"{url}: the profile has no serial line, it knows {', '.join(transport.kinds)}")
    return transport.serial
