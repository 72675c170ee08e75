"""What may be noted as an event of quality control: it stands in reports for years."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from daq.model.qc.verbs import QcEvent


@pytest.mark.parametrize("text", ["  ", "\n", "nul\x00byte", "\x1b[31mred", "\u202eturned round"])
def test_an_event_says_something_in_characters_that_can_be_shown(text: str) -> None:
    with pytest.raises(ValidationError, match=r"holds a|nothing of it can be seen"):
        QcEvent(what="service", text=text)


def test_an_event_is_noted_in_any_script_and_on_several_lines() -> None:
    assert QcEvent(what="service", text="Röhre 7 getauscht\nnach 5\u00a0h, Sturz <2 mm>").text.startswith("Röhre")
