"""The audit log as the daemon writes it: never in the loop's way, right when the disk is not, free of identity."""

from __future__ import annotations

import asyncio
import errno
import logging
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support_audit import RefusingFiles

from daq.model.station import DAEMON, Actor, Alarm, Role
from daq.services.alarms import Alarms
from daq.services.audit import Audit, AuditBounds
from daq.services.bus import Bus
from daq.storage.auditlook import audit_files
from daq.storage.auditverify import last_lines, verify_audit
from daq.storage.files import Handle

ANNA = Actor("anna", "local", Role.TECHNOLOGIST, uid=1001, pid=77, certificate="CN=anna")
BOUNDS = AuditBounds(retry_s=0.01, retry_most_s=0.02)
DEADLINE_S = 30.0


class FrozenFiles(RefusingFiles):
    """A disk that does not answer until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event()

    def datasync(self, handle: Handle) -> None:
        assert self.go.wait(DEADLINE_S)
        super().datasync(handle)


@asynccontextmanager
async def audit_in(folder: Path, **settings: Any) -> AsyncIterator[Audit]:
    audit = Audit(folder, "boot-1", "c" * 64, bounds=settings.pop("bounds", BOUNDS), **settings)
    try:
        yield audit
    finally:
        await audit.close()


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not is_so():
            await asyncio.sleep(0.005)


def lines(folder: Path) -> list[dict[str, Any]]:
    return [line.content for line in last_lines(folder, 10_000) if not line.content["verb"].startswith("audit-o")]


async def test_a_line_says_who_did_what_when_and_how_it_ended(tmp_path: Path) -> None:
    async with audit_in(tmp_path / "audit") as audit:
        durable = await audit.write(
            ANNA, "start", "run-7", result="refused", old="armed", new=3.5, reason="test", error="not armed"
        )

    assert durable
    (line,) = lines(tmp_path / "audit")
    volatile = {key: line.pop(key) for key in ("ts_utc", "monotonic_ns", "clock_offset_us", "previous", "sha256")}
    assert volatile["ts_utc"].endswith("Z")
    assert volatile["monotonic_ns"] > 0
    assert line.pop("clock_synchronised") in (True, False, None)
    assert line == {
        "seq": 2, "boot": "boot-1", "user": "anna", "uid": 1001, "certificate": "CN=anna", "origin": "local",
        "verb": "start", "object": "run-7", "old": "armed", "new": 3.5, "reason": "test", "result": "refused",
        "error": "not armed", "config_sha256": "c" * 64,
    }  # fmt: skip


async def test_lines_stand_in_the_order_they_were_given(tmp_path: Path) -> None:
    async with audit_in(tmp_path / "audit") as audit:
        for number in range(0, 40, 2):
            audit.note(DAEMON, "set", "x", result="done", new=number)
            await audit.write(DAEMON, "set", "x", result="done", new=number + 1)

    assert [line["new"] for line in lines(tmp_path / "audit")] == list(range(40))
    assert verify_audit(tmp_path / "audit").is_good


async def test_a_note_never_waits_and_is_there_after_closing(tmp_path: Path) -> None:
    files = FrozenFiles()
    async with audit_in(tmp_path / "audit", files=files) as audit:
        for number in range(100):
            audit.note(DAEMON, "stop-motion", "axes", result="asked", new=number)
        assert audit.written == 0
        files.go.set()

    assert len(lines(tmp_path / "audit")) == 100


async def test_a_note_may_come_from_another_thread(tmp_path: Path) -> None:
    async with audit_in(tmp_path / "audit") as audit:
        threads = [
            threading.Thread(target=lambda: [audit.note(ANNA, "set", "x", result="done") for _ in range(50)])
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(DEADLINE_S)

    assert len(lines(tmp_path / "audit")) == 200
    assert verify_audit(tmp_path / "audit").is_good


async def test_a_disk_that_does_not_answer_costs_the_deadline_and_no_more(tmp_path: Path) -> None:
    files, bus = FrozenFiles(), Bus()
    alarms = Alarms(bus)
    async with audit_in(tmp_path / "audit", files=files, alarms=alarms) as audit:
        assert not await audit.write(ANNA, "start", "run-1", result="asked", within_s=0.05)
        assert [alarm.name for alarm in alarms.active()] == ["storage"]
        files.go.set()
        await until(lambda: audit.waiting == 0)
        assert await audit.write(ANNA, "start", "run-1", result="done")

    assert [line["result"] for line in lines(tmp_path / "audit")] == ["asked", "done"]
    assert not [alarm for alarm in alarms.active() if alarm.active]


async def test_a_disk_that_refuses_raises_an_alarm_and_the_lines_are_written_when_it_is_back(tmp_path: Path) -> None:
    files, bus = RefusingFiles(), Bus()
    alarms = Alarms(bus)
    async with audit_in(tmp_path / "audit", files=files, alarms=alarms) as audit:
        assert await audit.write(ANNA, "start", "run-1", result="asked")
        files.why = errno.EIO

        assert not await audit.write(ANNA, "stop", "run-1", result="asked")
        assert not await audit.write(ANNA, "stop", "run-1", result="done")
        (alarm,) = alarms.active()
        files.why = None
        await until(lambda: audit.waiting == 0)
        assert await audit.write(ANNA, "start", "run-2", result="asked")

    assert (alarm.device, alarm.name, alarm.active) == ("audit", "storage", True)
    assert "EIO" in alarm.text
    assert audit.failures >= 1
    assert [line["verb"] for line in lines(tmp_path / "audit")] == ["start", "stop", "stop", "start"]
    assert verify_audit(tmp_path / "audit").is_good
    assert [alarm.active for alarm in alarms.active()] == [False]


async def test_lines_that_found_no_room_are_counted_in_the_log(tmp_path: Path) -> None:
    files = RefusingFiles()
    bounds = AuditBounds(waiting_lines=5, retry_s=0.01, retry_most_s=0.01)
    async with audit_in(tmp_path / "audit", files=files, bounds=bounds) as audit:
        files.why = errno.ENOSPC
        for number in range(12):
            audit.note(DAEMON, "set", "x", result="done", new=number)
        files.why = None
        await until(lambda: audit.waiting == 0)
        await audit.write(DAEMON, "set", "x", result="done", new=99)

    assert audit.lost == 7
    assert [(line["verb"], line["new"]) for line in lines(tmp_path / "audit")] == [
        *[("set", number) for number in range(5)],
        ("audit-lost", 7),
        ("set", 99),
    ]


async def test_a_line_that_cannot_be_written_at_all_does_not_keep_the_others_out(tmp_path: Path) -> None:
    async with audit_in(tmp_path / "audit") as audit:
        impossible: Any = Actor("anna", "local", uid=object())  # type: ignore[arg-type]
        assert not await audit.write(impossible, "set", "x", result="done")
        assert await audit.write(ANNA, "set", "x", result="done")

    assert audit.lost == 1
    assert [line["verb"] for line in lines(tmp_path / "audit")] == ["audit-lost", "set"]


async def test_closing_on_a_dead_disk_ends_and_gives_the_lines_to_the_journal(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = RefusingFiles()
    audit = Audit(tmp_path / "audit", "boot-1", "", bounds=BOUNDS, files=files)
    files.why = errno.EROFS
    audit.note(ANNA, "stop", "run-1", result="done")

    with caplog.at_level(logging.ERROR):
        left = await audit.close()

    assert left == 1
    assert '"verb": "stop"' in caplog.text


async def test_closing_on_a_frozen_disk_keeps_its_deadline(tmp_path: Path) -> None:
    files = FrozenFiles()
    audit = Audit(tmp_path / "audit", "boot-1", "", bounds=BOUNDS, files=files)
    audit.note(ANNA, "stop", "run-1", result="done")

    assert await audit.close(within_s=0.05) == 1
    files.go.set()


async def test_after_closing_nothing_is_taken(tmp_path: Path) -> None:
    async with audit_in(tmp_path / "audit") as audit:
        await audit.write(ANNA, "start", "run-1", result="done")

    assert not await audit.write(ANNA, "start", "run-2", result="done")
    assert audit.lost == 1


async def test_a_log_that_was_tampered_with_is_said_when_the_daemon_starts(tmp_path: Path) -> None:
    async with audit_in(tmp_path / "audit") as audit:
        await audit.write(ANNA, "start", "run-1", result="done")
    path = audit_files(tmp_path / "audit")[0]
    path.write_bytes(path.read_bytes().replace(b"anna", b"otto"))
    alarms = Alarms(Bus())

    async with audit_in(tmp_path / "audit", alarms=alarms) as audit:
        await audit.write(ANNA, "start", "run-2", result="done")
        await until(lambda: bool(alarms.active()))

    (alarm,) = alarms.active()
    assert (alarm.name, alarm.active, alarm.text) == ("chain", False, "the audit log was found damaged in line 2")


async def test_a_torn_line_is_no_alarm(tmp_path: Path) -> None:
    async with audit_in(tmp_path / "audit") as audit:
        await audit.write(ANNA, "start", "run-1", result="done")
    with audit_files(tmp_path / "audit")[0].open("ab") as file:
        file.write(b'{"seq"')
    alarms = Alarms(Bus())

    async with audit_in(tmp_path / "audit", alarms=alarms) as audit:
        await audit.write(ANNA, "start", "run-2", result="done")

    assert alarms.active() == []
    assert verify_audit(tmp_path / "audit").is_good


class Odd:
    def __repr__(self) -> str:
        return "Doe^Jane"


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (True, True), (None, None), (2**62, 2**62), (2**63, "<int of 64 bits>"), (1 << 20_000, "<int of 20001 bits>"),
        (1.5, 1.5), (float("nan"), "nan"), (Odd(), "<Odd>"), ({"name": "Doe"}, "<dict>"), ("a\x1b[31m\nb", "a?[31m b"),
        ("\ud800", "?"), ("x" * 9000, "x" * 499 + "…"), (b"bytes", "<bytes>"),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
async def test_only_plain_bounded_values_get_in(tmp_path: Path, value: Any, kept: object) -> None:
    async with audit_in(tmp_path / "audit") as audit:
        assert await audit.write(ANNA, "set", "x", result="done", new=value)

    (line,) = lines(tmp_path / "audit")
    assert line["new"] == kept
    assert type(line["new"]) is type(kept)


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=2000), st.text(max_size=60), st.text(max_size=300))
def test_whatever_people_type_is_one_bounded_line(
    tmp_path_factory: pytest.TempPathFactory, reason: str, user: str, what: str
) -> None:
    folder = tmp_path_factory.mktemp("typed")

    async def write() -> bool:
        async with audit_in(folder) as audit:
            return await audit.write(Actor(user, "mqtt"), "start", what, result="asked", reason=reason)

    assert asyncio.run(write())
    report = verify_audit(folder)
    assert report.is_good
    assert report.lines == 2
    assert audit_files(folder)[0].stat().st_size < 10_000


async def test_the_head_of_the_log_verifies_it(tmp_path: Path) -> None:
    async with audit_in(tmp_path / "audit") as audit:
        await audit.write(ANNA, "start", "run-1", result="done")
        head = audit.head

    assert verify_audit(tmp_path / "audit", expect=head).is_good
    assert head.seq == 2


async def test_an_alarm_of_the_run_before_ends_with_the_first_line_that_is_written(tmp_path: Path) -> None:
    bus, said = Bus(), list[Alarm]()
    alarms = Alarms(bus)
    alarms.raise_("audit", "storage", priority="medium", text="disk full", guidance="make room")
    with bus.listening(lambda record: said.append(record) if isinstance(record, Alarm) else None):
        async with audit_in(tmp_path / "audit", alarms=alarms) as audit:
            await audit.write(ANNA, "start", "run-1", result="done")
            await until(lambda: not alarms.active()[0].active)
