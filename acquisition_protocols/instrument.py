"""What the rules need of an instrument profile: `device_profiles.schema.InstrumentProfile` has it."""
# ruff: noqa: D102 - the profile says what each of them means

from __future__ import annotations

from typing import Protocol

from daq.model.layout import Layout
from daq.model.order import OrderRule


class DetectorFacts(Protocol):
    """What is known of the detector of an instrument."""

    @property
    def energy_min_kev(self) -> float | None: ...
    @property
    def energy_max_kev(self) -> float | None: ...
    @property
    def heads(self) -> int | None: ...
    @property
    def coincidence_half_window_ps(self) -> int | None: ...


class Wire(Protocol):
    """How fast it can send."""

    @property
    def rate_max_words_per_s(self) -> float: ...


class Instrument(Protocol):
    """What is needed of an instrument profile; `device_profiles.schema.InstrumentProfile` is one."""

    @property
    def id(self) -> str: ...
    @property
    def modality(self) -> str: ...
    @property
    def detector(self) -> DetectorFacts: ...
    @property
    def layout(self) -> Layout: ...
    @property
    def order(self) -> OrderRule: ...
    @property
    def transport(self) -> Wire: ...
