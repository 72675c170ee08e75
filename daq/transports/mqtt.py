"""One connection to a broker: opened, used, lost or closed, and never opened again.

aiomqtt does the work; this adds what a daemon needs. Every connection is a new client, because one that is opened
again sends what it had given up. Refusals of the broker (no right to publish, packet too large, quota) are handed to
who published. Nothing waits without a deadline, and nothing waits in `asyncio.wait_for`, which loses cancellations
before Python 3.12. Messages are handed over where they arrive: there is no queue that could overflow unseen.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import aiomqtt
from aiomqtt.exceptions import MqttConnectError
from paho.mqtt import client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from daq.errors import AccessError, DeadlineError, RefusedError, ScandaqError, UnreachableError
from daq.transports.mqtt_address import BrokerAddress, Login

_CONNECT_S = 3.0
"""Name, TCP and TLS handshake, each; they happen in a thread that nothing can interrupt."""
_ANSWER_S = 5.0
_CLOSE_S = 1.0
_MOST_UNDER_WAY = 16
"""Messages sent and not yet acknowledged. Brokers allow 20 unless told otherwise."""
_MOST_INCOMING_BYTES = 65_536
_MOST_LEFT = 10_000
"""Packets that are read and thrown away when a connection ends."""
_NOT_ALLOWED = frozenset({4, 5, 134, 135, 138})
"""Reason codes for: bad user name or password, not authorized, banned."""
_KEEP_ALIVE_OVER = 141
_TAKEN_OVER = 142
_FAILURE = 128


@dataclass(frozen=True, slots=True)
class Heard:
    """A message that arrived. `retained`: the broker had kept it from before the subscription."""

    topic: str
    payload: bytes
    retained: bool = False
    response_topic: str | None = None
    correlation: bytes | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """What the broker said it takes. Without a statement (always so in 3.1.1), what the standard allows."""

    packet_bytes: int = 268_435_455
    under_way: int = _MOST_UNDER_WAY


class TakenOverError(UnreachableError):
    """Another client connected under our name; the broker hung up on this one."""


Listener = Callable[[Heard], None]
Answered = Callable[[str | None], None]
"""Called with None once the broker has taken a message, or with its reason for refusing."""


class MqttConnection(aiomqtt.Client):
    """A connection. `connect` makes it or raises why it cannot: unreachable, too slow, refused."""

    def __init__(
        self,
        address: BrokerAddress,
        login: Login,
        *,
        will: aiomqtt.Will | None = None,
        on_message: Listener | None = None,
    ) -> None:
        """Prepare it; raise `MissingError` or `RefusedError` for files of the login. Needs a running loop."""
        self.address = address
        self.limits = Limits()
        self._five = address.protocol == "5"
        self._hear = on_message
        self._loop_thread = threading.get_ident()
        self._answers: dict[int, Answered] = {}
        self._sent_s: dict[int, float] = {}
        self._room = asyncio.Event()
        self._room.set()
        super().__init__(
            address.host,
            address.port,
            username=login.user,
            password=login.password(),
            identifier=login.client_id,
            protocol=aiomqtt.ProtocolVersion.V5 if self._five else aiomqtt.ProtocolVersion.V311,
            will=will,
            clean_session=None if self._five else True,
            timeout=math.inf,
            keepalive=login.keepalive_s,
            properties=_connect_properties() if self._five else None,
            max_inflight_messages=_MOST_UNDER_WAY,
            tls_context=login.tls() if address.tls else None,
            socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
        )
        self._client.connect_timeout = _CONNECT_S

    async def connect(self) -> None:
        """Connect and log in, or raise what stood in the way; leave nothing open then."""
        entering = asyncio.create_task(self.__aenter__(), name=f"connect to {self.address}")
        try:
            async with asyncio.timeout(_CONNECT_S + _ANSWER_S):
                await asyncio.shield(entering)
        except TimeoutError:
            self._abandon(entering)
            raise DeadlineError(f"{self.address} did not answer within {_CONNECT_S + _ANSWER_S:g} s") from None
        except (aiomqtt.MqttError, ValueError) as why:
            self._abandon(entering)
            raise self._explained(why) from None
        except BaseException:
            self._abandon(entering)
            raise

    def send(
        self, topic: str, payload: bytes, answered: Answered, *, retain: bool = False, correlation: bytes | None = None
    ) -> None:
        """Publish with QoS 1 and return at once; `answered` is called later unless the connection is lost before.

        Raise `UnreachableError` when it is lost already.
        """
        properties = _publish_properties(correlation) if self._five else None
        info = self._client.publish(topic, payload, 1, retain, properties)
        if info.rc != paho.MQTT_ERR_SUCCESS:
            raise UnreachableError(f"{self.address}: {paho.error_string(info.rc)}")
        self._answers[info.mid] = answered
        self._sent_s[info.mid] = time.monotonic()
        if len(self._answers) >= self.limits.under_way:
            self._room.clear()

    async def room(self) -> None:
        """Wait until another message may be sent. Its deadline is that of `watch`."""
        await self._room.wait()

    async def publish_surely(
        self, topic: str, payload: bytes, *, retain: bool = False, within_s: float = _ANSWER_S
    ) -> None:
        """Publish with QoS 1 and wait for the broker; raise `AccessError`, `DeadlineError` or `UnreachableError`."""
        answer: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()

        def answered(refusal: str | None) -> None:
            if not answer.done():
                answer.set_result(refusal)

        self.send(topic, payload, answered, retain=retain)
        try:
            async with asyncio.timeout(within_s):
                refusal = await answer
        except TimeoutError:
            raise DeadlineError(f"{self.address} did not acknowledge {topic} within {within_s:g} s") from None
        if refusal is not None:
            raise AccessError(f"{self.address} refuses {topic}: {refusal}")

    async def listen(self, pattern: str, *, to_others: bool = False) -> None:
        """Subscribe with QoS 1; raise `AccessError`, `DeadlineError` or `UnreachableError`.

        `to_others`: not to what we say ourselves, as far as the version of MQTT knows that.
        """
        options = SubscribeOptions(qos=1, noLocal=to_others) if self._five else None
        try:
            async with asyncio.timeout(_ANSWER_S):
                codes = await self.subscribe(pattern, qos=0 if self._five else 1, options=options)
        except TimeoutError:
            raise DeadlineError(f"{self.address} did not answer a subscription within {_ANSWER_S:g} s") from None
        except aiomqtt.MqttError as why:
            raise self._explained(why) from None
        code = codes[0]
        number = code.value if isinstance(code, ReasonCode) else code
        if number >= _FAILURE:
            raise AccessError(f"{self.address} refuses to let us hear {pattern}: {code}")

    async def stop_listening(self, pattern: str) -> None:
        """Unsubscribe; raise `DeadlineError` or `UnreachableError`."""
        try:
            async with asyncio.timeout(_ANSWER_S):
                await self.unsubscribe(pattern)
        except TimeoutError:
            raise DeadlineError(f"{self.address} did not answer within {_ANSWER_S:g} s") from None
        except aiomqtt.MqttError as why:
            raise self._explained(why) from None

    async def watch(self) -> None:
        """Wait until the connection is lost, or the broker acknowledges nothing for 5 s; raise what happened."""
        while not self.lost:
            await asyncio.wait([self._disconnected], timeout=_CLOSE_S)
            oldest_s = min(self._sent_s.values(), default=math.inf)
            if time.monotonic() - oldest_s > _ANSWER_S:
                raise DeadlineError(f"{self.address} has acknowledged nothing for {_ANSWER_S:g} s")
        why = self._disconnected.exception() if self._disconnected.done() else None
        raise self._explained(why) if why is not None else UnreachableError(f"{self.address} closed the connection")

    async def close(self, *, politely: bool) -> None:
        """End the connection. Only a polite end says goodbye: without, the broker publishes the last will."""
        if politely and not self._disconnected.done():
            with contextlib.suppress(TimeoutError, aiomqtt.MqttError):
                async with asyncio.timeout(_CLOSE_S):
                    await self.__aexit__(None, None, None)
        self._cut()
        if self._disconnected.done() and not self._disconnected.cancelled():
            self._disconnected.exception()  # known to whoever watched

    @property
    def lost(self) -> bool:
        """Return True when nothing can be sent any more."""
        return self._disconnected.done() or self._client.socket() is None

    def _abandon(self, entering: asyncio.Task[Any]) -> None:
        """Give up connecting. The thread that connects may go on for seconds: what it then opens is closed."""
        if not entering.done() and not self._connected.done():
            self._connected.set_exception(aiomqtt.MqttError("given up"))
        entering.add_done_callback(self._abandoned)

    def _abandoned(self, entering: asyncio.Task[Any]) -> None:
        if not entering.cancelled():
            entering.exception()
        self._cut()

    def _cut(self) -> None:
        """Shut the socket, and let paho read to its end, for then it closes it and lets go of the loop."""
        self._hear = None
        wire = self._client.socket()
        if isinstance(wire, socket.socket):
            with contextlib.suppress(OSError):
                wire.shutdown(socket.SHUT_RDWR)
        for _ in range(_MOST_LEFT):
            if self._client.socket() is None:
                return
            with contextlib.suppress(OSError, ValueError):
                self._client.loop_read()

    def _explained(self, why: BaseException) -> ScandaqError:
        """Return our error for one of aiomqtt's."""
        code = getattr(why, "rc", None)
        number = code.value if isinstance(code, ReasonCode) else code
        if isinstance(why, MqttConnectError):
            if number in _NOT_ALLOWED:
                return AccessError(f"{self.address} refuses us: {why}")
            return RefusedError(f"{self.address} refuses the connection: {why}")
        if number == _TAKEN_OVER:
            return TakenOverError(f"{self.address}: another client has connected as {self.identifier!r}")
        if number == _FAILURE:
            return UnreachableError(f"{self.address} hung up")
        return UnreachableError(f"{self.address}: {why}")

    def _on_connect(
        self,
        client: paho.Client,
        userdata: Any,
        flags: Any,
        reason_code: ReasonCode,
        properties: Properties | None = None,
    ) -> None:
        if self._five and properties is not None:
            self.limits = _limits(properties)
        super()._on_connect(client, userdata, flags, reason_code, properties)

    def _on_socket_register_write(self, client: paho.Client, userdata: Any, sock: Any) -> None:
        """Write as soon as the loop can. Done later, for a socket closed meanwhile, it could meet another's number."""
        del userdata
        if threading.get_ident() == self._loop_thread:
            self._write_when_ready(client, sock)
        else:
            self._loop.call_soon_threadsafe(self._write_when_ready, client, sock)

    def _write_when_ready(self, client: paho.Client, sock: Any) -> None:
        number = sock.fileno()
        if client.socket() is sock and number >= 0:
            self._loop.add_writer(number, self._write, client)

    def _write(self, client: paho.Client) -> None:
        try:
            client.loop_write()
        except OSError as why:
            if not self._disconnected.done():
                self._disconnected.set_exception(why)

    def _on_disconnect(
        self,
        client: paho.Client,
        userdata: Any,
        flags: Any,
        reason_code: ReasonCode,
        properties: Properties | None = None,
    ) -> None:
        if not self._connected.done():
            silent = reason_code.value == _KEEP_ALIVE_OVER
            why = "did not answer" if silent else "hung up before it took us: no broker, or one that wants TLS?"
            self._connected.set_exception(aiomqtt.MqttError(why))
        super()._on_disconnect(client, userdata, flags, reason_code, properties)

    def _on_publish(
        self, client: paho.Client, userdata: Any, mid: int, reason_code: ReasonCode, properties: Properties
    ) -> None:
        del client, userdata, properties
        self._sent_s.pop(mid, None)
        answered = self._answers.pop(mid, None)
        if len(self._answers) < self.limits.under_way:
            self._room.set()
        if answered is not None:
            answered(str(reason_code) if reason_code.is_failure else None)

    def _on_message(self, client: paho.Client, userdata: Any, message: paho.MQTTMessage) -> None:
        del client, userdata
        if self._hear is not None:
            said = getattr(message, "properties", None)
            response = getattr(said, "ResponseTopic", None)
            correlation = getattr(said, "CorrelationData", None)
            self._hear(Heard(message.topic, bytes(message.payload), bool(message.retain), response, correlation))


def _connect_properties() -> Properties:
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.MaximumPacketSize = _MOST_INCOMING_BYTES
    return properties


def _publish_properties(correlation: bytes | None) -> Properties:
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    properties.PayloadFormatIndicator = 1  # text in UTF-8
    if correlation is not None:
        properties.CorrelationData = correlation
    return properties


def _limits(said: Properties) -> Limits:
    """Return what a broker of MQTT 5 said when it took us."""
    packet_bytes = getattr(said, "MaximumPacketSize", Limits().packet_bytes)
    return Limits(packet_bytes, min(_MOST_UNDER_WAY, getattr(said, "ReceiveMaximum", _MOST_UNDER_WAY)))
