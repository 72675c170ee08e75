"""`daq demo console`: a simulated gamma camera with patients and sources, to be worked by hand in the browser."""

from __future__ import annotations

import argparse
import json
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from daq.cli.demostation import Station

_PROFILE, _SCANNER = "head-xye64", "dual-head"
_PROTOCOLS = ("bone-whole-body", "bone-spots", "demo-planar-static", "renal-mag3", "muga", "bone-spect", "thyroid-scan")
_SIGNED = "scandaq: approved for simulated patients"
_SERIAL, _MBQ, _LEFT_MBQ = "SIM-SHEET-1", 3500.0, 0.02
_USUAL_PORT = 8650
_ASK_S = 30.0
_WAIT_S = 0.2


def run_console(options: argparse.Namespace) -> int:
    """Serve until Ctrl-C; return 0."""
    from daq import composition
    from daq.cli.demoroom import Room
    from daq.cli.demostation import short_place, station
    from daq.cli.output import print_json, print_line, say

    out = composition.output_directory(options.out, None, "console").resolve()
    times = options.times or 1
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="scandaq-console-", dir=short_place())))
        scanner, protocols = _scanner(folder, times), _protocols(folder, times)
        room = Room("camera", _PROFILE, str(scanner), _shown(protocols, scanner), say)
        stack.callback(room.close)
        room.enter(_PROTOCOLS[0])
        more = _site(scanner, room.motion, port=_USUAL_PORT if options.port is None else options.port)
        served = stack.enter_context(station(_PROFILE, room.url, out, str(scanner), more=more, protocols=protocols))
        link = _prepared(served)
        if options.json:
            print_json({"url": link["base"], "link": link["url"], "socket": str(served.socket), "storage": str(out)})
        else:
            print_line(f"The console: {link['url']}")
            print_line("The link signs you in, once. Ctrl-C ends the station; what was recorded stays in " + str(out))
        ended = threading.Event()
        following = threading.Thread(target=room.follow, args=(served.socket, ended), daemon=True)
        following.start()
        try:
            while served.daemon.poll() is None:
                time.sleep(_WAIT_S)
        except KeyboardInterrupt:
            say("ends")
        finally:
            ended.set()
            following.join(_ASK_S)
    return 0


def _prepared(served: Station) -> dict[str, Any]:
    """Have what a morning needs: the source in its register; return a link to the console."""
    from daq.cli.demoqc import register_sheet
    from daq.errors import UnreachableError
    from daq.transports.localclient import LocalClient

    with LocalClient(served.socket) as client:
        register_sheet(client)
        until_s = time.monotonic() + _ASK_S
        while True:
            try:
                return client.ask("console-link", within_s=_ASK_S)
            except UnreachableError:
                if time.monotonic() > until_s:
                    raise
                time.sleep(_WAIT_S)


def _shown(protocols: Path, scanner: Path) -> Any:
    """Return what the simulator shows for a protocol: its patient, the sheet source, or nobody."""
    from acquisition_protocols.load import load_protocol
    from daq.cli.demopatients import patient_of
    from device_profiles.scanners import load_scanner

    empty = ("--collimator", "LEHR", "--activity", f"sheet:Co-57,mbq={_LEFT_MBQ:g},width=700,height=560")
    sheet = ("--collimator", "LEHR", "--activity", f"sheet:Co-57,mbq={_MBQ:g},width=700,height=560")
    profile = load_scanner(scanner)

    def shown(name: str) -> Sequence[str]:
        if not name or name == "camera-background":
            return empty
        if name.endswith("-flood"):
            return sheet
        protocol = load_protocol(name, [protocols]).protocol
        return patient_of(protocol).options(protocol.file.time_lapse or 1, protocol, profile)

    return shown


def _protocols(folder: Path, times: int) -> Path:
    """Write the site's own protocols, signed for simulated patients."""
    from acquisition_protocols.load import load_protocol
    from acquisition_protocols.signing import sign
    from daq.cli.demoqc import write_qc_protocols
    from daq.cli.demostudy import protocol_text

    made = write_qc_protocols(folder)
    for name in _PROTOCOLS:
        (made / f"{name}.toml").write_text(protocol_text(name, times), encoding="utf-8")
    for path in sorted(made.glob("*.toml")):
        loaded = load_protocol(path.stem, [made])
        sign(loaded.path, loaded.protocol.id, loaded.sha256, by="scandaq", meaning=_SIGNED)
    return made


def _scanner(folder: Path, times: int) -> Path:
    """Write the example scanner, its axes faster where time is, with limits for floods of few counts."""
    from daq.cli.demoqc import with_demo_limits
    from daq.cli.demostudy import scanner_file

    return with_demo_limits(scanner_file(folder, _SCANNER, times, 168.0))


def _site(scanner: Path, motion: str, port: int) -> str:
    from daq.cli.demostudy import devices

    return f"{devices(scanner, motion)}[console]\nport = {json.dumps(port)}\n"
