"""A hundred thousand mixtures of faults on the wire of an instrument: no reading goes by another's name."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support_conversation import PARAMETERS, SPOILS, read_each

WANTED = st.tuples(st.sampled_from(sorted(PARAMETERS)), st.sampled_from("0123"))


@pytest.mark.soak
@settings(max_examples=100_000, deadline=None)
@given(st.lists(st.sampled_from(SPOILS), max_size=60), st.lists(WANTED, min_size=1, max_size=25))
def test_what_is_read_is_what_was_asked_for_and_was_told_after_it_was_asked(
    spoils: list[str], wanted: list[tuple[str, str]]
) -> None:
    asyncio.run(read_each(spoils, wanted))
