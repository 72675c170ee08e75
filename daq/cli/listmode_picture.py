"""`daq listmode picture`: images of heads and their spectra as PNG files, made from list mode as they are live."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daq.errors import RefusedError, UsageError

if TYPE_CHECKING:
    from PIL.Image import Image

_MOST_PIXELS = 1024


def add_verb(verbs: argparse._SubParsersAction[Any]) -> argparse.ArgumentParser:
    """Add the verb; return its parser."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "picture", help="draw the images and spectra of gamma-camera heads as PNG files"
    )
    parser.add_argument("--out", type=Path, metavar="FILE.png", help="images: a row for each head, a column per window")
    parser.add_argument("--spectrum", type=Path, metavar="FILE.png", help="spectra, with windows and the peaks found")
    parser.add_argument("--step", type=int, metavar="N", help="of step N; needed where there are several")
    parser.add_argument(
        "--head", type=int, action="append", default=[], metavar="N", help="of head N alone; may be given again"
    )
    parser.add_argument(
        "--pixels", type=int, default=256, metavar="N", help="most pixels along a side of an image (default 256)"
    )
    parser.add_argument("--plain", action="store_true", help="counts as they are, not weighted for uniformity")
    parser.add_argument(
        "--upper", type=float, default=100.0, metavar="PERCENT", help="of the most: where colours end (default 100)"
    )
    parser.add_argument(
        "--colours", choices=("inverse", "grey", "hot"), default="inverse", help="inverse (default): the most is black"
    )
    parser.set_defaults(run=run_picture)
    return parser


def run_picture(options: argparse.Namespace) -> int:
    """Draw, and print what is shown."""
    from daq.cli.output import print_json
    from daq.composition.pictures import Style, figures, picture, spectra
    from daq.storage.pictures import pictures_in
    from daq.storage.reader import open_listmode

    _check(options)
    with open_listmode(options.directory) as recording:
        recorded = pictures_in(recording, step=options.step, most_pixels=options.pixels, heads=options.head)
        manifest = recording.manifest
    written: list[str] = []
    if options.out is not None:
        style = Style(weighted=not options.plain, upper_percent=options.upper, colours=options.colours)
        written.append(_save(picture(recorded, manifest, style), options.out))
    if options.spectrum is not None:
        written.append(_save(spectra(recorded, manifest), options.spectrum))
    shown = figures(recorded, manifest)
    if options.json:
        print_json({"directory": str(options.directory), "files": written, **shown})
    else:
        _print(shown, written)
    return 0


def _check(options: argparse.Namespace) -> None:
    files = [file for file in (options.out, options.spectrum) if file is not None]
    if not files:
        raise UsageError("nothing to draw: name a file by --out for images, by --spectrum for spectra, or both")
    if not 1 <= options.pixels <= _MOST_PIXELS:
        raise UsageError(f"--pixels {options.pixels}: possible are 1 to {_MOST_PIXELS}")
    if not 0.0 < options.upper <= 100.0:  # noqa: PLR2004 - per cent
        raise UsageError(f"--upper {options.upper:g}: possible is above 0 to 100 per cent")
    for file in files:
        if file.suffix.lower() != ".png":
            raise UsageError(f"{file}: pictures are PNG files, name it .png")
        if file.exists() or len(set(files)) != len(files):
            raise RefusedError(f"{file} exists, or is named twice: nothing is written over")


def _save(image: Image, file: Path) -> str:
    """Write a file that is not there; raise `RefusedError` in words where it cannot be."""
    try:
        with file.open("xb") as opened:
            image.save(opened, format="PNG")
    except OSError as why:
        raise RefusedError(f"{file}: cannot be written: {why.strerror or why}") from None
    return str(file)


def _print(shown: dict[str, Any], written: list[str]) -> None:
    from daq.cli.output import grouped, print_line, print_table

    rows = []
    for head in shown["heads"]:
        for image in head["images"]:
            peak = head["peaks"].get(image["window"])
            found = f"{peak['peak_kev']:.2f} ± {peak['error_kev']:.2f}" if peak else "-"
            rows.append((
                str(head["head"]), head["name"] or "-", head["view"] or "-", image["window"],
                grouped(image["counts"]), grouped(image["outside"]), grouped(image["most_in_pixel"]), found,
            ))  # fmt: skip
    columns = ("head", "name", "view", "window", "counts", "outside", "most in a pixel", "peak keV")
    print_table("", columns, rows)
    for file in written:
        print_line(f"written: {file}")
