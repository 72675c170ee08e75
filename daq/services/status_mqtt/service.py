"""The status on MQTT: one connection after the other, whatever the broker does. Nothing of the daemon waits for it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import random
import time
from collections.abc import Callable
from functools import partial

import aiomqtt

from daq.errors import AccessError, ScandaqError
from daq.model.topics import OFFLINE, ONLINE, Topics
from daq.services.broker import OwnBroker
from daq.services.bus import Bus
from daq.services.status_mqtt.announcer import Announcer
from daq.services.status_mqtt.commander import Commander, OnRefusal, RoleOf, Run
from daq.services.status_mqtt.commands import Gate, check_list
from daq.services.status_mqtt.homeassistant import HomeAssistant
from daq.services.status_mqtt.outbox import Lane, Outbox
from daq.services.status_mqtt.session import Session
from daq.services.status_mqtt.settings import Figures, MqttSettings
from daq.services.status_mqtt.suspects import Suspects
from daq.services.status_mqtt.sweep import Sweep
from daq.services.status_mqtt.troubles import DROPPED, LOST, REFUSED, TAKEN_OVER, TOO_LARGE, AlarmBoard, Troubles
from daq.transports.mqtt import Heard, MqttConnection, TakenOverError
from daq.transports.mqtt_address import BrokerAddress

_LOG = logging.getLogger(__name__)
_FIRST_BACK_OFF_S = 0.2
_LONGEST_BACK_OFF_S = 15.0
_LONG_ENOUGH_S = 10.0
"""A connection that lasted this long was a good one: the next attempt comes soon."""
_LOST_ALARM_S = 10.0
_TAKEN_OVER_S = 60.0
"""Another daemon is gone when it has not been noticed for this long."""
_TICK_S = 1.0
_SETTLE_S = 3.0


class StatusMqtt:
    """Publishes what the bus announces until cancelled, then says `offline`. `figures` counts what happened."""

    def __init__(
        self,
        settings: MqttSettings,
        scanner: str,
        bus: Bus,
        *,
        command: Run | None = None,
        role_of: RoleOf | None = None,
        on_refusal: OnRefusal | None = None,
        own_broker: Callable[[], OwnBroker] | None = None,
        alarms: AlarmBoard | None = None,
        outbox: Outbox | None = None,
        settle_s: float = _SETTLE_S,
    ) -> None:
        """Without `command` and `role_of`, or without `settings.commands`, nobody can ask for anything.

        `on_refusal(actor, verb, reason)` hears of commands that were not passed on. `own_broker` finds or starts the
        station's own broker; it may block, a thread calls it. `settle_s`: how long after a connect what is retained
        and stale is cleared. Raise `UsageError` for verbs or addresses that are none.
        """
        check_list(settings.commands)
        self.figures = Figures()
        self._settings = settings
        self._bus = bus
        self._own_broker = own_broker
        self._announcer = Announcer(Topics(scanner), bus, self.figures, outbox)
        self._troubles = Troubles(alarms)
        self._suspects = Suspects()
        self._settle_s = settle_s
        self._commander: Commander | None = None
        if settings.commands and command is not None and role_of is not None:
            self._commander = Commander(
                self._announcer, self.figures, Gate(settings.commands), run=command, role_of=role_of,
                vouched=settings.vouched, on_refusal=on_refusal,
            )  # fmt: skip
            if not settings.vouched:
                _LOG.warning(
                    "MQTT: the broker vouches for nobody's name: of the commands, only those that stop are taken"
                )
        self._home = HomeAssistant(self._announcer, scanner)
        if settings.home_assistant:
            self._announcer.also.append(self._home.hear)
        self._sweep: Sweep | None = None
        self._tasks: asyncio.TaskGroup | None = None
        self._connected_s: float | None = None
        self._lost_s = time.monotonic()
        self._taken_over_s = -math.inf
        self._has_spoken = False
        self._why_not = "not yet connected"

    @property
    def boot(self) -> str:
        """Return what every message of this start of the daemon bears."""
        return self._announcer.boot

    async def run(self) -> None:
        """Publish until cancelled. Cancelled once, say goodbye, for at most 3 s; cancelled again, end at once."""
        self._announcer.leaving = False
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            with self._bus.listening(self._announcer.hear):
                tasks.create_task(self._look_after(), name="mqtt figures")
                await self._stay_connected()

    async def _stay_connected(self) -> None:
        attempts = 0
        while True:
            try:
                await self._be_connected()
            except TakenOverError as why:
                self.figures.taken_over += 1
                self._taken_over_s = time.monotonic()
                self._troubles.come(TAKEN_OVER, str(why))
                self._why_not = str(why)
            except ScandaqError as why:
                self._say_lost(why)
            lasted_s = 0.0 if self._connected_s is None else time.monotonic() - self._connected_s
            attempts = 0 if lasted_s > _LONG_ENOUGH_S else attempts + 1
            self._connected_s = None
            await asyncio.sleep(back_off_s(attempts))

    def _say_lost(self, why: ScandaqError) -> None:
        """Log it once for each reason."""
        if str(why) != self._why_not:
            _LOG.warning("MQTT: %s", why)
        self._why_not = str(why)
        if isinstance(why, AccessError):
            self._troubles.come(REFUSED, str(why))

    async def _be_connected(self) -> None:
        """Connect and publish until the connection is lost; raise why, or why there was none."""
        try:
            connection = await self._connect()
        except ScandaqError:
            self.figures.failed_connects += 1
            raise
        session = Session(
            connection, self._announcer, self.figures, self._troubles, self._suspects,
            most_bytes=self._settings.most_message_bytes,
        )  # fmt: skip
        unwanted = None if self._settings.home_assistant else self._home.topic
        self._sweep = Sweep(self._announcer, self._bus, settle_s=self._settle_s, unwanted=unwanted)
        self._born(connection)
        try:
            await session.run(partial(self._sweep.run, connection))
        except asyncio.CancelledError:
            await session.farewell()
            raise
        finally:
            self._lost()
            await connection.close(politely=False)

    async def _connect(self) -> MqttConnection:
        will = aiomqtt.Will(self._announcer.topics.availability, OFFLINE, qos=1, retain=True)
        connection = MqttConnection(await self._address(), self._settings.login(), will=will, on_message=self._heard)
        await connection.connect()
        self._troubles.gone(LOST, REFUSED, TOO_LARGE)
        try:
            await self._listen(connection)
        except BaseException:
            await connection.close(politely=False)
            raise
        return connection

    async def _listen(self, connection: MqttConnection) -> None:
        """Subscribe to our own availability, and to commands where there are any."""
        topics = self._announcer.topics
        with contextlib.suppress(AccessError):  # what we may not write is said when we write
            await connection.listen(topics.availability)
            await connection.listen(topics.state, to_others=True)
        if self._commander is not None:
            try:
                await connection.listen(topics.every_command)
            except AccessError as why:
                self._troubles.come(REFUSED, str(why))

    async def _address(self) -> BrokerAddress:
        if self._own_broker is None:
            return self._settings.address()
        own = await asyncio.to_thread(self._own_broker)
        return BrokerAddress(own.host, own.port, tls=False, protocol=own.protocol)

    def _born(self, connection: MqttConnection) -> None:
        _LOG.info("MQTT: connected to %s, protocol %s", connection.address, connection.address.protocol)
        self.figures.reconnects += self.figures.published > 0
        self.figures.connected = True
        self._connected_s = time.monotonic()
        self._why_not = ""
        self._has_spoken = self._has_spoken or self.figures.acknowledged > 0
        self._announcer.birth()
        if self._settings.home_assistant:
            self._home.publish()

    def _lost(self) -> None:
        self.figures.connected = False
        self._lost_s = time.monotonic()

    def _heard(self, heard: Heard) -> None:
        """Hear what others publish where we listen."""
        if self._announcer.leaving:
            return
        if self._sweep is not None:
            self._sweep.heard(heard)
        if self._commander is not None and self._tasks is not None:
            self._commander.heard(heard, self._tasks)
        topics = self._announcer.topics
        if heard.topic == topics.availability and heard.payload != ONLINE.encode():
            self.figures.offline_contradicted += self.figures.connected
            self._announcer.online()
        elif heard.topic == topics.state and (self._has_spoken or not heard.retained):
            self._hear_state(heard.payload)

    def _hear_state(self, payload: bytes) -> None:
        """Notice another daemon that speaks for our scanner: the state is not the one that we said last."""
        if payload and self._announcer.boot.encode() not in payload:
            self.figures.taken_over += 1
            self._taken_over_s = time.monotonic()
            self._troubles.come(TAKEN_OVER, f"another daemon says the state of {self._announcer.topics.scanner}, too")
            self._announcer.say_state_again()

    async def _look_after(self) -> None:
        """Bring the figures up to date once a second, and say what has gone wrong for long enough."""
        outbox, figures = self._announcer.outbox, self.figures
        while True:
            figures.outbox, figures.superseded = len(outbox), outbox.superseded
            figures.dropped_replies = outbox.dropped[Lane.REPLY]
            figures.dropped_messages = outbox.dropped[Lane.NORMAL] + outbox.dropped[Lane.URGENT]
            if self._connected_s is not None and time.monotonic() - self._connected_s > _LONG_ENOUGH_S:
                self._troubles.gone(DROPPED)
            if time.monotonic() - self._taken_over_s > _TAKEN_OVER_S:
                self._troubles.gone(TAKEN_OVER)
            if outbox.dropped[Lane.DOCUMENT] > figures.dropped_documents:
                figures.dropped_documents = outbox.dropped[Lane.DOCUMENT]
                self._troubles.come(DROPPED, f"{figures.dropped_documents} run documents found no room to wait")
            if not figures.connected and time.monotonic() - self._lost_s > _LOST_ALARM_S:
                self._troubles.come(LOST, f"no broker for {_LOST_ALARM_S:g} s: {self._why_not}")
            await asyncio.sleep(_TICK_S)


def back_off_s(attempts: int) -> float:
    """Return how long to wait before the next attempt: longer each time, and never the same for two stations."""
    longest = min(_LONGEST_BACK_OFF_S, _FIRST_BACK_OFF_S * 2 ** min(attempts, 10))
    return float(longest * random.uniform(0.5, 1.0))  # noqa: S311 - no secret
