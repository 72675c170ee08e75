"""The instruments of a site file: each with its profile, its codec, and its wire, which several may share."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from daq.devices.instruments.instrument import Instrument
from daq.devices.instruments.session import Session
from daq.model.control import ControlProfile
from daq.transports.links import link_of
from daq.wire.control.codecs import codec_of
from device_profiles.controllers import Controller

Controllers = Mapping[str, tuple[Controller, ControlProfile]]
"""What the site file says of an instrument, and its profile, loaded."""


class Wiring:
    """All instruments of a station by name. Nothing is opened before something is asked."""

    def __init__(self, controllers: Controllers, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.instruments: dict[str, Instrument] = {
            name: Instrument(_session(name, said, profile, clock)) for name, (said, profile) in controllers.items()
        }

    async def close(self) -> None:
        """Hang up everywhere; what instruments hold stays as it is."""
        for instrument in self.instruments.values():
            await instrument.session.close()


def _session(name: str, said: Controller, profile: ControlProfile, clock: Callable[[], float]) -> Session:
    link = link_of(said.url, profile.transport)
    variables = dict(said.variables)
    return Session(name, profile, link, codec_of(profile), variables=variables, serial=said.serial, clock=clock)
