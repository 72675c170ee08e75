"""Parts of the OpenAPI document that are no model: what is answered."""

from __future__ import annotations

from typing import Any

from daq.gateway.idempotency import KEY_PATTERN

_TEXT: dict[str, Any] = {"type": "string"}
_PERSON: dict[str, Any] = {"user": _TEXT, "session": _TEXT}

PROBLEM: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "kind", "exit_code"],
    "additionalProperties": False,
    "description": "RFC 9457; `detail` is a sentence for people, `kind` a class of errors",
    "properties": {
        "type": {"const": "about:blank"}, "title": _TEXT, "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": _TEXT, "kind": _TEXT, "exit_code": {"type": "integer", "minimum": 1, "maximum": 7},
    },
}  # fmt: skip

SESSION: dict[str, Any] = {
    "type": "object",
    "required": ["station", "scanner", "simulated", "version", "signed_in"],
    "additionalProperties": False,
    "properties": {
        "station": _TEXT, "scanner": _TEXT, "simulated": {"type": "boolean"}, "version": _TEXT,
        "signed_in": {"type": "boolean"}, "ended": {"type": "string", "description": "why the session has ended"},
        **_PERSON, "role": {"enum": ["viewer", "technologist", "qc", "physicist", "service"]},
    },
}  # fmt: skip


def control_schemas() -> dict[str, Any]:
    """Return the schemas of what is answered about control, and of commands that are under way."""
    holder = _object({**_PERSON, "since_utc": {"type": "string", "format": "date-time"}})
    wish = _object({**_PERSON, "reason": _TEXT, "left_s": {"type": "number", "minimum": 0}})
    stands = {"holder": {"anyOf": [holder, {"type": "null"}]}, "request": {"anyOf": [wish, {"type": "null"}]}}
    others = {"type": "array", "items": _object({**_PERSON, "role": _TEXT})}
    return {
        "Control": _object(stands),
        "ControlSeen": _object({**stands, "others": others}),
        "Accepted": _object({"accepted": {"const": True}, "key": {"type": "string", "pattern": KEY_PATTERN}}),
    }


def in_json(what: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Return an answer in JSON."""
    return {"description": what, "content": {"application/json": {"schema": schema}}}


def json_object(what: str) -> dict[str, Any]:
    """Return an answer that is some JSON object: what a verb answers stands in the pages of the verbs."""
    return in_json(what, {"type": "object"})


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": [*properties], "additionalProperties": False, "properties": properties}
