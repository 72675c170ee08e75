"""Where an axis was at a moment of the host's monotonic clock."""

from __future__ import annotations

from typing import Any, NamedTuple


class AxisSample(NamedTuple):
    """`position` is in the axis's own unit, mm or degrees; `moving` says whether it moved then."""

    axis: str
    monotonic_ns: int
    position: float
    moving: bool = False

    @property
    def about(self) -> dict[str, Any]:
        """Return it as plain data."""
        return self._asdict()
