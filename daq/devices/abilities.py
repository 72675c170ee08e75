"""What hardware can do, one small asynchronous protocol each. Services know these; drivers implement them.

Every call has a deadline, either an argument in seconds or one of the driver's own, and ends with an error of
`daq.errors` when it is missed. What was set is proven by reading it back, never by an acknowledgement.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

from daq.devices.limits import AxisLimits, Unit, VoltageLimits
from daq.model.station import Actor, Priority
from daq.state.interlock import Interlock, Kind

Value = float | int | str | bool | None
Direction = Literal["minimum", "maximum"]


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a device says it is."""

    vendor: str
    model: str
    serial: str
    firmware: str


@dataclass(frozen=True, slots=True)
class Quantity:
    """Something a device can be asked for: how often, after how long what was read is stale, what is in order.

    `limits`: `minimum` and `maximum`, `alarm_low` and `alarm_high`, `warning_low` and `warning_high`, any may be
    missing. A value that was beyond one is within it again once it is `hysteresis` inside. `deadband`: smaller changes
    need not be told. `guidance`: what a person should do when it is beyond an alarm limit, whose alarm has `priority`.
    `most_per_h`: how fast a temperature may change, in degrees an hour; None: as fast as is usually allowed a crystal.
    """

    name: str
    unit: str
    poll_s: float = 1.0
    stale_s: float = 5.0
    limits: Mapping[str, float] = field(default_factory=dict)
    deadband: float = 0.0
    hysteresis: float = 0.0
    guidance: str = ""
    priority: Priority = "medium"
    most_per_h: float | None = None


@dataclass(frozen=True, slots=True)
class Timed:
    """A value that may have been read for somebody else: `asked_s`, on the host's monotonic clock, is when."""

    value: Value
    asked_s: float


@dataclass(frozen=True, slots=True)
class Sample:
    """What an axis was found at: `position` and signed `velocity` in its unit, on the host's monotonic clock.

    `fault` is what its controller complains of, empty where it does not; `note` what else it says where it stands.
    """

    position: float
    velocity: float
    moving: bool
    homed: bool
    monotonic_s: float
    fault: str = ""
    note: str = ""


Sampled = Callable[[str, Sample], None]
"""Hears every sample of a move with the name of the axis, at once; must not wait."""


@dataclass(frozen=True, slots=True)
class Halt:
    """How an axis came to rest after a stop.

    `wire_s`: until the controller took the command, None where it never acknowledged; `halted_s`: until two read-backs
    agreed that it stands. `overtravel`: distance from where it was at the command, in the axis's unit.
    """

    axis: str
    unit: Unit
    wire_s: float | None
    halted_s: float
    position: float
    overtravel: float
    max_overtravel: float | None

    @property
    def too_far(self) -> bool:
        """Return True where it went on for longer than its profile allows."""
        return self.max_overtravel is not None and self.overtravel > self.max_overtravel


@runtime_checkable
class Device(Protocol):
    """Anything with a name that can be asked who it is and what it measures."""

    @property
    def name(self) -> str:
        """Return the name in the site file."""

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """Return what can be asked for."""

    async def identify(self) -> Identity:
        """Return who it says it is now."""

    async def read(self, quantity: str) -> Value:
        """Return what it measures now; raise an error of `daq.errors` where it does not answer."""


@runtime_checkable
class TimedDevice(Device, Protocol):
    """A device that serves several quantities with one exchange, and says how old each value is."""

    @property
    def reply_s(self) -> float:
        """Return how long an answer may take, a lost reply and the silence after it included."""

    async def read_timed(self, quantity: str) -> Timed:
        """Return what it measured, with the time it was asked at: never fresher than it is."""


@runtime_checkable
class InterlockSource(Protocol):
    """A device that knows interlocks: True where it is safe to go on."""

    @property
    def name(self) -> str:
        """Return the name in the site file."""

    @property
    def interlock_kinds(self) -> frozenset[Kind]:
        """Return which it knows, whether it answers or not."""

    async def interlocks(self) -> Mapping[Kind, bool]:
        """Return what they are now."""


@runtime_checkable
class Axis(Device, Protocol):
    """One motion. Leaving a movement in any other way than arrival stops it first, and says where it came to rest."""

    @property
    def unit(self) -> Unit:
        """Return `mm` or `deg`."""

    @property
    def limits(self) -> AxisLimits:
        """Return where it may go and how fast."""

    @property
    def last(self) -> Sample | None:
        """Return the newest sample; None before the first."""

    @property
    def homed(self) -> bool:
        """Return whether the newest sample had a reference."""

    @property
    def last_halt(self) -> Halt | None:
        """Return how it came to rest after its last stop; None where that was not confirmed, or before the first."""

    @property
    def doubtful(self) -> bool:
        """Return True after a stop that was not confirmed, until one is: it may still move."""

    async def sample(self) -> Sample:
        """Return where it is now and what its controller says."""

    async def position(self) -> float:
        """Return where it is now, in its unit; raise `MotionError` where that is no number."""

    async def move_to(
        self,
        target: float,
        *,
        speed: float | None = None,
        within_s: float | None = None,
        sampled: Sampled | None = None,
    ) -> None:
        """Return once it stands at `target`. `LimitError`, `RefusedError` before it moves; `MotionError` afterwards."""

    async def sweep(
        self, begin: float, end: float, *, speed: float, within_s: float | None = None, sampled: Sampled | None = None
    ) -> None:
        """Go from `begin`, where it must stand, to `end` at a steady speed; too slow and too fast are errors."""

    async def jog(self, towards: Direction, *, speed: float, within_s: float, sampled: Sampled | None = None) -> float:
        """Go in one direction, with or without a reference, until a limit; return the position."""

    async def home(self, *, within_s: float) -> None:
        """Find the reference."""

    async def stop(self) -> Halt:
        """Stop, and return when two read-backs agree that it stands; else raise `MotionError`. Always allowed."""


@runtime_checkable
class Bed(Axis, Protocol):
    """The axis a patient lies on. Nothing senses whether somebody does: a person states that nobody does."""

    @property
    def occupied(self) -> bool:
        """Return True until somebody states otherwise."""

    def state_empty(self, actor: Actor) -> None:
        """Take a person's word that nobody is on the bed."""

    def state_occupied(self) -> None:
        """Forget it: from now on somebody may be on the bed."""


@runtime_checkable
class DetectorHead(Device, InterlockSource, Protocol):
    """What sees the photons, as a thing with a temperature and a service cover."""

    async def temperature_c(self) -> float:
        """Return the temperature of the detector."""

    async def cover_closed(self) -> bool:
        """Return whether the service cover is closed."""


@dataclass(frozen=True, slots=True)
class Permit:
    """Leave to raise a voltage: for whom, up to what, until when on the monotonic clock."""

    owner: Actor
    max_v: float
    expires_s: float
    connection: int


@runtime_checkable
class HighVoltage(Device, Protocol):
    """One supply. Lowering is always allowed; raising needs a permit, its owner, and interlocks true and fresh."""

    @property
    def limits(self) -> VoltageLimits:
        """Return what it may be asked for."""

    def guard_by(self, interlocks: Callable[[], Iterable[Interlock]]) -> None:
        """Ask these interlocks from now on; before, none are known and nothing is raised."""

    def against_raising(self) -> str | None:
        """Return what its interlocks have against raising it now, or None; also where nobody has armed it."""

    async def arm(self, actor: Actor, *, protocol_max_v: float | None = None, valid_s: float = 60.0) -> Permit:
        """Return leave to raise, after identity and the supply's own limits were verified."""

    def disarm(self) -> None:
        """Take the permit back; what is raised stays as it is."""

    async def read_v(self) -> float:
        """Return the voltage at the output now."""

    async def ramp_to(self, volts: float, *, within_s: float, actor: Actor | None = None) -> None:
        """Return once the output is at `volts`, read back."""

    async def off(self, *, within_s: float = 60.0) -> None:
        """Lower to nothing and switch off; return once it is below the tolerance."""


@dataclass(frozen=True, slots=True)
class Beats:
    """What a gate trigger saw: `count` since it was switched on, the last interval in ms, and how long ago in s."""

    count: int
    last_interval_ms: float | None
    age_s: float | None


@runtime_checkable
class GateTrigger(Device, Protocol):
    """Says whether beats come. The beats themselves enter the front end by an input of their own."""

    @property
    def latency_ms(self) -> float:
        """Return how long after the beat the front end sees it."""

    async def beats(self) -> Beats:
        """Return what was seen so far."""


@dataclass(frozen=True, slots=True)
class RoomEnable:
    """What is pressed in the room: hold-to-run, or an enable that stays latched until its controller drops it."""

    held: bool
    latched: bool


@runtime_checkable
class MotionEnable(Device, Protocol):
    """The button that a person presses in the room before anything moves."""

    async def pressed(self) -> RoomEnable:
        """Return what is pressed now."""


@runtime_checkable
class Collimator(Device, Protocol):
    """What stands before a head. Only what is sensed counts."""

    async def sensed(self) -> str | None:
        """Return the id of the mounted collimator, e.g. `LEHR`; None where there is none."""
