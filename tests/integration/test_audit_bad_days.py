"""The audit log when a process is killed, and when a disk is really full: what was acknowledged is there."""

from __future__ import annotations

import errno
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support_audit import fields, log_of, own
from support_disk import fill, mounted

from daq.storage.auditfile import AuditFile
from daq.storage.auditlook import audit_files
from daq.storage.auditverify import last_lines, verify_audit

KILLS = 8
WAIT_S = 60.0
WRITER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from support_audit import fields, own
from daq.storage.auditfile import AuditFile
audit = AuditFile(Path(sys.argv[1]), own, max_bytes=20_000)
number = 0
while True:
    audit.append(fields("start", f"{sys.argv[3]}-{number}", reason="x" * (number % 400)))
    print(f"{sys.argv[3]}-{number}", flush=True)
    number += 1
"""


def test_every_line_that_was_acknowledged_before_a_kill_is_in_the_chain(tmp_path: Path) -> None:
    acknowledged: list[str] = []
    chance = random.Random(3)
    for life in range(KILLS):
        tests = str(Path(__file__).parent.parent)
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path / "audit"), tests, str(life)], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            acknowledged.append(process.stdout.readline().strip())
            time.sleep(chance.uniform(0.0, 0.2))
            process.send_signal(signal.SIGKILL)
            acknowledged += process.stdout.read().split()
            process.wait(WAIT_S)
        log_of(tmp_path / "audit", 1)

    written = [line.content["object"] for line in last_lines(tmp_path / "audit", 10**6)]
    assert len(acknowledged) > 5 * KILLS
    assert [name for name in acknowledged if name not in set(written)] == []
    assert verify_audit(tmp_path / "audit").is_good


@pytest.mark.system
def test_on_a_disk_that_is_really_full_the_chain_waits_and_goes_on(tmp_path: Path) -> None:
    with mounted(tmp_path) as place:
        audit = AuditFile(place / "audit", own)
        audit.append(fields("start", "before"))
        ballast = fill(place)
        written, refusals = 0, list[int | None]()
        while len(refusals) < 5:
            try:
                audit.append(fields("start", f"full-{written}", reason="x" * 400))
                written += 1
            except OSError as why:
                refusals.append(why.errno)
        assert set(refusals) == {errno.ENOSPC}
        ballast.unlink()
        audit.append(fields("start", f"full-{written}", reason="x" * 400))
        audit.append(fields("start", "after"))
        audit.close()

        objects = [line.content["object"] for line in last_lines(place / "audit", 10**6)]
        assert [name for name in objects if not name.startswith("audit") and name] == [
            "before", *(f"full-{number}" for number in range(written + 1)), "after",
        ]  # fmt: skip
        assert verify_audit(place / "audit").is_good
        assert len(audit_files(place / "audit")) <= 3
