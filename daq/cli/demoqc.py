"""`daq demo qc`: a morning of quality control on a simulated camera: background, daily flood, signature, report."""

from __future__ import annotations

import argparse
import re
import tempfile
import time
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from daq.transports.localclient import LocalClient

_PROFILE, _SCANNER, _COLLIMATOR = "head-xye64", "dual-head", "LEHR"
_ASK_S, _RUN_S, _RESULT_S = 60.0, 180.0, 120.0
_LOOK_S = 0.2
_MBQ, _LEFT_MBQ = 3500.0, 0.02
_SERIAL = "SIM-SHEET-1"
_BACKGROUND, _FLOOD = "camera-background", "daily-flood"
_COUNTS = "2500 kcounts"
_WHY = "scandaq: a demonstration of seconds, no clinical number"
_DEVICES = '[devices.collimator]\nability = "collimator"\n'
_REPORT = "report.html"


def run_qc(options: argparse.Namespace) -> int:
    """Do it, and print what was found; 0 where the flood is in limits."""
    from daq import composition
    from daq.cli.output import print_json, print_line, print_table, say
    from daq.cli.qctext import due_lines, result_lines
    from daq.model.qc.documents import QcResult
    from daq.model.qc.figures import Level

    out = composition.output_directory(options.out, None, "qc").resolve()
    say("a morning of quality control on two simulated heads: background, Co-57 sheet, signature")
    told, report = _morning(out, say)
    body = told["newest"]["body"]
    result = QcResult.from_body(body)
    good = result.level is Level.IN_LIMITS
    if options.json:
        print_json({"directory": str(out), "report": str(report), "result": told["newest"], "tests": told["tests"],
                    "good": good})  # fmt: skip
        return 0 if good else 6
    for line in result_lines(result, told["newest"]["id"]):
        print_line(line)
    print_line()
    print_table("", ["test", "stands", "last result", "next"], due_lines(told["tests"]))
    print_line(f"Report: {report}")
    print_line("Limits and counts are those of a demonstration. At a station the same is three commands:")
    for words in ("due", f"run {_FLOOD} --source SERIAL --bed-empty --start", f"sign {_FLOOD} --meaning performed"):
        print_line(f"  daq qc {words}")
    return 0 if good else 6


def _morning(out: Path, say: Any) -> tuple[dict[str, Any], Path]:
    """Run a station through the morning; return where tests stand with the flood's result, and the report."""
    from daq.cli.demostation import simulated, station
    from daq.cli.technologist import Technologist
    from daq.transports.localclient import LocalClient

    with _folder() as folder, ExitStack() as at_station:
        scanner, protocols = _scanner_file(folder), write_qc_protocols(folder)
        with simulated("camera", _PROFILE, _sheet(_LEFT_MBQ), str(scanner)) as empty_room:
            url = str(empty_room["udp"])
            served = at_station.enter_context(
                station(_PROFILE, url, out, str(scanner), more=_DEVICES, protocols=protocols)
            )
            with LocalClient(served.socket) as client:
                Technologist(client, say, reason=_WHY).mount(_COLLIMATOR)
                _acquire(client, _BACKGROUND, None, say)
        options = (*_sheet(_MBQ), "--port", f"udp={urlsplit(url).port}")
        with simulated("camera", _PROFILE, options, str(scanner)), LocalClient(served.socket) as client:
            say(f"the sheet source {_SERIAL} is entered into the register and laid between the heads")
            register_sheet(client)
            told = _signed(client, _acquire(client, _FLOOD, _SERIAL, say), say)
        return told, _report(served.socket.parent.parent / "site.toml", told, out / _REPORT)


def _sheet(mbq: float) -> tuple[str, ...]:
    return ("--collimator", _COLLIMATOR, "--activity", f"sheet:Co-57,mbq={mbq:g},width=700,height=560")


def _acquire(client: LocalClient, test: str, source: str | None, say: Any) -> dict[str, Any]:
    """Run a test as a person would; return where it stands, with its result."""
    from daq.errors import DeadlineError

    asked: dict[str, Any] = {"test": test, "bed_empty": True, **({} if source is None else {"source": source})}
    run = client.ask("qc-run", asked, within_s=_ASK_S)["run"]
    say(f"{test} is prepared; the bed is stated to be empty")
    until_s = time.monotonic() + _RUN_S
    while (status := client.ask("status", within_s=_ASK_S))["state"] not in ("completed", "interrupted", "fault"):
        if status["state"] == "armed":
            client.ask("start", within_s=_ASK_S)
            say(f"{test} counts")
        if time.monotonic() > until_s:
            raise DeadlineError(f"{test} is still {status['state']} after {_RUN_S:g} s")
        time.sleep(_LOOK_S)
    client.ask("acknowledge", within_s=_ASK_S)
    until_s = time.monotonic() + _RESULT_S
    while True:
        told = client.ask("qc-due", {"test": test}, within_s=_ASK_S)
        newest = told["newest"]
        if newest is not None and newest["body"]["acquisitions"][0]["id"] == run:
            say(f"{test}: {newest['body']['level']}")
            return told
        if time.monotonic() > until_s:
            raise DeadlineError(f"{test} has no result after {_RESULT_S:g} s")
        time.sleep(_LOOK_S)


def register_sheet(client: LocalClient) -> None:
    """Enter the sheet source of the demonstration into the register."""
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    fields = {
        "nuclide": "Co-57", "form": "sheet", "activity": f"{_MBQ:g} MBq", "reference": now,
        "certificate": "simulated", "place": "simulated",
    }  # fmt: skip
    client.ask("qc-source", {"serial": _SERIAL, "fields": fields}, within_s=_ASK_S)


def _signed(client: LocalClient, told: dict[str, Any], say: Any) -> dict[str, Any]:
    """Sign the newest result; return where all tests stand, and it."""
    newest = told["newest"]
    signed = {"result": newest["id"], "sha256": newest["sha256"], "meaning": "performed"}
    client.ask("qc-sign", signed, within_s=_ASK_S)
    say(f"{newest['id']} is signed as performed")
    return {"newest": newest, "tests": client.ask("qc-due", within_s=_ASK_S)["tests"]}


def _report(site: Path, told: dict[str, Any], file: Path) -> Path:
    """Write the report of the flood, as `daq qc report` does."""
    from daq.cli.qc_place import one, read
    from daq.composition.qc.reportbooks import result_report, scanner_of
    from daq.composition.qc.reporthtml import html_of

    _, scanner = scanner_of(str(site))
    now = datetime.now(UTC).isoformat()

    async def made(books: Any) -> Any:
        return await result_report(books, scanner, await one(books, told["newest"]["id"]), now)

    file.write_text(html_of(read(site, made)), encoding="utf-8")
    return file


@contextmanager
def _folder() -> Iterator[Path]:
    from daq.cli.demostation import short_place

    with tempfile.TemporaryDirectory(prefix="scandaq-qc-", dir=short_place()) as name:
        yield Path(name)


def _scanner_file(folder: Path) -> Path:
    """Write the example scanner with two tests whose limits suit the few counts of a demonstration."""
    from device_profiles.scanners import scanner_path

    path = folder / f"{_SCANNER}.toml"
    path.write_text(scanner_path(_SCANNER).read_text(encoding="utf-8"), encoding="utf-8")
    return with_demo_limits(path)


def with_demo_limits(path: Path) -> Path:
    """Leave a scanner file the tests of a morning, with limits for few counts; return its path."""
    from device_profiles.tomltext import toml_text

    tables = tomllib.loads(path.read_text(encoding="utf-8"))
    shipped = tables["qc"]
    tables["qc"] = {name: shipped[name] for name in (_BACKGROUND, _FLOOD)}
    for name, (action, suspension) in {"ufov_integral": (20.0, 30.0), "cfov_integral": (20.0, 30.0)}.items():
        tables["qc"][_FLOOD]["limits"][name] |= {
            "action": {"above": action}, "suspension": {"above": suspension}, "counts_needed": 200, "source": _WHY,
        }  # fmt: skip
    path.write_text(toml_text(tables), encoding="utf-8")
    return path


def write_qc_protocols(folder: Path) -> Path:
    """Write the shipped protocols, short, and without the calibrations that nothing simulated has."""
    from acquisition_protocols.load import protocol_path, read

    made = folder / "protocols"
    made.mkdir()
    for name in (_BACKGROUND, _FLOOD):
        text = read(protocol_path(name)).decode()
        text = re.sub(r"(?m)^calibrations = .*$", "", text)
        text = re.sub(r'limit = "[0-9]+ Mcounts"', f'limit = "{_COUNTS}"', text).replace('"30 kcps"', '"1000 kcps"')
        text = re.sub(r'(?ms)^"steps.flood.stop.counts" = """.*?"""', f'"steps.flood.stop.counts" = "{_WHY}"', text)
        text = text.replace('stop.time = "5 min"', 'stop.time = "3 s"')
        (made / f"{name}.toml").write_text(text, encoding="utf-8")
    return made
