"""Which console holds control of the scanner. All others watch; what stops something needs no control.

Pure: what happens is a call, the time is given, and every call returns what changed. Time is in seconds of a clock that
only grows.
"""

from __future__ import annotations

from dataclasses import dataclass

from daq.errors import ControlHeldError, RefusedError, UsageError

NOTICE_S = 10.0
"""The holder hears so long before that somebody takes control."""
GONE_S = 60.0
"""A holder whose browser was not heard for so long is replaced without notice."""
OWN_GONE_S = 5.0
"""So long a browser was not heard from which the same person takes control along to another one."""


@dataclass(frozen=True, slots=True)
class Console:
    """Somebody at a browser: the number of the session, and the user's name."""

    session: str
    user: str


@dataclass(frozen=True, slots=True)
class Wish:
    """Somebody wants control, and why; it passes over at `until_s`."""

    by: Console
    reason: str
    until_s: float


@dataclass(frozen=True, slots=True)
class Change:
    """What happened (`taken`, `requested`, `withdrawn`, `handed-over`, `released`, `lost`); who held it, who does."""

    what: str
    old: Console | None
    new: Console | None
    reason: str = ""


class ConsoleControl:
    """Who holds control, and who wants it."""

    def __init__(self, holder: Console | None = None) -> None:
        self.holder = holder
        self.wish: Wish | None = None

    def claim(self, who: Console, *, gone_s: float = 0.0) -> Change | None:
        """Need control for a command: take it where it is free, else raise `ControlHeldError`.

        `gone_s`: for how long the holder's browser was not heard. Whoever closed a browser that held control, and signs
        in at another one, goes on without asking themselves for it; not where somebody else has asked for it.
        """
        if self.holder is None:
            return self._passes("taken", who, "first command")
        if self.holder.session == who.session:
            return None
        own = self.holder.user == who.user
        if own and gone_s >= OWN_GONE_S and self.wish is None:
            return self._passes("taken", who, "the same person, whose other browser has gone")
        holds = "you hold control at another browser" if own else f"{self.holder.user} holds control of the scanner"
        raise ControlHeldError(f"{holds}: ask for control first, or have it handed over")

    def take(self, who: Console, reason: str, now_s: float, *, gone_s: float = 0.0) -> Change | None:
        """Take control: at once where it is free or the holder has been gone, else after notice and with a reason.

        `gone_s`: for how long the holder's browser was not heard. None where it is held, or asked for, already.
        """
        if self.holder is None:
            return self._passes("taken", who, reason)
        if self.holder.session == who.session:
            return None
        if not reason.strip():
            raise UsageError(f"{self.holder.user} holds control: taking it needs a reason")
        if gone_s >= GONE_S:
            return self._passes("taken", who, reason)
        if self.wish is not None:
            if self.wish.by.session == who.session:
                return None
            raise RefusedError(f"{self.wish.by.user} has asked for control already: one at a time")
        self.wish = Wish(who, reason.strip(), now_s + NOTICE_S)
        return Change("requested", self.holder, who, self.wish.reason)

    def withdraw(self, who: Console) -> Change | None:
        """Want it no longer; None where `who` has not asked."""
        if self.wish is None or self.wish.by.session != who.session:
            return None
        self.wish = None
        return Change("withdrawn", self.holder, self.holder)

    def hand_over(self, who: Console, to: Console, reason: str = "") -> Change:
        """Give control to somebody at once. Raise `ControlHeldError` for one who does not hold it."""
        self._require(who)
        if to.session == who.session:
            raise UsageError("control is handed over to somebody else, not to oneself")
        return self._passes("handed-over", to, reason)

    def release(self, who: Console, reason: str = "") -> Change:
        """Give control back; whoever has asked for it gets it. Raise `ControlHeldError` where it is not theirs."""
        self._require(who)
        if self.wish is not None:
            return self._passes("handed-over", self.wish.by, self.wish.reason)
        return self._passes("released", None, reason)

    def ended(self, session: str, why: str) -> Change | None:
        """Hear that a session has ended, or may no longer hold control."""
        if self.wish is not None and self.wish.by.session == session:
            self.wish = None
            if self.holder is None or self.holder.session != session:
                return Change("withdrawn", self.holder, self.holder, why)
        if self.holder is None or self.holder.session != session:
            return None
        if self.wish is not None:
            return self._passes("taken", self.wish.by, self.wish.reason)
        return self._passes("lost", None, why)

    def tick(self, now_s: float, *, there: bool = True) -> Change | None:
        """Let time pass: what was asked for passes over. `there`: whoever asked still looks at the console."""
        if self.wish is None or now_s < self.wish.until_s:
            return None
        if not there:
            self.wish = None
            return Change("withdrawn", self.holder, self.holder, "whoever asked for it has gone")
        return self._passes("taken", self.wish.by, self.wish.reason)

    def left_s(self, now_s: float) -> float | None:
        """Return how long it is until control passes over; None where nobody has asked for it."""
        return None if self.wish is None else max(0.0, self.wish.until_s - now_s)

    def _require(self, who: Console) -> None:
        if self.holder is None:
            raise RefusedError("nobody holds control of the scanner: there is nothing to give")
        if self.holder.session != who.session:
            raise ControlHeldError(f"{self.holder.user} holds control of the scanner, not you")

    def _passes(self, what: str, to: Console | None, reason: str) -> Change:
        change = Change(what, self.holder, to, reason)
        self.holder = to
        self.wish = None  # it was about another holder
        return change
