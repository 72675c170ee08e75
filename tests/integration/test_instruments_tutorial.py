"""The tutorial of a new instrument is followed to the letter: simulator, recordings, daemon and all."""

from __future__ import annotations

from pathlib import Path

from support_pages import ROOT, Reader, blocks, missing_lines

from device_profiles.control import load_control


def test_the_tutorial_of_a_new_instrument_prints_what_its_page_shows(tmp_path: Path) -> None:
    reader = Reader(tmp_path, ROOT / "docs" / "tutorials" / "a-new-instrument-from-its-manual.md")

    reader.follow(stop=True)

    found = {step.command: missing_lines(step, printed) for step, printed, _ in reader.transcript}
    assert {command: lines for command, lines in found.items() if lines} == {}
    assert reader.ended == [0, 0]
    refused = [step.command for step, _, code in reader.transcript if code]
    assert refused == [
        "daq profile lint ./millivolts.toml --against first.jsonl", "daq profile lint ./hurry.toml",
        "daq device set preamps over_voltage 40 --channel 1 --site site.toml",
        "daq device set preamps voltage_set 12 --channel 1 --site site.toml",
    ]  # fmt: skip


def test_the_profile_of_the_tutorial_is_part_of_the_one_that_is_shipped(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "tutorials" / "a-new-instrument-from-its-manual.md").read_text(encoding="utf-8")
    mine = tmp_path / "dp832.toml"
    mine.write_text("".join(f"{block.text}\n" for block in blocks(page) if block.about == mine.name))
    told, shipped = load_control(mine), load_control("rigol-dp832")

    for name, value in told.values.items():
        other = shipped.values[name]
        assert (value.get, value.set, value.limits.hard) == (other.get, other.set, other.limits.hard)
    assert (told.actions, told.safe_state) == (shipped.actions, shipped.safe_state)
