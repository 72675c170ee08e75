"""What the kernel knows of the host's clock: is it synchronised, and how far may it be off. Read, never set."""

from __future__ import annotations

import ctypes

_TIME_ERROR = 5
_STA_NANO = 0x2000


class _Timex(ctypes.Structure):
    """`struct timex` of adjtimex(2), Linux."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("constant", ctypes.c_long),
        ("precision", ctypes.c_long),
        ("tolerance", ctypes.c_long),
        ("time", ctypes.c_long * 2),
        ("tick", ctypes.c_long),
        ("reserved", ctypes.c_long * 16),
    )


def clock_health() -> dict[str, bool | int | None]:
    """Return `synchronised` and, in microseconds, `offset_us` (still to be corrected) and `error_us` (the bound).

    All are None where the system has no adjtimex(2).
    """
    adjtimex = getattr(ctypes.CDLL(None), "adjtimex", None)
    if adjtimex is None:
        return {"synchronised": None, "offset_us": None, "error_us": None}
    timex = _Timex()
    state = int(adjtimex(ctypes.byref(timex)))
    offset = timex.offset // 1000 if timex.status & _STA_NANO else timex.offset
    return {"synchronised": 0 <= state < _TIME_ERROR, "offset_us": offset, "error_us": timex.maxerror}
