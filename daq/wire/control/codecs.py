"""Which codec a control profile wants."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from daq.errors import ProfileError
from daq.model.control import ControlProfile
from daq.wire.control.codec import Codec
from daq.wire.control.ipbuscodec import IpbusCodec
from daq.wire.control.lines import LinesCodec
from daq.wire.control.modbus import ModbusTcpCodec
from daq.wire.control.rbcp import RbcpCodec
from daq.wire.control.tmcl import TmclCodec

_MADE: Mapping[str, Callable[[ControlProfile], Codec]] = {
    "lines": lambda profile: LinesCodec(profile.framing),
    "modbus-tcp": lambda _: ModbusTcpCodec(),
    "ipbus-udp": lambda _: IpbusCodec(datagrams=True),
    "ipbus-tcp": lambda _: IpbusCodec(datagrams=False),
    "rbcp": lambda _: RbcpCodec(),
    "tmcl": lambda _: TmclCodec(),
}


def codec_of(profile: ControlProfile) -> Codec:
    """Return a codec for one conversation. Raises `ProfileError` for one that this version does not know."""
    made = _MADE.get(profile.framing.codec)
    if made is None:
        known = ", ".join(_MADE)
        raise ProfileError(f"{profile.id}: framing.codec = {profile.framing.codec!r}; this version knows {known}")
    return made(profile)
