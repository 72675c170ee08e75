"""Record a conversation with an instrument: everything that its profile can read, and nothing that sets."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime

from daq.devices.abilities import Value
from daq.devices.instruments.courierlink import carried
from daq.devices.instruments.session import Session
from daq.devices.instruments.talk import Asked
from daq.devices.instruments.values import decoded
from daq.errors import DeadlineError, LimitError, ScandaqError, UnreachableError, WireError
from daq.model.control import ControlProfile, ControlValue, Exchange
from daq.model.controlrecord import CONTROL_RECORD_SCHEMA, ControlRecord, Exchanged, Head, Understood
from daq.transports.links import link_of
from daq.wire.control.codec import Codec
from daq.wire.control.codecs import codec_of

_MOST = 100_000
"""Lines of one recording."""


class RecordingCodec:
    """A codec that keeps what goes through it."""

    def __init__(self, codec: Codec, clock: Callable[[], float]) -> None:
        self.kept: list[Exchanged | Understood] = []
        self.tagged, self.strays = codec.tagged, 0
        self._codec, self._clock, self._began_s = codec, clock, clock()

    @property
    def halfway(self) -> bool:
        """Return True where part of a reply is there."""
        return self._codec.halfway

    def begin(self, request: str, *, raw: bool = False) -> bytes:
        """Return the bytes of a request, and keep both. Raises `LimitError` for a recording without end."""
        if len(self.kept) >= _MOST:
            raise LimitError(f"{_MOST} lines were recorded; a recording has no more")
        sent = self._codec.begin(request, raw=raw)
        t_s = round(self._clock() - self._began_s, 6)
        self.kept.append(Exchanged(say=request, raw=raw, t_s=t_s, sent=sent.hex(), got=()))
        return sent

    def interject(self, request: str) -> bytes:
        """Return the bytes of a request that waits for nobody."""
        return self._codec.interject(request)

    def feed(self, data: bytes) -> list[str]:
        """Take what came, and keep it with the request before it."""
        last = self.kept[-1] if self.kept else None
        if isinstance(last, Exchanged):
            self.kept[-1] = last.model_copy(update={"got": (*last.got, data.hex())})
        try:
            return self._codec.feed(data)
        finally:
            self.strays = self._codec.strays

    def forget(self) -> None:
        """Forget what is there of a reply."""
        self._codec.forget()


def readable(profile: ControlProfile) -> Iterator[tuple[str, ControlValue, str, str, Exchange]]:
    """Yield what a profile can read: name, value, `get` or `all`, channel (empty: of the device), exchange."""
    for name, value in profile.values.items():
        if value.get is not None:
            for channel in profile.channels if value.of == "channel" else ("",):
                yield name, value, "get", channel, value.get
        if value.all is not None:
            yield name, value, "all", "", value.all


async def record(
    profile: ControlProfile,
    url: str,
    *,
    variables: Mapping[str, str] | None = None,
    rounds: int = 1,
    clock: Callable[[], float] = time.monotonic,
) -> ControlRecord:
    """Return the conversation: who it says it is, then `rounds` times each value of each channel.

    What it refuses, or does not answer while it still says who it is, is kept as that.

    Raises `UnreachableError`, `DeadlineError`, `WireError` where there is no
    conversation, `MismatchError` for another instrument.
    """
    codec = RecordingCodec(codec_of(profile), clock)
    link = carried(profile, link_of(url, profile.transport, read_end=profile.framing.read_end), clock)
    session = Session("instrument", profile, link, codec, variables=variables, clock=clock)
    try:
        found = await session.identify()
        for _ in range(rounds):
            for name, value, how, channel, exchange in readable(profile):
                codec.kept += [
                    Understood.model_validate(
                        {"read": name, "channel": each, "how": how, "unit": value.unit or "", **what}
                    )
                    for each, what in (await _asked(session, value, channel, exchange, how)).items()
                ]
    finally:
        await session.close()
    head = Head.model_validate({
        "schema": CONTROL_RECORD_SCHEMA, "profile": profile.id, "url": url,
        "made_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        "variables": {**profile.variables, **(variables or {})}, "vendor": found.vendor, "model": found.model,
        "serial": found.serial or "", "firmware": found.firmware,
    })  # fmt: skip
    return ControlRecord(head=head, lines=tuple(codec.kept))


async def _asked(
    session: Session, value: ControlValue, channel: str, exchange: Exchange, how: str
) -> dict[str, dict[str, Value]]:
    """Return per channel what was read, or what it was refused with."""
    fields = {"channel": channel} if value.of == "channel" and how == "get" else {}
    try:
        (groups,) = await session.ask([Asked(exchange, fields)])
    except DeadlineError as why:  # some say nothing to what they do not have, e.g. an axis
        await session.identify()
        return {channel: {"refused": str(why)}}
    except (UnreachableError, WireError):
        raise
    except ScandaqError as why:
        return {channel: {"refused": str(why)}}
    return {where: {"value": found} for where, found in understood(session.profile, value, channel, how, groups)}


def understood(
    profile: ControlProfile, value: ControlValue, channel: str, how: str, groups: Mapping[str, str]
) -> Iterator[tuple[str, Value]]:
    """Yield channel and value of what a reply said. Raises `WireError` for what makes no sense."""
    if how == "get":
        yield channel, decoded(value, groups["value"])
        return
    parts = groups["value"].split(value.apart)
    if len(parts) != len(profile.channels):
        raise WireError(f"{groups['value']!r} holds {len(parts)} channels, the profile has {len(profile.channels)}")
    for each, part in zip(profile.channels, parts, strict=True):
        yield each, decoded(value, part)
