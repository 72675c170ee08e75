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
    on: Named | None = None
    """None: it has no switch of its own; it is on while a voltage above zero is set."""
    troubles: dict[Named, str] = Field(default_factory=dict)
    """Flag -> words: what is wrong while it is set."""
    switch_on: Name | None = None
    switch_off: Name | None = None
    prepare: Name | None = None
    """A harmless action said before its own limits are written, e.g. what it does when it trips."""
    least_v: NonNegativeFloat = 0.0
    """Its output cannot be lower than this while it is on."""
    measures_when_off: bool = True
    """False: while it is off it can tell neither voltage nor current, and both are taken for nothing."""
    max_v: Name | None = None
    """The supply's own limits; None: it has none, and the daemon's alone are kept."""
    slope_v_per_s: Name | None = None
    """None: its output jumps to what is set, and the daemon raises and lowers it in small steps."""
    slope_down_v_per_s: Name | None = None
    trip_a: Name | None = None
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
    why: Name | None = None
    """Read once when a trouble shows: what it says is told with it, e.g. the number of an error that asking clears."""
    at_minimum: Named | None = None
    at_maximum: Named | None = None
    """Yes while the limit switch is pressed at which its positions are the lowest, or the highest."""
    minimum: Name | None = None
    maximum: Name | None = None
    """Where its travel ends: it goes there where it has no `jog`."""
    search_over: Named | None = None
    """Yes while it does not look for its reference, where `moving` does not say so."""
    mark_homed: Name | None = None
    """The action said when a search has ended well, where it does not itself remember that it was homed: `homed` then
    reads what this set, until it loses power. `home` takes it back first."""
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


class AliveRole(Strict):
    """A number of the device that changes while its program runs; else contacts and buttons are not current."""

    value: Name
    within_s: PositiveFloat = 1.0


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
    alive: AliveRole | None = None
