"""Numbers at their edges: what is set stays within its limits on the wire, what is read is a number or an error."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daq.devices.instruments.values import decoded, encoded, same
from daq.errors import EncodeError, WireError
from daq.model.control import ControlValue


def value(**keys: Any) -> ControlValue:
    return ControlValue.model_validate({"unit": "V", "type": "number", **keys})


@given(
    top=st.floats(1.0, 5000.0), part=st.floats(0.0, 1.0), decimals=st.integers(0, 4),
    scale=st.sampled_from([1.0, 0.1, -0.1, 1e-3]), hazard=st.sampled_from(["neutral", "safe", "moving", "energising"]),
    kind=st.sampled_from(["number", "integer"]),
)  # fmt: skip
def test_rounding_passes_no_hard_limit_and_reads_back(
    top: float, part: float, decimals: int, scale: float, hazard: str, kind: str
) -> None:
    told = value(type=kind, decimals=decimals, scale=scale, hazard=hazard, limits={"hard": (-top, top)})
    number = top * (2 * part - 1)
    meant = float(encoded(told, number)) * scale
    assert abs(meant) <= top * (1 + 1e-9) + 1e-6 * abs(scale)
    assert same(meant, number, 0.0, told)


def test_a_limit_between_two_digits_is_not_rounded_up_whatever_it_limits() -> None:
    trip = value(decimals=0, limits={"hard": (0.0, 1000.6)})
    assert encoded(trip, 1000.6) == "1000"
    assert encoded(trip, 999.6) == "1000"
    assert not same(1001.2, 1000.6, 0.0, trip)
    with pytest.raises(EncodeError, match="its digits have no number"):
        encoded(value(decimals=0, limits={"hard": (0.2, 0.8)}), 0.5)
    with pytest.raises(EncodeError, match="cannot be set"):
        encoded(value(scale=1e-300, hazard="energising"), 1e10)


@pytest.mark.parametrize(
    ("kind", "scale", "text"),
    [("number", 10.0, "1e308"), ("number", 1.0, "1e999"), ("integer", 0.1, "9" * 400), ("integer", 1.0, "9" * 400),
     ("mantissa", 1.0, "+1+99999"), ("integer", 1.0, "9" * 5000)],
)  # fmt: skip
def test_what_is_no_number_of_this_world_is_no_reading(kind: str, scale: float, text: str) -> None:
    with pytest.raises(WireError) as why:
        decoded(value(type=kind, scale=scale), text)
    assert len(str(why.value)) < 120
    assert math.isfinite(decoded(value(type="integer", scale=scale), str((1 << 64) - 1)))  # type: ignore[arg-type]
