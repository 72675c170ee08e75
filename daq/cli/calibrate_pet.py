"""`daq calibrate pet-timing|pet-energy|pet-normalisation`: candidates of a ring's calibrations; nothing is replaced."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from daq.composition.qc.petcandidates import Candidate


def add_verbs(verbs: argparse._SubParsersAction[Any]) -> None:
    """Add the verbs."""
    from daq.cli.calibrate import above_zero

    parser = verbs.add_parser("pet-timing", help="time offsets of a ring's crystals, by a cylinder or line source")
    _add_recording(parser)
    parser.add_argument("--radius", type=above_zero, metavar="MM",
                        help="of the cylinder's active volume (default: a line source in the axis)")  # fmt: skip
    parser.add_argument("--trues", type=above_zero, default=400.0, metavar="N",
                        help="a crystal with fewer has no offset (default %(default)g)")  # fmt: skip
    parser.set_defaults(run=run_timing)

    parser = verbs.add_parser("pet-energy", help="gains of a ring's crystals, by the photopeak of 511 keV")
    _add_recording(parser)
    parser.add_argument("--counts", type=above_zero, default=300.0, metavar="N",
                        help="a crystal with fewer about its photopeak has no gain (default %(default)g)")  # fmt: skip
    parser.set_defaults(run=run_energy)

    parser = verbs.add_parser("pet-normalisation", help="efficiencies of a ring's crystals, by a cylinder")
    _add_recording(parser)
    parser.add_argument("--trues", type=above_zero, default=400.0, metavar="N",
                        help="refused where the middle crystal has fewer (default %(default)g)")  # fmt: skip
    parser.set_defaults(run=run_normalisation)


def _add_recording(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--recording", action="append", required=True, type=Path, metavar="DIR",
                        help="of the source; its last step that is not named background")  # fmt: skip
    parser.add_argument("--folder", required=True, type=Path, metavar="DIR", help="where the candidate is written")
    parser.add_argument("--scanner", metavar="NAME", help="scanner profile (default: that of the recording)")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def run_timing(options: argparse.Namespace) -> int:
    """Measure time offsets."""
    from daq.composition.qc.petcandidates import write_timing

    made = write_timing(
        _one(options), options.folder, scanner=options.scanner, radius_mm=options.radius or 0.0,
        trues_needed=options.trues,
    )  # fmt: skip
    return _told(options, made)


def run_energy(options: argparse.Namespace) -> int:
    """Measure gains."""
    from daq.composition.qc.petcandidates import write_energy

    made = write_energy(options.recording, options.folder, scanner=options.scanner, peak_needed=options.counts)
    return _told(options, made)


def run_normalisation(options: argparse.Namespace) -> int:
    """Measure efficiencies."""
    from daq.composition.qc.petcandidates import write_efficiencies

    made = write_efficiencies(_one(options), options.folder, scanner=options.scanner, trues_needed=options.trues)
    return _told(options, made)


def _one(options: argparse.Namespace) -> Path:
    from daq.errors import UsageError

    if len(options.recording) != 1:
        raise UsageError("--recording: one is used here; several are added up by pet-energy alone")
    return Path(options.recording[0])


def _told(options: argparse.Namespace, made: Candidate) -> int:
    from daq.cli.output import print_json, print_line, print_table

    if options.json:
        figures = {
            one.name: {"value": one.values[0], "unit": one.unit, "noise": one.noise[0] if one.noise else None}
            for one in made.measured.figures
        }
        print_json({"file": str(made.file), "id": made.id, "figures": figures, "remarks": made.measured.remarks})
        return 0
    rows = [
        [one.name.replace("_", " "), "" if one.values[0] is None else f"{one.values[0]:.4g}", one.unit]
        for one in made.measured.figures
    ]
    print_table("", ("figure", "value", "unit"), rows)
    for remark in made.measured.remarks:
        print_line(remark)
    print_line(f"candidate written: {made.file}")
    return 0
