"""Drives the vendor's FERSlib, unmodified, against boards: run as a script in a folder that it may write into.

    python tests/support_ferslib.py LIBRARY SECONDS ADDRESS[,ADDRESS..] [NAME=VALUE ...]

It opens the boards, sets parameters by name as Janus does (`GainSelect=BOTH`), configures, runs for so long, reads
until the library says that nothing is left, and closes. The last line on stdout is JSON: what the library made of it.

Structures: CAEN FERSlib 1.3.0, `include/FERSlib.h`. The library talks to ports 9760 and 9000, and to no others.
"""

from __future__ import annotations

import ctypes as c
import json
import sys
import time
from collections import Counter
from typing import Any

import numpy as np

CHANNELS = 64
ASYNCHRONOUS, CHAIN_T0 = 0, 1
UNSORTED = 0
NOT_RUNNING = 2
MOST_WAIT_S = 10.0
MOST_HITS = 2048


class Info(c.Structure):
    _fields_ = (
        ("pid", c.c_uint32), ("code", c.c_uint16), ("pcb", c.c_uint8), ("model_code", c.c_char * 16),
        ("model_name", c.c_char * 16), ("form", c.c_uint8), ("channels", c.c_uint16), ("fpga", c.c_uint32),
        ("controller", c.c_uint32),
    )  # fmt: skip


class Spectroscopy(c.Structure):
    _fields_ = (
        ("tstamp_us", c.c_double), ("relative_us", c.c_double), ("clock", c.c_uint64), ("reference", c.c_uint64),
        ("trigger_id", c.c_uint64), ("mask", c.c_uint64), ("fired", c.c_uint64), ("high", c.c_uint16 * CHANNELS),
        ("low", c.c_uint16 * CHANNELS), ("arrival", c.c_uint32 * CHANNELS), ("over", c.c_uint16 * CHANNELS),
    )  # fmt: skip


class Counts(c.Structure):
    _fields_ = (
        ("tstamp_us", c.c_double), ("relative_us", c.c_double), ("trigger_id", c.c_uint64), ("mask", c.c_uint64),
        ("counts", c.c_uint32 * CHANNELS), ("t_or", c.c_uint32), ("q_or", c.c_uint32),
    )  # fmt: skip


class Hits(c.Structure):
    _fields_ = (
        ("tstamp_us", c.c_double), ("reference", c.c_uint64), ("clock", c.c_uint64), ("trigger_id", c.c_uint64),
        ("count", c.c_uint16), ("header1", c.c_uint32 * 8), ("header2", c.c_uint32 * 8), ("trailer1", c.c_uint32),
        ("trailer", c.c_uint32 * 8), ("channel", c.c_uint8 * MOST_HITS), ("edge", c.c_uint8 * MOST_HITS),
        ("arrival", c.c_uint32 * MOST_HITS), ("arrival2", c.c_uint32 * MOST_HITS), ("over", c.c_uint16 * MOST_HITS),
    )  # fmt: skip


class Service(c.Structure):
    _fields_ = (
        ("tstamp_us", c.c_double), ("update_ms", c.c_uint64), ("size", c.c_uint16), ("version", c.c_uint8),
        ("format", c.c_uint8), ("counts", c.c_uint32 * CHANNELS), ("q_or", c.c_uint32), ("t_or", c.c_uint32),
        ("fpga_c", c.c_float), ("board_c", c.c_float), ("tdc_c", c.c_float * 2), ("supply_c", c.c_float),
        ("detector_c", c.c_float), ("volts", c.c_float), ("milliamperes", c.c_float), ("on", c.c_uint8),
        ("ramping", c.c_uint8), ("over_voltage", c.c_uint8), ("over_current", c.c_uint8), ("status", c.c_uint16),
    )  # fmt: skip


class Account:
    """What came from one board."""

    def __init__(self) -> None:
        self.kinds: Counter[str] = Counter()
        self.high = np.zeros(CHANNELS, np.int64)
        self.low = np.zeros(CHANNELS, np.int64)
        self.counts = np.zeros(CHANNELS + 2, np.int64)
        self.hits = np.zeros(CHANNELS, np.int64)
        self.lost = 0
        self.disorder = 0
        self.first_us = self.last_us = 0.0
        self.services: list[dict[str, float]] = []
        self._last_id = -1

    def add(self, qualifier: int, pointer: int, tstamp_us: float) -> None:
        self.kinds[f"{qualifier:#04x}"] += 1
        kind = 0 if qualifier == 0x2F else qualifier & 0xF
        if qualifier == 0x2F:
            self._service(Service.from_address(pointer))
        elif kind & 1 and kind != 0xF:
            event = Spectroscopy.from_address(pointer)
            self.high += np.frombuffer(event.high, np.uint16)
            self.low += np.frombuffer(event.low, np.uint16)
            self.hits += np.frombuffer(event.arrival, np.uint32) > 0
            self._number(event.trigger_id)
        elif kind == 2:
            listed = Hits.from_address(pointer)
            self.hits += np.bincount(np.frombuffer(listed.channel, np.uint8)[: listed.count], minlength=CHANNELS)
        elif kind == 4:
            counted = Counts.from_address(pointer)
            self.counts += [*counted.counts, counted.t_or, counted.q_or]
            self._number(counted.trigger_id)
        self.disorder += tstamp_us < self.last_us
        self.first_us = self.first_us or tstamp_us
        self.last_us = tstamp_us

    def _number(self, number: int) -> None:
        """Count the numbers that are missing, as Janus does."""
        self.lost += number - self._last_id - 1
        self._last_id = number

    def _service(self, event: Service) -> None:
        self.counts += [*event.counts, event.t_or, event.q_or]
        names = ("fpga_c", "board_c", "supply_c", "detector_c", "volts", "milliamperes", "on", "ramping", "status")
        self.services.append({name: round(float(getattr(event, name)), 3) for name in names})

    def told(self) -> dict[str, Any]:
        arrays = {name: getattr(self, name).tolist() for name in ("high", "low", "counts", "hits")}
        figures = {name: getattr(self, name) for name in ("lost", "disorder", "first_us", "last_us", "services")}
        return {"events": dict(self.kinds), **arrays, **figures}


def main(library: str, seconds: float, addresses: list[str], parameters: list[str]) -> dict[str, Any]:
    fers = c.CDLL(library)
    fers.FERS_GetLibReleaseNum.restype = c.c_char_p
    handles = (c.c_int * len(addresses))()
    for k, address in enumerate(addresses):
        handle = c.c_int(-1)
        _check(fers.FERS_OpenDevice(f"eth:{address}".encode(), c.byref(handle)), f"open {address}")
        handles[k] = handle.value
    chain = CHAIN_T0 if "StartRunMode=CHAIN_T0" in parameters else ASYNCHRONOUS
    told = {"library": fers.FERS_GetLibReleaseNum().decode(), "boards": [_set_up(fers, h, parameters) for h in handles]}
    _check(fers.FERS_StartAcquisition(handles, len(handles), chain, 1), "start")
    accounts = [Account() for _ in handles]
    _read(fers, handles, accounts, seconds, to_the_end=False)
    _check(fers.FERS_StopAcquisition(handles, len(handles), chain, 1), "stop")
    _read(fers, handles, accounts, MOST_WAIT_S, to_the_end=True)
    for board, account in zip(told["boards"], accounts, strict=True):
        board.update(account.told())
    for number in handles:
        fers.FERS_HV_Set_OnOff(number, 0)
        fers.FERS_CloseReadout(number)
        fers.FERS_CloseDevice(number)
    return told


def _set_up(fers: c.CDLL, handle: int, parameters: list[str]) -> dict[str, Any]:
    """Identify, configure, switch the bias on, and say what was read back."""
    info, size, volts = Info(), c.c_int(), c.c_float()
    _check(fers.FERS_GetBoardInfo(handle, c.byref(info)), "info")
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        _check(fers.FERS_SetParam(handle, name.encode(), value.encode()), f"parameter {parameter}")
    _check(fers.FERS_configure(handle, 0), "configure")
    fers.FERS_SetEnergyBitsRange("Range_14bit=1" in parameters)
    _check(fers.FERS_HV_Set_OnOff(handle, 1), "high voltage on")
    _check(fers.FERS_HV_Get_Vbias(handle, c.byref(volts)), "bias")
    _check(fers.FERS_InitReadout(handle, UNSORTED, c.byref(size)), "readout")
    low, high = (c.c_uint16 * CHANNELS)(), (c.c_uint16 * CHANNELS)()
    date = c.create_string_buffer(20)
    _check(fers.FERS_ReadPedestalsFromFlash(handle, date, low, high, None), "pedestals")
    return {
        "pid": info.pid, "code": info.code, "model": info.model_name.decode(), "channels": info.channels,
        "fpga": f"{info.fpga:#x}", "set_v": round(volts.value, 3), "pedestal_low": list(low),
        "pedestal_high": list(high), "pedestals_of": date.value.decode(),
    }  # fmt: skip


def _read(fers: c.CDLL, handles: Any, accounts: list[Account], seconds: float, *, to_the_end: bool) -> None:
    """Read events for so long, at the end until the library says that nothing runs; it says so at the start, too."""
    board, qualifier, size = c.c_int(), c.c_int(), c.c_int()
    tstamp_us, event = c.c_double(), c.c_void_p()
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        status = fers.FERS_GetEvent(
            handles, c.byref(board), c.byref(qualifier), c.byref(tstamp_us), c.byref(event), c.byref(size)
        )
        if status == NOT_RUNNING:
            if to_the_end:
                return
            continue
        _check(min(status, 0), "read")
        if size.value:
            accounts[board.value].add(qualifier.value, event.value or 0, tstamp_us.value)


def _check(status: int, what: str) -> None:
    if status:
        sys.exit(f"FERSlib says {status} to {what}")


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], float(sys.argv[2]), sys.argv[3].split(","), sys.argv[4:])))
