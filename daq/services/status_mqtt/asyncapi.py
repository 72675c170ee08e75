"""The AsyncAPI 3 document of everything a station says and hears over MQTT.

`python -m daq.services.status_mqtt.asyncapi` prints it; `docs/reference/asyncapi.json` is what it printed.
"""

from __future__ import annotations

import json
import re
import sys
from typing import Any

from daq.model import topics as tree
from daq.services.status_mqtt import schema
from daq.services.status_mqtt.messages import KINDS

_QOS = 1
_PARAMETERS = {
    "scanner": "The scanner's name, percent-encoded.",
    "device": "The device's name in the site file, percent-encoded.",
    "name": "The name of the reading or alarm, percent-encoded.",
    "test": "The test's name in the scanner profile.",
    "run": "Id of the acquisition.",
    "user": "User as the broker knows it. The broker must let nobody write below another's name.",
    "verb": "What is asked for; one that the site allows, or one that stops.",
    "id": "The id of the command that is answered; a hyphen where it had none.",
    "object_id": "scandaq and the scanner's name, joined by hyphens.",
}


def document() -> dict[str, Any]:
    """Return the document."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "scandaq status and commands over MQTT",
            "version": tree.TREE.rpartition("v")[2] + ".0.0",
            "description": "What a station for nuclear-medicine detectors says about itself, and what it can be asked "
            "for. Never event data, never anything about a patient. MQTT 5 or 3.1.1, QoS 1, UTF-8.",
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {name: channel for name, (channel, _) in _channels().items()},
        "operations": {name: operation for _, operation in _channels().values() for name in [operation.pop("name")]},
        "components": {"messages": _messages()},
    }


def _channels() -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
    """Return every channel with its operation."""
    found = {"availability": _said("availability", tree.AVAILABILITY, "Whether the daemon is there", retain=True)}
    for kind in KINDS.values():
        found[kind.name] = _said(kind.name, kind.address, kind.summary, retain=kind.retain)
    found["homeAssistant"] = _said("homeAssistant", tree.HOME_ASSISTANT, "Discovery, where switched on", retain=True)
    channel = _channel("command", tree.COMMAND, "A command of a user")
    operation = {
        "name": "takeCommand",
        "action": "receive",
        "channel": {"$ref": "#/channels/command"},
        "summary": "Take a command, where the site allows any",
        "bindings": {"mqtt": {"qos": _QOS, "retain": False, "bindingVersion": "0.2.0"}},
        "reply": {"channel": {"$ref": "#/channels/reply"}},
    }
    found["command"] = channel, operation
    found["reply"] = _said("reply", tree.REPLY, "The answers to a command", retain=False)
    return found


def _said(name: str, address: str, summary: str, *, retain: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    operation = {
        "name": f"say{name[0].upper()}{name[1:]}",
        "action": "send",
        "channel": {"$ref": f"#/channels/{name}"},
        "summary": summary,
        "bindings": {"mqtt": {"qos": _QOS, "retain": retain, "bindingVersion": "0.2.0"}},
    }
    return _channel(name, address, summary), operation


def _channel(name: str, address: str, summary: str) -> dict[str, Any]:
    parameters = {key: {"description": _PARAMETERS[key]} for key in re.findall(r"{(\w+)}", address)}
    messages = {name: {"$ref": f"#/components/messages/{name}"}}
    if name == "alarm":
        messages["cleared"] = {"$ref": "#/components/messages/cleared"}
    return {"address": address, "description": summary, "parameters": parameters, "messages": messages}


def _messages() -> dict[str, Any]:
    plain = {
        "availability": {
            "contentType": "text/plain",
            "summary": "offline is also the last will",
            "payload": {"type": "string", "enum": [tree.ONLINE, tree.OFFLINE]},
        },
        "cleared": {
            "contentType": "text/plain",
            "summary": "An empty message: the alarm is over",
            "payload": {"type": "string", "maxLength": 0},
        },
        "homeAssistant": {"summary": "As Home Assistant describes it", "payload": {"type": "object"}},
    }
    return plain | {name: {"payload": payload} for name, payload in schema.schemas().items()}


def text() -> str:
    """Return the document as it is kept."""
    return json.dumps(document(), indent=2) + "\n"


if __name__ == "__main__":
    sys.stdout.write(text())
