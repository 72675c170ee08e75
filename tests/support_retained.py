"""What a broker retains of a station."""

from __future__ import annotations

import json
import os
import time
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from support_protocol_texts import SCANNER

TOPIC = f"nm/v1/{SCANNER}/"


def retained(port: int, *, user: str = "", password: str = "") -> dict[str, Any]:
    """Return what a broker on loopback retains, by topic below that of the scanner; JSON parsed.

    A message of our own, which the broker sends back after all that it retains, says when that is complete.
    """
    got: dict[str, Any] = {}
    done: list[bool] = []
    end = f"test/{os.getpid()}"

    def take(_client: Any, _data: Any, message: mqtt.MQTTMessage) -> None:
        if message.topic == end:
            done.append(True)
        elif message.retain and message.payload:
            got[message.topic.removeprefix(TOPIC)] = _parsed(bytes(message.payload))

    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
    if user:
        client.username_pw_set(user, password)

    def connected(*_: Any) -> None:
        client.subscribe([(TOPIC + "#", 1), (end, 1)])

    def subscribed(*_: Any) -> None:
        client.publish(end, b"", qos=1)

    client.on_message = take
    client.on_connect = connected
    client.on_subscribe = subscribed
    client.connect("127.0.0.1", port, keepalive=5)
    deadline = time.monotonic() + 2.0
    while not done and time.monotonic() < deadline:
        client.loop(0.02)
    client.disconnect()
    return got


def _parsed(payload: bytes) -> Any:
    try:
        return json.loads(payload)
    except ValueError:
        return payload.decode()
