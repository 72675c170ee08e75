"""`daq protocol`: list, show, validate and sign acquisition protocols; their versions: `protocol_versions`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daq.errors import MissingError, ProfileError, RefusedError, ScandaqError

if TYPE_CHECKING:
    from daq.model.finding import Finding
    from daq.model.scanner import ScannerProfile
    from device_profiles.schema import InstrumentProfile


def add_parser(nouns: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the noun `protocol` with its verbs."""
    from daq.cli.protocol_versions import add_verbs

    noun = nouns.add_parser("protocol", help="list, show, validate, sign and restore acquisition protocols")
    verbs = noun.add_subparsers(metavar="VERB", required=True)

    _verb(verbs, "list", "list the protocols of the site and those that come with scandaq", run_list)

    show = _verb(verbs, "show", "show what a protocol does: steps, requirements, how long, how many counts", run_show)
    show.add_argument("protocol", metavar="NAME|FILE", help="id of a protocol, or a TOML file")
    show.add_argument("--toml", action="store_true", help="print the file itself, to start one's own from")
    show.add_argument("--activity", metavar="A", help="what was given, e.g. 500MBq: foretell counts; needs a scanner")
    show.add_argument("--after", metavar="T", help="how long after the injection the first step begins, e.g. 3h")
    show.add_argument("--visible", metavar="SHARE", help="share of it that a head sees; default 5%%, of floods 100%%")
    show.add_argument(
        "--collimator", metavar="NAME", help="one of the scanner's, in place of the protocol's; with --activity"
    )
    _equipment(show)

    validate = _verb(verbs, "validate", "check protocols: file: key = value: reason", run_validate)
    validate.add_argument("names", metavar="NAME|FILE", nargs="+", help="id of a protocol, or a TOML file")
    _equipment(validate)

    sign = _verb(verbs, "sign", "sign a protocol of the site, so that it is no draft any more", run_sign)
    sign.add_argument("protocol", metavar="NAME", help="id of a protocol in the site's folder")
    sign.add_argument("--by", required=True, metavar="WHO", help="who signs")
    sign.add_argument("--meaning", required=True, metavar="TEXT", help="what it means, e.g. 'approved for adults'")

    add_verbs(verbs, _verb)

    schema = verbs.add_parser("schema", help="print the JSON schema of the files, for editors")
    schema.set_defaults(run=run_schema)


def _verb(verbs: Any, name: str, text: str, run: Any) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = verbs.add_parser(name, help=text)
    parser.add_argument(
        "--protocols", metavar="DIR", help="folder of the site's own protocols; default the site file's `protocols`"
    )
    parser.add_argument("--site", metavar="FILE", help="the site file")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run)
    return parser


def _equipment(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--scanner", metavar="NAME|FILE", help="scanner profile that the protocol is to be used with")
    parser.add_argument("--profile", metavar="NAME|FILE", help="instrument profile that it is to be used with")


def run_list(args: argparse.Namespace) -> int:
    """Print all protocols; a file that cannot be used is listed with the number of its problems."""
    from acquisition_protocols.load import available
    from daq.cli.output import print_json, print_table

    site = folders(args)
    rows = [_listed(path) | _retired(path.stem, site) for path in available(site).values()]
    if args.json:
        print_json({"protocols": rows})
        return 0
    columns = ["id", "version", "title", "kind", "modality", "nuclide", "steps", "state"]
    told = [row if row["retired"] is None else {**row, "state": "retired"} for row in rows]
    print_table("", columns, [[_cell(row[column]) for column in columns] for row in told])
    return 0


def run_show(args: argparse.Namespace) -> int:
    """Print one protocol for people, as JSON, or as the file that it is."""
    import sys

    from acquisition_protocols.load import load_protocol
    from daq.cli.output import print_json
    from daq.cli.protocol_show import as_json, print_protocol
    from daq.composition.protocolfigures import Asked, expected_of

    loaded = load_protocol(args.protocol, folders(args))
    if args.toml:
        sys.stdout.write(loaded.text.decode())
        return 0
    scanner, instrument = _used_with(args)
    if args.activity is not None:
        scanner = scanner or _site_scanner(args)
    instrument = instrument or _instrument_of(scanner)
    asked = Asked(args.activity, args.after, args.visible, args.collimator)
    told = expected_of(asked, loaded.protocol, scanner, instrument)
    found = _validated(loaded.path, scanner, instrument)["findings"]
    if args.json:
        print_json(as_json(loaded, scanner, instrument, told) | {"findings": found})
    else:
        print_protocol(loaded, scanner, instrument, told)
        _print_findings(found)
    return 0


def run_validate(args: argparse.Namespace) -> int:
    """Print every finding, one a line; a refused file gives exit code 3, a missing one 4."""
    from acquisition_protocols.load import protocol_path
    from daq.cli.output import print_json

    scanner, instrument = _used_with(args)
    where = folders(args)
    files: list[dict[str, Any]] = []
    missing: list[str] = []
    for name in args.names:
        try:
            files.append(_validated(protocol_path(name, where), scanner, instrument))
        except MissingError as why:
            missing.append(str(why))
    if args.json:
        total = {key: sum(file[key] for file in files) for key in ("errors", "warnings")}
        print_json({"files": files, "missing": missing, **total})
    else:
        _print_validated(files, missing)
    if missing:
        return MissingError.exit_code
    return ProfileError.exit_code if any(file["errors"] for file in files) else 0


def run_sign(args: argparse.Namespace) -> int:
    """Sign a protocol of the site."""
    from dataclasses import asdict

    from acquisition_protocols.load import is_shipped, load_protocol
    from acquisition_protocols.signing import sign, signature_path
    from daq.cli.output import print_json, print_line

    where = folders(args)
    if not where:
        raise RefusedError("a signature belongs into the site's folder: give --protocols DIR, or a site file with one")
    loaded = load_protocol(args.protocol, where)
    if is_shipped(loaded.path):
        copy = where[0] / f"{loaded.protocol.id}.toml"
        raise RefusedError(
            f"{loaded.protocol.id} comes with scandaq and is not signed there; copy it first: "
            f"daq protocol show {loaded.protocol.id} --toml > {copy}"
        )
    signature = sign(loaded.path, loaded.protocol.id, loaded.sha256, by=args.by, meaning=args.meaning)
    path = signature_path(loaded.path)
    if args.json:
        print_json({"id": loaded.protocol.id, "file": str(path), **asdict(signature)})
    else:
        print_line(f"{loaded.protocol.id} version {loaded.protocol.version}: signed by {signature.by}; {path}")
    return 0


def run_schema(args: argparse.Namespace) -> int:
    """Print the JSON schema."""
    from daq.cli.output import print_json
    from daq.model.protocol_file import json_schema

    del args
    print_json(json_schema())
    return 0


def folders(args: argparse.Namespace) -> list[Path]:
    """Return the folders of the site's own protocols: as given, else the site file's, else none."""
    if args.protocols is not None:
        folder = Path(args.protocols)
        if not folder.is_dir():
            raise MissingError(f"--protocols {folder}: no such folder")
        return [folder]
    from device_profiles.places import find_site
    from device_profiles.site import load_site

    try:
        path = find_site(args.site)
    except MissingError:
        return []
    site = load_site(path)
    return [] if site.protocols is None else [site.protocols]


def _used_with(args: argparse.Namespace) -> tuple[ScannerProfile | None, InstrumentProfile | None]:
    from device_profiles.load import load_profile
    from device_profiles.scanners import load_scanner

    scanner = None if args.scanner is None else load_scanner(args.scanner)
    return scanner, None if args.profile is None else load_profile(args.profile)


def _instrument_of(scanner: ScannerProfile | None) -> InstrumentProfile | None:
    """Return the shipped instrument that all heads of a scanner have; None where there is none."""
    from device_profiles.load import load_profile, shipped_profiles

    names = set() if scanner is None else {head.instrument for head in scanner.heads}
    return load_profile(names.pop()) if len(names) == 1 and names <= shipped_profiles().keys() else None


def _site_scanner(args: argparse.Namespace) -> ScannerProfile | None:
    """Return the scanner that the site file names, None where there is no site file or it names none."""
    from device_profiles.places import find_site
    from device_profiles.scanners import beside, load_scanner
    from device_profiles.site import load_site

    try:
        path = find_site(args.site)
    except MissingError:
        return None
    name = load_site(path).scanner
    return None if name is None else load_scanner(beside(name, path.parent))


def _listed(path: Path) -> dict[str, Any]:
    from acquisition_protocols.load import load_protocol

    try:
        loaded = load_protocol(path)
    except ScandaqError as why:
        return {
            "id": path.stem, "version": None, "title": None, "kind": None, "modality": None, "nuclide": None,
            "steps": None, "state": "refused", "state_reason": str(why), "file": str(path), "sha256": None,
        }  # fmt: skip
    protocol = loaded.protocol
    return {
        "id": protocol.id, "version": protocol.version, "title": protocol.title, "kind": str(protocol.kind),
        "modality": protocol.modality, "nuclide": protocol.radionuclide, "steps": len(protocol.steps),
        "state": loaded.state, "state_reason": loaded.state_reason, "file": str(path), "sha256": loaded.sha256,
    }  # fmt: skip


def _retired(identity: str, site: list[Path]) -> dict[str, Any]:
    """Return who retired it, when and why; None where it is offered."""
    from acquisition_protocols.versions import retired

    found = next((told for folder in site if (told := retired(folder, identity)) is not None), None)
    return {"retired": None if found is None else found.model_dump(mode="json")}


def _cell(value: object) -> str:
    return "" if value is None else str(value)


def _validated(path: Path, scanner: ScannerProfile | None, instrument: InstrumentProfile | None) -> dict[str, Any]:
    from acquisition_protocols.load import checked, read
    from acquisition_protocols.rules import check
    from daq.model.finding import Finding, errors

    try:
        protocol, found = checked(read(path), path)
    except ProfileError as why:
        protocol, found = None, [Finding("", "", str(why).removeprefix(f"{path}: "))]
    if protocol is not None:
        found += check(protocol, scanner, instrument)
    wrong = len(errors(found))
    return {
        "file": str(path), "id": None if protocol is None else protocol.id, "errors": wrong,
        "warnings": len(found) - wrong, "findings": [_finding_json(finding) for finding in found],
    }  # fmt: skip


def _finding_json(finding: Finding) -> dict[str, str]:
    return {
        "key": finding.key, "value": finding.value, "reason": finding.reason, "severity": finding.severity,
    }  # fmt: skip


def _print_findings(found: list[dict[str, Any]]) -> None:
    """Print what is said against a protocol, also on a scanner or an instrument; nothing where there is nothing."""
    from daq.cli.output import print_line
    from daq.model.finding import Finding

    if found:
        print_line("To look at")
    for finding in found:
        print_line(f"  {Finding(**finding)}")


def _print_validated(files: list[dict[str, Any]], missing: list[str]) -> None:
    from daq.cli.output import print_line
    from daq.model.finding import Finding

    for file in files:
        for finding in file["findings"]:
            print_line(f"{file['file']}: {Finding(**finding)}")
    for text in missing:
        print_line(text)
    for file in files:
        verdict = f"REFUSED, {_count(file['errors'], 'error')}" if file["errors"] else "ok"
        warned = f", {_count(file['warnings'], 'warning')}" if file["warnings"] else ""
        print_line(f"{file['file']}: {verdict}{warned}")


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")
