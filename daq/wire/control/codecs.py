"""Which codec a control profile wants: one of these, or one that an installed package brings.

A package brings one by an entry point of the group `scandaq.codecs`: a function that takes the `ControlProfile` and
returns a `Codec`. A profile names it `hook:NAME`, so that nobody takes it for one of these.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from importlib.metadata import entry_points

from daq.errors import ProfileError
from daq.model.control import HOOK, ControlProfile
from daq.wire.control.codec import Codec
from daq.wire.control.ipbuscodec import IpbusCodec
from daq.wire.control.lines import LinesCodec
from daq.wire.control.modbus import ModbusTcpCodec
from daq.wire.control.rbcp import RbcpCodec
from daq.wire.control.stx import StxCodec
from daq.wire.control.tmcl import TmclCodec

_MADE: Mapping[str, Callable[[ControlProfile], Codec]] = {
    "lines": lambda profile: LinesCodec(profile.framing),
    "modbus-tcp": lambda _: ModbusTcpCodec(),
    "ipbus-udp": lambda _: IpbusCodec(datagrams=True, seed=_another()),
    "ipbus-tcp": lambda _: IpbusCodec(datagrams=False, seed=_another()),
    "rbcp": lambda _: RbcpCodec(),
    "stx": lambda _: StxCodec(),
    "tmcl": lambda _: TmclCodec(),
}

HOOKS = "scandaq.codecs"


def _another() -> int:
    """Return a number of 23 bits that another program hardly has, too."""
    return random.randrange(1 << 23)  # noqa: S311 - not for secrets


def codec_of(profile: ControlProfile) -> Codec:
    """Return a codec for one conversation. Raises `ProfileError` for one that is neither here nor installed."""
    name = profile.framing.codec
    if name.startswith(HOOK):
        return _hook(profile, name.removeprefix(HOOK))
    made = _MADE.get(name)
    if made is None:
        raise ProfileError(f"{profile.id}: framing.codec = {name!r}; this version knows {', '.join(_MADE)}")
    return made(profile)


def _hook(profile: ControlProfile, name: str) -> Codec:
    offered = entry_points(group=HOOKS)
    found = [point for point in offered if point.name == name]
    if len(found) != 1:
        known = ", ".join(sorted(point.name for point in offered)) or "none"
        what = "is brought by no installed package" if not found else f"is brought by {len(found)} packages"
        raise ProfileError(f"{profile.id}: framing.codec = {HOOK + name!r} {what}; entry points of {HOOKS}: {known}")
    try:
        codec = found[0].load()(profile)
    except Exception as why:
        raise ProfileError(f"{profile.id}: the codec {HOOK}{name} ({found[0].value}) cannot be made: {why}") from why
    if not isinstance(codec, Codec):
        raise ProfileError(f"{profile.id}: {found[0].value} made a {type(codec).__name__}, which is no codec")
    return codec
