"""The conversation with one instrument: one exchange at a time on its wire, and nothing believed that is not sure.

Where replies do not say what they are replies to, order alone tells. So each exchange is followed by a *proof*: the
instrument is asked who it is, and says exactly what it said before. Bytes of one wire keep their order, so that with
the proof everything that belongs to earlier requests has come: a doubled or a late reply shows in the proof, and what
was read is thrown away. An echo, or a tag in the reply, makes the proof needless.

After a reply that did not come, or made no sense, the conversation is *suspect*: it goes on when the wire was silent
for longer than a reply can be late, and the instrument has said who it is. Others on the same wire wait for the
silence, too, but are not asked anew who they are: what they said was proven each time.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

from daq.devices.abilities import Identity
from daq.devices.instruments.courierlink import CourierLink
from daq.devices.instruments.talk import Asked, Talk, Tally
from daq.devices.instruments.wire import Wire
from daq.errors import DeadlineError, MismatchError, ScandaqError, UnreachableError, WireError
from daq.model.control import ControlProfile
from daq.transports.link import Link
from daq.wire.control.codec import Codec
from daq.wire.control.modbus import ModbusTcpCodec

_AGAIN_S = (0.2, 1.0, 3.0, 10.0)
_PATIENCE_S = 0.05
"""How long what stops waits for the end of an exchange, before it is said into the midst of it."""


class Session:
    """The conversation with an instrument over a `Link`, or a `Wire` that it shares with others.

    `connection` changes whenever the instrument had to say anew who it is: leave that was given before is void.
    `start_up_refused`: what it said no to of what the profile says at the beginning; empty where all is well.
    """

    def __init__(
        self,
        name: str,
        profile: ControlProfile,
        link: Link | Wire,
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
        self.wire = link if isinstance(link, Wire) else Wire(link, name=name, clock=clock)
        self.wire.shared_with(profile.conversation.late_s)
        if isinstance(codec, ModbusTcpCodec):
            codec.numbers = self.wire.numbers
        self.start_up_refused = ""
        self._talk = Talk(name, profile, self.wire, codec, {**profile.variables, **(variables or {})}, clock, sleep)
        self._serial = serial
        self._mending: asyncio.Task[ScandaqError | None] | None = None
        self._known_on = -1
        self._failures, self._retry_s = 0, 0.0

    @property
    def tally(self) -> Tally:
        """Return what happened so far."""
        if isinstance(self.wire.link, CourierLink):
            self._talk.tally.resent = self.wire.link.courier.resent
        return self._talk.tally

    @property
    def spoke_s(self) -> float:
        """Return when it was last heard, on the clock."""
        return self._talk.spoke_s

    @property
    def suspect(self) -> str:
        """Return why nothing that it says is believed; empty where all is well."""
        if self._talk.suspect:
            return self._talk.suspect
        if not self.wire.link.is_open:
            return "it hung up"
        return "" if self.wire.link.connection == self._known_on else "its wire was opened anew"

    async def be_sure(self) -> None:
        """Return once nothing is doubtful. Raises what speaks against it; soon after that it is not tried again."""
        if not self.suspect:
            return
        if self._mending is None or self._mending.done():
            if (left_s := self._retry_s - self.clock()) > 0:
                doubt = self.suspect.removeprefix(f"{self.name}: ")
                raise UnreachableError(f"{self.name}: {doubt}; asked again in {left_s:.1f} s")
            self._mending = asyncio.get_running_loop().create_task(self._mend(), name=f"{self.name}: be sure again")
        why = await asyncio.shield(self._mending)
        if why is not None:
            raise why

    async def identify(self) -> Identity:
        """Return who it says it is, asked now."""
        async with self._turn():
            return await self._talk.who()

    async def ask(
        self, asked: Sequence[Asked], *, began: Callable[[float], None] | None = None, urgent: bool = False
    ) -> list[dict[str, str]]:
        """Return the groups of each reply. What reads is asked again as often as the profile says, as a whole.

        `began` hears each time when the first of it is about to be asked: what is read is not older than that.
        """
        retries = self.profile.conversation.read_retries
        while True:
            try:
                async with self._turn(urgent=urgent):
                    if began is not None:
                        began(self.clock())
                    return [await self._talk.proven(each) for each in asked]
            except (DeadlineError, WireError):
                if retries <= 0:
                    raise
                retries -= 1

    def understood(self, asked: Asked, said: Mapping[str, str]) -> dict[str, str]:
        """Return the groups of a reply that was asked for with the same request, by the pattern of this exchange."""
        return self._talk.understood(asked, said)

    async def tell(self, told: Asked, *, urgent: bool = False) -> dict[str, str]:
        """Say something that sets, once. Where no reply comes nobody knows whether it was heard: read it back."""
        async with self._turn(urgent=urgent):
            return await self._talk.exchange(told)

    async def tell_now(self, told: Asked) -> None:
        """Say something that stops: before all others, and soon into the midst of what is said, which is not believed.

        However often it did not answer, it is tried at once, and so is what is asked afterwards. Raises
        `UnreachableError` or `DeadlineError` where it did not get onto the wire.
        """
        self._retry_s = 0.0
        self.wire.hurry()
        if not self.suspect and not self.wire.doubt:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_PATIENCE_S):
                    await self.wire.turns.take(urgent=True)
                try:
                    if not self.suspect and not self.wire.doubt:
                        await self._talk.exchange(told)
                        return
                finally:
                    self.wire.turns.release()
        if not self.wire.link.is_open:
            await self._open()
        await self._talk.interject(told)

    async def close(self) -> None:
        """Hang up, for all on this wire."""
        if self._mending is not None:
            self._mending.cancel()
            await asyncio.wait({self._mending})
        await self.wire.close()
        self._talk.suspect = "it is closed"

    @contextlib.asynccontextmanager
    async def _turn(self, *, urgent: bool = False) -> AsyncIterator[None]:
        """Have the wire, with nothing doubtful."""
        while True:
            await self.be_sure()
            await self.wire.turns.take(urgent=urgent)
            try:
                if self.suspect:  # somebody else's turn spoilt it meanwhile
                    continue
                await self.wire.calm()
                yield
                return
            finally:
                self.wire.turns.release()

    async def _open(self) -> None:
        before = self.wire.opened
        await self.wire.open()
        self.tally.opened += self.wire.opened - before

    async def _mend(self) -> ScandaqError | None:
        """Be sure again; return why not. A task of its own: it goes on when who needs it cannot wait so long."""
        try:
            await self.wire.turns.take()
            try:
                await self._resync()
            finally:
                self.wire.turns.release()
        except ScandaqError as why:
            self._talk.suspect = str(why)
            self._retry_s = self.clock() + _AGAIN_S[min(self._failures, len(_AGAIN_S) - 1)]
            self._failures += 1
            return why
        self._talk.suspect, self._failures = "", 0  # nothing was waited for since the last proof
        return None

    async def _resync(self) -> None:
        self.tally.resyncs += 1
        wire = self.wire
        if not wire.link.is_open or (wire.doubt and self.profile.conversation.resync == "reopen"):
            await self._open()
        on = wire.link.connection
        await self._talk.begin_anew()
        before, found = self.identity, await self._talk.who()
        if self._serial is not None and found.serial != self._serial:
            raise MismatchError(
                f"{self.name}: serial number {found.serial!r} is there, the site names {self._serial!r}"
            )
        if before is not None and before != found:
            raise MismatchError(f"{self.name}: {before.model} {before.serial} is gone, {found.model} {found.serial} is"
                                " there; restart where that is meant")  # fmt: skip
        self.identity = found
        self.connection += 1
        await self._start_up()
        self._known_on = on

    async def _start_up(self) -> None:
        """Say what the profile says at the beginning, and nothing else; what it says no to is kept."""
        self.start_up_refused = ""
        for name in self.profile.start_up.actions:
            for exchange in self.profile.actions[name].send:
                try:
                    await self._talk.exchange(Asked(exchange))
                except (DeadlineError, WireError, UnreachableError):
                    raise
                except ScandaqError as why:
                    self.start_up_refused = f"{name}: {why}"
