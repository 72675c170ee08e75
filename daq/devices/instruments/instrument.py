"""An instrument by its control profile: values read and set in their units, actions done and confirmed.

Nothing above a hard limit reaches the wire; what was set is read back; what was told is confirmed by a reading.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping, Sequence

from daq.devices.abilities import Identity, Timed, Value
from daq.devices.instruments.alive import Alive
from daq.devices.instruments.session import Session
from daq.devices.instruments.shared import Ask, Shared
from daq.devices.instruments.talk import Asked
from daq.devices.instruments.values import decoded, encoded, flags_of, same
from daq.devices.instruments.words import shown
from daq.errors import (
    DeadlineError,
    LimitError,
    MissingError,
    ReadbackError,
    RefusedError,
    ScandaqError,
    VerificationError,
    WireError,
)
from daq.model.control import Action, ControlProfile, ControlValue
from daq.model.tables import close_names

_LOOK_S = 0.1
_SAFE_AGAIN_S = 5.0
_BEATS = 10_000
_ASK_S = 0.5


class Instrument:
    """The values and actions of one instrument over its `Session`. Channels are named as in the profile."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.profile: ControlProfile = session.profile
        self.name = session.name
        self._shared = Shared(session.clock)
        self._used: dict[str, set[str]] = {}
        self.alive = Alive(session.name, session.profile.roles.alive, session.clock)
        self.beats = 0
        self._armed_on: int | None = None
        self._armed_s = 0.0

    @property
    def reply_s(self) -> float:
        """Return how long an answer may take: those of others on its wire, a lost reply, the silence after it."""
        conversation = self.profile.conversation
        return _ASK_S + 2 * (conversation.reply_s + conversation.late_s)

    async def identify(self) -> Identity:
        """Return who it says it is, asked now."""
        return await self.session.identify()

    async def read(self, name: str, channel: str = "") -> Value:
        """Return `value`, or `value.flag`, read now: a number in its unit, a choice, a text, flags as an integer.

        Raises `MissingError` for a name or channel that the profile does not know, `RefusedError` for what cannot be
        read, and what a conversation raises.
        """
        (value,) = await self.read_many([(name, channel)])
        return value

    async def read_many(self, wanted: Sequence[tuple[str, str]]) -> list[Value]:
        """Return several, each read after the call."""
        return [timed.value for timed in await self.read_timed(wanted)]

    async def read_timed(self, wanted: Sequence[tuple[str, str]], *, max_age_s: float = 0.0) -> list[Timed]:
        """Return several with the times they were asked at, which are at most `max_age_s` before the call.

        Whoever asks for the same at the same time shares one exchange.
        """
        return list(await asyncio.gather(*(self._timed(name, channel, max_age_s) for name, channel in wanted)))

    async def require_alive(self) -> None:
        """Raise `VerificationError` where its program stands still, as far as its profile names a sign of life."""
        for found in await self.read_many(self.alive.wanted):
            self.alive.look(found)

    async def read_all(self, name: str) -> dict[str, Value]:
        """Return a value of all channels by channel, in one exchange where the instrument can do so."""
        wanted = [(name, channel) for channel in self.profile.channels]
        for each in wanted if self.value(name).all is not None else ():
            self._used.setdefault(name.partition(".")[0], set()).add(each[1])
        return dict(zip(self.profile.channels, await self.read_many(wanted), strict=True))

    async def set(self, name: str, number: float, channel: str = "") -> None:
        """Set a value and return once it reads back. Raises `LimitError` before anything is said, `ReadbackError`."""
        value = self.value(name)
        if value.set is None:
            raise RefusedError(f"{self.name}: {name} can only be read")
        self.require_within(name, number)
        fields = {**self._channel(name, value.of, channel), "value": encoded(value, number)}
        for exchange in (value.set, *value.then):
            await self.session.tell(Asked(exchange, fields))
        if value.readback is not None:
            await self._read_back(name, value, number, channel)

    def require_within(self, name: str, number: float) -> None:
        """Raise `LimitError` unless a number lies within the profile's hard limits for a value."""
        hard = self.value(name).limits.hard
        unit = self.value(name).unit
        if not math.isfinite(number) or (hard is not None and not hard[0] <= number <= hard[1]):
            limit = f"{hard[0]:g} to {hard[1]:g} {unit} is possible" if hard else "a finite number is needed"
            raise LimitError(f"{self.name}: {name} cannot be {number:g} {unit}: {limit}")

    async def act(self, name: str, channel: str = "", **fields: str) -> None:
        """Do an action; return once it is confirmed. Raises `ReadbackError` where it said yes and nothing happened."""
        action = self.action(name)
        known = {**self._channel(name, action.of, channel), **fields}
        for exchange in action.send:
            await self.session.tell(Asked(exchange, known), urgent=action.hazard == "safe")
        confirm = action.confirm
        if confirm is None:
            return
        found = await self._until(confirm.value, channel, lambda read: read == confirm.reads, confirm.within_s)
        if found != confirm.reads:
            raise ReadbackError(
                f"{self.name}: {name} was said, but {confirm.value} reads {found!r}, not {confirm.reads!r},"
                f" {confirm.within_s:g} s later"
            )

    async def act_now(self, name: str, channel: str = "") -> None:
        """Say an action at once, also into the midst of another exchange; what is read next shows what it did."""
        action = self.action(name)
        known = self._channel(name, action.of, channel)
        for exchange in action.send:
            await self.session.tell_now(Asked(exchange, known))

    async def beat(self, every_s: float) -> None:
        """Feed its watchdog, and arm it where that was not done on this connection, or it has forgotten it.

        Says the profile's heartbeat, or asks who it is where it was not heard for a while.
        """
        watchdog = self.profile.watchdog
        if watchdog is not None and watchdog.heartbeat is not None:
            self.beats = (self.beats + 1) % _BEATS
            for exchange in self.action(watchdog.heartbeat).send:
                await self.session.tell(Asked(exchange, {"beat": str(self.beats)}), urgent=True)
        elif self.session.clock() - self.session.spoke_s > every_s / 2:
            await self.session.identify()
        if watchdog is not None and watchdog.arm is not None:
            await self._keep_armed(watchdog.arm, 3 * every_s)

    async def disarm(self) -> None:
        """Take its watchdog back where it was armed here, after everything that moves was stopped."""
        watchdog = self.profile.watchdog
        if watchdog is not None and watchdog.disarm is not None and self._armed_on is not None:
            await self.act(watchdog.disarm)
            self._armed_on = None

    async def make_safe(self, channel: str = "", *, within_s: float | None = None) -> float:
        """Say the safe actions again and again until the reading says that it is safe; return the reading.

        `channel`: none for all of an instrument with channels. Raises `RefusedError` where the profile knows no safe
        state, `VerificationError` where it is not read within `within_s`, by default the profile's time.
        """
        safe = self.profile.safe_state
        if safe is None:
            raise RefusedError(f"{self.name}: its profile knows no safe state")
        if not channel and self.value(safe.value).of == "channel":
            found = await asyncio.gather(*(self.make_safe(each, within_s=within_s) for each in self.profile.channels))
            return max(found)
        within_s = safe.within_s if within_s is None else within_s
        until_s, again_s, why = self.session.clock() + within_s, -math.inf, "it was never read"
        while self.session.clock() < until_s:
            try:
                if self.session.clock() >= again_s:
                    for name in safe.actions:
                        await self.act(name, channel if self.action(name).of == "channel" else "")
                    again_s = self.session.clock() + _SAFE_AGAIN_S
                read = await self.read(safe.value, channel)
                if isinstance(read, int | float) and abs(read) < safe.below:
                    return float(read)
                why = f"{safe.value} reads {read}"
            except ScandaqError as trouble:
                why, again_s = str(trouble), -math.inf
            await self.session.sleep(_LOOK_S)
        where = f" channel {channel}" if channel else ""
        raise VerificationError(
            f"{self.name}{where} is not verified to be safe after {within_s:g} s: {why}; safe is {safe.value} below"
            f" {safe.below:g} {self.value(safe.value).unit or ''}".rstrip()
        )

    def value(self, name: str) -> ControlValue:
        """Return what the profile says of `value` or `value.flag`. Raises `MissingError`."""
        known = self.profile.values.get(name.partition(".")[0])
        if known is None:
            raise MissingError(f"{self.name} has no {name!r}; {close_names(name, dict(self.profile.values))}")
        return known

    def action(self, name: str) -> Action:
        """Return what the profile says of an action. Raises `MissingError`."""
        if name not in self.profile.actions:
            raise MissingError(f"{self.name} cannot {name!r}; {close_names(name, dict(self.profile.actions))}")
        return self.profile.actions[name]

    def lit(self, name: str, found: Value) -> bool:
        """Return whether what `value` or `value.flag` was read as means yes: a set bit, or one of `means_yes`."""
        _, _, flag = name.partition(".")
        return bool(found) if flag else found in self.value(name).means_yes

    def flags(self, name: str, bits: int) -> dict[str, bool]:
        """Return the flags of a value by name."""
        return flags_of(self.value(name), bits)

    async def _keep_armed(self, arm: str, look_s: float) -> None:
        """Arm its watchdog; once it is, see every `look_s` whether it still is: a start of its own forgets it.

        What is said when a conversation begins, e.g. the watchdog's time, is said and confirmed before.
        """
        connection, now_s, confirm = self.session.connection, self.session.clock(), self.action(arm).confirm
        if self._armed_on == connection:
            if confirm is None or now_s - self._armed_s < look_s:
                return
            if await self.read(confirm.value) == confirm.reads:
                self._armed_s = now_s
                return
        for name in self.profile.start_up.actions:
            await self.act(name)
        await self.act(arm)
        self._armed_on, self._armed_s = connection, now_s

    async def _read_back(self, name: str, value: ControlValue, number: float, channel: str) -> None:
        proof = value.readback
        assert proof is not None  # noqa: S101 - asked by the caller
        other = proof.value or name
        found = await self._until(
            other, channel, lambda read: same(read, number, proof.tolerance, value), proof.within_s
        )
        if not same(found, number, proof.tolerance, value):
            raise ReadbackError(
                f"{self.name}: {name} was set to {number:g} {value.unit}, {other} reads {found} {value.unit}"
                f" {proof.within_s:g} s later, {proof.tolerance:g} is tolerated"
            )

    async def _until(self, name: str, channel: str, good: Callable[[Value], bool], within_s: float) -> Value:
        """Read until it is good, or the time is over; return what was read last."""
        until_s = self.session.clock() + within_s
        while True:
            trouble: ScandaqError | None = None
            found: Value = None
            try:
                found = await self.read(name, channel if self.value(name).of == "channel" else "")
            except DeadlineError as why:
                trouble = why
            if trouble is None and good(found):
                return found
            if self.session.clock() >= until_s:
                if trouble is not None:
                    raise trouble
                return found
            await self.session.sleep(_LOOK_S)

    async def _timed(self, name: str, channel: str, max_age_s: float) -> Timed:
        value, word = self.value(name), name.partition(".")[0]
        fields = self._channel(name, value.of, channel)
        used = self._used.setdefault(word, set())
        used.add(channel)
        together = value.all is not None and (value.get is None or len(used) > 1)
        exchange = value.all if together else value.get
        if exchange is None:
            raise RefusedError(f"{self.name}: {name} can only be set")
        asked = Asked(exchange, {} if together else fields)
        key = f"{exchange.send} of {'all' if together else channel}"
        said, asked_s = await self._shared.get(key, self._asks(asked), max_age_s=max_age_s)
        told = self.session.understood(asked, said)
        text = _part(value, told, self.profile.channels, channel) if together else told["value"]
        return Timed(self._flagged(name, decoded(value, text)), asked_s)

    def _asks(self, asked: Asked) -> Ask:
        async def ask(began: Callable[[float], None]) -> Mapping[str, str]:
            (said,) = await self.session.ask([asked], began=began)
            return said

        return ask

    def _channel(self, name: str, of: str, channel: str) -> Mapping[str, str]:
        if of == "device":
            return {}
        if channel not in self.profile.channels:
            known = ", ".join(self.profile.channels)
            raise MissingError(f"{self.name}: {name} is of a channel; {channel!r} is none of {known}")
        return {"channel": channel}

    def _flagged(self, name: str, value: Value) -> Value:
        _, _, flag = name.partition(".")
        if not flag:
            return value
        bits = self.flags(name, int(value or 0))
        if flag not in bits:
            raise MissingError(f"{self.name}: {name.partition('.')[0]} has no flag {flag!r}; {close_names(flag, bits)}")
        return bits[flag]


def _part(value: ControlValue, said: Mapping[str, str], channels: Sequence[str], channel: str) -> str:
    """Return a channel's part. Raises `WireError` where there are more or less than channels: one may be missing."""
    parts = said["value"].split(value.apart)
    if len(parts) != len(channels):
        raise WireError(f"{shown(said['value'])} holds {len(parts)} channels, the profile has {len(channels)}")
    return parts[channels.index(channel)]
