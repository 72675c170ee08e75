"""A motion engine under random people and random faults: after any way out nothing moves."""

from __future__ import annotations

import pytest
from hypothesis.stateful import run_state_machine_as_test
from support_motion_machine import Motions, machine_settings


@pytest.mark.slow
def test_random_people_and_random_faults() -> None:
    run_state_machine_as_test(Motions, settings=machine_settings(40, 40))  # type: ignore[no-untyped-call]
