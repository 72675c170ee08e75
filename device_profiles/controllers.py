"""What a site file says about instruments that are asked and told: `[controllers.NAME]`, and devices on them."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from daq.model.layout import Name

SCHEMES = ("serial", "rfc2217", "tcp", "udp", "visa")
_PORTS = range(1, 65536)
_VISA = re.compile(r"visa://(TCPIP|USB|GPIB)\d*::.+", re.IGNORECASE)


def why_no_controller(text: str) -> str | None:
    """Return why `text` is no place of an instrument, or None."""
    try:
        parts = urlsplit(text)
        port = parts.port if parts.scheme in ("tcp", "udp", "rfc2217") else None
    except ValueError as why:
        return f"not a URL: {why}"
    match parts.scheme:
        case "serial":
            fine = parts.path.startswith("/") and not parts.netloc
            return None if fine else "a serial line is written serial:///dev/serial/by-id/NAME"
        case "visa":
            fine = _VISA.fullmatch(text) is not None
            return None if fine else "a VISA resource is written visa://TCPIP::..., visa://USB::... or visa://GPIB::..."
        case "tcp" | "udp" | "rfc2217":
            fine = bool(parts.hostname) and port in _PORTS and not (parts.path or parts.query or parts.fragment)
            return None if fine and "@" not in parts.netloc else f"is written {parts.scheme}://HOST:PORT"
        case _:
            return f"must begin with {', '.join(f'{scheme}://' for scheme in SCHEMES)}"


def _place(text: str) -> str:
    why = why_no_controller(text)
    if why is not None:
        raise ValueError(why)
    return text


class Controller(BaseModel):
    """One instrument that is asked and told. Several on one wire have one `url`: they take turns."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    profile: str
    """Id of a shipped control profile, or a path relative to the site file."""
    url: Annotated[str, AfterValidator(_place)]
    """`serial:///dev/serial/by-id/NAME`, `tcp://HOST:PORT`, `udp://HOST:PORT`, `rfc2217://HOST:PORT`, `visa://RESOURCE`."""
    serial: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    """Serial number; another one there is refused. Without it any instrument of the profile's models will do."""
    variables: dict[Name, str] = {}
    """What the profile lets a site say, e.g. the address on a bus."""


class OnController(BaseModel):
    """Where a device is: the controller, its channel, and for an axis how its units are millimetres or degrees."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name
    channel: Annotated[str, Field(pattern=r"^[A-Za-z0-9]{1,16}$")] | None = None
    """None: the profile has no channels."""
    per_unit: Annotated[float, Field(allow_inf_nan=False)] | None = None
    """Of an axis, required there: the controller's units per mm or degree; negative where it counts backwards."""
    zero: Annotated[float, Field(allow_inf_nan=False)] = 0.0
    """Of an axis: where the controller's 0 is, in millimetres or degrees."""
