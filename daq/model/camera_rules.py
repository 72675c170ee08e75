"""What makes a gamma-camera head and its collimators sensible, beyond the types of their keys."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping

from daq.errors import ScandaqError
from daq.model.camera import Collimator, Crystal, Sensors
from daq.model.collimator import effective_length_mm, septal_penetration
from daq.model.finding import ABSENT, Finding, Said, error, warning
from daq.model.scanner import Head

MOST_PENETRATION = 0.05
"""Share of photons through one wall at which a collimator is said to be made for less: the usual design rule, S. R.
Cherry et al., "Physics in Nuclear Medicine", 4th ed., chapter 14."""


def head_findings(heads: Iterable[Head]) -> list[Finding]:
    """Return everything there is to say about crystals and sensors."""
    return [
        finding
        for index, head in enumerate(heads)
        for finding in [*_crystal(f"heads[{index}]", head), *_sensors(f"heads[{index}].sensors", head)]
    ]


def collimator_findings(collimators: Mapping[str, Collimator]) -> list[Finding]:
    """Return everything there is to say about collimators."""
    return [
        finding
        for name, collimator in collimators.items()
        for finding in _collimator(f"collimators.{name}", collimator)
    ]


def _crystal(key: str, head: Head) -> Iterator[Finding]:
    for side in ("width_mm", "height_mm") if head.crystal is not None else ():
        seen, whole = getattr(head, side), getattr(head.crystal, side)
        if seen > whole:
            yield error(f"{key}.{side}", seen, f"the field of view is larger than the crystal, {whole:g}")


def _sensors(key: str, head: Head) -> Iterator[Finding]:
    sensors = head.sensors
    if sensors is None:
        return
    if len(sensors.x_mm) != len(sensors.y_mm):
        yield error(
            f"{key}.y_mm", Said(f"{len(sensors.y_mm)} places"), f"x_mm has {len(sensors.x_mm)}: one per channel"
        )
        return
    yield from _places(key, sensors)
    yield from _reach(key, sensors, head.crystal)


def _places(key: str, sensors: Sensors) -> Iterator[Finding]:
    """Judge how far sensors are from each other."""
    places = list(zip(sensors.x_mm, sensors.y_mm, strict=True))
    for channel, place in enumerate(places):
        near = [(math.dist(place, other), before) for before, other in enumerate(places[:channel])]
        closest_mm, before = min(near, default=(math.inf, 0))
        if closest_mm == 0:
            yield error(f"{key}.x_mm[{channel}]", place[0], f"channels {before} and {channel} are at the same place")
        elif closest_mm < sensors.width_mm and sensors.shape == "round":
            reason = f"channels {before} and {channel} overlap: they are {closest_mm:.4g} mm apart"
            yield warning(f"{key}.width_mm", sensors.width_mm, reason)
            return
    for side, values in (("x_mm", sensors.x_mm), ("y_mm", sensors.y_mm)):
        if min(values) == max(values):
            yield error(f"{key}.{side}", values[0], "the same for all channels: no position can be made of their light")


def _reach(key: str, sensors: Sensors, crystal: Crystal | None) -> Iterator[Finding]:
    if crystal is None:
        yield warning(key, ABSENT, "sensors without a crystal: what light they see is not known")
        return
    for side, values, whole_mm in (("x_mm", sensors.x_mm, crystal.width_mm), ("y_mm", sensors.y_mm, crystal.height_mm)):
        far = max(values, key=abs)
        if abs(far) > whole_mm / 2:
            yield error(f"{key}.{side}", far, f"a sensor beside the crystal, which ends at {whole_mm / 2:g} mm")


def _collimator(key: str, collimator: Collimator) -> Iterator[Finding]:
    if collimator.kind == "pinhole":
        yield from _pinhole(key, collimator)
        return
    if collimator.opening_deg is not None:
        yield error(f"{key}.opening_deg", collimator.opening_deg, "only of a pinhole")
    if collimator.septum_mm == 0:
        yield error(f"{key}.septum_mm", 0.0, "parallel holes have walls between them")
        return
    energy_kev = collimator.energy_max_kev
    try:
        effective_length_mm(collimator, energy_kev)
        through = septal_penetration(collimator, energy_kev)
    except ScandaqError as why:
        yield error(key, Said(f"{collimator.material}, {energy_kev:g} keV"), str(why))
        return
    if through > MOST_PENETRATION:
        reason = f"{100 * through:.1f} % pass a wall at that energy; at most {100 * MOST_PENETRATION:g} % is usual"
        yield warning(f"{key}.energy_max_kev", energy_kev, reason)


def _pinhole(key: str, collimator: Collimator) -> Iterator[Finding]:
    if collimator.opening_deg is None:
        yield error(f"{key}.opening_deg", ABSENT, "required of a pinhole: it limits the field of view")
    elif not collimator.opening_deg < 180:  # noqa: PLR2004 - a half space
        yield error(f"{key}.opening_deg", collimator.opening_deg, "must be below 180")
    if collimator.septum_mm:
        yield error(f"{key}.septum_mm", collimator.septum_mm, "only of parallel holes")
