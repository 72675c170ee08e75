"""Where axes may be together. A site with a gantry gives a function; this walks the way of a movement with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Literal

from daq.errors import LimitError

Places = Mapping[str, float]
Envelope = Callable[[Places], str | None]
"""Returns why axes must not stand at these places together, or None. Called often; must not wait."""
Order = Literal["one_by_one", "together"]
_MOST_STOPS = 500


def check_way(envelope: Envelope, places: Places, targets: Places, speeds: Places, order: Order) -> None:
    """Raise `LimitError` where the way from `places` to `targets` leaves the envelope, ends included.

    Looks at every place that is one unit (mm or degree) further, at most 500 of each leg.
    """
    for along in _way(places, targets, speeds, order):
        why = envelope(along)
        if why is not None:
            at = ", ".join(f"{name} {place:g}" for name, place in along.items())
            raise LimitError(f"the way leaves the collision envelope at {at}: {why}")


def _way(places: Places, targets: Places, speeds: Places, order: Order) -> Iterator[Places]:
    if order == "together":
        yield from _leg(places, targets, speeds)
        return
    now = dict(places)
    for name, target in targets.items():
        yield from _leg(now, {name: target}, speeds)
        now[name] = target


def _leg(places: Places, targets: Places, speeds: Places) -> Iterator[Places]:
    """Yield the places of axes that start together, each at its own speed."""
    distances = {name: target - places[name] for name, target in targets.items()}
    lasts_s = max(abs(distance) / speeds[name] for name, distance in distances.items())
    count = min(_MOST_STOPS, 1 + round(max(map(abs, distances.values()))))
    for number in range(count + 1):
        now_s = lasts_s * number / count
        gone = {
            name: places[name] + max(-1.0, min(1.0, _part(now_s, distance, speeds[name]))) * distance
            for name, distance in distances.items()
        }
        yield {**places, **gone}


def _part(now_s: float, distance: float, speed: float) -> float:
    return 1.0 if distance == 0 else now_s * speed / abs(distance)
