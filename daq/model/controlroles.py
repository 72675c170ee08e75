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
    clear: Name | None = None
    """The action that forgets a trip, once its cause is gone; a person asks for it."""


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
    clear: Name | None = None
    """The action that forgets warnings, e.g. of a stall, once their cause is gone; a person asks for it."""
    speed_of_unit: PositiveFloat = 1.0
    """So many of the speed's units are one of the position's units per second."""


class InterlockRole(Strict):
    """A contact: `value` reads `safe_when` while all is well; or a number that lies `within` bounds while it is.

    One of a value of channels is known of each channel by itself, e.g. the cover of each head.
    """

    value: Named
    kind: Name | None = None
    """What it watches; None: what it is called. Where several are of one kind, all of them count."""
    safe_when: bool = True
    within: tuple[float, float] | None = None
    """Of a number, in its unit: it is safe from the first to the second, both included."""
    stale_s: PositiveFloat = 2.0


class ThermometerRole(Strict):
    """A temperature in degC."""

    value: Name
    max_rate_c_per_h: NonNegativeFloat | None = None


class EnableRole(Strict):
    """The motion enable that a person presses in the room, as a safety controller sees it."""

    held: Named
    """Yes while the hold-to-run button is pressed."""
    latched: Named | None = None
    """Yes from one press until the controller drops it: a stop, a pad, a fault. None: it has no such button."""


class CollimatorRole(Strict):
    """What senses the collimator of a head: a number or a text, `code` of the scanner profile's collimators."""

    value: Name


class Roles(Strict):
    """What the instrument is able to do."""

    high_voltage: SupplyRole | None = None
    axis: AxisRole | None = None
    interlocks: dict[Name, InterlockRole] = Field(default_factory=dict)
    """By kind, or by a name with a `kind`: `service_cover`, `temperature`, `emergency_stop`, `collision_pad`,
    `drive_power`, `watchdog`, `room_door`."""
    thermometers: dict[Name, ThermometerRole] = Field(default_factory=dict)
    enable: EnableRole | None = None
    collimator: CollimatorRole | None = None
