"""The record of a sentinel node procedure: which node is which, what is net, the 10 % rule, what is missing."""

from __future__ import annotations

import pytest

from daq.pipeline.proberecord import Counted, record_of

DEAD_S = 3.2e-6


def counted(role: str, per_s: float, *, label: str = "", seconds: float = 10.0) -> Counted:
    """Return what an input counts of a true rate, half of it inside the window."""
    alive = 1 / (1 + 2 * per_s * DEAD_S)
    counts, every = round(per_s * alive * seconds), round(2 * per_s * alive * seconds)
    return Counted(role, role, counts, every, seconds, label)


def test_nodes_are_numbered_and_net_of_the_newest_background_and_of_dead_time() -> None:
    record = record_of(
        [
            counted("background", 20), counted("in_vivo", 900, label="axilla I"), counted("ex_vivo", 12_000),
            counted("background", 50), counted("in_vivo", 300), counted("ex_vivo", 2000), counted("bed", 60),
        ],
        DEAD_S,
    )  # fmt: skip
    assert [node.name for node in record.nodes] == ["1 (axilla I)", "2"]
    first, second = record.nodes
    assert first.ex_vivo is not None
    assert second.in_vivo is not None
    assert first.ex_vivo.per_s == pytest.approx(11_980, rel=1e-4)
    assert second.in_vivo.per_s == pytest.approx(250, rel=2e-3)
    assert record.rule is not None
    assert [node.name for node in record.rule.sentinel] == ["1 (axilla I)", "2"]
    assert record.rule.go_on is False
    assert record.doubts == ()


def test_a_bed_above_a_tenth_of_the_hottest_node_is_searched_again() -> None:
    record = record_of([counted("background", 10), counted("ex_vivo", 1000), counted("bed", 130)], DEAD_S)
    assert record.rule is not None
    assert record.rule.go_on is True
    assert record.to_json()["limit_per_s"] == pytest.approx(99, rel=0.01)


def test_a_bed_that_was_measured_before_the_last_node_says_nothing() -> None:
    record = record_of(
        [counted("background", 10), counted("ex_vivo", 1000), counted("bed", 200), counted("ex_vivo", 400)], DEAD_S
    )
    assert record.rule is None
    assert [node.number for node in record.nodes] == [1, 2]
    assert record.doubts == ("the bed was not measured after the last node: what is left in it is not known",)


def test_what_is_missing_or_within_the_noise_is_said() -> None:
    record = record_of([counted("in_vivo", 50), counted("ex_vivo", 12), counted("background", 11)], DEAD_S)
    assert "no background" not in " ".join(record.doubts)
    weak = record_of([counted("background", 11), counted("in_vivo", 50), counted("ex_vivo", 12)], DEAD_S)
    assert any("standard deviations above background" in doubt for doubt in weak.doubts)
    assert record_of([], DEAD_S).doubts == ("no background was measured: rates are not net", "no node was measured")
    assert record_of([counted("in_vivo", 50)], DEAD_S).doubts[1] == "node 1 was not measured ex vivo"
