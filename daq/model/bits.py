"""Counting bits in compiled loops."""

from __future__ import annotations

from typing import Any

from daq.model.kernel import spliced


@spliced
def ones(bits: Any) -> Any:
    """Return how many of 32 bits are set."""
    bits = bits - (bits >> 1 & 0x55555555)
    bits = (bits & 0x33333333) + (bits >> 2 & 0x33333333)
    bits = (bits + (bits >> 4)) & 0x0F0F0F0F
    return (bits * 0x01010101 & 0xFFFFFFFF) >> 24
