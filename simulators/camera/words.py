"""Words of a head that sends positions and energies, once and in a loop that is sent again and again."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from daq.errors import RefusedError
from daq.listmode.encoder import Encoder
from daq.model.layout import BitField, Kind, Target
from simulators.camera.generate import Photons
from simulators.camera.response import Reported
from simulators.pet.words import ticks_of
from simulators.supply import Instrument
from simulators.timing import integers_as_words, words_as_integers

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]
NEEDED: tuple[Target, ...] = ("time", "x_mm", "y_mm", "energy_kev")


def kind_of(device: Instrument) -> tuple[int, Kind]:
    """Return code and kind of the words for events. Raises `RefusedError` where there is none."""
    for code, kind in enumerate(device.layout.kinds.values()):
        if kind.yields == "single" and all(kind.field_to(name) is not None for name in NEEDED):
            return code, kind
    raise RefusedError(f"profile {device.profile}: no kind of word is a single with {', '.join(NEEDED)}")


def trigger_code(device: Instrument) -> int:
    """Return the code of the words for R waves. Raises `RefusedError` where there is none."""
    for code, kind in enumerate(device.layout.kinds.values()):
        if kind.mark == "cardiac_trigger":
            return code
    raise RefusedError(f"profile {device.profile}: no kind of word is a cardiac_trigger, as --ecg needs")


class HeadWords:
    """Makes the words of one front end, which reads out `heads`; call after call makes one stream."""

    def __init__(self, device: Instrument, heads: tuple[int, ...]) -> None:
        self._code, self._kind = kind_of(device)
        self._device = device
        self._heads = heads
        self._tick_ps = device.clock.tick
        self._start = device.clock.start_ticks or 0
        self._encoder = Encoder(device.layout, device.clock)
        self._names_head = self._kind.field_to("head") is not None
        if len(heads) > 1 and not self._names_head:
            raise RefusedError(f"profile {device.profile}: its words do not say the head; {len(heads)} cannot share it")

    def encode(
        self, photons: Photons, reported: Reported, lead_ps: int, triggers: tuple[Ints, Ints] | None = None
    ) -> Bytes:
        """Return the words of its heads, `lead_ps` later than they are; values beyond their field are its last.

        `triggers`: times in ps and numbers of R waves, whose words go among them.
        """
        mine = np.isin(photons.head, self._heads)
        ticks = self._start + ticks_of(photons.time_ps[mine] + lead_ps, self._tick_ps)
        values: dict[str, npt.NDArray[Any]] = {
            name: _within(self._kind.field_to(name), getattr(reported, name)[mine])
            for name in ("x_mm", "y_mm", "energy_kev")
        }
        if self._names_head:
            values["head"] = photons.head[mine]
        codes = np.full(int(mine.sum()), self._code)
        if triggers is not None and len(triggers[0]):
            codes, ticks, values = self._with_triggers(codes, ticks, values, triggers, lead_ps)
        return self._encoder.encode(codes, ticks, values)

    def _with_triggers(
        self, codes: Ints, ticks: Ints, values: dict[str, npt.NDArray[Any]], triggers: tuple[Ints, Ints], lead_ps: int
    ) -> tuple[Ints, Ints, dict[str, npt.NDArray[Any]]]:
        """Return codes, ticks and values with those of triggers among them, in order of time."""
        times, numbers = triggers
        at = self._start + ticks_of(times + lead_ps, self._tick_ps)
        codes = np.concatenate([codes, np.full(len(times), trigger_code(self._device))])
        ticks = np.concatenate([ticks, at])
        order = np.argsort(ticks, kind="stable")
        nothing = np.zeros(len(times))
        values = {
            name: np.concatenate([column, nothing.astype(column.dtype)])[order] for name, column in values.items()
        }
        values["value"] = np.concatenate([np.zeros(len(codes) - len(times), np.int64), numbers])[order]
        return codes[order], ticks[order], values


def _within(field: BitField | None, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return values that the field can hold."""
    if field is None:
        return values
    low = -(1 << (field.width - 1)) if field.signed else 0
    top = low + (1 << field.width) - 1
    return np.clip(values, low * field.scale + field.offset, top * field.scale + field.offset)


class Repeater:
    """The words of a loop, again and again: only the times in the words grow."""

    def __init__(self, device: Instrument, words: Bytes, loop_ticks: int) -> None:
        field = kind_of(device)[1].field_to("time")
        if field is None or loop_ticks % field.ticks:
            raise RefusedError(f"profile {device.profile}: a loop of {loop_ticks} ticks cannot be sent again")
        self._layout, self._field, self._step = device.layout, field, loop_ticks // field.ticks
        self.first = words
        self._plain = words_as_integers(words, device.layout).astype(np.uint64)
        mask = (1 << field.width) - 1
        self._counts = (self._plain >> np.uint64(field.low)) & np.uint64(mask)
        self._plain &= ~np.uint64(field.mask)

    def words(self, repetition: int) -> Bytes:
        """Return the words of a repetition, 0 the first."""
        if repetition == 0:
            return self.first
        field = self._field
        wrap = field.wrap or 1 << field.width
        counts = (self._counts + np.uint64(repetition * self._step % wrap)) % np.uint64(wrap)
        return integers_as_words(self._plain | (counts << np.uint64(field.low)), self._layout)
