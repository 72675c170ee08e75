"""The same machine of random people and faults as in the unit tests, for as long as it takes to meet rare things."""

from __future__ import annotations

import pytest
from hypothesis.stateful import run_state_machine_as_test
from support_motion_machine import Motions, machine_settings


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_many_random_people_and_random_faults() -> None:
    run_state_machine_as_test(Motions, settings=machine_settings(2000, 60))  # type: ignore[no-untyped-call]
