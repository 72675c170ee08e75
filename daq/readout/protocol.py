"""What may be asked of a readout, and how it refuses: one JSON object per line, in both directions.

`REQUESTS` is the table of requests. An answer with `error` and without `state` is a refusal (`daq.model.refusal`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from daq.errors import ScandaqError, UsageError
from daq.model.stop import is_limit, parse_stop

MAX_LINE_BYTES = 64 * 1024
"""Of a request, its newline included."""
LONGEST_EXCHANGE_S = 60.0
MOST_NAME_CHARACTERS = 200
"""Of a step."""
LEAST_LEASE_S = 0.1
MOST_LEASE_S = 60.0
"""For how long somebody may promise to say again that the readout is watched."""
MOST_EXCHANGE_BYTES = 16 * 1024
_MOST_MATCH_BYTES = 64
MOST_AXIS_CHARACTERS = 64
MOST_SAMPLES = 256
"""Positions of axes in one request; so many fit into its line."""


def _encodable(value: object) -> object:
    """Replace halves of surrogate pairs, which JSON may carry and no file can."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def _stop_limits(texts: list[str]) -> list[str]:
    parse_stop(texts)
    return texts


def _no_limit(by: str) -> str:
    if is_limit(by):
        raise ValueError(f"{by} is what a limit is called; who asks for an end says why")
    return by


_AnyText = BeforeValidator(_encodable)
_Reason = Annotated[str, Field(min_length=1, max_length=100), _AnyText, AfterValidator(_no_limit)]
_Hex = Annotated[str, Field(pattern="^([0-9a-fA-F]{2})+$")]


class _Request(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)


class Status(_Request):
    """Ask for the status."""

    do: Literal["status"]


class Start(_Request):
    """Begin to record what the front end sends."""

    do: Literal["start"]


class Attend(_Request):
    """Say: I watch over you; if I do not say so again within `within_s`, I am gone."""

    do: Literal["attend"]
    within_s: Annotated[float, Field(ge=LEAST_LEASE_S, le=MOST_LEASE_S)]


class Step(_Request):
    """Begin the next step, which lasts until a limit of `stop` is reached; without one, until another request.

    `moving`: axes move during it. `last`: what ends it ends the recording.
    """

    do: Literal["step"]
    stop: Annotated[list[Annotated[str, _AnyText]], Field(max_length=20), AfterValidator(_stop_limits)] = []
    name: Annotated[str, Field(max_length=MOST_NAME_CHARACTERS), _AnyText] = ""
    moving: bool = False
    last: bool = False


class EndStep(_Request):
    """End the step and record on, outside of it. `completed`: nothing is missing, although no limit was reached."""

    do: Literal["end_step"]
    by: _Reason = "operator"
    completed: bool = False


class MotionLost(_Request):
    """Say that an axis does not do what it should: the step ends at once, the recording within a second."""

    do: Literal["motion_lost"]
    text: Annotated[str, Field(max_length=4000), _AnyText] = ""


class Pause(_Request):
    """Mark that what comes from now on is not wanted; it is recorded all the same."""

    do: Literal["pause"]


class Resume(_Request):
    """Mark the end of a pause."""

    do: Literal["resume"]


class Mark(_Request):
    """Put a text into the recording, now or at a moment of the host's monotonic clock, as a mark of `kind`."""

    do: Literal["mark"]
    text: Annotated[str, Field(max_length=4000), _AnyText]
    kind: Literal["operator", "hand_over", "injection"] = "operator"
    monotonic_ns: Annotated[int, Field(ge=0, lt=2**63)] | None = None


class Sample(_Request):
    """Where an axis was at a moment of the host's monotonic clock, in mm or degrees, and whether it moved then."""

    axis: Annotated[str, Field(min_length=1, max_length=MOST_AXIS_CHARACTERS), _AnyText]
    monotonic_ns: Annotated[int, Field(ge=0, lt=2**63)]
    position: float
    moving: bool = False


class Positions(_Request):
    """Put positions of axes into the recording, as `position` marks. Answered before that is done."""

    do: Literal["positions"]
    samples: Annotated[list[Sample], Field(min_length=1, max_length=MOST_SAMPLES)]


class Stop(_Request):
    """End in order: what is buffered is written, the recording is sealed. `by` is the reason it is given."""

    do: Literal["stop"]
    by: _Reason = "operator"


class Release(_Request):
    """End while armed, without a recording: nothing is left of it, and another readout may take its place."""

    do: Literal["release"]


class Match(_Request):
    """Tell a reply from other datagrams: its bytes from `offset` on, and `mask`, equal `value`."""

    offset: Annotated[int, Field(ge=0, le=65_535)]
    mask: Annotated[_Hex, Field(max_length=2 * _MOST_MATCH_BYTES)]
    value: Annotated[_Hex, Field(max_length=2 * _MOST_MATCH_BYTES)]

    @model_validator(mode="after")
    def _can_match(self) -> Self:
        mask, value = bytes.fromhex(self.mask), bytes.fromhex(self.value)
        if len(mask) != len(value):
            raise ValueError(f"mask has {len(mask)} bytes, value {len(value)}")
        if any(v & ~m for m, v in zip(mask, value, strict=True)):
            raise ValueError("value has bits outside of mask: nothing could match")
        return self


class Exchange(_Request):
    """Send bytes to the front end from the socket its data come to; the answer is the reply that matches."""

    do: Literal["exchange"]
    data: Annotated[_Hex, Field(alias="bytes", max_length=2 * MOST_EXCHANGE_BYTES)]
    match: Match
    deadline_s: Annotated[float, Field(gt=0, le=LONGEST_EXCHANGE_S)]


class Ask(_Request):
    """Send a request on the connection for commands that a front end has beside its stream; the answer is its reply."""

    do: Literal["ask"]
    source: Annotated[int, Field(ge=0, lt=1 << 16)] = 0
    data: Annotated[_Hex, Field(alias="bytes", max_length=2 * MOST_EXCHANGE_BYTES)]
    deadline_s: Annotated[float, Field(gt=0, le=LONGEST_EXCHANGE_S)]


class Snapshot(_Request):
    """Ask for the memory with the live figures; its descriptor comes with the answer."""

    do: Literal["snapshot"]


REQUESTS: dict[str, type[_Request]] = {
    "status": Status,
    "attend": Attend,
    "start": Start,
    "step": Step,
    "end_step": EndStep,
    "motion_lost": MotionLost,
    "pause": Pause,
    "resume": Resume,
    "mark": Mark,
    "positions": Positions,
    "stop": Stop,
    "release": Release,
    "exchange": Exchange,
    "ask": Ask,
    "snapshot": Snapshot,
}


def parse_request(line: bytes) -> dict[str, Any]:
    """Return the request as a checked JSON object, defaults filled in; raise `UsageError` saying what is possible."""
    try:
        asked = json.loads(line)
    except (ValueError, RecursionError):
        raise UsageError("a request is one JSON object on one line") from None
    what = asked.get("do") if isinstance(asked, dict) else None
    model = REQUESTS.get(what) if isinstance(what, str) else None
    if model is None:
        raise UsageError(f'a request is a JSON object whose key "do" is one of {", ".join(REQUESTS)}')
    try:
        return model.model_validate(asked).model_dump(by_alias=True, exclude_none=True)
    except ValidationError as why:
        raise UsageError(f"request {what}: {_in_words(why)}; its keys are {_keys(model)}") from None
    except ScandaqError as why:  # of a stop limit: it says itself what is possible
        raise UsageError(f"request {what}: {why}") from None


def refused(answer: Mapping[str, Any]) -> bool:
    """Return True when the answer is a refusal. A status may hold an error, too: that of the recording."""
    return bool(answer.get("error")) and "state" not in answer


def _in_words(why: ValidationError) -> str:
    """Return the first thing that is wrong, with the place it is in."""
    first = why.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{place}: {first['msg']}" if place else str(first["msg"])


def _keys(model: type[_Request]) -> str:
    return ", ".join(field.alias or name for name, field in model.model_fields.items())
