"""The pages about devices and motion say what the code does: tables, actions, quantities, and the example runs."""

from __future__ import annotations

import asyncio
import re
import runpy
from itertools import chain
from pathlib import Path

import pytest
from support_motion import BED, AlarmList
from support_pages import blocks

from daq.devices.abilities import Axis, Bed, Collimator, DetectorHead, Device, GateTrigger, HighVoltage
from daq.devices.build import build_devices
from daq.devices.simulated.axes import SimulatedBed
from daq.errors import UsageError
from daq.services.bus import Bus
from daq.services.motion import InterlockWatch, MotionEngine
from daq.services.motion.button import ACTIONS, RoomButton
from daq.state.enable import ALLOWS, BUTTON, REFERENCE, Button, Enable, Event, Motion, Reference
from daq.state.interlock import GUARDED_BY, NEEDED, Command
from device_profiles.scanners import load_scanner
from device_profiles.services import Device as Plugged

DOCS = Path(__file__).parents[2] / "docs"
MOTION = (DOCS / "explanations/motion-and-safety.md").read_text(encoding="utf-8")
DEVICES = (DOCS / "reference/devices.md").read_text(encoding="utf-8")
ABILITIES = {
    "axis": ("axis, bed", Axis),
    "bed": ("axis, bed", Bed),
    "detector_head": ("detector head", DetectorHead),
    "high_voltage": ("high voltage", HighVoltage),
    "gate_trigger": ("gate trigger", GateTrigger),
    "collimator": ("collimator", Collimator),
}


def row(*cells: str) -> str:
    return "|" + "".join(f" {cell} |" if cell else " |" for cell in cells)


def rows_of(page: str, heading: str) -> list[str]:
    """Return the rows of the table that begins with these headings, without its head."""
    after = page.partition(heading + "\n")[2]
    table = after.split("\n\n")[0].splitlines()
    return [line for line in table[1:] if line.startswith("|")]


def test_the_tables_of_the_enable_are_those_of_the_code() -> None:
    buttons = [row(event, *(str(BUTTON[event].get(each, "-")) for each in Button)) for event in Event]
    references = [row(event, *(str(REFERENCE[event].get(each, "-")) for each in Reference)) for event in Event]

    assert rows_of(MOTION, row("event", *Button)) == buttons
    assert rows_of(MOTION, row("event", *Reference)) == references


def test_the_table_of_movements_is_that_of_the_code() -> None:
    rows = [
        row(
            motion,
            ", ".join(button for button in Button if button in ALLOWS[motion][0]),
            ", ".join(reference for reference in Reference if reference in ALLOWS[motion][1]),
        )
        for motion in Motion
    ]

    assert rows_of(MOTION, row("movement", "button", "reference")) == rows


def test_the_table_of_interlocks_is_that_of_the_code() -> None:
    rows = [
        row(
            command,
            ", ".join(f"**{kind}**" if kind in NEEDED[command] else kind for kind in sorted(GUARDED_BY[command])),
        )
        for command in Command
    ]

    assert rows_of(MOTION, row("command", "guarded by")) == rows


def device(ability: str) -> Device:
    made = build_devices({"bed": Plugged.model_validate({"ability": ability})}, load_scanner("dual-head"))
    found = made["bed"]
    assert isinstance(found, Device)
    return found


@pytest.mark.parametrize("ability", ABILITIES)
def test_the_page_names_every_quantity_and_no_other(ability: str) -> None:
    title = ABILITIES[ability][0]
    rows = [line.split("|") for line in rows_of(DEVICES, row("device", "quantity", "unit"))]
    stated = [(cells[2].strip(" `"), cells[3].strip()) for cells in rows if cells[1].strip() == title]

    has = [(quantity.name, quantity.unit) for quantity in device(ability).quantities]
    assert [(name, "mm" if unit == "mm or deg" else unit) for name, unit in stated] == has


@pytest.mark.parametrize("ability", ABILITIES)
def test_the_page_names_every_action_and_no_other(ability: str) -> None:
    titles = ("all", ABILITIES[ability][0])
    rows = [line.split("|") for line in rows_of(DEVICES, row("device", "action", "value"))]
    stated = {cells[2].strip(" `") for cells in rows if cells[1].strip() in titles}
    with pytest.raises(UsageError) as refusal:
        device(ability).simulate("no such action")  # type: ignore[attr-defined]

    known = re.findall(r"[a-z-]+", str(refusal.value).partition("knows ")[2].partition(";")[0])
    assert set(known) == stated


def test_the_page_names_what_can_be_done_to_the_enable() -> None:
    rows = [line.split("|") for line in rows_of(DEVICES, row("device", "action", "value"))]

    assert tuple(cells[2].strip(" `") for cells in rows if cells[1].strip() == "`enable`") == ACTIONS

    async def press() -> None:
        axes = {"bed": SimulatedBed("bed", BED)}
        bus = Bus()
        button = RoomButton(MotionEngine(axes, InterlockWatch(axes, bus), Enable(), bus, AlarmList()))
        for action in ("latch", "release", "hold", "release"):
            button.simulate(action)

    asyncio.run(press())


@pytest.mark.parametrize("ability", ABILITIES)
def test_the_page_names_everything_an_ability_adds(ability: str) -> None:
    (line,) = [line for line in DEVICES.splitlines() if line.startswith(f"| `{ability}` | `")]
    protocol = ABILITIES[ability][1]
    inherited = set(dir(Axis if protocol is Bed else Device))

    added = {name for name in dir(protocol) if not name.startswith("_")} - inherited
    added -= {"interlock_kinds"}  # named below the table
    assert {name for name in added if f"`{name}`" not in line} == set()


def test_the_example_driver_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = [block.text for block in blocks(DEVICES) if block.language == "python"]
    path = tmp_path / "example.py"
    path.write_text(code)
    runpy.run_path(str(path))

    assert capsys.readouterr().out == "10.0\n"


@pytest.mark.parametrize(
    ("number", "names"), [(0, ["bed", "turn", "front", "hv"]), (1, ["bias", "front"])], ids=["first", "FERS"]
)
def test_the_example_sites_build(number: int, names: list[str]) -> None:
    import tomllib

    text = [block.text for block in blocks(DEVICES) if block.language == "toml"][number]
    plugged = {name: Plugged.model_validate(table) for name, table in tomllib.loads(text)["devices"].items()}

    made = build_devices(plugged, load_scanner("dual-head"))
    assert list(made) == names
    assert list(chain.from_iterable(each.quantities for each in made.values()))
