"""What may be asked about the room and its alarms; `daq.model.verbs` has the others."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from daq.model.arguments import Arguments, Named
from daq.model.station import Priority, Role

MOST_HAPPENINGS = 200


class AlarmHistory(Arguments):
    """Ask what happened to alarms, the newest first: a page of at most `limit`, of what came `before` a number."""

    limit: Annotated[int, Field(ge=1, le=MOST_HAPPENINGS)] = 50
    before: Annotated[int, Field(ge=1, lt=2**53)] | None = None
    priority: Priority | None = None
    """Of this priority alone; none said: of every one."""


class ProbeNodes(Arguments):
    """Ask what a gamma probe counted in the steps of the run under way; `window`: by default the first there is."""

    window: Named | None = None


ROOM_VERBS: dict[str, tuple[type[Arguments], Role, str]] = {
    "acknowledge-low-alarms": (Arguments, Role.TECHNOLOGIST, "say that every low alarm was seen, and no other"),
    "alarm-history": (AlarmHistory, Role.VIEWER, "what happened to alarms: came, were acknowledged, were over"),
    "probe-nodes": (ProbeNodes, Role.VIEWER, "rates of a probe by step, and what the 10 % rule says of them"),
    "room": (Arguments, Role.VIEWER, "axes, motion enable, interlocks and bed as they are now"),
}
"""Verb: its arguments, the least role, what it does."""
ROOM_ASKING = frozenset({"alarm-history", "probe-nodes", "room"})
