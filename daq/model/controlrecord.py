"""`control-record/1`: a conversation with an instrument as it was, to hold profiles against later.

A text file of JSON objects, one a line: the head, then what was said with what came, byte by byte, and after it what
the profile made of it.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from daq.model.layout import Strict

CONTROL_RECORD_SCHEMA = "control-record/1"

Bytes = Annotated[str, Field(pattern=r"^([0-9a-f]{2})*$")]
"""Bytes as hexadecimal digits."""


class Head(Strict):
    """Who was asked, and by which profile."""

    model_config = ConfigDict(serialize_by_alias=True)

    schema_id: Literal["control-record/1"] = Field(alias="schema")
    profile: str
    made_utc: str
    url: str
    variables: dict[str, str]
    """What stood in the profile's braces, e.g. the address of a board."""
    vendor: str
    model: str
    serial: str
    firmware: str


class Exchanged(Strict):
    """One request with what came: `say` is the request before, `sent` after it was framed; `got` as it came."""

    say: str
    raw: bool
    t_s: float
    """Since the beginning."""
    sent: Bytes
    got: tuple[Bytes, ...]


class Understood(Strict):
    """What a value of a channel (empty: of the device) was read as, by the exchanges before this line."""

    read: str
    channel: str
    how: Literal["get", "all"]
    unit: str = ""
    value: bool | int | float | str | None = None
    refused: str = ""
    """What it said no with, in place of a value."""


class ControlRecord(Strict):
    """A whole recording, in its order."""

    head: Head
    lines: tuple[Exchanged | Understood, ...]
