"""`daq profile record`, `daq profile schema`, `daq profile lint --against`: profiles and real instruments."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from daq.errors import MissingError, RefusedError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from device_profiles.lint import Checked


def add_parsers(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verbs `record` and `schema`."""
    record = verbs.add_parser(
        "record", help="record a conversation with an instrument, all that its profile can read, as a test of profiles"
    )
    record.add_argument("profile", metavar="NAME|FILE", help="id of a shipped control profile, or a TOML file")
    record.add_argument(
        "--url", required=True, help="where it is: serial:///PATH, tcp://HOST:PORT, visa://RESOURCE, ..."
    )
    record.add_argument("--variable", action="append", default=[], metavar="NAME=VALUE", help="as in a site file")
    record.add_argument("--rounds", type=int, default=1, metavar="N", help="how often each value is read (default 1)")
    record.add_argument("--out", required=True, type=Path, metavar="FILE", help="a new file, a JSON object a line")
    record.add_argument("--json", action="store_true", help="print one JSON object")
    record.set_defaults(run=run_record)

    schema = verbs.add_parser("schema", help="print the JSON Schema of control profiles, for editors")
    schema.set_defaults(run=run_schema)


def run_record(args: argparse.Namespace) -> int:
    """Record, and print what was read."""
    import asyncio
    from urllib.parse import urlsplit

    from daq.cli.output import print_json, print_table
    from daq.devices.instruments.recording import record
    from daq.model.controlrecord import Understood
    from daq.storage.controlrecords import write_control_record
    from device_profiles.control import load_control
    from device_profiles.controllers import why_no_controller

    why = why_no_controller(args.url)
    if why is not None:
        raise UsageError(f"--url {args.url}: {why}")
    if not 1 <= args.rounds <= 1000:  # noqa: PLR2004
        raise UsageError(f"--rounds {args.rounds}: from 1 to 1000")
    if args.out.exists():
        raise RefusedError(f"{args.out} is there already; a recording does not replace another one")
    if not args.out.parent.is_dir():
        raise MissingError(f"{args.out.parent}: no such folder")
    profile = load_control(args.profile)
    scheme = urlsplit(args.url).scheme
    if {"rfc2217": "serial"}.get(scheme, scheme) not in profile.transport.kinds:
        raise UsageError(f"--url {args.url}: the profile {profile.id} knows {', '.join(profile.transport.kinds)}")
    variables = _variables(args.variable, profile.variables)
    made = asyncio.run(record(profile, args.url, variables=variables, rounds=args.rounds))
    write_control_record(args.out, made)
    head, read = made.head, [line for line in made.lines if isinstance(line, Understood)]
    exchanges = len(made.lines) - len(read)
    if args.json:
        print_json({
            "file": str(args.out), "profile": head.profile, "vendor": head.vendor, "model": head.model,
            "serial": head.serial, "firmware": head.firmware, "exchanges": exchanges,
            "readings": [line.model_dump(mode="json") for line in read],
        })  # fmt: skip
        return 0
    rows = [[each.read, each.channel, each.refused or str(each.value), _unit(profile.values[each.read].unit)]
            for each in read]  # fmt: skip
    print_table(f"{head.vendor} {head.model} {head.serial}", ["value", "channel", "read as", "unit"], rows)
    print_table("", ["what", "value"], [["file", str(args.out)], ["exchanges", str(exchanges)]])
    return 0


def run_schema(args: argparse.Namespace) -> int:
    """Print the JSON Schema."""
    from daq.cli.output import print_json
    from daq.model.control import CONTROL_SCHEMA, ControlProfile

    del args
    said = ControlProfile.model_json_schema(by_alias=True)
    print_json({"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": CONTROL_SCHEMA, **said})
    return 0


def checked_against(checked: Checked, recording: Path) -> Checked:
    """Return a linted control profile with what speaks against it in a recording. Raises `MissingError`."""
    from dataclasses import replace

    from daq.devices.instruments.against import against
    from daq.model.control import CONTROL_SCHEMA
    from daq.storage.controlrecords import read_control_record
    from device_profiles.control import load_control

    if not recording.is_file():
        raise MissingError(f"{recording}: no such file")
    if checked.schema != CONTROL_SCHEMA:
        raise UsageError(f"--against {recording}: {checked.path} is no control profile")
    if checked.errors:
        return checked
    found = against(load_control(checked.path), read_control_record(recording))
    return replace(checked, findings=(*checked.findings, *found))


def _variables(said: list[str], known: Mapping[str, str]) -> dict[str, str]:
    made: dict[str, str] = {}
    for text in said:
        name, equals, value = text.partition("=")
        if not (name and equals):
            raise UsageError(f"--variable {text}: is written NAME=VALUE")
        if name not in known:
            raise UsageError(f"--variable {text}: the profile knows {', '.join(known) or 'none'}")
        made[name] = value
    return made


def _unit(unit: str | None) -> str:
    return "" if unit in (None, "1") else str(unit)
