"""What may be asked on a station's local socket, and the lines that come back.

A request is `{"id": 1, "do": "start", "args": {}}`. It is answered by `{"id": 1, "answer": {...}}`, or refused by
`{"id": 1, "error": "...", "kind": "...", "exit_code": 3}` (`daq.model.refusal`). `watch` is answered, and then followed
by events `{"id": 1, "event": "status", "data": {...}, "seq": 1, "skipped": 0}`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from daq.errors import UsageError
from daq.model.station import (
    Alarm,
    Announcement,
    Description,
    Progress,
    QcStatus,
    Reading,
    RunDocument,
    RunLedger,
    StationStatus,
)
from daq.model.verbs import ALWAYS

WATCH = "watch"
Kind = Literal["status", "progress", "reading", "alarm", "ledger", "document", "description", "qc"]

_KINDS: dict[type[Any], Kind] = {
    StationStatus: "status",
    Progress: "progress",
    Reading: "reading",
    Alarm: "alarm",
    RunLedger: "ledger",
    RunDocument: "document",
    Description: "description",
    QcStatus: "qc",
}

_Id = Annotated[int, Field(ge=0, lt=2**53)] | Annotated[str, Field(max_length=64)]


_Model = TypeVar("_Model", bound=BaseModel)


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)


class Request(_Strict):
    """One request. `id` comes back with its answer; answers may overtake each other."""

    id: _Id | None = None
    do: Annotated[str, Field(pattern=r"^[a-z]+(-[a-z]+)*$", max_length=40)]
    args: dict[Annotated[str, Field(max_length=64)], JsonValue] = {}

    @property
    def urgent(self) -> bool:
        """Return True for what stops something: it is served even where every other place is taken."""
        return self.do in ALWAYS


class WatchArgs(_Strict):
    """The arguments of `watch`: which kinds of announcements; default all but documents."""

    kinds: Annotated[list[Kind], Field(min_length=1, max_length=len(_KINDS))] = [
        kind for kind in _KINDS.values() if kind != "document"
    ]


def kind_of(announcement: Announcement) -> Kind:
    """Return the name that an announcement has in events."""
    return _KINDS[type(announcement)]


def check_request(message: dict[str, Any]) -> Request:
    """Return the request; raise `UsageError` saying what is wrong."""
    return _checked(Request, message, "a request")


def check_watch(args: dict[str, Any]) -> WatchArgs:
    """Return the arguments of `watch`; raise `UsageError` saying what is wrong."""
    return _checked(WatchArgs, args, WATCH)


def id_of(message: dict[str, Any]) -> int | str | None:
    """Return the id of a message that may be no valid request, as far as it is one."""
    try:
        return Request(id=message.get("id"), do=WATCH).id
    except ValidationError:
        return None


def _checked(model: type[_Model], value: dict[str, Any], what: str) -> _Model:
    try:
        return model.model_validate(value)
    except ValidationError as why:
        first = why.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        keys = ", ".join(model.model_fields)
        raise UsageError(f"{what}: {place}: {first['msg']}; its keys are {keys}") from None
