"""`daq profile`: list, show and check the files that describe instruments, scanners and sites."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daq.cli.profile_doc import add_doc
from daq.cli.profile_record import add_parsers, checked_against
from daq.errors import MissingError, ProfileError, UsageError

if TYPE_CHECKING:
    from daq.model.finding import Finding
    from device_profiles.lint import Checked
    from device_profiles.schema import InstrumentProfile


def add_parser(nouns: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the noun `profile` with its verbs."""
    noun = nouns.add_parser("profile", help="list, show and check instrument and scanner profiles")
    verbs = noun.add_subparsers(metavar="VERB", required=True)

    listing = verbs.add_parser("list", help="list the profiles that come with scandaq")
    listing.add_argument("--json", action="store_true", help="print one JSON object")
    listing.set_defaults(run=run_list)

    show = verbs.add_parser(
        "show", help="show an instrument profile with the bit map of each kind of word, or a control profile"
    )
    show.add_argument("profile", metavar="NAME|FILE", help="id of a shipped profile, or a TOML file")
    show.add_argument("--json", action="store_true", help="print the profile as one JSON object")
    show.set_defaults(run=run_show)

    lint = verbs.add_parser("lint", help="check instrument, control, scanner and site files: file: key = value: reason")
    lint.add_argument("files", metavar="FILE", nargs="+", help="a TOML file, or the id of a shipped profile")
    lint.add_argument(
        "--against", type=Path, metavar="RECORDING", help="of `daq profile record`: the one control profile must fit it"
    )
    lint.add_argument("--json", action="store_true", help="print one JSON object")
    lint.set_defaults(run=run_lint)

    add_doc(verbs)
    add_parsers(verbs)


def run_list(args: argparse.Namespace) -> int:
    """Print the shipped profiles."""
    from daq.cli.output import print_json, print_table
    from device_profiles.control import load_control, shipped_controls
    from device_profiles.load import list_profiles
    from device_profiles.scanners import load_scanner, shipped_scanners

    profiles = [listed.profile for listed in list_profiles()]
    scanners = [load_scanner(name) for name in sorted(shipped_scanners())]
    controls = [load_control(name) for name in sorted(shipped_controls())]
    if args.json:
        instrument_rows: list[dict[str, Any]] = [
            {
                "id": profile.id, "title": profile.title, "vendor": profile.vendor, "modality": profile.modality,
                "verified": profile.verified, "transports": list(profile.transport.kinds),
                "word_bits": profile.layout.word_bits, "sha256": profile.sha256,
            }
            for profile in profiles
        ]  # fmt: skip
        scanner_rows = [
            {"id": scanner.id, "title": scanner.title, "verified": scanner.verified} for scanner in scanners
        ]
        control_rows = [
            {"id": each.id, "title": each.title, "vendor": each.vendor, "verified": each.verified,
             "transports": list(each.transport.kinds)}
            for each in controls
        ]  # fmt: skip
        print_json({"profiles": instrument_rows, "scanners": scanner_rows, "controls": control_rows})
        return 0
    rows = [[p.id, p.title, p.modality, ", ".join(p.transport.kinds), p.verified] for p in profiles]
    print_table("Instrument profiles", ["id", "title", "modality", "transports", "verified"], rows)
    told = [[c.id, c.title, ", ".join(c.transport.kinds), c.verified] for c in controls]
    print_table("Control profiles", ["id", "title", "transports", "verified"], told)
    print_table("Scanner profiles", ["id", "title", "verified"], [[s.id, s.title, s.verified] for s in scanners])
    return 0


def run_show(args: argparse.Namespace) -> int:
    """Print one instrument profile: facts, then one table per kind of word; or one control profile."""
    from daq.cli.output import print_json, print_table
    from daq.cli.profile_control import show_control
    from device_profiles.bitmap import COLUMNS, about, bit_rows, detector_text
    from device_profiles.control import is_control, load_control, shipped_controls
    from device_profiles.load import load_profile, resolve, shipped_profiles
    from device_profiles.scanners import shipped_scanners

    if is_control(args.profile):
        show_control(load_control(args.profile), as_json=args.json)
        return 0
    if args.profile in shipped_scanners():
        raise MissingError(f"{args.profile} is a scanner profile; shown are those of instruments and of control")
    known = shipped_profiles() | shipped_controls()
    profile = load_profile(resolve(args.profile, known, "instrument or control profile"))
    if args.json:
        print_json({**profile.model_dump(mode="json"), "sha256": profile.sha256})
        return 0
    print_table(profile.title, ["what", "value"], facts(profile))
    for name, kind in profile.layout.kinds.items():
        rows = bit_rows(profile.layout, kind, profile.clock)
        numbers = detector_text(kind)
        if numbers:
            rows.append(["", "(detector)", "", "", "", numbers])
        print_table(about(name, kind), COLUMNS, rows)
    return 0


def facts(profile: InstrumentProfile) -> list[list[str]]:
    """Return the facts of a profile as rows of two texts."""
    layout, clock, transport = profile.layout, profile.clock, profile.transport
    preamble = f"{layout.preamble_bytes} bytes" if layout.preamble_bytes else "none"
    framing = f", datagrams framed: {transport.datagram_framing}" if transport.datagram_framing else ""
    return [
        ["id", profile.id],
        ["vendor, models", f"{profile.vendor}: {', '.join(profile.models)}"],
        ["modality", profile.modality],
        ["source", profile.source],
        ["verified on", profile.verified],
        ["transport", f"{', '.join(transport.kinds)}{framing}; at most {transport.rate_max_words_per_s:g} words/s"],
        ["word", f"{layout.word_bits} bits, {layout.byte_order}-endian; preamble: {preamble}"],
        ["clock", f"tick {clock.tick_ps} ps, good for {clock.precision_ps} ps"],
        [
            "order",
            f"late beyond {seconds(profile.order.max_disorder_ps)}, jumped beyond {seconds(profile.order.max_step_ps)}",
        ],
        ["time zero", "reset at start" if clock.reset_at_start else "first timed word after start"],
        ["sha256", profile.sha256],
        *([["notes", profile.notes]] if profile.notes else []),
    ]


def seconds(time_ps: int) -> str:
    """Return a time in the unit that makes it shortest: 100 ms, 10 s, 0 ps."""
    texts = [f"{time_ps / scale:g} {unit}" for unit, scale in (("s", 10**12), ("ms", 10**9), ("us", 10**6), ("ps", 1))]
    return min(texts, key=len)


def run_lint(args: argparse.Namespace) -> int:
    """Print every finding, one a line; refused files give exit code 3, a missing file 4."""
    from daq.cli.output import print_json
    from device_profiles.lint import lint

    if args.against is not None and len(args.files) != 1:
        raise UsageError(f"--against {args.against}: belongs to one control profile, not to {len(args.files)} files")
    checked: list[Checked] = []
    missing: list[str] = []
    for name in args.files:
        try:
            found = lint(name)
            checked.append(found if args.against is None else checked_against(found, args.against))
        except MissingError as why:
            missing.append(str(why))
    if args.json:
        print_json(_as_json(checked, missing))
    else:
        _print_lines(checked, missing)
    if missing:
        return MissingError.exit_code
    return ProfileError.exit_code if any(file.errors for file in checked) else 0


def _as_json(checked: list[Checked], missing: list[str]) -> dict[str, Any]:
    return {
        "files": [
            {
                "file": str(file.path), "schema": file.schema, "errors": file.errors, "warnings": file.warnings,
                "findings": [_finding_json(finding) for finding in file.findings],
            }
            for file in checked
        ],
        "missing": missing,
        "errors": sum(file.errors for file in checked),
        "warnings": sum(file.warnings for file in checked),
    }  # fmt: skip


def _finding_json(finding: Finding) -> dict[str, str]:
    return {
        "key": finding.key, "value": finding.value, "reason": finding.reason, "severity": finding.severity,
    }  # fmt: skip


def _print_lines(checked: list[Checked], missing: list[str]) -> None:
    import sys

    lines = [f"{file.path}: {finding}" for file in checked for finding in file.findings]
    lines += missing
    for file in checked:
        verdict = f"REFUSED, {_count(file.errors, 'error')}" if file.errors else "ok"
        lines.append(f"{file.path}: {verdict}" + (f", {_count(file.warnings, 'warning')}" if file.warnings else ""))
    sys.stdout.write("".join(f"{line}\n" for line in lines))


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")
