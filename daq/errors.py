"""Every exception scandaq raises on purpose.

    ScandaqError                      exit code of the command line
    ├── UsageError            2       the call itself makes no sense
    ├── RefusedError          3       understood, and refused: the message says why
    │   ├── ProfileError              a TOML file breaks a rule: file, key, value, reason
    │   ├── MismatchError             a profile and a file or stream do not fit each other
    │   ├── FormatError               not a list-mode directory, or a version this build does not know
    │   ├── EncodeError               values that the layout cannot express
    │   ├── TransitionRefusedError    not possible in the state the acquisition is in
    │   ├── InterlockError            an interlock is open, stale or unknown, or motion is not enabled
    │   ├── LimitError                a value outside of a device's or a protocol's limits
    │   ├── AccessError               this user may not
    │   │   └── NotSignedInError      nobody is signed in at this browser
    │   ├── ControlHeldError          another console holds control
    │   ├── BusyError                 too many are served already; it may be tried again at once
    │   └── StorageFullError          no room, found before the start or while writing
    ├── StorageFailedError            the disk does not do what it should: an input/output error while writing
    ├── MissingError          4       no such file, profile, directory
    ├── UnreachableError      5       a peer does not answer or hung up
    ├── VerificationError     6       ran, and the verdict is FAILED
    │   ├── ReadbackError             a device does not hold what it was told
    │   └── MotionError               an axis did not arrive, or moved when it should not
    ├── DeadlineError         7       a wait reached its deadline
    ├── UnexpectedError       1       a fault of this program, not of its input
    └── WireError             3       bytes from a peer break their protocol

A message says what, where, the value and the limit. Programs choose their granularity by class; `exit_code` is what
`daq` returns to the shell.
"""

from __future__ import annotations


class ScandaqError(Exception):
    """Base of the tree; never raised itself."""

    exit_code = 1


class UsageError(ScandaqError):
    """The call makes no sense: an unknown option value, a contradictory combination."""

    exit_code = 2


class RefusedError(ScandaqError):
    """The request was understood and is refused; the message says why."""

    exit_code = 3


class ProfileError(RefusedError):
    """A profile, scanner or site file breaks a rule. The text names file, key, value and reason."""


class MismatchError(RefusedError):
    """A profile and a file or stream do not fit each other."""


class FormatError(RefusedError):
    """Not a list-mode directory, or of a version that this build does not know."""


class EncodeError(RefusedError):
    """Values that the event layout cannot express."""


class StorageFullError(RefusedError):
    """The storage has no room, found before the start or while writing."""


class TransitionRefusedError(RefusedError):
    """Not possible in this state; the text says what is."""


class InterlockError(RefusedError):
    """An interlock is open, stale or unknown, or motion is not enabled."""


class LimitError(RefusedError):
    """A value is outside of a limit of a device or a protocol."""


class AccessError(RefusedError):
    """The user who asks may not do it."""


class NotSignedInError(AccessError):
    """Nobody is signed in at this browser, or no longer; the text says why."""


class ControlHeldError(RefusedError):
    """Another console holds control of the scanner; the text says who."""


class BusyError(RefusedError):
    """Too many are served already; the same request may be taken a moment later."""


class StorageFailedError(ScandaqError):
    """The disk failed while writing, for another reason than lack of room."""


class MissingError(ScandaqError):
    """No such file, profile or directory."""

    exit_code = 4


class UnreachableError(ScandaqError):
    """A peer does not answer, refuses the connection or hung up."""

    exit_code = 5


class VerificationError(ScandaqError):
    """The command ran and its verdict is FAILED."""

    exit_code = 6


class ReadbackError(VerificationError):
    """A device does not hold the value it was told to."""


class MotionError(VerificationError):
    """An axis did not arrive, or moved when it should not."""


class DeadlineError(ScandaqError):
    """A wait reached its deadline."""

    exit_code = 7


class UnexpectedError(ScandaqError):
    """A fault of this program in a process or thread that has nobody above it; its log has the traceback."""


class WireError(ScandaqError):
    """Bytes from a peer break their protocol. Says which field is wrong."""

    exit_code = 3
