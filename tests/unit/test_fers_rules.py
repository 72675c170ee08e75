"""Rules of `daq profile lint` on layouts of FERS-5200 events, each broken once."""

from __future__ import annotations

from typing import Any

import pytest
from support_fers import profile

from daq.listmode.columns import decoded_columns, stored_columns
from daq.model.fersboard import FersBoard
from daq.model.finding import errors
from daq.model.frontend import FrontEnd
from daq.model.layout import Clock, Layout
from daq.model.layout_rules import findings
from device_profiles import rules
from device_profiles.load import load_profile

KINDS = profile().layout.kinds


def found(changes: dict[str, Any], tick_ps: str = "8000") -> dict[str, str]:
    """Return key and reason of the errors of the shipped layout with changes."""
    layout = Layout.model_validate({**profile().layout.model_dump(exclude_none=True), **changes})
    clock = Clock(tick_ps=tick_ps, precision_ps=10_000, reset_at_start=True)
    return {finding.key: finding.reason for finding in errors(findings(layout, clock))}


def test_the_shipped_profile_has_no_findings() -> None:
    assert rules.findings(load_profile("caen-fers-a5202")) == []


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"fers": None}, "layout.fers"),
        ({"word_bits": 64}, "layout.word_bits"),
        ({"byte_order": "big"}, "layout.word_bits"),
        ({"preamble_bytes": 8}, "layout.preamble_bytes"),
        ({"kinds": {"spectroscopy": KINDS["spectroscopy"].model_dump()}}, "layout.kinds"),
        ({"fers": {"events": "timing"}}, "layout.kinds.timing.yields"),
        ({"fers": {"high_pedestal_adc": 9000.0}}, "layout.fers.high_pedestal_adc"),
    ],
)
def test_what_the_decoder_does_not_know_is_refused(changes: dict[str, Any], key: str) -> None:
    assert key in found(changes)


def test_a_clock_that_is_none_of_a_board_is_refused() -> None:
    assert "8000 ps" in found({}, tick_ps="12800")["clock.tick_ps"]


def test_another_tag_or_a_field_that_fills_a_column_is_refused() -> None:
    kinds = {name: kind.model_dump(exclude_none=True) for name, kind in KINDS.items()}
    kinds["test"]["tag"] = {"31:24": 0xFE}
    kinds["spectroscopy"]["fields"]["timing_mode"]["to"] = "head"
    said = found({"kinds": kinds})

    assert "255" in said["layout.kinds.test.tag"]
    assert "decoder alone" in said["layout.kinds.spectroscopy.fields.timing_mode.to"]


def test_boards_send_no_datagrams_and_are_counted_in_events() -> None:
    made = load_profile("caen-fers-a5202")
    transport = made.transport.model_copy(update={"kinds": ("udp",), "datagram_framing": "native"})
    said = rules.findings(made.model_copy(update={"transport": transport, "counting_unit": "word"}))

    assert {finding.key for finding in errors(said)} == {"transport.kinds", "counting_unit"}


def test_a_port_for_commands_is_only_for_those_who_have_one() -> None:
    made = load_profile("petsys-tofpet2-gbe")
    front_end = made.transport.front_end
    assert front_end is not None
    changed = front_end.model_copy(update={"control_port": 9760})
    transport = made.transport.model_copy(update={"front_end": changed})
    said = errors(rules.findings(made.model_copy(update={"transport": transport})))

    assert [finding.key for finding in said] == ["transport.front_end.control_port"]


def test_events_fill_amplitudes_and_hits_detector_numbers() -> None:
    assert decoded_columns(profile().layout)["singles"] == ["time_ps", "head", "amplitudes"]
    timing = decoded_columns(profile(events="timing").layout)["singles"]
    assert timing == ["time_ps", "detector", "energy_adc"]


@pytest.mark.parametrize(
    ("board", "key"),
    [
        ({"mode": "timing", "range_bits": 14}, "transport.front_end.board.mode"),
        ({"mode": "spectroscopy", "range_bits": 13}, "layout.fers.high_gain_to_adc"),
        ({"mode": "spectroscopy", "range_bits": 14}, None),
        ({"mode": "spectroscopy", "range_bits": 13, "gain": "high"}, None),
        ({"mode": "counting", "range_bits": 14}, None),
    ],
)
def test_a_board_is_set_to_what_its_events_are_made_of(board: dict[str, Any], key: str | None) -> None:
    made = profile(high_gain_to_adc=9000)
    front_end = FrontEnd(board=FersBoard.model_validate(board))
    transport = made.transport.model_copy(update={"front_end": front_end})
    said = errors(rules.findings(made.model_copy(update={"transport": transport})))

    assert [finding.key for finding in said] == ([] if key is None else [key])


def test_a_file_holds_positions_and_energies_where_amplitudes_were() -> None:
    stored = stored_columns(profile().layout)["singles"]

    assert stored == ["time_ps", "energy_kev", "x_mm", "y_mm", "head"]
    assert stored_columns(load_profile("head-xye64").layout) == decoded_columns(load_profile("head-xye64").layout)


def test_an_event_is_taken_to_have_the_bytes_that_it_has() -> None:
    """What a recording needs of the disk is judged by it."""
    assert [profile(gain=gain).layout.event_bytes for gain in ("auto", "high")] == [292, 164]
    assert profile(events="timing").layout.event_bytes == 4
    assert load_profile("singles64").layout.event_bytes == 8
