"""VISA in a thread: what a library may do to a program that waits for it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from daq.errors import DeadlineError, ProfileError, UnreachableError
from daq.transports import visalink
from daq.transports.links import link_of
from daq.transports.visalink import VisaLink
from daq.transports.worker import Worker
from device_profiles.control import load_control
from device_profiles.controllers import why_no_controller

RESOURCE = "GPIB0::4::INSTR"


class Session:
    """What pyvisa gives, as far as it is used: it does what it is told to."""

    def __init__(self, does: Callable[[], Any]) -> None:
        self.does = does
        self.visalib, self.session, self.timeout = self, 1, 0
        self.closed = False

    def write_raw(self, data: bytes) -> None:
        del data
        self.does()

    def read(self, session: int, count: int) -> tuple[bytes, int]:
        del session, count
        return self.does(), 0

    def close(self) -> None:
        self.closed = True


def link(monkeypatch: pytest.MonkeyPatch, session: Session) -> VisaLink:
    monkeypatch.setattr(visalink, "_GRACE_S", 0.02)
    monkeypatch.setattr(VisaLink, "_opened", lambda self, within_s: session)
    return VisaLink(RESOURCE)


async def test_a_library_that_never_returns_is_left_behind_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    visa = link(monkeypatch, Session(release.wait))
    for _ in range(4):
        await visa.open(0.5)
        with pytest.raises(DeadlineError, match=r"does not take what is written in 0\.01 s, and VISA hangs"):
            await visa.write(b"*IDN?\n", 0.01)
        assert not visa.is_open
    with pytest.raises(UnreachableError, match="VISA hangs in 4 threads; restart the program"):
        await visa.open(0.5)
    release.set()
    while any(each.busy for each in visa._hung):
        await asyncio.sleep(0.01)
    await visa.open(0.5)  # they came back
    assert visa.is_open
    await visa.close()


async def test_what_a_library_raises_is_told_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> bytes:
        raise RuntimeError("libusb: no such device")

    session = Session(fail)
    visa = link(monkeypatch, session)
    await visa.open(0.5)
    with pytest.raises(UnreachableError, match=f"visa://{RESOURCE} does not answer: libusb: no such device"):
        await visa.read(0.1)
    assert not visa.is_open
    await visa.close()
    assert session.closed


async def test_a_reply_that_is_waited_for_no_more_is_not_taken_for_the_next_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    release = threading.Event()
    visa = link(monkeypatch, Session(lambda: release.wait() and b"late\n"))
    await visa.open(0.5)
    reading = asyncio.ensure_future(visa.read(5.0))
    await asyncio.sleep(0.01)
    reading.cancel()
    await asyncio.wait({reading})
    release.set()
    assert not visa.is_open  # so that it is opened anew, and cleared
    await visa.close()
    with pytest.raises(UnreachableError, match="it is not open"):
        await visa.read(0.1)


async def test_what_waited_behind_a_reading_and_was_given_up_is_never_said(monkeypatch: pytest.MonkeyPatch) -> None:
    release, said = threading.Event(), list[bytes]()

    def late() -> bytes:
        release.wait()
        return b"late\n"

    session = Session(late)
    monkeypatch.setattr(session, "write_raw", said.append)
    visa = link(monkeypatch, session)
    await visa.open(0.5)
    reading = asyncio.ensure_future(visa.read(5.0))
    await asyncio.sleep(0.01)
    writing = asyncio.ensure_future(visa.write(b":APPL CH1,15\n", 5.0))
    await asyncio.sleep(0.01)
    writing.cancel()
    with pytest.raises(DeadlineError, match="VISA hangs"):
        await visa.write(b":OUTP CH1,ON\n", 0.01)
    release.set()
    await asyncio.wait({reading, writing})
    while any(each.busy for each in visa._hung):
        await asyncio.sleep(0.01)
    assert said == []


async def test_a_worker_does_one_call_after_the_other_and_gives_errors_to_who_asked() -> None:
    worker = Worker("test")
    order: list[int] = []
    await asyncio.gather(*(worker.do(lambda number=number: order.append(number)) for number in range(50)))
    assert order == sorted(order)
    with pytest.raises(ZeroDivisionError):
        await worker.do(lambda: 1 / 0)
    assert not worker.busy
    worker.end()


def test_a_site_names_its_own_library_and_serial_lines_are_not_for_visa() -> None:
    transport = load_control("rigol-dp832").transport
    made = link_of(f"visa://{RESOURCE}?library=/usr/lib/libvisa.so", transport)
    assert isinstance(made, VisaLink)
    assert (made._library, made.place) == ("/usr/lib/libvisa.so", f"visa://{RESOURCE}")
    for resource in ("ASRL/dev/ttyUSB0::INSTR", "bed", ""):
        assert "VISA resource is written visa://TCPIP::" in (why_no_controller(f"visa://{resource}") or "")
    assert why_no_controller(f"visa://{RESOURCE}?library=/usr/lib/libvisa.so") is None
    with pytest.raises(ProfileError, match="serial lines are written serial:///PATH"):
        link_of("visa://ASRL1::INSTR", transport)
