"""`python -m simulators KIND [options]`: front ends that speak the real wire protocols, as processes."""

from __future__ import annotations

import argparse
import signal
import sys
from importlib import import_module
from types import ModuleType
from typing import NoReturn

from daq.errors import ScandaqError

KINDS = {
    "replay": "send a recording again, in its wire format",
    "poisson": "send events at random times with random values, in any event layout",
    "pet": "send the singles of a simulated PET scan: decays, photons, crystals, electronics",
    "camera": "send the events of a simulated gamma camera: collimators, crystals, dead time, heads with faults",
    "c11204": "be a Hamamatsu C11204-01 bias supply of a SiPM: frames with a sum, a line set as 8E1",
    "caen-fers": "be CAEN A5202 boards of the FERS-5200 family: registers, chips, bias supply, events",
    "caen-n1470": "be a CAEN N1470 high voltage supply: four channels that ramp, trip and are interlocked",
    "julabo": "be a JULABO circulator: a bath that goes to its temperature, alarms, remote control",
    "modbus-plc": "be a safety controller on Modbus TCP: interlocks, heads, watchdog of the drives",
    "caen-r803x": "be a CAEN R803x high voltage supply: eight or sixteen channels, no number on a bus",
    "iseg-scpi": "be an iseg NHR high voltage supply that speaks SCPI: four channels, echo on its serial line",
    "iseg-shq": "be an iseg SHQ high voltage supply: two channels, every character sent back",
    "keithley-2400": "be a Keithley 2400 or 2470 source meter: it jumps to a voltage and limits the current",
    "ipbus": "be a board of registers that speaks IPbus 2.0, in reliable mode too",
    "petsys-gbe": "be a PETsys TOFPET2 front end with Gigabit Ethernet, registers and all",
    "pi-gcs2": "be a PI motion controller by the General Command Set 2: axes with servos, references, limits",
    "qc-series": "write years of daily PET results with a known drift as CSV, for trends; it serves nothing",
    "redpitaya-mcpha": "be a gamma probe on a Red Pitaya with the multichannel pulse height analyser",
    "redpitaya-scpi": "be a Red Pitaya with its SCPI server: slow and digital pins, a generator, a scope that sees it",
    "rigol-dp832": "be a Rigol DP832: three outputs of low voltage with protections, by SCPI",
    "scpi-pulser": "be a BNC 575 pulse generator by SCPI: a clock, outputs with width, delay and amplitude",
    "sitcp-rbcp": "be a board of registers behind SiTCP: RBCP, and a stream of events",
    "station": "be everything that a site file names on this host: detectors, supplies, motors, safety controller",
    "tmcl": "be a Trinamic module of stepper motors by TMCL: searches, stalls, a watchdog",
    "zaber-ascii": "be Zaber motion controllers by their ASCII protocol: motors that stall, limits, references",
}
"""Kind -> what it does; the module `simulators.<kind>` has `add_options(parser)` and `run(arguments) -> int`.

A hyphen of the kind is an underscore in the name of the module.
"""


def main(argv: list[str] | None = None) -> int:
    """Run a simulator; return the exit code of the process."""
    parser = argparse.ArgumentParser(
        prog="python -m simulators", description=__doc__, epilog="The first line on stdout is JSON: where it serves."
    )
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="KIND")
    words = sys.argv[1:] if argv is None else argv
    for name, text in KINDS.items():
        chosen = kinds.add_parser(name, help=text, description=text[:1].upper() + text[1:] + ".")
        if name in words[:1]:  # what the others need takes seconds to load
            module = module_of(name)
            module.add_options(chosen)
            chosen.set_defaults(run=module.run)
    arguments = parser.parse_args(words)
    try:
        return int(arguments.run(arguments))
    except ScandaqError as why:
        print(f"simulators: {why}", file=sys.stderr)  # noqa: T201
        return why.exit_code
    except OSError as why:
        print(f"simulators: {why.filename or 'input or output'}: {why.strerror or why}", file=sys.stderr)  # noqa: T201
        return 1


def module_of(kind: str) -> ModuleType:
    """Return the module of a kind."""
    return import_module(f"simulators.{kind.replace('-', '_')}")


def _leave(*_: object) -> NoReturn:
    """Leave quietly before the simulator serves; from then on it ends its runs in order."""
    sys.exit(0)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGINT, _leave)
    sys.exit(main())
