"""The conversation with one instrument or bus: one exchange at a time, and nothing believed that is not sure.

Where replies do not say what they are replies to, order alone tells. So each exchange is followed by a *proof*: the
instrument is asked who it is, and says exactly what it said before. Bytes of one wire keep their order, so that with
the proof everything that belongs to earlier requests has come: a doubled or a late reply shows in the proof, and what
was read is thrown away. An echo, or a tag in the reply, makes the proof needless.

After a reply that did not come, or made no sense, the conversation is *suspect*: it goes on when the wire was silent
for longer than a reply can be late, and the instrument has said who it is.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from daq.devices.abilities import Identity
from daq.devices.instruments.words import fill, pattern_of, refused
from daq.errors import DeadlineError, MismatchError, ScandaqError, UnreachableError, WireError
from daq.model.control import ControlProfile, Exchange
from daq.transports.link import Link
from daq.wire.control.codec import Codec

_OPEN_S = 2.0
_AGAIN_S = (0.2, 1.0, 3.0, 10.0)
_WRITE_S = 2.0
_NOISE_S = 10.0
"""A wire that is not silent by then never is."""


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
    resyncs: int = 0
    opened: int = 0


class Session:
    """The conversation with an instrument over a `Link`. What is asked at once waits for its turn.

    `connection` changes whenever the instrument had to say anew who it is: leave that was given before is void.
    """

    def __init__(
        self,
        name: str,
        profile: ControlProfile,
        link: Link,
        codec: Codec,
        *,
        variables: Mapping[str, str] | None = None,
        serial: str | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.name = name
        self.clock, self.sleep = clock, sleep
        self.profile = profile
        self.connection = 0
        self.identity: Identity | None = None
        self.tally = Tally()
        self._link, self._codec = link, codec
        self._fields = {**profile.variables, **(variables or {})}
        self._serial = serial
        self._lock = asyncio.Lock()
        self._mending: asyncio.Task[None] | None = None
        self._suspect = "it was not asked yet"
        self._proof = ""
        self._free_s, self._tags, self._interrupted = 0.0, 0, 0
        self._failures, self._retry_s = 0, 0.0
        framing = profile.framing
        self._proves_itself = codec.tagged or framing.tag or framing.echo != "none"

    @property
    def suspect(self) -> str:
        """Return why nothing that comes is believed; empty where all is well."""
        return self._suspect

    async def identify(self) -> Identity:
        """Return who it says it is, asked now."""
        async with self._lock:
            await self._be_sure()
            return await self._who()

    async def ask(self, asked: Sequence[Asked]) -> list[dict[str, str]]:
        """Return the groups of each reply. What reads is asked again as often as the profile says, as a whole."""
        retries = self.profile.conversation.read_retries
        async with self._lock:
            while True:
                try:
                    await self._be_sure()
                    return [await self._proven(each) for each in asked]
                except (DeadlineError, WireError):
                    if retries <= 0:
                        raise
                    retries -= 1

    async def tell(self, told: Asked) -> dict[str, str]:
        """Say something that sets, once. Where no reply comes nobody knows whether it was heard: read it back."""
        async with self._lock:
            await self._be_sure()
            return await self._exchange(told)

    async def tell_now(self, told: Asked) -> None:
        """Say something that stops, and wait for nobody: where an exchange is under way its reply is not believed.

        Raises `UnreachableError` or `DeadlineError` where it did not get onto the wire.
        """
        if not self._lock.locked() and not self._suspect and self._link.is_open:
            await self.tell(told)
            return
        if not self._link.is_open:
            await self._link.open(_OPEN_S)
            self.tally.opened += 1
        self._suspect = f"{told.exchange.send!r} was said into the midst of it"
        self._interrupted += 1
        await self._link.write(self._codec.interject(fill(told.exchange.send, self._with(told))), _WRITE_S)

    async def close(self) -> None:
        """Hang up."""
        if self._mending is not None:
            self._mending.cancel()
            await asyncio.wait({self._mending})
        await self._link.close()
        self._suspect = "it is closed"

    async def _proven(self, asked: Asked) -> dict[str, str]:
        """Exchange, and prove that the reply was the reply to it; also where it says no."""
        trouble: ScandaqError | None = None
        groups: dict[str, str] = {}
        try:
            groups = await self._exchange(asked)
        except (DeadlineError, WireError, UnreachableError):
            raise
        except ScandaqError as why:
            trouble = why
        if not self._proves_itself:
            said = await self._said(Asked(self.profile.identity.ask[0]))
            if said != self._proof:
                raise self._doubt(f"{said!r} in place of {self._proof!r}, which proves that replies are in order")
        if trouble is not None:
            raise trouble
        return groups

    async def _exchange(self, asked: Asked) -> dict[str, str]:
        self._tags = (self._tags + 1) % 100
        fields = self._with(asked)
        text = await self._said(asked)
        wanted = asked.exchange.reply
        if wanted is None:
            return {}
        found = pattern_of(wanted, fields).fullmatch(text)
        if found is not None:
            return {name: value or "" for name, value in found.groupdict().items()}
        for trouble in self.profile.troubles:
            if re.fullmatch(fill(trouble.reply, fields, quote=True), text):
                raise refused(trouble, self.name, fill(asked.exchange.send, fields))
        raise self._doubt(f"{text!r} is no reply to {fill(asked.exchange.send, fields)!r}")

    async def _said(self, asked: Asked) -> str:
        """Send a request; return its one reply, or nothing where none is due."""
        fields, conversation = self._with(asked), self.profile.conversation
        await self._rest()
        if stray := self._unasked():
            raise self._doubt(f"{stray[:60]!r} came unasked")
        request = self._codec.begin(fill(asked.exchange.send, fields), raw=asked.exchange.raw)
        self.tally.exchanges += 1
        interrupted = self._interrupted
        try:
            await self._link.write(request, _WRITE_S)
            if asked.exchange.reply is None and self.profile.framing.echo == "none":
                return ""
            reply = await self._reply(asked.exchange.reply_s or conversation.reply_s, request)
        except UnreachableError as why:
            await self._lost(str(why))
            raise
        except BaseException as why:  # a cancelled task leaves a reply on its way, too
            self._suspect = self._suspect or str(why) or type(why).__name__
            raise
        finally:
            self._free_s = self.clock() + 1e-3 * self.profile.framing.min_gap_ms
        if self._interrupted != interrupted:
            raise self._doubt(f"a stop was said while a reply to {request!r} was waited for")
        return reply

    async def _reply(self, within_s: float, request: bytes) -> str:
        until_s = self.clock() + within_s
        replies: list[str] = []
        while not replies:
            try:
                replies = self._codec.feed(await self._link.read(max(0.0, until_s - self.clock())))
            except DeadlineError:
                self.tally.lost += 1
                self._suspect = f"no reply to {request!r} in {within_s:g} s"
                raise DeadlineError(f"{self.name}: {self._suspect}") from None
            except WireError as why:
                raise self._doubt(str(why)) from None
        if len(replies) > 1 or self._codec.halfway:
            raise self._doubt(f"more than one reply to {request!r}")
        return replies[0]

    def _unasked(self) -> bytes:
        """Return what came and belongs to nothing; ends of lines are nothing where the profile says so."""
        stray = self._link.waiting()
        return stray.strip() if self.profile.framing.blank == "nothing" else stray

    async def _rest(self) -> None:
        if (left_s := self._free_s - self.clock()) > 0:
            await self.sleep(left_s)

    def _doubt(self, why: str) -> WireError:
        """Believe nothing from now on; return the error that says why."""
        self.tally.strays += 1
        self._suspect = why
        return WireError(f"{self.name}: {why}")

    async def _lost(self, why: str) -> None:
        self._suspect = why
        await self._link.close()

    async def _be_sure(self) -> None:
        """Return where nothing is doubtful; else open, listen until the wire is silent, and ask who it is."""
        mending = self._mending is not None and not self._mending.done()
        if not mending and not self._suspect and self._link.is_open:
            return
        if not mending and (left_s := self._retry_s - self.clock()) > 0:
            raise UnreachableError(f"{self.name}: {self._suspect or 'it hung up'}; asked again in {left_s:.1f} s")
        if self._mending is None or self._mending.done():
            self._mending = asyncio.get_running_loop().create_task(self._mend(), name=f"{self.name}: be sure again")
        await asyncio.shield(self._mending)

    async def _mend(self) -> None:
        """Be sure again; a task of its own, which goes on when the one who needs it cannot wait so long."""
        try:
            await self._resync()
        except ScandaqError as why:
            self._suspect = str(why)
            self._retry_s = self.clock() + _AGAIN_S[min(self._failures, len(_AGAIN_S) - 1)]
            self._failures += 1
            raise
        self._suspect, self._failures = "", 0

    async def _resync(self) -> None:
        self.tally.resyncs += 1
        if not self._link.is_open or self.profile.conversation.resync == "reopen":
            await self._link.open(_OPEN_S)
            self.tally.opened += 1
        self._codec.forget()
        if clear := self.profile.conversation.clear:
            await self._link.write(clear.encode(), _WRITE_S)
        await self._silence()
        self._suspect = ""
        before, found = self.identity, await self._who()
        if self._serial is not None and found.serial != self._serial:
            raise MismatchError(
                f"{self.name}: serial number {found.serial!r} is there, the site names {self._serial!r}"
            )
        self.connection += 1
        if before is not None and before != found:
            self._suspect = f"{before} was replaced by {found}"
            raise MismatchError(f"{self.name}: {before.model} {before.serial} is gone, {found.model} {found.serial} is"
                                " there; restart where that is meant")  # fmt: skip

    async def _silence(self) -> None:
        """Listen until nothing came for as long as a reply can be late."""
        late_s, until_s = self.profile.conversation.late_s, self.clock() + _NOISE_S
        while True:
            try:
                stray = await self._link.read(late_s)
            except DeadlineError:
                return
            except UnreachableError as why:
                await self._lost(str(why))
                raise
            self.tally.strays += bool(stray)
            if self.clock() > until_s:
                raise WireError(f"{self.name}: the wire is not silent for {late_s:g} s within {_NOISE_S:g} s")

    async def _who(self) -> Identity:
        told: dict[str, str] = {}
        for number, exchange in enumerate(self.profile.identity.ask):
            asked = Asked(exchange)
            text = await self._said(asked)
            found = pattern_of(exchange.reply or "", self._with(asked)).fullmatch(text)
            if found is None:
                raise self._doubt(f"{text!r} does not say who it is, asked {exchange.send!r}")
            self._proof = text if number == 0 else self._proof
            self._tags = (self._tags + 1) % 100
            told |= {name: value or "" for name, value in found.groupdict().items()}
        identity = self.profile.identity
        model = told.get("model", "")
        if not re.fullmatch(identity.models, model):
            raise MismatchError(f"{self.name}: a {model!r} is there; the profile {self.profile.id} is for"
                                f" {', '.join(self.profile.models)}")  # fmt: skip
        self.identity = self.identity or self._identity(told)
        return self._identity(told)

    def _identity(self, told: Mapping[str, str]) -> Identity:
        vendor = told.get("vendor") or self.profile.identity.vendor or self.profile.vendor
        return Identity(vendor, told.get("model", ""), told.get("serial", ""), told.get("firmware", ""))

    def _with(self, asked: Asked) -> Mapping[str, str]:
        return {**self._fields, **asked.fields, "tag": f"{self._tags:02d}"}
