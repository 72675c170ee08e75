"""The manifest says whether the host's clock was synchronised."""

from __future__ import annotations

from daq.storage.hostclock import clock_health


def test_the_kernel_states_its_clock() -> None:
    health = clock_health()

    assert set(health) == {"synchronised", "offset_us", "error_us"}
    assert isinstance(health["synchronised"], bool)
    assert 0 <= int(health["error_us"] or 0) <= 2**31
