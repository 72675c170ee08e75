"""The operator's pages of control profiles are what the profiles say, all of it, and are kept current."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support_cli import call
from support_pages import ROOT

from daq.model.control import ControlProfile, Limits
from device_profiles.control import load_control, shipped_controls
from device_profiles.controlpage import INDEX, index, page

FOLDER = ROOT / "docs" / "reference" / "instruments"
HOW = "daq profile doc --all --out docs/reference/instruments"
MADE = FOLDER.exists()


@pytest.mark.skipif(not MADE, reason="no documentation beside these tests: not a checkout")
@pytest.mark.parametrize("name", sorted(shipped_controls()))
def test_the_page_of_a_profile_is_current(name: str) -> None:
    assert (FOLDER / f"{name}.md").exists(), HOW
    assert (FOLDER / f"{name}.md").read_text(encoding="utf-8") == page(load_control(name)), HOW


@pytest.mark.skipif(not MADE, reason="no documentation beside these tests: not a checkout")
def test_there_is_a_page_for_each_profile_and_no_other() -> None:
    assert {path.name for path in FOLDER.glob("*.md")} == {INDEX, *(f"{name}.md" for name in shipped_controls())}, HOW
    profiles = [load_control(name) for name in shipped_controls()]
    assert (FOLDER / INDEX).read_text(encoding="utf-8") == index(profiles), HOW


@pytest.mark.parametrize("name", sorted(shipped_controls()))
def test_a_page_names_everything_an_operator_can_read_set_do_or_be_refused(name: str) -> None:
    profile = load_control(name)
    text = page(profile)

    assert {f"`{each}`" for each in (*profile.values, *profile.actions, *profile.registers)} <= set(
        re.findall(r"`[^`\n]+`", text)
    )
    assert all(trouble.text in text for trouble in profile.troubles)
    assert all(value.limits.guidance in text for value in profile.values.values())
    assert profile.source.split("\n")[0] in text


@pytest.mark.parametrize("name", sorted(shipped_controls()))
def test_every_row_of_a_page_has_the_cells_of_its_table(name: str) -> None:
    tables = re.findall(r"(?:^\|.*\n)+", page(load_control(name)), flags=re.MULTILINE)

    assert tables
    for table in tables:
        assert len({len(re.split(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1, table


def with_limits(profile: ControlProfile) -> ControlProfile:
    limits = Limits(warn=(0.0, 50.0), alarm=(0.0, 80.0), hysteresis=5.0, priority="high", guidance="look for a | leak")
    current = profile.values["current"].model_copy(update={"limits": limits})
    return profile.model_copy(update={"values": {**profile.values, "current": current}})


def test_limits_that_warn_and_ring_are_a_table_of_their_own_with_what_to_do() -> None:
    plain, text = page(load_control("caen-n1470")), page(with_limits(load_control("caen-n1470")))

    assert "## Alarms" not in plain
    assert "| `current` | uA | 0 to 50 | 0 to 80 | 5 | high | look for a \\| leak |" in text


def test_the_command_prints_writes_and_says_where(tmp_path: Path) -> None:
    printed = call("profile", "doc", "caen-n1470")
    written = call("profile", "doc", "--all", "--out", tmp_path, "--json")

    assert printed.out == page(load_control("caen-n1470")) + "\n"
    assert set(written.json["pages"]) == {path.name for path in tmp_path.glob("*.md")} >= {INDEX, "caen-n1470.md"}
    assert (tmp_path / "caen-n1470.md").read_text(encoding="utf-8") == page(load_control("caen-n1470"))
    assert call("profile", "doc").code == call("profile", "doc", "--all", "zaber-ascii").code == 2
    assert call("profile", "doc", "caen-n1471").code == 4
