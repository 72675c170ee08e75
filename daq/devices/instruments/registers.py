"""The registers of a board by the names of its control profile: read, written, changed in one, taken from, cleared.

What a profile says of a register is kept before anything is said: what can only be read is not written, what reading
changes is not read in passing, a number that has no room in a field is refused. What was written is read back, unless
it changes by itself. What energises or moves is not written here: that is an action with its rules.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence

from daq.devices.instruments.instrument import Instrument
from daq.devices.instruments.registerwords import words_of
from daq.devices.instruments.talk import Asked
from daq.errors import LimitError, MissingError, ProfileError, ReadbackError, RefusedError
from daq.model.control import Exchange, Register
from daq.model.register_rules import CODECS, mask_of, shift_of
from daq.model.tables import close_names

MOST_WORDS = 1024
"""Of one request; more are several."""
_READ = Exchange(send="{access}", reply="(?P<value>[0-9a-f; ]+)")
_DONE = Exchange(send="{access}", reply="done")


class Registers:
    """The registers of an instrument that has some."""

    def __init__(self, instrument: Instrument) -> None:
        profile = instrument.profile
        if profile.framing.codec not in CODECS:
            raise ProfileError(f"{instrument.name}: the profile {profile.id} is of no board of registers")
        self._session, self._known, self._name = instrument.session, profile.registers, instrument.name
        self._words = words_of(profile.framing.codec)
        self._changing = asyncio.Lock()

    def register(self, name: str) -> Register:
        """Return what the profile says of a register. Raises `MissingError`."""
        if name not in self._known:
            raise MissingError(f"{self._name} has no register {name!r}; {close_names(name, dict(self._known))}")
        return self._known[name]

    async def read(self, name: str) -> int:
        """Return what a register holds, or a field of one, as a whole number from 0 on."""
        register = self._readable(name)
        (word,) = self._words.said(register, await self._asked(self._words.read(register, 0, 1)))
        return _field(register, word)

    async def value(self, name: str) -> float:
        """Return what a register means, in its unit."""
        register = self.register(name)
        return await self.read(name) * register.scale + register.offset

    async def read_many(self, names: Iterable[str]) -> dict[str, int]:
        """Return several by name, read in one request; fields of one word are of one moment."""
        wanted = {name: self._readable(name) for name in names}
        places = {(each.address, each.bits, each.order): each for each in wanted.values()}
        if not places:
            return {}
        said = await self._asked("; ".join(self._words.read(each, 0, 1) for each in places.values()))
        words = {
            place: self._words.said(each, text.strip())[0]
            for (place, each), text in zip(places.items(), said.split(";"), strict=True)
        }
        return {name: _field(each, words[each.address, each.bits, each.order]) for name, each in wanted.items()}

    async def read_words(self, name: str, first: int = 0, count: int | None = None) -> list[int]:
        """Return words of a register that has several; by default all from `first` on."""
        register = self._readable(name)
        count = register.words - first if count is None else count
        self._within(name, register, first, count)
        found: list[int] = []
        for at in range(first, first + count, MOST_WORDS):
            many = min(MOST_WORDS, first + count - at)
            found += self._words.said(register, await self._asked(self._words.read(register, at, many)))
        return found

    async def take(self, name: str, count: int = 1) -> list[int]:
        """Return what reading takes away: words of a queue, or one register that reading clears.

        Said once. Where the answer is lost, so is what it held: that is a `DeadlineError`.
        """
        register = self.register(name)
        if not (register.fifo or register.read_clears):
            raise RefusedError(f"{self._name}: {name} holds what it holds; read it")
        if not 1 <= count <= (MOST_WORDS if register.fifo else register.words):
            raise LimitError(f"{self._name}: {count} words of {name} cannot be taken at once")
        said = await self._session.tell(Asked(_READ, {"access": self._words.take(register, count)}))
        return [_field(register, word) for word in self._words.said(register, said["value"])]

    async def write(self, name: str, number: int) -> None:
        """Write a register, or a field of one and nothing beside it; return once it reads back."""
        register = self._writable(name)
        mask = mask_of(register)
        if not 0 <= number <= mask >> shift_of(mask):
            most = mask >> shift_of(mask)
            raise LimitError(f"{self._name}: {name} cannot be {number}: 0 to {most} have room")
        async with self._changing:
            if mask == (1 << register.bits) - 1:
                await self._told(self._words.write(register, 0, [number], once=register.volatile))
            else:
                await self._change(name, register, mask, number << shift_of(mask))
        if register.access == "read-write" and not register.volatile and not register.fifo:
            await self._read_back(name, 0, [number])

    async def write_words(self, name: str, words: Sequence[int], first: int = 0) -> None:
        """Write words of a register that has several, or to a queue; return once they read back."""
        register = self._writable(name)
        if not register.fifo:
            self._within(name, register, first, len(words))
        if not all(0 <= word < 1 << register.bits for word in words):
            raise LimitError(f"{self._name}: words of {name} have {register.bits} bits")
        async with self._changing:
            for at in range(0, len(words), MOST_WORDS):
                part = words[at : at + MOST_WORDS]
                place = 0 if register.fifo else first + at
                await self._told(self._words.write(register, place, part, once=register.fifo or register.volatile))
        if register.access == "read-write" and not register.volatile and not register.fifo:
            await self._read_back(name, first, words)

    async def clear(self, name: str, bits: int) -> None:
        """Clear bits that a 1 clears; the others stay. What causes them may set them again at once."""
        register = self.register(name)
        if not register.write_one_clears:
            raise RefusedError(f"{self._name}: writing 1 to {name} does not clear it")
        mask = mask_of(register)
        if bits & ~(mask >> shift_of(mask)) or bits <= 0:
            raise LimitError(f"{self._name}: {bits:#x} are no bits of {name}")
        await self._told(self._words.write(register, 0, [bits << shift_of(mask)], once=True))

    async def _change(self, name: str, register: Register, mask: int, bits: int) -> None:
        """Change some bits of a word: the board does, or, where it cannot, they are read and written."""
        change = self._words.change(register, mask, bits)
        if change is not None:
            await self._session.tell(Asked(_READ, {"access": change}))
            return
        if register.access == "write":
            raise RefusedError(f"{self._name}: {name} is a field of a word that cannot be read")
        (word,) = self._words.said(register, await self._asked(self._words.read(register, 0, 1)))
        await self._told(self._words.write(register, 0, [word & ~mask | bits], once=False))

    async def _read_back(self, name: str, first: int, words: Sequence[int]) -> None:
        found = (
            [await self.read(name)]
            if len(words) == 1 and first == 0
            else await self.read_words(name, first, len(words))
        )
        for number, (wanted, read) in enumerate(zip(words, found, strict=True)):
            if wanted != read:
                at = f"word {first + number} of {name}" if len(words) > 1 else name
                raise ReadbackError(f"{self._name}: {at} was written {wanted:#x} and reads {read:#x}")

    async def accesses(self, text: str) -> str:
        """Return the answer to accesses that only read, in the words of the codec: what no name was given for.

        Raises `RefusedError` for what changes anything.
        """
        if any(not part.strip().startswith("read ") for part in text.split(";")):
            raise RefusedError(f"{self._name}: {text[:60]!r} does more than read")
        return await self._asked(text)

    async def _asked(self, access: str) -> str:
        (said,) = await self._session.ask([Asked(_READ, {"access": access})])
        return said["value"]

    async def _told(self, access: str) -> Mapping[str, str]:
        return await self._session.tell(Asked(_DONE, {"access": access}))

    def _readable(self, name: str) -> Register:
        register = self.register(name)
        if register.access == "write":
            raise RefusedError(f"{self._name}: {name} can only be written")
        if register.fifo or register.read_clears:
            raise RefusedError(f"{self._name}: reading {name} takes away what it holds; take it where that is meant")
        return register

    def _writable(self, name: str) -> Register:
        register = self.register(name)
        if register.access == "read":
            raise RefusedError(f"{self._name}: {name} can only be read")
        if register.hazard in ("energising", "moving"):
            raise RefusedError(f"{self._name}: {name} is {register.hazard}: it is not written, but done by an action")
        if register.write_one_clears:
            raise RefusedError(f"{self._name}: what is written to {name} clears it; clear bits where that is meant")
        return register

    def _within(self, name: str, register: Register, first: int, count: int) -> None:
        if first < 0 or count < 1 or first + count > register.words:
            raise LimitError(f"{self._name}: {name} has {register.words} words, not {count} from {first} on")


def _field(register: Register, word: int) -> int:
    mask = mask_of(register)
    return (word & mask) >> shift_of(mask)
