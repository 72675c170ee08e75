"""The PET simulator against closed forms, fixed seeds: every z below 4."""

from __future__ import annotations

import pytest
from support_pet_forms import FORMS, Form


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
def test_the_simulator_agrees_with_the_closed_form(form: Form) -> None:
    checks = form(1)

    for check in checks:
        print(check)
    assert checks
    assert [str(check) for check in checks if not abs(check.z) < 4] == []
