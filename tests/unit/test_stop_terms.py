"""Beats, regions, gates and what time counts from, as a stop condition says them: exact, and back from text."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support_recording import MS, Script, packet, record, single

from daq.errors import UsageError
from daq.model.gating import FrameZero, Gate
from daq.model.protocol import CountLimit, ProtocolKind, Step, Stop
from daq.model.stop import StopCondition, WindowCounter, is_limit, parse_stop, window_counter

MM = st.integers(-(10**9), 10**9).map(lambda micro: micro / 10**6)
GATE = Gate("ecg", 16, "percent", "forward", 20.0)
gates = st.builds(
    Gate,
    trigger=st.sampled_from(["ecg", "respiration"]),
    bins=st.integers(2, 256),
    framing=st.sampled_from(["time", "percent"]),
    direction=st.sampled_from(["forward", "backward"]),
    tolerance_percent=st.none() | st.integers(1, 1000).map(lambda tenths: tenths / 10),
    learn=st.integers(1, 100),
    skip=st.integers(0, 10),
) | st.builds(
    lambda low, more: Gate("ecg", 8, "time", "backward", None, (low, low + more)),
    st.integers(1, 10**12), st.integers(1, 10**12),
)  # fmt: skip
zeros = st.just(FrameZero("gate")) | st.builds(
    lambda rate, ms, window, head: FrameZero("count_rate", rate / 10, ms * MS, window, *head),
    st.integers(10, 10**7), st.integers(100, 10_000), st.sampled_from(["all", "photopeak"]),
    st.sampled_from([("sum", ()), ("either", ()), ("both", (0, 1))]),
)  # fmt: skip


@given(st.none() | gates, st.none() | zeros, st.integers(1, 1000))
def test_gates_and_beginnings_survive_the_way_through_text(
    gate: Gate | None, zero: FrameZero | None, beats: int
) -> None:
    condition = StopCondition({"beats": beats} if gate else {}, 10**12, gate=gate, zero=zero)

    assert parse_stop([str(condition)]) == condition


@given(st.tuples(MM, MM), st.tuples(MM, MM), st.sampled_from([{}, {"any_head": True}, {"heads": (0, 3)}]))
def test_a_region_survives_the_way_through_text(
    across: tuple[float, float], up: tuple[float, float], more: dict[str, object]
) -> None:
    counter = WindowCounter("photopeak", region_mm=(min(across), min(up), max(across), max(up)), **more)  # type: ignore[arg-type]
    read = window_counter(str(counter))

    assert read == (counter if across[0] != across[1] and up[0] != up[1] else None)


@pytest.mark.parametrize(
    "limit", ["beats=500", "singles[photopeak](-100:-50.5:100:50)=1000", "singles[all]@any(0:0:1:1)=5"]
)
def test_what_ends_a_step_is_known_for_a_limit(limit: str) -> None:
    assert is_limit(limit)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("beats=100", "beats are judged by a gate, and none is said"),
        ("gate=ecg", "such as gate=ecg 16 percent"),
        ("gate=ecg 16 percent forward 20% learn 0 skip 0", "such as gate=ecg"),
        ("zero=never", "possible are gate, 500/s"),
        ("zero=500/s over 1ps of singles[all]@x", "possible are gate"),
        ("zero=500/s over 1000000000000ps of singles[all](0:0:1:1)", "possible are gate"),
        ("zero=500000000/s over 1000000000000ps of singles[all]", "1 to 10,000,000 events"),
        ("singles[photopeak](5:0:5:9)=5", "possible are end"),
    ],
)
def test_what_cannot_be_is_refused_in_words(text: str, why: str) -> None:
    with pytest.raises(UsageError, match=why.replace("(", r"\(")):
        parse_stop([text])


def test_a_step_of_a_protocol_says_all_that_the_readout_needs() -> None:
    zero = FrameZero("count_rate", 500.0, window="photopeak", head="either")
    region = CountLimit("events", 1000, "photopeak", "both", heads=(0, 1), region_mm=(-50.0, -20.0, 50.0, 20.0))
    step = Step(
        name="heart", key="steps[0]", kind=ProtocolKind.GATED, gate=GATE, frame_zero=zero,
        stop=Stop(region, duration_ps=10**12, beats=300),
    )  # fmt: skip

    said = parse_stop(step.stop_limits())

    assert said.counts == {"singles[photopeak]@0+1(-50:-20:50:20)": 1000, "beats": 300}
    assert (said.gate, said.zero, said.duration_ps) == (GATE, zero, 10**12)
    assert str(region) == "1,000 events in window photopeak in -50 to 50 mm across, -20 to 20 mm up, both heads"


def test_a_gated_step_without_limits_is_whole_when_a_person_ends_it(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    gated = "gate=ecg 16 percent forward 20% learn 10 skip 0"
    packets = [packet(0, 2 * n, single(n * MS, n + 1)) for n in range(4)]

    manifest = record(folder, Script(packets, list(range(4)), stop=gated, actions={2: [("stop", "operator")]}))

    assert manifest.steps is not None
    assert [(step.stop, step.ended_by, step.completed) for step in manifest.steps] == [(gated, "operator", True)]
