"""Thousands of random lives of every supply a profile ships for: nothing above a permit is said, and all come down."""

from __future__ import annotations

import pytest
from support_machines import MACHINES, Kept
from support_supply_lives import lives


@pytest.mark.soak
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.profile)
def test_nothing_above_a_permit_is_ever_said_in_thousands_of_lives(machine: Kept) -> None:
    lives(machine, 3000)
