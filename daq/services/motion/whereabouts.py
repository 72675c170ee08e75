"""Where axes are: told to whoever listens, and held against the collision envelope while they move."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from daq.devices.abilities import Axis, Sample, Sampled
from daq.errors import MissingError, MotionError, ScandaqError
from daq.model.axissample import AxisSample
from daq.services.motion.envelope import Envelope, Order, check_way
from daq.services.motion.standing import SETTLES

_LOG = logging.getLogger(__name__)

Heard = Callable[[AxisSample], None]
"""Hears where an axis was. Must not wait."""


class Whereabouts:
    """Knows the axes of a station by the names that protocols and the scanner profile use."""

    def __init__(self, axes: Mapping[str, Axis], envelope: Envelope | None) -> None:
        self.axes = dict(axes)
        self._envelope = envelope
        self._listeners: list[Heard] = []
        self._places: dict[str, float] = {}
        self._said: dict[str, Sample] = {}

    def called(self, name: str) -> str:
        """Return the name of an axis; raise `MissingError` that names those there are. A device's own name will do."""
        if name in self.axes:
            return name
        by_device = [each for each, axis in self.axes.items() if axis.name == name]
        if by_device:
            return by_device[0]
        known = ", ".join(self.axes) or "none"
        raise MissingError(f"this station has no axis {name!r}; there are: {known}")

    def axis(self, name: str) -> Axis:
        """Return an axis; raise `MissingError`."""
        return self.axes[self.called(name)]

    @contextmanager
    def listening(self, heard: Heard) -> Iterator[None]:
        """Let `heard` hear every sample of every movement while the context lasts."""
        self._listeners.append(heard)
        try:
            yield
        finally:
            self._listeners.remove(heard)

    def sampled(self, name: str) -> Sampled:
        """Return what hears the samples of one axis on its way; raises where axes come too near to each other."""

        def hear(_: str, sample: Sample) -> None:
            self._say(name, sample)
            self._guard(name, sample)

        return hear

    def rested(self, name: str) -> None:
        """Say where an axis came to rest, as it was last read."""
        last = self.axes[name].last
        if last is not None and not last.moving and self._said.get(name) is not last:
            self._say(name, last)

    async def now(self) -> list[AxisSample]:
        """Read all axes now, at the same time; one that does not answer is left out, and its readings say so."""
        read = await asyncio.gather(*(self._read(name, axis) for name, axis in self.axes.items()))
        return [sample for sample in read if sample is not None]

    async def differs(self, wanted: Mapping[str, float]) -> str | None:
        """Return in words which axes do not stand where they are wanted, by more than settles; None where all do.

        `wanted` in the units of the axes. Raise what asking them raises.
        """
        found = []
        for name, place in wanted.items():
            axis = self.axis(name)
            sample = await axis.sample()
            at = f"{name} is at {sample.position:.1f} {axis.unit} and should be at {place:.1f} {axis.unit}"
            if abs(sample.position - place) > SETTLES * axis.limits.in_position:
                found.append(at)
            elif sample.moving:
                found.append(f"{name} moves")
            elif not sample.homed:
                found.append(f"{name} has no reference: where it stands is not known")
        return "; ".join(found) or None

    async def away_first(self, targets: Mapping[str, float]) -> dict[str, float]:
        """Return the targets in the order in which to go there: away from the patient, others, towards the patient.

        Heads draw back before they turn, and come nearer afterwards. Which way is away follows from the profile; an
        axis of which it does not say is among the others. The order stays otherwise as it is.
        """
        if len(targets) < 2:  # noqa: PLR2004 - there is no order of one
            return dict(targets)
        ranks = {name: await self._rank(self.axis(name), target) for name, target in targets.items()}
        return {name: targets[name] for name in sorted(targets, key=ranks.__getitem__)}

    @staticmethod
    async def _rank(axis: Axis, target: float) -> int:
        if axis.limits.away is None:
            return 0
        towards = (target > await axis.position()) == (axis.limits.away == "minimum")
        return 1 if towards else -1

    async def check_way(self, targets: Mapping[str, float], speeds: Mapping[str, float], order: Order) -> None:
        """Raise `LimitError` where the way there leaves the envelope."""
        if self._envelope is None:
            return
        self._places = {name: await axis.position() for name, axis in self.axes.items()}
        check_way(self._envelope, self._places, targets, speeds, order)

    def _guard(self, name: str, sample: Sample) -> None:
        if self._envelope is None:
            return
        self._places[name] = sample.position
        why = self._envelope(self._places)
        if why is not None:
            raise MotionError(f"{name} at {sample.position:g} left the collision envelope: {why}")

    async def _read(self, name: str, axis: Axis) -> AxisSample | None:
        try:
            return _told(name, await axis.sample())
        except ScandaqError as why:
            _LOG.warning("where %s is cannot be recorded: %s", name, why)
            return None

    def _say(self, name: str, sample: Sample) -> None:
        told, self._said[name] = _told(name, sample), sample
        for listener in tuple(self._listeners):
            try:
                listener(told)
            except Exception:  # noqa: BLE001 - the axis moves on as it should all the same
                _LOG.exception("a listener failed on where %s is", name)


def _told(name: str, sample: Sample) -> AxisSample:
    return AxisSample(name, round(sample.monotonic_s * 1e9), sample.position, sample.moving)
