"""Every verb of the station says what it does and who may."""

from __future__ import annotations

from daq.errors import AccessError, ScandaqError
from daq.model.console.worklist_verbs import WORKLIST_PRIVATE
from daq.model.station import Role
from daq.model.verbs import ALWAYS, ASKING, VERBS

_WHO_IT_IS = WORKLIST_PRIVATE | {"study-whose"}
"""Answers that say who a patient is, which a viewer has no need of."""


def test_every_verb_says_what_it_does_and_who_may() -> None:
    assert all(text and isinstance(role, Role) for _, role, text in VERBS.values())
    assert all(VERBS[verb][1] is Role.VIEWER for verb in (ALWAYS | ASKING) - _WHO_IT_IS)
    assert all(VERBS[verb][1] is Role.TECHNOLOGIST for verb in _WHO_IT_IS)
    assert issubclass(AccessError, ScandaqError)
