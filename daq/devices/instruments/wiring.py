"""The instruments of a site file: each with its profile, its codec, and its wire, which several may share."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping

from daq.devices.instruments.courierlink import carried
from daq.devices.instruments.instrument import Instrument
from daq.devices.instruments.session import Session
from daq.devices.instruments.wire import Wire
from daq.errors import InterlockError, ProfileError, ScandaqError
from daq.model.control import ControlProfile, ControlTransport
from daq.transports.links import link_of
from daq.wire.control.codecs import codec_of
from device_profiles.controllers import Controller

_LOG = logging.getLogger(__name__)
_LOOK_S = 0.2
_DISARM_S = 1.0

Controllers = Mapping[str, tuple[Controller, ControlProfile]]
"""What the site file says of an instrument, and its profile, loaded."""


class Wiring:
    """All instruments of a station by name. Those at one `url` take turns on one wire.

    Nothing is opened before something is asked, or `run` is.
    """

    def __init__(self, controllers: Controllers, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.withhold: Callable[[], str] = lambda: ""
        """Says why whoever waits for a heartbeat is to act as if this program were gone; empty where it is not."""
        self._wires: dict[str, tuple[str, ControlTransport, Wire]] = {}
        self.instruments: dict[str, Instrument] = {
            name: Instrument(self._session(name, said, profile)) for name, (said, profile) in controllers.items()
        }

    async def run(self) -> None:
        """Open wires, ask instruments who they are, and do so again whenever that is doubtful; feed watchdogs."""
        async with asyncio.TaskGroup() as tasks:
            for url, (_, _, wire) in self._wires.items():
                sessions = [each.session for each in self.instruments.values() if each.session.wire is wire]
                tasks.create_task(self._keep_sure(sessions), name=f"wire {url}")
            for name, instrument in self.instruments.items():
                watchdog_s = instrument.profile.conversation.watchdog_s
                if watchdog_s is not None:
                    tasks.create_task(self._beat(instrument, watchdog_s / 3), name=f"heartbeat of {name}")
            if not self.instruments:
                await asyncio.Event().wait()

    async def close(self) -> None:
        """Disarm watchdogs where a profile says how, and hang up; what instruments hold stays as it is.

        None is disarmed where an axis may still move: they stop it.
        """
        moving = self.withhold()
        if moving:
            _LOG.critical("watchdogs stay armed: %s", moving)
        for instrument in () if moving else self.instruments.values():
            try:
                async with asyncio.timeout(_DISARM_S):
                    await instrument.disarm()
            except (ScandaqError, TimeoutError) as why:
                _LOG.warning("the watchdog of %s is not disarmed: %s", instrument.name, why)
        for instrument in self.instruments.values():
            await instrument.session.close()

    async def _keep_sure(self, sessions: list[Session]) -> None:
        """Be sure of all on one wire, one after the other; one that is dead is asked seldom."""
        doubtful: dict[str, str] = {}
        while True:
            for session in sessions:
                try:
                    await session.be_sure()
                except ScandaqError as why:
                    if session.name not in doubtful:
                        _LOG.warning("%s: %s", session.name, str(why).removeprefix(f"{session.name}: "))
                    doubtful[session.name] = str(why)
                else:
                    if doubtful.pop(session.name, None) is not None:
                        who = session.identity
                        _LOG.info("%s: %s is there", session.name, who and f"{who.vendor} {who.model} {who.serial}")
            await asyncio.sleep(_LOOK_S)

    async def _beat(self, instrument: Instrument, every_s: float) -> None:
        """Feed a watchdog for as long as this program's loop lives, and no longer."""
        fed = True
        while True:
            began_s = self._clock()
            try:
                self._may_beat(instrument)
                await instrument.beat(every_s)
            except ScandaqError as why:
                _LOG.log(logging.WARNING if fed else logging.DEBUG, "no heartbeat of %s: %s", instrument.name, why)
                fed = False
            else:
                fed = True
            await asyncio.sleep(max(_LOOK_S / 10, began_s + every_s - self._clock()))

    def _may_beat(self, instrument: Instrument) -> None:
        """Raise `InterlockError` where its heartbeat is withheld; what any question feeds cannot be."""
        watchdog = instrument.profile.watchdog
        if watchdog is not None and watchdog.heartbeat is not None and (why := self.withhold()):
            raise InterlockError(f"withheld, so that it stops the axes: {why}")

    def _session(self, name: str, said: Controller, profile: ControlProfile) -> Session:
        if said.url not in self._wires:
            link = link_of(said.url, profile.transport, read_end=profile.framing.read_end)
            link = carried(profile, link, self._clock)
            wire = Wire(link, name=said.url, clock=self._clock)
            self._wires[said.url] = (name, profile.transport, wire)
        first, transport, wire = self._wires[said.url]
        if transport.serial != profile.transport.serial:
            raise ProfileError(
                f"controllers.{name}.url = {said.url!r}: controllers.{first} is on this wire, too, and its profile sets"
                f" the line otherwise"
            )
        variables = dict(said.variables)
        return Session(
            name, profile, wire, codec_of(profile), variables=variables, serial=said.serial, clock=self._clock
        )
