"""Random people and faults at instruments on one wire: no reading goes by another's name or as fresher than it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support_conversation import PROFILE
from support_interleaving import Outcome, try_seed

from daq.devices.instruments.talk import Talk
from daq.devices.instruments.values import encoded, same

VOLTAGE = PROFILE.values["voltage_set"]


def test_readings_are_what_was_asked_for_of_whom_and_no_limit_is_passed_on_the_wire() -> None:
    found = Outcome()
    for seed in range(800):
        found.add(try_seed(seed))

    assert found.counts["readings"] > 800
    assert found.counts["stops"] > 500
    assert found.highest_v == 8000.0


def test_the_faults_are_such_that_they_show_where_nothing_is_proven(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Talk, "proven", Talk.exchange)

    def try_all() -> None:
        for seed in range(1000):
            try_seed(seed)

    with pytest.raises(AssertionError, match=r"seed \d+: [\s\S]*> '\$BD"):
        try_all()


@given(
    st.integers(0, 6), st.floats(0.0, 8000.0), st.sampled_from((1.0, -1.0, 1e-3, 0.6103515625)),
    st.sampled_from((0.0, 5.0)), st.sampled_from(("number", "integer")),
)  # fmt: skip
def test_what_energises_is_rounded_away_from_every_limit(
    decimals: int, volts: float, scale: float, offset: float, kind: str
) -> None:
    update = {"decimals": decimals, "scale": -7.0, "set_scale": scale, "offset": offset, "type": kind}
    value = VOLTAGE.model_copy(update=update)
    said = float(encoded(value, volts)) * scale + offset

    step = abs(scale) * (1.0 if kind == "integer" else 10.0**-decimals)
    assert abs(said) <= volts + 2e-6 * step + 1e-9 or abs(said) < step
    assert same(said, volts, 0.0, value)
