"""`daq demo console`: a simulated camera, ring or probe with patients, to be worked by hand in the browser."""

from __future__ import annotations

import argparse
import json
import secrets
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from daq.cli.demoroom import Room
    from daq.cli.demostation import Station

_PROFILE, _SCANNER = "head-xye64", "dual-head"
_PROTOCOLS = (
    "bone-whole-body", "bone-spots", "demo-planar-static", "renal-mag3", "muga", "bone-spect", "thyroid-scan",
    "lymphoscintigraphy", "breast-gamma",
)  # fmt: skip
_SIGNED = "scandaq: approved for simulated patients"
_FLOOD = "daily-flood"
_SHEET_MBQ = 3500.0
"""Of the sheet source in the register of `daq demo qc`."""
_SECONDS = f"{24 * 3600}"
_SUPPLY = '[devices.front]\nability = "detector_head"\n[devices.bias]\nability = "high_voltage"\n'
_USUAL_PORT = 8650
_COLLEAGUE = "colleague"
_ASK_S = 30.0
_WAIT_S = 0.2


def run_console(options: argparse.Namespace) -> int:
    """Serve until Ctrl-C; return 0."""
    if options.protocol in ("pet", "probe"):
        return _run_other(options)
    from daq import composition
    from daq.cli.demoroom import Room
    from daq.cli.demoservice import board
    from daq.cli.demostation import short_place, simulated, station
    from daq.cli.demoworklist import write_worklist
    from daq.cli.output import say

    out = composition.output_directory(options.out, None, "console").resolve()
    times = options.times or 1
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="scandaq-console-", dir=short_place())))
        scanner, protocols = _scanner(folder, times), _protocols(folder, times)
        scenes, boluses, of_steps = _scenes(protocols, scanner)
        room = folder / "room.json"
        room.write_text(json.dumps(scenes), encoding="utf-8")
        shown = ("--room", str(room), *scenes[_PROTOCOLS[0]])
        ready = stack.enter_context(simulated("camera", _PROFILE, shown, str(scanner), seconds=_SECONDS))
        motion = str(ready["endpoints"]["motion"])
        more = stack.enter_context(board())
        more += _site(scanner, motion, port=_USUAL_PORT if options.port is None else options.port)
        listed = write_worklist(folder, protocols)
        served = stack.enter_context(
            station(_PROFILE, str(ready["udp"]), out, str(scanner), more=more, protocols=protocols, worklist=listed)
        )
        _tell(_prepared(served), served, out, as_json=options.json)
        stack.enter_context(_followed(Room(motion, boluses, say, of_steps), served.socket))
        _await_end(served, options.seconds)
        say("ends")
    return 0


def _run_other(options: argparse.Namespace) -> int:
    """Serve a ring or a probe until Ctrl-C; return 0."""
    from daq import composition
    from daq.cli.demoscanners import PROPOSED, comers, scanner_of
    from daq.cli.demostation import short_place, station
    from daq.cli.demoworklist import procedures, write_worklist
    from daq.cli.output import say

    out = composition.output_directory(options.out, None, "console").resolve()
    port = _USUAL_PORT if options.port is None else options.port
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="scandaq-console-", dir=short_place())))
        shown = stack.enter_context(scanner_of(options.protocol, folder, options.times or 1))
        more = f"{shown.devices}[console]\nport = {port}\n{procedures(PROPOSED[options.protocol])}"
        listed = write_worklist(folder, shown.protocols, comers=comers(options.protocol))
        served = stack.enter_context(
            station(
                shown.profile, shown.url, out, shown.scanner, more=more, protocols=shown.protocols,
                calibrations=shown.calibrations, worklist=listed,
            )
        )  # fmt: skip
        _tell(_linked(served), served, out, as_json=options.json)
        _await_end(served, options.seconds)
        say("ends")
    return 0


def _await_end(served: Station, seconds: float | None) -> None:
    """Return at Ctrl-C, when the daemon has ended, or after so many seconds."""
    with suppress(KeyboardInterrupt):
        until_s = time.monotonic() + (seconds or float("inf"))
        while served.daemon.poll() is None and time.monotonic() < until_s:
            time.sleep(_WAIT_S)


def _tell(link: dict[str, Any], served: Station, out: Path, *, as_json: bool) -> None:
    """Say where the console is, at once, also into a pipe."""
    from daq.cli.output import print_json, print_line

    user, password = _colleague(served)
    if as_json:
        colleague = {"user": user, "password": password}
        told = {"url": link["base"], "link": link["url"], "socket": str(served.socket), "storage": str(out)}
        print_json({**told, "colleague": colleague})
    else:
        print_line(f"The console: {link['url']}")
        print_line(f"The link signs you in, once. What is recorded stays in {out}")
        print_line(f"Where a second person signs: user {user}, password {password}")
        print_line("Ctrl-C ends the station.")
    sys.stdout.flush()


def _colleague(served: Station) -> tuple[str, str]:
    """Enter a second person, who can sign beside whoever tries the console; return name and password."""
    from daq.gateway.accounts import USERS_FILE, add_account
    from daq.model.station import Role

    password = secrets.token_hex(6)
    add_account(served.socket.parent / USERS_FILE, _COLLEAGUE, Role.PHYSICIST, password)
    return _COLLEAGUE, password


@contextmanager
def _followed(room: Room, socket: Path) -> Iterator[None]:
    """Let the room follow the station while the context lasts."""
    following = threading.Thread(target=room.follow, args=(socket,), name="room", daemon=True)
    following.start()
    try:
        yield
    finally:
        room.end()
        following.join(_ASK_S)


def _prepared(served: Station) -> dict[str, Any]:
    """Have what a morning needs: the source in its register; return a link to the console."""
    from daq.cli.demoqc import register_sheet
    from daq.transports.localclient import LocalClient

    with LocalClient(served.socket) as client:
        register_sheet(client)
    return _linked(served)


def _linked(served: Station) -> dict[str, Any]:
    """Return a link to the console, once that is served."""
    from daq.errors import UnreachableError
    from daq.transports.localclient import LocalClient

    with LocalClient(served.socket) as client:
        until_s = time.monotonic() + _ASK_S
        while True:
            try:
                return client.ask("console-link", within_s=_ASK_S)
            except UnreachableError:
                if time.monotonic() > until_s:
                    raise
                time.sleep(_WAIT_S)


def _scenes(protocols: Path, scanner: Path) -> tuple[dict[str, list[str]], frozenset[str], dict[str, tuple[str, ...]]]:
    """Return what lies before the heads, as options; the protocols with a bolus; and which scene each step has.

    The scene of a protocol is that of its patient, under its id. Steps are told of protocols with steps of a syringe.
    """
    from acquisition_protocols.load import load_protocol
    from daq.cli.demopatients import patient_of, syringes_of
    from device_profiles.scanners import load_scanner

    profile = load_scanner(scanner)
    scenes, boluses, of_steps = {}, set(), {}
    for path in sorted(protocols.glob("*.toml")):
        protocol = load_protocol(path.stem, [protocols]).protocol
        patient = patient_of(protocol)
        if protocol.id == _FLOOD:
            patient = replace(patient, mbq=_SHEET_MBQ)
        shown = patient.options(protocol.file.time_lapse or 1, protocol, profile)
        scenes[protocol.id] = ["--seconds", _SECONDS, *shown]
        if patient.bolus:
            boluses.add(protocol.id)
        syringes = syringes_of(protocol, profile, patient)
        scenes |= {f"{protocol.id} {role}": ["--seconds", _SECONDS, *shown] for role, shown in syringes.items()}
        if syringes:
            of_steps[protocol.id] = tuple(
                f"{protocol.id} {step.role}" if step.role in syringes else protocol.id for step in protocol.steps
            )
    return scenes, frozenset(boluses), of_steps


def _protocols(folder: Path, times: int) -> Path:
    """Write the site's own protocols, signed for simulated patients."""
    from acquisition_protocols.load import load_protocol
    from acquisition_protocols.signing import sign
    from daq.cli.demoqc import write_qc_protocols
    from daq.cli.demostudy import protocol_text
    from daq.cli.demoworklist import without_what_nothing_simulated_has

    made = write_qc_protocols(folder)
    for name in _PROTOCOLS:
        (made / f"{name}.toml").write_text(
            without_what_nothing_simulated_has(protocol_text(name, times)), encoding="utf-8"
        )
    for path in sorted(made.glob("*.toml")):
        loaded = load_protocol(path.stem, [made])
        sign(loaded.path, loaded.protocol.id, loaded.sha256, by="scandaq", meaning=_SIGNED)
    return made


def _scanner(folder: Path, times: int) -> Path:
    """Write the example scanner, its axes faster where time is, with limits for floods of few counts."""
    from daq.cli.demoqc import with_demo_limits
    from daq.cli.demostudy import scanner_file
    from daq.cli.demoworklist import with_a_flood_that_does_not_block

    return with_a_flood_that_does_not_block(with_demo_limits(scanner_file(folder, _SCANNER, times, 168.0)))


def _site(scanner: Path, motion: str, port: int) -> str:
    from daq.cli.demostudy import devices
    from daq.cli.demoworklist import procedures

    return f"{devices(scanner, motion)}{_SUPPLY}{procedures()}[console]\nport = {json.dumps(port)}\n"
