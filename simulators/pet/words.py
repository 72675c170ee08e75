"""Words of a front end for simulated singles: ticks, energy codes, one stream of words per source."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from daq.errors import MismatchError, RefusedError
from daq.listmode.encoder import Encoder
from daq.model.layout import BitField, Kind
from daq.model.scanner import Ring
from simulators.pet.generate import Photons, module_count
from simulators.poisson import time_word_field, time_words_of
from simulators.supply import Instrument
from simulators.timing import integers_as_words, words_as_integers

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Single:
    """The kind of word that singles are sent in: its code among the kinds of the layout, its field of energy."""

    code: int
    kind: Kind
    energy: BitField


def single_of(device: Instrument, ring: Ring) -> Single:
    """Return the kind for singles. Raises `RefusedError` where there is none, `MismatchError` for too few numbers."""
    for code, kind in enumerate(device.layout.kinds.values()):
        energy = kind.field_to("energy_adc") or kind.field_to("energy_kev")
        if kind.yields == "single" and kind.detector is not None and energy is not None:
            if kind.detector.lookup is None and kind.detector.count <= ring.highest_detector:
                raise MismatchError(
                    f"profile {device.profile} can name detectors 0 to {kind.detector.count - 1}; the scanner has"
                    f" numbers up to {ring.highest_detector}"
                )
            return Single(code, kind, energy)
    raise RefusedError(f"profile {device.profile}: no kind of word is a single with detector and energy")


def ticks_of(time_ps: Ints, tick_ps: Fraction) -> Ints:
    """Return whole ticks that have passed at times, as a counter that is read; exact for all int64."""
    whole, rest = np.divmod(time_ps, tick_ps.numerator)
    return np.asarray(whole * tick_ps.denominator + rest * tick_ps.denominator // tick_ps.numerator, np.int64)


class SourceWords:
    """Makes the words of one front end, which has a share of the modules; call after call makes one stream."""

    def __init__(self, device: Instrument, ring: Ring, single: Single, *, number: int, of: int, kev_per_adc: float):
        self._single, self._kev_per_adc = single, kev_per_adc
        self._tick_ps = device.clock.tick
        self._start = device.clock.start_ticks or 0
        self._encoder = Encoder(device.layout, device.clock, time_words=time_words_of(device))
        modules = np.arange(module_count(ring))
        self._mine = modules * of // len(modules) == number

    def owned(self, photons: Photons) -> Photons:
        """Return the singles that this front end sees."""
        return photons.rows(self._mine[photons.module])

    def encode(self, photons: Photons, lead_ps: int) -> Bytes:
        """Return the words of singles that it sees, `lead_ps` later than they are."""
        ticks = self._start + ticks_of(photons.time_ps + lead_ps, self._tick_ps)
        values = {"detector": photons.detector, str(self._single.energy.to): self._energies(photons.energy_kev)}
        return self._encoder.encode(np.full(len(photons), self._single.code), ticks, values)

    def _energies(self, energy_kev: npt.NDArray[np.float32]) -> npt.NDArray[Any]:
        """Return energies as the field takes them; what is too large for it is its largest value."""
        field = self._single.energy
        top = ((1 << field.width) - 1) * field.scale + field.offset
        if field.to == "energy_adc":
            return np.asarray(np.minimum(np.rint(energy_kev / self._kev_per_adc), top))
        return np.asarray(np.minimum(energy_kev.astype(np.float64), top))


class Repeater:
    """The words of one source for a loop of singles, again and again: only numbers in time words grow.

    The loop is a whole number of counts of the time word, so that all other words are the same each time.
    """

    def __init__(self, device: Instrument, words: SourceWords, singles: Photons, loop_ps: int) -> None:
        field = time_word_field(device.layout)
        if field is None:
            raise RefusedError(f"profile {device.profile}: has no time words, so that a loop cannot be sent again")
        self._layout, self._field = device.layout, field
        self._step = loop_ps_counts(device, loop_ps)
        self.first = words.encode(singles, 0)
        again = words_as_integers(words.encode(singles, loop_ps), device.layout)
        kind = next(kind for kind in device.layout.kinds.values() if kind.yields == "time")
        is_time = (again & again.dtype.type(kind.tag_mask)) == again.dtype.type(kind.tag_value)
        self._again = again
        self._places = np.flatnonzero(is_time)

    def words(self, repetition: int) -> Bytes:
        """Return the words of a repetition, 0 the first."""
        if repetition == 0:
            return self.first
        field, words = self._field, self._again.copy()
        mask = (1 << field.width) - 1
        counts = (words[self._places].astype(np.uint64) >> np.uint64(field.low)) & np.uint64(mask)
        grown = (counts + np.uint64((repetition - 1) * self._step)) % np.uint64(field.wrap or mask + 1)
        others = words[self._places] & ~words.dtype.type(field.mask)
        words[self._places] = others | (grown << np.uint64(field.low)).astype(words.dtype)
        return integers_as_words(words, self._layout)


def loop_ps_counts(device: Instrument, loop_ps: int) -> int:
    """Return how many counts of the time word a loop has."""
    return round(loop_ps / unit_ps(device))


def unit_ps(device: Instrument) -> Fraction:
    """Return the length of one count of the time word."""
    field = time_word_field(device.layout)
    return Fraction(device.clock.tick) * (field.ticks if field else 1)
