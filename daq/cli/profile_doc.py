"""`daq profile doc`: the operator's page of a control profile, printed or written."""

from __future__ import annotations

import argparse
from pathlib import Path

from daq.errors import UsageError


def add_doc(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb `doc`."""
    doc = verbs.add_parser("doc", help="make the operator's page of control profiles, in Markdown")
    doc.add_argument("profiles", metavar="NAME|FILE", nargs="*", help="ids of shipped profiles, or TOML files")
    doc.add_argument("--all", action="store_true", help="all shipped control profiles, and the page that leads to them")
    doc.add_argument("--out", metavar="FOLDER", help="write a file for each there; default: print")
    doc.add_argument("--json", action="store_true", help="print one JSON object")
    doc.set_defaults(run=run_doc)


def run_doc(options: argparse.Namespace) -> int:
    """Print or write the pages."""
    from daq.cli.output import print_json, print_line

    pages = _pages(options)
    if options.out:
        for name, text in pages.items():
            _write(Path(options.out), name, text)
    if options.json:
        told = {name: str(Path(options.out) / name) for name in pages} if options.out else pages
        print_json({"pages": told})
    elif options.out:
        print_line(f"{len(pages)} {'page' if len(pages) == 1 else 'pages'} in {options.out}")
    else:
        for text in pages.values():
            print_line(text)
    return 0


def _pages(options: argparse.Namespace) -> dict[str, str]:
    """Return the pages by the name of their file."""
    from device_profiles.control import load_control, shipped_controls
    from device_profiles.controlpage import INDEX, index, page

    if options.all == bool(options.profiles):
        raise UsageError("profile doc: name control profiles, or say --all")
    profiles = [load_control(name) for name in (sorted(shipped_controls()) if options.all else options.profiles)]
    pages = {f"{profile.id}.md": page(profile) for profile in profiles}
    return {INDEX: index(profiles), **pages} if options.all else pages


def _write(folder: Path, name: str, text: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")
