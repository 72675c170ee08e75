"""What an instrument is able to do for a scanner, in terms of its values and actions: a supply, an axis, interlocks.

A name is that of a value, or `value.flag` for one of its bits.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, NonNegativeFloat, PositiveFloat

from daq.model.layout import Name, Strict

Named = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)?$")]


class SupplyRole(Strict):
    """A channel of high voltage: voltages in V, current in A, slope in V/s, by the units of the values named."""

    output_v: Name
    set_v: Name
    current_a: Name
    on: Named
    troubles: dict[Named, str] = Field(default_factory=dict)
    """Flag -> words: what is wrong while it is set."""
    switch_on: Name
    switch_off: Name
    max_v: Name | None = None
    """The supply's own limits; None: it has none, and the daemon's alone are kept."""
    slope_v_per_s: Name
    slope_down_v_per_s: Name | None = None
    trip_a: Name
    trip_s: Name | None = None


class AxisRole(Strict):
    """A channel that moves. The site says how many of its units are a millimetre or a degree."""

    position: Name
    velocity: Name | None = None
    speed: Name | None = None
    """Set before a movement."""
    target: Name
    """Setting it begins the movement."""
    jog: Name | None = None
    """Setting it to a signed velocity begins a movement without an end."""
    moving: Named
    moving_when: bool = True
    homed: Named | None = None
    """None: it has an absolute encoder."""
    homed_when: bool = True
    troubles: dict[Named, str] = Field(default_factory=dict)
    home: Name | None = None
    halt: Name
    speed_of_unit: PositiveFloat = 1.0
    """So many of the speed's units are one of the position's units per second."""


class InterlockRole(Strict):
    """A contact: `value` reads `safe_when` while all is well."""

    value: Named
    safe_when: bool = True
    stale_s: PositiveFloat = 2.0


class ThermometerRole(Strict):
    """A temperature in degC."""

    value: Name
    max_rate_c_per_h: NonNegativeFloat | None = None


class Roles(Strict):
    """What the instrument is able to do."""

    high_voltage: SupplyRole | None = None
    axis: AxisRole | None = None
    interlocks: dict[Name, InterlockRole] = Field(default_factory=dict)
    """By kind: `service_cover`, `temperature`, `emergency_stop`, `collision_pad`, `drive_power`, `room_door`."""
    thermometers: dict[Name, ThermometerRole] = Field(default_factory=dict)
