"""What can befall a gantry in the midst of a SPECT acquisition, and what its operator sees then, as text.

`python tests/support_gantry_faults.py` makes the page docs/how-to/when-a-gantry-fails.md anew.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from support_gantry import GantryStation, armed, between_stops, homed, spect_camera
from support_simulators import ROOT

PAGE = ROOT / "docs" / "how-to" / "when-a-gantry-fails.md"
_ENDED = ("interrupted", "completed", "fault", "aborted")
_HEAD = """# When a gantry fails

What befalls the gantry of a SPECT camera in the midst of an acquisition, and what its operator sees. Each was done to a
whole station: the daemon, a simulated Zaber controller on TCP, a safety controller, a head that sends. The acquisition
is one of three stops; the fault comes while the gantry turns from the first to the second, where nothing else is said.
Texts are what `daq acquire status` prints; a test does it all again and compares them.

In every case the axis is stopped, or said not to be; stops that were whole are kept; the enable is gone and positions
are not trusted. **Nothing goes on by itself.** First look after the patient. Then take away the cause, press the
enable, `daq device home`, `daq acquire confirm --identity --position`, and acquire the study anew: a SPECT is not
continued.
"""


@dataclass(frozen=True)
class Fault:
    """`early`: it is there before the gantry begins to turn. `helps`: what the operator does, beyond what all need.

    `power_goes`: the safety controller takes the power of the motors, for the heartbeat is withheld from it.
    """

    title: str
    what: str
    helps: str
    do: Callable[[GantryStation], None]
    mend: Callable[[GantryStation], None]
    early: bool = False
    power_goes: bool = False
    contacts: tuple[str, ...] = ()
    """Contacts of the room that are open then."""
    varies: bool = False
    """Which of several true reasons motion was lost for differs by milliseconds."""


def _motors(deed: str, **said: float | str) -> Callable[[GantryStation], None]:
    return lambda camera: camera.do("motors", do=deed, **said)


def _in_turn(*deeds: Callable[[GantryStation], None]) -> Callable[[GantryStation], None]:
    def do(camera: GantryStation) -> None:
        for deed in deeds:
            deed(camera)

    return do


def _safety(deed: str) -> Callable[[GantryStation], None]:
    return lambda camera: camera.do("safety", do=deed)


def _heard(camera: GantryStation) -> None:
    camera.mend("motors")


def _stop(camera: GantryStation) -> None:
    camera.until(lambda: bool(camera.ask("stop-motion")["stopped"]["stands"]), "all axes to stand")


FAULTS = (
    Fault(
        "Something is in its way",
        "The motor stalls. The controller notices, stops it, and says so until it is homed.",
        "See what it met. Where a pad or a patient was touched, retreat by hand control first.",
        _motors("stall", axis=1), _motors("free", axis=1),
    ),
    Fault(
        "A limit switch is met early",
        "The limit switch of the gantry was moved, and it runs into it on its way.",
        "Service: the switch is not where it belongs.",
        _motors("limit", axis=1, at=5000.0), _motors("limit", axis=1, at=1_000_000.0),
    ),
    Fault(
        "The controller says OK and does nothing",
        "It acknowledges the command to move, and its motor stands.",
        "Service: a brake, a clutch, a motor without current. An acknowledgement is no movement.",
        _motors("ignore", axis=1), _motors("obey", axis=1), early=True,
    ),
    Fault(
        "Somebody turns it by hand",
        "A person has the knob of the controller in the hand; it obeys nobody else then.",
        "Let go of the knob.",
        _motors("by-hand", axis=1), _motors("from-hand", axis=1), early=True,
    ),
    Fault(
        "The controller is silent",
        "It hears nothing any more, and its motor runs on: this controller has no watchdog of its own. The program\n"
        "withholds its heartbeat from the safety controller, which takes the power of the motors.",
        "**Press the emergency stop** all the same: nobody knows whether the gantry stands. When the controller\n"
        "answers again, `daq stop-motion`: that it stands is read then. Press reset in the room.",
        _motors("silent"), _in_turn(_heard, _stop, _safety("reset")), power_goes=True,
        contacts=("drive_power", "watchdog"),
    ),
    Fault(
        "Its cable is pulled",
        "The connection breaks, and nothing answers before the cable is in again. The power of the motors\n"
        "goes, as above.",
        "**Press the emergency stop**, as above. What moved meanwhile nobody has seen.",
        _in_turn(_motors("silent"), _motors("cut")), _in_turn(_heard, _stop, _safety("reset")), power_goes=True,
        contacts=("drive_power", "watchdog"),
    ),
    Fault(
        "It was switched off and on",
        "The controller starts anew: it stands, counts from nought, and has no reference.",
        "Service: its supply. Homing finds the reference again.",
        _motors("reboot"), lambda _: None, varies=True,
    ),
    Fault(
        "Another controller is in its place",
        "Somebody has exchanged it for one with another serial number, without a word. What that one says is\n"
        "not believed.",
        "Put the right one back. Where the new one is meant, its number belongs into the site file, and the daemon is\n"
        "restarted.",
        _in_turn(_motors("swap", serial="99999"), _motors("cut")),
        _in_turn(_motors("swap", serial="45678"), _motors("cut"), _stop, _safety("reset")), power_goes=True,
        contacts=("drive_power", "watchdog"),
    ),
    Fault(
        "The emergency stop is pressed",
        "The safety controller takes the power of the motors at once; the program sees it a moment later.",
        "Look after the patient, then pull the button out and press reset in the room.",
        _safety("press-stop"), _in_turn(_safety("pull-stop"), _safety("reset")),
        contacts=("drive_power", "emergency_stop"),
    ),
    Fault(
        "A collision pad is touched",
        "As with the emergency stop: first the power goes, then the program knows.",
        "Free the patient by hand control. Press reset in the room once the pad is free.",
        _safety("hit-pad"), _in_turn(_safety("leave-pad"), _safety("reset")),
        contacts=("drive_power", "collision_pad"),
    ),
)  # fmt: skip


def seen(camera: GantryStation, fault: Fault) -> str:
    """Let it happen; return what the operator sees. Afterwards all is well again."""
    _begin_anew(camera)
    armed(camera)
    if fault.early:
        fault.do(camera)
    camera.ask("start")
    if not fault.early:
        between_stops(camera)
        fault.do(camera)
    camera.becomes(*_ENDED, within_s=60.0)
    if fault.power_goes:
        camera.until(lambda: not any(camera.told("motors")["powered"]), "the power of the motors to go")
    awaited = {f"room/{name}-open" for name in fault.contacts}
    camera.until(lambda: awaited <= set(camera.alarms()), "the alarms of contacts", lambda: str(list(camera.alarms())))
    text = camera.daq("acquire", "status", "--site", str(camera.site)).stdout
    fault.mend(camera)
    camera.ask("acknowledge")
    homed(camera)
    for alarm in camera.ask("alarms")["alarms"]:
        camera.ask("acknowledge-alarm", device=alarm["device"], name=alarm["name"])
    return plain(text)


def _begin_anew(camera: GantryStation) -> None:
    """Leave behind what an earlier fault may have left where something of it went wrong."""
    if camera.status()["state"] in ("armed", "preparing", "acquiring", "positioning"):
        camera.ask("abort")
        camera.becomes("aborted")
    if camera.status()["state"] in _ENDED:
        camera.ask("acknowledge")
    if camera.status()["motion"]["reference"] != "confirmed":
        homed(camera)


def plain(text: str) -> str:
    """Return a text without what differs each time: the run, times, folders."""
    text = re.sub(r"\d{8}T\d{6}Z-[0-9a-f]{6}", "RUN", text)
    text = re.sub(r" \(came \d+ times in \d+ s\)", "", text)
    text = re.sub(r"since \d{4}-\d\d-\d\dT[0-9:.]+Z; ", "", text)
    return re.sub(r"\nrecorded in \S+", "", text).strip()


def alike(text: str) -> str:
    """Return a text in which every number is like every other, and every request."""
    return re.sub(r"-?\d+(\.\d+)?", "N", re.sub(r"b'[^']*'", "REQUEST", text))


_TOLD = 140
"""So much of a line is compared: what is longer is cut where it is shown."""


def told(text: str) -> set[str]:
    """Return the beginnings of the lines of a text."""
    return {line[:_TOLD] for line in alike(text).splitlines()}


def section(fault: Fault, text: str) -> str:
    """Return the section of the page."""
    return f"\n## {fault.title}\n\n{fault.what}\n\n```text\n{text}\n```\n\n{fault.helps}\n"


def main() -> int:
    """Do it all, and write the page."""
    with tempfile.TemporaryDirectory() as folder, spect_camera(Path(folder)) as camera:
        made = []
        for fault in FAULTS:
            made.append(section(fault, seen(camera, fault)))
            print(made[-1], file=sys.stderr, flush=True)
    PAGE.write_text(_HEAD + "".join(made))
    return 0


if __name__ == "__main__":
    sys.exit(main())
