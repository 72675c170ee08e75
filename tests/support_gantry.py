"""A SPECT camera whose gantry, bed and radii are on motor controllers: homed, acquiring, and what its operator sees."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
from support_protocol_texts import protocol
from support_whole_scanner import WholeStation, free_ports, whole_station

from daq.errors import ScandaqError
from daq.storage.reader import open_listmode
from device_profiles.load import FOLDER

FIRST_DEG, STEP_DEG, STEPS = -9.0, 3.0, 3
SPECT = protocol(
    "turns",
    f"""[[steps]]
name = "stop"
region = "head"
stop.time = "0.5 s"
stop.host = "60 s"
repeat = {{ count = {STEPS}, axis = "gantry", from = "{FIRST_DEG:g} deg", step = "{STEP_DEG:g} deg" }}
""",
    kind="spect",
)


SITE = """
schema = "site/0"
station = "camera-1"
storage = "{storage}"
state = "{state}"
protocols = "protocols"
scanner = "dual-head"
simulated = true
finish = false
mqtt = {{ broker = "none" }}
instruments = {{ head = {{ profile = "head-xye64", url = "tcp://127.0.0.1:{head}" }} }}

[controllers]
motors = {{ profile = "zaber-ascii", url = "tcp://127.0.0.1:{motors}", serial = "45678" }}
safety = {{ profile = "./safety.toml", url = "tcp://127.0.0.1:{safety}" }}

[devices]
room = {{ ability = "interlocks", kind = "profile", controller = {{ name = "safety" }} }}
button = {{ ability = "motion_enable", kind = "profile", controller = {{ name = "safety" }} }}

[devices.gantry]
ability = "axis"
kind = "profile"
controller = {{ name = "motors", channel = "1", per_unit = 2500.0, zero = -10.0 }}

[devices.front_radius]
ability = "axis"
kind = "profile"
controller = {{ name = "motors", channel = "2", per_unit = 2500.0, zero = 50.0 }}
"""


class GantryStation(WholeStation):
    """A camera whose gantry and one radius are on a motor controller, with a safety controller and no supplies."""

    def write_site(self, **_: str) -> None:
        """Write the site file, with free ports."""
        head, motors, safety = free_ports(3)
        self.site.write_text(SITE.format(
            storage=self.storage, state=self.state_folder, head=head, motors=motors, safety=safety
        ))  # fmt: skip
        (self.folder / "safety.toml").write_text(slow_watchdog())
        self.add(SPECT)

    def mend(self, name: str) -> None:
        """Take all faults of a machine's wire away, and let it hear again."""
        assert "error" not in self._side(name, {"clear": True})

    def deeds(self, name: str) -> list[str]:
        """Return what can be done to a machine."""
        found: list[str] = self._side(name, {"list": True})["do"]
        return found


def slow_watchdog() -> str:
    """Return the profile of the safety controller with a watchdog of five seconds, for hosts that are busy."""
    text = (FOLDER / "interlocks" / "modbus-plc.toml").read_text()
    for before, after in (
        ("watchdog_s = 1.0", "watchdog_s = 5.0"),
        ("u16 100", "u16 500"),
        ("reads = 1.0", "reads = 5.0"),
    ):
        assert before in text
        text = text.replace(before, after)
    return text


@contextmanager
def spect_camera(folder: Path) -> Iterator[GantryStation]:
    """Yield the camera with all its simulators and its daemon, homed."""
    with whole_station("camera", folder, GantryStation) as camera:
        homed(camera)
        yield camera


def homed(camera: GantryStation) -> None:
    """Do what a person does after motion was lost: press, home, confirm; on a busy host again where it was let go."""
    camera.until(lambda: "room." not in camera.against("gantry"), "the contacts of the room to be good")
    for left in (2, 1, 0):
        held(camera)
        try:
            camera.ask("home", within_s=60.0)
            break
        except ScandaqError:
            if not left:
                raise
    camera.ask("confirm", identity=True, position=True)


def held(camera: GantryStation) -> None:
    """Press the enable in the room; where it was pressed since a stop, let go of it before."""
    camera.press_anew()


def armed(camera: GantryStation) -> str:
    """Prepare with a hand on the enable, latch it; return the run."""
    held(camera)
    run = camera.armed("turns")
    camera.do("safety", do="let-go")
    camera.until(lambda: camera.status()["motion"]["enable"] == "off", "the enable to be let go")
    camera.do("safety", do="press-latch")
    camera.until(lambda: camera.status()["motion"]["enable"] == "latched", "the enable to be latched")
    return run


def between_stops(camera: GantryStation) -> None:
    """Wait until the gantry turns from the first stop to the second."""
    camera.until(lambda: bool(camera.told("motors")["moving"][0]), "the gantry to turn")


def positions(directory: Path, axis: str) -> tuple[Any, Any, Any]:
    """Return time in ps, place and whether it moved, of all position marks of an axis."""
    with open_listmode(directory) as recording:
        found = [
            batch.filter(pc.and_(pc.equal(batch["kind"], "position"), pc.equal(batch["text"], axis)))
            for batch in recording.batches("marks", ["time_ps", "kind", "value", "value2", "text"])
        ]
    columns = [[batch[name].to_numpy() for batch in found] for name in ("time_ps", "value2", "value")]
    times_ps, places, moving = (np.concatenate(column) for column in columns)
    return times_ps, places, moving
