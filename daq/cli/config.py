"""`daq config`: show what this station is set up with, file and environment taken together."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from device_profiles.services import Device


def add_parser(nouns: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the noun `config` with its verbs."""
    noun = nouns.add_parser("config", help="show the configuration of this station")
    verbs = noun.add_subparsers(metavar="VERB", required=True)
    show = verbs.add_parser("show", help="show the site file with the environment applied")
    show.add_argument("--site", metavar="FILE", help="site file; else $SCANDAQ_SITE, the user's, the machine's")
    show.add_argument("--json", action="store_true", help="print one JSON object")
    show.set_defaults(run=run_show)


def run_show(args: argparse.Namespace) -> int:
    """Print the site: station, storage, scanner, what is plugged in, controllers and devices."""
    from daq.cli.output import print_json, print_table
    from device_profiles.places import find_site
    from device_profiles.site import as_json, load_site

    path = find_site(args.site)
    site = load_site(path)
    if args.json:
        print_json({"site": str(path), **as_json(site)})
        return 0
    facts = [["site file", str(path)], ["station", site.station], ["storage", str(site.storage)]]
    print_table("Site", ["what", "value"], [*facts, ["scanner profile", site.scanner or "none"]])
    plugs = [[name, plug.profile, plug.url, str(plug.source)] for name, plug in site.instruments.items()]
    print_table("Instruments", ["name", "profile", "url", "source"], plugs)
    if site.controllers:
        wires = [[name, each.profile, each.url, each.serial or "any"] for name, each in site.controllers.items()]
        print_table("Controllers", ["name", "profile", "url", "serial"], wires)
    if site.devices:
        columns = ["name", "ability", "kind", "on"]
        print_table("Devices", columns, [[name, d.ability, d.kind, _place(d)] for name, d in site.devices.items()])
    return 0


def _place(device: Device) -> str:
    """Return the controller and channel that a device is on, or where it is itself."""
    on = device.controller
    return device.url or "" if on is None else " ".join(filter(None, (on.name, on.channel)))
