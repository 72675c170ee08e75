"""JSON Schemas of the messages, made of the records that the messages are made of: they cannot come apart."""

from __future__ import annotations

import dataclasses
import inspect
import types
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from daq.services.status_mqtt.commands import LATEST_S, Command, Reply
from daq.services.status_mqtt.messages import KINDS

_PLAIN: dict[Any, dict[str, Any]] = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    types.NoneType: {"type": "null"},
    Any: {},
}
_TIME = {"type": "string", "format": "date-time"}
_ENVELOPE: dict[str, dict[str, Any]] = {
    "seq": {
        "type": "integer",
        "minimum": 1,
        "description": "Counts what this start of the daemon said; a smaller one is older. Gaps are normal.",
    },
    "ts": {
        **_TIME,
        "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$",
        "description": "When it was said: UTC, milliseconds.",
    },
    "boot": {"type": "string", "format": "uuid", "description": "Which start of the daemon said it."},
}


def of_kind(record: type[Any]) -> dict[str, Any]:
    """Return the schema of the messages of one kind of announcement."""
    return _enveloped(_object(record))


def of_reply() -> dict[str, Any]:
    """Return the schema of a reply."""
    return _enveloped(_object(Reply))


def of_command() -> dict[str, Any]:
    """Return the schema of a command: the only one that others write, hence without our envelope."""
    schema = _object(Command)
    schema["properties"]["id"] |= {"pattern": r"^[A-Za-z0-9._-]{1,64}$"}
    schema["properties"]["expires"] |= {
        **_TIME,
        "description": f"Not carried out after this time; at most {LATEST_S:g} s ahead.",
    }
    schema["required"] = ["id", "expires"]
    return schema


def schemas() -> dict[str, dict[str, Any]]:
    """Return the schema of every JSON message by its name."""
    return {kind.name: of_kind(kind.record) for kind in KINDS.values()} | {
        "command": of_command(),
        "reply": of_reply(),
    }


def _enveloped(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema with `seq`, `ts` and `boot` in front."""
    properties = {**_ENVELOPE, **schema["properties"]}
    return {**schema, "properties": properties, "required": list(properties)}


def _object(record: type[Any]) -> dict[str, Any]:
    hints = get_type_hints(record)
    properties = {each.name: _dated(each.name, _schema(hints[each.name])) for each in dataclasses.fields(record)}
    return {
        "type": "object",
        "description": " ".join((inspect.getdoc(record) or "").split()),
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _dated(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return dict(_TIME) if name.endswith("_utc") else schema


def _schema(hint: Any) -> dict[str, Any]:
    """Return the schema of a type; raise `TypeError` for one that messages do not use."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is Literal:
        return {"type": "string", "enum": list(args)}
    if origin in (Union, types.UnionType):
        return _any_of(args)
    if origin is tuple:
        return {"type": "array", "items": _schema(args[0])}
    if origin is dict:
        below = _schema(args[1])
        return {"type": "object", **({"additionalProperties": below} if below else {})}
    try:
        return dict(_PLAIN[hint])
    except (KeyError, TypeError):
        raise TypeError(f"no schema for {hint}") from None


def _any_of(args: tuple[Any, ...]) -> dict[str, Any]:
    """Return one list of types where that says it all."""
    below = [_schema(arg) for arg in args]
    return (
        {"type": [each["type"] for each in below]} if all(set(each) == {"type"} for each in below) else {"anyOf": below}
    )
