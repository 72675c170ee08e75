"""A stop is on the wire within 0.25 s and confirmed within 1 s, whatever is being said, and whatever the wire does."""

from __future__ import annotations

import pytest
from support_controllers import KINDS
from support_stops import in_time, stopped


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(2))
def test_stops_at_random_moments_are_in_time(kind: str, seed: int) -> None:
    one = stopped(kind, seed)

    assert in_time(one), one
