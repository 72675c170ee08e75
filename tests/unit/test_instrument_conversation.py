"""No reading is published under another's name, or as fresh when it is not; nothing above a limit reaches the wire."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support_conversation import PARAMETERS, PROFILE, SPOILS, made, read_each

from daq.devices.instruments.talk import Talk
from daq.errors import AccessError, DeadlineError, LimitError, MismatchError, ScandaqError, UnreachableError, WireError
from daq.wire.control.lines import LinesCodec

WANTED = st.tuples(st.sampled_from(sorted(PARAMETERS)), st.sampled_from("0123"))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(SPOILS), max_size=60), st.lists(WANTED, min_size=1, max_size=25))
def test_what_is_read_is_what_was_asked_for_and_was_told_after_it_was_asked(
    spoils: list[str], wanted: list[tuple[str, str]]
) -> None:
    asyncio.run(read_each(spoils, wanted))


async def test_the_attack_is_one_that_the_proof_repels(monkeypatch: pytest.MonkeyPatch) -> None:
    attack = ["good"] * 3 + ["doubled-late", "missing"] * 6
    wanted = [("voltage", "0"), ("current", "0"), ("voltage_set", "0")] * 3
    for shift in range(3):
        await read_each([*attack, "good"][shift:], wanted)

    monkeypatch.setattr(Talk, "proven", Talk.exchange)
    with pytest.raises(AssertionError):
        await read_each(attack, wanted)


@settings(deadline=None)
@given(st.floats(allow_nan=True, allow_infinity=True), st.sampled_from("0123"))
def test_no_number_above_a_limit_reaches_the_wire(number: float, channel: str) -> None:
    supply, wire, _ = made()
    with suppress(ScandaqError):
        asyncio.run(supply.set("voltage_set", number, channel))

    said = [float(found[1]) for line in wire.heard if (found := re.search(r"PAR:VSET,VAL:([^\r]+)", line))]
    assert all(0 <= each <= 8000 for each in said)
    assert bool(said) == (0 <= number <= 8000)


async def test_a_reply_that_does_not_come_is_an_error_and_the_next_one_is_not_taken_for_it() -> None:
    supply, wire, clock = made(["good"] * 3 + ["late"] * 2)
    with pytest.raises(DeadlineError, match=r"no reply to .* in 0\.5 s"):
        await supply.read("voltage", "0")
    clock.now_s += 10
    found = await supply.read("current", "2")

    assert wire.meant[float(found)][:2] == ("IMON", "2")  # type: ignore[arg-type]
    assert supply.session.tally.resyncs >= 2


async def test_what_sets_is_never_said_twice() -> None:
    supply, wire, _ = made(["good"] * 3 + ["missing"])
    with pytest.raises(DeadlineError):
        await supply.set("voltage_set", 100.0, "0")

    assert len([line for line in wire.heard if "CMD:SET" in line]) == 1


async def test_a_refusal_is_said_in_words_of_what_to_do() -> None:
    supply, _, _ = made(["good"] * 3 + ["refused"])
    with pytest.raises(AccessError, match="the front panel is switched to LOCAL; switch it to REMOTE"):
        await supply.set("voltage_set", 100.0, "0")


async def test_another_instrument_in_its_place_is_refused_until_a_restart(monkeypatch: pytest.MonkeyPatch) -> None:
    supply, wire, clock = made(["good"] * 5 + ["hang-up"])
    await supply.read("voltage", "0")
    monkeypatch.setitem(__import__("support_conversation")._WHO, "BDSNUM", "78")
    with pytest.raises(UnreachableError):
        await supply.read("voltage", "0")
    for _ in range(3):
        clock.now_s += 20
        with pytest.raises(MismatchError, match="N1470 77 is gone, N1470 78 is there"):
            await supply.read("voltage", "0")
    assert wire.connection > 1


async def test_a_line_that_speaks_without_end_is_no_line() -> None:
    codec = LinesCodec(PROFILE.framing)
    codec.begin("x")
    with pytest.raises(WireError, match="without an end"):
        codec.feed(b"0" * 2000)


async def test_limits_are_said_with_value_and_unit() -> None:
    supply, wire, _ = made()
    with pytest.raises(LimitError, match="voltage_set cannot be 8001 V: 0 to 8000 V is possible"):
        await supply.set("voltage_set", 8001.0, "0")
    assert wire.heard == []
