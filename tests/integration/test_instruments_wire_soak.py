"""A hundred thousand mixtures of faults on the wires of instruments: no reading goes by another's name."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support_conversation import PARAMETERS, SPOILS, read_each
from support_interleaving import Outcome, try_seed

WANTED = st.tuples(st.sampled_from(sorted(PARAMETERS)), st.sampled_from("0123"))


@pytest.mark.soak
@settings(max_examples=100_000, deadline=None)
@given(st.lists(st.sampled_from(SPOILS), max_size=60), st.lists(WANTED, min_size=1, max_size=25))
def test_what_is_read_is_what_was_asked_for_and_was_told_after_it_was_asked(
    spoils: list[str], wanted: list[tuple[str, str]]
) -> None:
    asyncio.run(read_each(spoils, wanted))


@pytest.mark.soak
def test_a_hundred_thousand_mixtures_of_people_and_faults_on_shared_wires() -> None:
    found = Outcome()
    for seed in range(100_000):
        found.add(try_seed(seed))
    print(dict(found.counts), f"highest voltage on the wire {found.highest_v:g} V")

    assert found.counts["readings"] > 100_000
    assert found.highest_v == 8000.0
