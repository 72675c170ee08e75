"""The name of a Unix socket in the file system: who may open it, and how it changes hands without a gap.

The socket is bound under a name beside its own, gets its group and mode, listens, and is renamed. At no moment can
somebody open it who may not, and the name never leads to a socket that nobody serves.
"""

from __future__ import annotations

import contextlib
import grp
import os
import socket
import stat
from pathlib import Path

from daq.errors import MissingError, RefusedError

MOST_PATH_BYTES = 107
"""What Linux takes as the path of a socket."""
_ASK_S = 1.0


class SocketFile:
    """The socket at `path`, of mode 0600, or 0660 and of `group`."""

    def __init__(self, path: Path, group: str | None = None) -> None:
        self.path = path
        self._group = group
        self._inode: int | None = None

    def bind(self) -> socket.socket:
        """Return the bound socket, which has not got its name yet.

        Raise `RefusedError` where the path is too long, is taken by something that is no socket, or a living one, or
        may not be written; `MissingError` for a group that there is not.
        """
        self._check()
        gid = None if self._group is None else _gid_of(self._group)
        beside = self._beside
        ours = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            beside.unlink(missing_ok=True)
            os.fchmod(ours.fileno(), 0o600)  # before it has a name
            ours.bind(str(beside))
            if gid is not None:
                os.chown(beside, -1, gid)
                beside.chmod(0o660)
        except OSError as why:
            ours.close()
            raise RefusedError(f"the local socket {self.path} cannot be made: {why.strerror}") from None
        return ours

    def publish(self) -> None:
        """Give the socket, which listens by now, its name."""
        self._inode = self._beside.stat().st_ino
        self._beside.rename(self.path)

    def is_ours(self) -> bool:
        """Return True as long as the name leads to this socket: somebody may have removed or replaced it."""
        try:
            return self._inode is not None and self.path.lstat().st_ino == self._inode
        except OSError:
            return False

    def remove(self) -> None:
        """Remove the name, unless it is somebody else's by now."""
        with contextlib.suppress(OSError):
            self._beside.unlink(missing_ok=True)
            if self.is_ours():
                self.path.unlink()

    @property
    def _beside(self) -> Path:
        return self.path.with_name(f".{os.getpid()}")

    def _check(self) -> None:
        length = max(len(os.fsencode(self.path)), len(os.fsencode(self._beside)))
        if length > MOST_PATH_BYTES:
            raise RefusedError(
                f"the path of the local socket has {length} bytes, at most {MOST_PATH_BYTES} are possible: "
                f"{self.path}; set a shorter one as `socket` in the site file"
            )
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            if not stat.S_ISSOCK(self.path.lstat().st_mode):
                raise RefusedError(f"{self.path} is there and is no socket: it is not replaced")
            if _answers(self.path):
                raise RefusedError(f"another daemon serves the local socket {self.path}")


def _answers(path: Path) -> bool:
    """Return True when somebody serves the socket, however slowly."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(_ASK_S)
        try:
            client.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:  # full, or not for us: there is somebody
            return True
    return True


def _gid_of(group: str) -> int:
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        raise MissingError(
            f"there is no group {group!r} for the local socket (site file, access.socket_group)"
        ) from None
