"""A channel of a motion controller as a drive, by the role its profile gives it; the rules of moving are not here."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from daq.devices.abilities import Identity, Value
from daq.devices.drive import DriveStatus
from daq.devices.instruments.instrument import Instrument
from daq.errors import MismatchError, ProfileError, RefusedError

_NOTHING = ("none", "", 0)
"""What says that there is nothing to say."""
_UNSEEN = 0.8
"""Of a watchdog's time: one that is not fed for so long may act before the next look."""
_ASKED_S = ""
"""Beside what was read by name: when the position was asked for."""


@dataclass(frozen=True, slots=True)
class Steps:
    """How the controller's units are an axis's: `controller = (axis - zero) * per_unit`, per mm or per degree."""

    per_unit: float
    zero: float = 0.0

    def out(self, position: float) -> float:
        """Return a position of the axis in the controller's units."""
        return (position - self.zero) * self.per_unit

    def back(self, raw: float) -> float:
        """Return a position of the controller in the axis's units."""
        return raw / self.per_unit + self.zero


class ProfiledDrive:
    """A `Drive`: one channel of a controller.

    A trouble is kept until a person lets the axis be homed or retreat, also where the controller tells it once. What it
    says of reference and switches is read while it stands.
    """

    def __init__(self, instrument: Instrument, channel: str, steps: Steps) -> None:
        role = instrument.profile.roles.axis
        if role is None:
            raise ProfileError(f"the profile {instrument.profile.id} is of no motion controller")
        self._instrument, self._channel, self._role, self._steps = instrument, channel, role, steps
        self._first = _words(role.moving)
        self._on_the_way = _words(role.position, role.velocity, *role.troubles)
        self._at_rest = _words(role.homed, role.search_over, role.at_minimum, role.at_maximum)
        self._fault = ""
        self._homed = role.homed is None
        self._search_begun = self._search_seen = False
        self._looked_s = math.inf
        self._place = (0.0, -math.inf)

    async def identify(self) -> Identity:
        """Return who it says it is."""
        return await self._instrument.identify()

    async def status(self) -> DriveStatus:
        """Return what it says now."""
        role, said = self._role, await self._read(self._first)
        moving = self._lit(role.moving, said) == role.moving_when  # asked first: where it stands then is where it is
        await self._read_more(said, self._on_the_way if moving else (*self._on_the_way, *self._at_rest))
        await self._look_for_troubles(said)
        self._look_away(float(said[_ASKED_S] or 0.0))
        note = ""
        if not moving:
            moving = await self._still_searches(said)
            note = self._switches(said)
        self._search_seen = self._search_seen or (moving and self._search_begun)
        position, read_s = self._steps.back(self._number(role.position, said)), float(said[_ASKED_S] or 0.0)
        if role.velocity is not None:
            velocity = self._number(role.velocity, said) / role.speed_of_unit / self._steps.per_unit
        else:  # what it went since the last look
            gone, took_s = position - self._place[0], read_s - self._place[1]
            velocity = gone / took_s if moving and 0 < took_s < 1 else 0.0
        self._place = (position, read_s)
        return DriveStatus(position, velocity, moving, self._homed, self._fault, note, read_s)

    async def glance(self) -> DriveStatus:
        """Return whether it moves and where it is now; all else as it was known before."""
        role = self._role
        said = await self._read((*self._first, *(word for word in _words(role.search_over) if word not in self._first)))
        await self._read_more(said, _words(role.position))
        moving = self._lit(role.moving, said) == role.moving_when
        moving = moving or (role.search_over is not None and not self._lit(role.search_over, said))
        position = self._steps.back(self._number(role.position, said))
        return DriveStatus(position, 0.0, moving, self._homed, self._fault, "", float(said[_ASKED_S] or 0.0))

    async def start(self, target: float, speed: float) -> None:
        """Begin to move; what it says to that is an error where it refuses."""
        await self._set_speed(speed)
        await self._set(self._role.target, self._steps.out(target))

    async def jog(self, velocity: float) -> None:
        """Begin to move at a signed velocity until a limit switch, or until its travel ends; a trouble is cleared."""
        role, signed = self._role, velocity * self._steps.per_unit * self._role.speed_of_unit
        end = role.maximum if signed > 0 else role.minimum
        if role.jog is None and end is None:
            raise RefusedError(f"{self._instrument.name} cannot move without a target")
        await self._forgive()
        if role.jog is not None:
            await self._set(role.jog, signed)
        elif end is not None:
            await self._set_speed(abs(velocity))
            await self._set(role.target, self._number(end, await self._read((end,))))

    async def start_homing(self) -> None:
        """Begin to look for the reference; one with an absolute encoder has it, and forgets its troubles."""
        role = self._role
        if role.home is None:
            await self._forgive()
            return
        had = role.homed is None or self._lit(role.homed, await self._read(_words(role.homed))) == role.homed_when
        self._fault, self._homed = "", False
        self._search_begun, self._search_seen = had or role.mark_homed is not None, False
        self._looked_s = math.inf
        await self._instrument.act(role.home, self._of_action(role.home))

    async def halt(self) -> None:
        """Stop now: said at once, though something else is being said."""
        self._search_begun = False
        await self._instrument.act_now(self._role.halt, self._of_action(self._role.halt))

    def _look_away(self, now_s: float) -> None:
        """Give up a search that was not looked at for so long that its watchdog may have ended it."""
        watchdog_s = self._instrument.profile.conversation.watchdog_s or math.inf
        if self._role.mark_homed is not None and now_s - self._looked_s > _UNSEEN * watchdog_s:
            self._search_begun = False
        self._looked_s = now_s

    async def _still_searches(self, said: dict[str, Value]) -> bool:
        """See what it says of its reference at rest; return whether it pauses in the midst of a search."""
        role = self._role
        if role.search_over is not None and not self._lit(role.search_over, said):
            return True
        if self._search_begun and self._search_seen and not self._fault:
            self._search_begun = False
            if role.mark_homed is not None:
                await self._instrument.act(role.mark_homed, self._of_action(role.mark_homed))
                said.update(await self._read(_words(role.homed)))
        found = role.homed is None or self._lit(role.homed, said) == role.homed_when
        self._homed = found and not self._search_begun  # a reference from before proves no search
        return False

    async def _look_for_troubles(self, said: dict[str, Value]) -> None:
        """Keep the first troubles that show, with what the controller says about them when asked."""
        lit = [self._described(name, text, said) for name, text in self._role.troubles.items() if self._lit(name, said)]
        if not lit or self._fault:
            return
        fault, why = "; ".join(lit), self._role.why
        if why is not None:
            answer = (await self._read((why,)))[why]
            fault += "" if answer in _NOTHING else f": {_plain(answer)}"
        self._fault = fault

    def _described(self, name: str, text: str, said: dict[str, Value]) -> str:
        """Return a trouble in words, with the one of several that the value says."""
        several = len(self._instrument.value(name).means_yes) > 1
        return f"{text}: {_plain(said[name])}" if several else text

    def _switches(self, said: dict[str, Value]) -> str:
        """Return which of its limit switches are pressed, by the ends of the axis."""
        role, turned = self._role, self._steps.per_unit < 0
        ends = {"lower": role.at_maximum if turned else role.at_minimum,
                "upper": role.at_minimum if turned else role.at_maximum}  # fmt: skip
        pressed = [end for end, name in ends.items() if name is not None and self._lit(name, said)]
        return f"its {' and '.join(pressed)} limit switch is pressed" if pressed else ""

    async def _forgive(self) -> None:
        """Forget a trouble because a person wants to move all the same."""
        if self._fault and self._role.clear is not None:
            await self._instrument.act(self._role.clear, self._of_action(self._role.clear))
        self._fault = ""

    async def _set_speed(self, speed: float) -> None:
        if self._role.speed is not None:
            await self._set(self._role.speed, speed * abs(self._steps.per_unit) * self._role.speed_of_unit)

    async def _set(self, name: str, number: float) -> None:
        await self._instrument.set(name, number, self._of(name))

    async def _read(self, words: tuple[str, ...]) -> dict[str, Value]:
        if not words:
            return {}
        found = await self._instrument.read_timed([(word, self._of(word)) for word in words])
        said = {word: timed.value for word, timed in zip(words, found, strict=True)}
        if self._role.position in words:
            said[_ASKED_S] = found[words.index(self._role.position)].asked_s
        return said

    async def _read_more(self, said: dict[str, Value], words: tuple[str, ...]) -> None:
        said.update(await self._read(tuple(word for word in dict.fromkeys(words) if word not in said)))

    def _number(self, name: str, said: dict[str, Value]) -> float:
        value = said[name]
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise MismatchError(f"{self._instrument.name}: {name} reads {value!r}, which is no number")
        return float(value)

    def _lit(self, name: str, said: dict[str, Value]) -> bool:
        word, _, flag = name.partition(".")
        if flag:
            return self._instrument.flags(word, int(said[word] or 0))[flag]
        return said[word] in self._instrument.value(word).means_yes

    def _of(self, name: str) -> str:
        return self._channel if self._instrument.value(name).of == "channel" else ""

    def _of_action(self, name: str) -> str:
        return self._channel if self._instrument.action(name).of == "channel" else ""


def _words(*names: str | None) -> tuple[str, ...]:
    """Return the values that are named, each once; a flag's is that of its value."""
    return tuple(dict.fromkeys(_values(names)))


def _values(names: Iterable[str | None]) -> Iterable[str]:
    return (name.partition(".")[0] for name in names if name is not None)


def _plain(value: Value) -> str:
    return str(value).replace("_", " ")
