"""What one instrument is asked and says: requests filled in, replies taken apart, refusals made errors, proofs asked.

Whatever does not fit makes the instrument *suspect*, and its wire doubtful; how that ends is the session's.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from daq.devices.abilities import Identity
from daq.devices.instruments.wire import Wire
from daq.devices.instruments.words import fill, pattern_of, refused, shown
from daq.errors import DeadlineError, MismatchError, ScandaqError, UnreachableError, WireError
from daq.model.control import ControlProfile, Exchange
from daq.wire.control.codec import Codec

_WRITE_S = 2.0
_TAG = "tag"


@dataclass(frozen=True, slots=True)
class Asked:
    """One exchange with what stands in its braces."""

    exchange: Exchange
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Tally:
    """What happened so far."""

    exchanges: int = 0
    lost: int = 0
    """Replies that did not come in time."""
    strays: int = 0
    """Replies, echoes and bytes that belonged to nothing."""
    resent: int = 0
    """Datagrams that were said again, or whose answers were asked for again."""
    resyncs: int = 0
    opened: int = 0
    """How often the wire was opened when this instrument needed it."""


class Talk:
    """Exchanges with one instrument. Whoever calls has the turn on the wire. `fields`: the site's variables.

    `suspect`: why nothing that it says is believed. `spoke_s`: when it was last heard.
    """

    def __init__(
        self, name: str, profile: ControlProfile, wire: Wire, codec: Codec, fields: Mapping[str, str],
        clock: Callable[[], float], sleep: Callable[[float], Awaitable[None]],
    ) -> None:  # fmt: skip
        self.suspect = "it was not asked yet"
        self.tally = Tally()
        self.spoke_s = clock()
        self.wire = wire
        self._name, self._profile, self._codec, self._fields = name, profile, codec, fields
        self._clock, self._sleep = clock, sleep
        self._proof = ""
        self._free_s, self._tags = 0.0, 0
        self._echoes = profile.framing.echo in ("line", "character")
        self._proves_itself = codec.tagged or profile.framing.tag or self._echoes

    async def proven(self, asked: Asked) -> dict[str, str]:
        """Exchange, and prove that the reply was the reply to it; also where it says no."""
        trouble: ScandaqError | None = None
        groups: dict[str, str] = {}
        try:
            groups = await self.exchange(asked)
        except (DeadlineError, WireError, UnreachableError):
            raise
        except ScandaqError as why:
            trouble = why
        if not self._proves_itself:
            said = await self._said(Asked(self._profile.identity.ask[0]))
            if said != self._proof:
                raise self._doubt(f"{said!r} in place of {self._proof!r}, which proves that replies are in order")
        if trouble is not None:
            raise trouble
        return groups

    async def exchange(self, asked: Asked) -> dict[str, str]:
        """Return the groups of the reply, and the whole of it as `""`. It is not proven yet.

        Raises what it refuses, and what does not fit.
        """
        self._tags = (self._tags + 1) % 100
        fields = self._with(asked)
        text = await self._said(asked)
        wanted = asked.exchange.reply
        if wanted is None:
            return {}
        found = pattern_of(wanted, fields).fullmatch(text)
        if found is not None:
            return {"": text, _TAG: fields[_TAG]} | {name: value or "" for name, value in found.groupdict().items()}
        for trouble in self._profile.troubles:
            if re.fullmatch(fill(trouble.reply, fields, quote=True), text):
                raise refused(trouble, self._name, fill(asked.exchange.send, fields))
        raise self._doubt(f"{shown(text)} is no reply to {shown(fill(asked.exchange.send, fields))}")

    def understood(self, asked: Asked, said: Mapping[str, str]) -> dict[str, str]:
        """Return the groups of a reply that was taken for another value, which one request serves as well."""
        fields = {**self._with(asked), _TAG: said[_TAG]}
        found = pattern_of(asked.exchange.reply or "", fields).fullmatch(said[""])
        if found is None:
            raise WireError(f"{self._name}: {said['']!r} is no reply to {fill(asked.exchange.send, fields)!r}")
        return {name: value or "" for name, value in found.groupdict().items()}

    async def interject(self, told: Asked) -> None:
        """Say something into the midst of an exchange, whose reply is not believed then."""
        why = f"{told.exchange.send!r} was said into the midst of it"
        self.suspect = self.suspect or why
        self.wire.interrupt(why)
        self.wire.said()
        await self.wire.link.write(self._codec.interject(fill(told.exchange.send, self._with(told))), _WRITE_S)

    async def begin_anew(self) -> None:
        """Forget what was there, say what the profile clears with, and wait until the wire is silent."""
        self._codec.forget()
        if clear := self._profile.conversation.clear:
            self.wire.suspect("it was cleared")
            self.wire.said()
            await self.wire.link.write(clear.encode(), _WRITE_S)
        await self.wire.calm()

    async def _said(self, asked: Asked) -> str:
        """Send a request; return its one reply, or nothing where none is due."""
        fields, conversation = self._with(asked), self._profile.conversation
        await self._rest()
        self._look_for_strays()
        request = self._codec.begin(fill(asked.exchange.send, fields), raw=asked.exchange.raw)
        self.tally.exchanges += 1
        interrupted = self.wire.interrupted
        try:
            self.wire.said()
            await self.wire.link.write(request, _WRITE_S)
            if asked.exchange.reply is None and not self._echoes:
                return ""
            reply = await self._reply(asked.exchange.reply_s or conversation.reply_s, request)
        except UnreachableError as why:
            await self._lost(str(why))
            raise
        except BaseException as why:  # a cancelled task leaves a reply on its way, too
            self._late(str(why) or type(why).__name__)
            raise
        finally:
            rest_ms = asked.exchange.rest_ms
            self._free_s = self._clock() + 1e-3 * (self._profile.framing.min_gap_ms if rest_ms is None else rest_ms)
        if self.wire.interrupted != interrupted:
            raise self._doubt(f"a stop was said while a reply to {shown(request)} was waited for")
        self.spoke_s = self._clock()
        return reply

    async def _reply(self, within_s: float, request: bytes) -> str:
        until_s = self._clock() + within_s
        replies: list[str] = []
        while not replies:
            try:
                replies = self._codec.feed(await self.wire.link.read(max(0.0, until_s - self._clock())))
            except DeadlineError:
                self.tally.lost += 1
                self.suspect = f"no reply to {shown(request)} in {within_s:g} s"
                raise DeadlineError(f"{self._name}: {self.suspect}") from None
            except WireError as why:
                raise self._doubt(str(why)) from None
        if len(replies) > 1 or self._codec.halfway:
            raise self._doubt(f"more than one reply to {shown(request)}")
        return replies[0]

    def _look_for_strays(self) -> None:
        """Raise `WireError` where something came that nobody asked for.

        A codec that knows replies by their tags counts them; ends of lines are nothing where the profile says so.
        """
        stray = self.wire.link.waiting()
        if self._codec.tagged:
            try:
                self.tally.strays += len(self._codec.feed(stray)) if stray else 0
            except WireError as why:
                raise self._doubt(str(why)) from None
            return
        if self._profile.framing.blank == "nothing":
            stray = stray.strip()
        if stray:
            raise self._doubt(f"{stray[:60]!r} came unasked")

    async def _rest(self) -> None:
        if (left_s := self._free_s - self._clock()) > 0:
            await self._sleep(left_s)

    def _doubt(self, why: str) -> WireError:
        """Believe nothing from now on; return the error that says why."""
        self.tally.strays += 1
        self.suspect = why
        self.wire.suspect(why)
        return WireError(f"{self._name}: {why}")

    def _late(self, why: str) -> None:
        """Take notice that a reply may come later. One with a tag is known for what it is then."""
        if not self._codec.tagged:
            self.suspect = self.suspect or why
            self.wire.suspect(why)

    async def _lost(self, why: str) -> None:
        self.suspect = why
        await self.wire.link.close()

    async def who(self) -> Identity:
        """Return who it says it is. Raises `MismatchError` where the profile is not for it."""
        told: dict[str, str] = {}
        for number, exchange in enumerate(self._profile.identity.ask):
            asked = Asked(exchange)
            text = await self._said(asked)
            found = pattern_of(exchange.reply or "", self._with(asked)).fullmatch(text)
            if found is None:
                raise self._doubt(f"{text!r} does not say who it is, asked {exchange.send!r}")
            self._proof = text if number == 0 else self._proof
            self._tags = (self._tags + 1) % 100
            told |= {name: value or "" for name, value in found.groupdict().items()}
        identity = self._profile.identity
        model = told.get("model") or identity.model
        if not re.fullmatch(identity.models, model):
            raise MismatchError(f"{self._name}: a {model!r} is there; the profile {self._profile.id} is for"
                                f" {', '.join(self._profile.models)}")  # fmt: skip
        return self._identity(told)

    def _identity(self, told: Mapping[str, str]) -> Identity:
        vendor = told.get("vendor") or self._profile.identity.vendor or self._profile.vendor
        model = told.get("model") or self._profile.identity.model
        return Identity(vendor, model, told.get("serial", ""), told.get("firmware", ""))

    def _with(self, asked: Asked) -> Mapping[str, str]:
        return {**self._fields, **asked.fields, _TAG: f"{self._tags:02d}"}
