"""Slices and declarations of live figures, for tests."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from daq.listmode.codegen import CAUSES
from daq.listmode.columns import decoded_columns
from daq.readout.lookdeclaration import (
    Declaration,
    declare,
)  # fmt: skip
from device_profiles.load import load_profile

S = 1_000_000_000


def singles(**columns: npt.NDArray[Any]) -> dict[Any, Any]:
    (length,) = {len(column) for column in columns.values()}
    return {"singles": {"time_ps": np.zeros(length, np.int64), **columns}}


def whole_declaration(name: str, **changes: Any) -> Declaration:
    layout = load_profile(name).layout
    columns = {**decoded_columns(layout), **changes}
    return declare(columns, (*layout.kinds, *CAUSES), layout)
