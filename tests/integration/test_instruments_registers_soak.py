"""A hundred thousand networks that lose, double, delay and reorder: a register is read as it was after it was asked."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support_registers import fresh_readings, ipbus

SEEDS = st.integers(0, 1 << 40)
CHANCES = st.sampled_from([0.02, 0.1, 0.3, 0.5])


@pytest.mark.soak
@settings(max_examples=100_000, deadline=None)
@given(SEEDS, st.sampled_from(["ipbus", "rbcp"]), CHANCES, st.integers(1, 20))
def test_what_is_read_was_so_after_it_was_asked(seed: int, protocol: str, chance: float, count: int) -> None:
    assert fresh_readings(seed, protocol, chance, count) <= count


@pytest.mark.soak
@settings(max_examples=20_000, deadline=None)
@given(SEEDS, CHANCES, st.integers(1, 20))
def test_ipbus_adds_once(seed: int, chance: float, count: int) -> None:
    client, board = ipbus(seed, chance)
    said = [client.ask("add 1 1") for _ in range(count)]

    answered = [int(text, 16) for text in said if text is not None]
    assert answered == sorted(set(answered))
    assert len(answered) <= board.registers.words["scratch"] <= count
