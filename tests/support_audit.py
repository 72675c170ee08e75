"""Audit logs for tests: made in memory or by the real writer."""

from __future__ import annotations

import errno
from pathlib import Path

from daq.storage.auditchain import Fields, Head, Value, chained
from daq.storage.auditfile import AuditFile
from daq.storage.files import Buffer, Handle, StorageFiles


def fields(verb: str, what: str = "run", *, old: Value = None, new: Value = None, reason: str = "") -> Fields:
    return {
        "ts_utc": "2026-11-22T14:05:07.123Z", "user": "anna", "verb": verb, "object": what,
        "old": old, "new": new, "reason": reason, "result": "done",
    }  # fmt: skip


def own(verb: str, what: str, *, old: Value = None, new: Value = None, reason: str = "") -> Fields:
    return fields(verb, what, old=old, new=new, reason=reason)


def log_of(folder: Path, lines: int, *, max_bytes: int = 8 << 20) -> AuditFile:
    """Write a log of so many lines, beside those that open and close files."""
    audit = AuditFile(folder, own, max_bytes=max_bytes)
    for number in range(lines):
        audit.append(fields("start", f"run-{number}", new=number))
    audit.close()
    return audit


def lines_in_memory(verbs: list[str]) -> tuple[list[bytes], Head]:
    """Return chained lines, without a file around them, and their head."""
    head, lines = Head(), []
    for verb in verbs:
        line, head = chained(fields(verb), head)
        lines.append(line)
    return lines, head


class RefusingFiles(StorageFiles):
    """A disk that refuses while `why` is set; with `partly`, so many bytes of a write get through before."""

    def __init__(self) -> None:
        self.why: int | None = None
        self.refuses_sync = False
        self.partly = 0
        self.synced = 0

    def write_at(self, handle: Handle, offset: int, buffer: Buffer) -> None:
        if self.why is not None and not self.refuses_sync:
            super().write_at(handle, offset, bytes(buffer)[: self.partly])
            raise OSError(self.why, errno.errorcode[self.why])
        super().write_at(handle, offset, buffer)

    def datasync(self, handle: Handle) -> None:
        if self.why is not None:
            raise OSError(self.why, errno.errorcode[self.why])
        self.synced += 1
        super().datasync(handle)
