"""`pairing.c`, compiled on the spot, with NumPy columns in and out."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from daq.model.coincidence import PairingRule
from daq.pipeline import pairing_rule as r

COLUMNS = {
    "time_ps": np.int64, "detector_a": np.uint32, "detector_b": np.uint32, "tof_ps": np.int32,
    "energy_a_kev": np.float32, "energy_b_kev": np.float32, "kind": np.uint8,
}  # fmt: skip


class _Rule(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int64) for name in ("window_ps", "delay_ps", "sectors_from", "sectors_span")),
        ("places", ctypes.c_void_p),
    )


class _Rows(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_void_p) for name in COLUMNS)


class PlainC:
    """Pairs all of some singles at once. Room for the rows is made once, and used again in each call."""

    def __init__(self, most_rows: int) -> None:
        """Compile; raise `FileNotFoundError` where there is no compiler."""
        compiler = shutil.which("cc")
        if compiler is None:
            raise FileNotFoundError("no C compiler (cc)")
        with tempfile.TemporaryDirectory() as folder:
            library = Path(folder) / "pairing.so"
            source = Path(__file__).with_name("pairing.c")
            subprocess.run([compiler, "-O3", "-march=native", "-shared", "-fPIC", source, "-o", library], check=True)
            self._pair: Any = ctypes.CDLL(str(library)).pair
        self._pair.restype = ctypes.c_int64
        self._room = {name: np.zeros(most_rows, kind) for name, kind in COLUMNS.items()}

    def __call__(self, singles: dict[str, Any], rule: PairingRule, places: Any) -> dict[str, Any]:
        """Return the rows, as views that are good until the next call."""
        numbers = r.numbers_of(rule, most_partners=3, most_held=4)
        told = _Rule(
            rule.half_window_ps, rule.delay_ps or 0, int(numbers[r.SECTOR_FROM]), int(numbers[r.SECTOR_SPAN]),
            places.ctypes.data,
        )  # fmt: skip
        room = _Rows(*(column.ctypes.data for column in self._room.values()))
        columns = (ctypes.c_void_p(singles[name].ctypes.data) for name in ("time_ps", "detector", "energy_kev"))
        rows = self._pair(*columns, ctypes.c_int64(len(singles["time_ps"])), ctypes.byref(told), ctypes.byref(room))
        return {name: column[:rows] for name, column in self._room.items()}
