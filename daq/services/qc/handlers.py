"""How requests are carried out: by verb, a function of the checked arguments and of who asks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from daq.model.station import Actor

Handlers = Mapping[str, Callable[[Any, Actor], Awaitable[dict[str, Any]]]]
