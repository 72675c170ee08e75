"""Commands of SCPI-1999: long and short words in any case, words that may be left out, several in one line.

A header without a colon first goes on where the one before it was. What is wrong goes into the queue of errors.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable

Get = Callable[[str], str | None]
Set = Callable[[str], None]
_MOST_ERRORS = 32
_PART = re.compile(r";(?=(?:[^\"']|\"[^\"]*\"|'[^']*')*$)")
_WORD = re.compile(r"[A-Z*]+[a-z]*\d?")


class ScpiError(Exception):
    """What an instrument notes in its queue: a number and a text."""

    def __init__(self, number: int, text: str) -> None:
        super().__init__(text)
        self.number = number


UNDEFINED = ScpiError(-113, "Undefined header")
NO_NUMBER = ScpiError(-104, "Data type error")
OUT_OF_RANGE = ScpiError(-222, "Parameter data out of range")


def pattern(spec: str) -> re.Pattern[str]:
    """Return what matches a header in capitals, written as `SOURce:VOLTage[:LEVel]`: short is what is in capitals."""

    def word(found: re.Match[str]) -> str:
        whole = found.group()
        short = "".join(letter for letter in whole if not letter.islower())
        return f"(?:{re.escape(whole.upper())}|{re.escape(short)})"

    return re.compile(_WORD.sub(word, spec.replace("[", "(?:").replace("]", ")?")))


class Scpi:
    """The commands of one instrument, given as (header, what answers `?`, what sets), and its queue of errors."""

    def __init__(self, commands: Iterable[tuple[str, Get | None, Set | None]]) -> None:
        self.errors: deque[str] = deque(maxlen=_MOST_ERRORS)
        self._commands = [(pattern(spec), get, take) for spec, get, take in commands]
        self._commands += [
            (pattern("SYSTem:ERRor[:NEXT]"), self._next_error, None), (pattern("*CLS"), None, self._forget),
        ]  # fmt: skip

    def answer(self, line: str) -> str | None:
        """Return the replies to a line, apart by `;`; None where nothing was asked, or all that was asked is wrong."""
        replies, node = [], ""
        for part in _PART.split(line.strip()):
            if not part.strip():
                continue
            try:
                reply, node = self._one(part.strip(), node)
            except ScpiError as why:
                self.note(why)
                continue
            replies += [] if reply is None else [reply]
        return ";".join(replies) if replies else None

    def note(self, why: ScpiError) -> None:
        """Put an error into the queue."""
        self.errors.append(f'{why.number},"{why}"')

    def _one(self, part: str, node: str) -> tuple[str | None, str]:
        header, _, given = part.partition(" ")
        asks = header.endswith("?")
        name = header.removesuffix("?").upper()
        rooted = name.lstrip(":")
        tried = [rooted] if name.startswith((":", "*")) or not node else [f"{node}:{rooted}", rooted]
        for each in tried:
            for known, get, take in self._commands:
                if known.fullmatch(each) is None:
                    continue
                after = node if each.startswith("*") else each.rpartition(":")[0]
                if asks and get is not None:
                    return get(given.strip()), after
                if not asks and take is not None:
                    take(given.strip())
                    return None, after
        raise UNDEFINED

    def _next_error(self, _: str) -> str:
        return self.errors.popleft() if self.errors else '0,"No error"'

    def _forget(self, _: str) -> None:
        self.errors.clear()


def number(text: str, least: float, most: float) -> float:
    """Return a number that was given. Raises `ScpiError`."""
    try:
        found = float(text)
    except ValueError:
        raise NO_NUMBER from None
    if not least <= found <= most:
        raise OUT_OF_RANGE
    return found


def switch(text: str) -> bool:
    """Return ON or OFF, 1 or 0. Raises `ScpiError`."""
    known = {"ON": True, "1": True, "OFF": False, "0": False}
    if text.upper() not in known:
        raise NO_NUMBER
    return known[text.upper()]
