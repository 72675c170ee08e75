"""The closed forms of the PET simulator with sixteen times the counts."""

from __future__ import annotations

import pytest
from support_pet import Check
from support_pet_forms import FORMS, Form
from support_pet_pairs import necr, randoms, wide_window


def agree(checks: list[Check]) -> None:
    for check in checks:
        print(check)
    assert [str(check) for check in checks if not abs(check.z) < 4] == []


@pytest.mark.soak
@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
def test_the_simulator_agrees_with_the_closed_form_more_closely(form: Form) -> None:
    agree(form(16))


@pytest.mark.soak
def test_randoms_and_necr_agree_with_their_closed_forms_more_closely() -> None:
    agree(randoms(16))
    agree(wide_window(16))
    agree(necr(8, 1)[0])
