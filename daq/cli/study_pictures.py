"""`daq study sheet`, `quicklook`, `finish`: pictures and verdict of a recording. No daemon is needed."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daq.errors import RefusedError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from daq.composition.sheetviews import Mask, SheetStyle
    from daq.model.framed import Framed
    from daq.storage.manifest import Manifest

_EXIT_FAILED = 6
_PER_CENT = 100.0
_NUMBER = r"[-+]?[0-9]+(?:\.[0-9]+)?"
_MASK = re.compile(rf"({_NUMBER}),({_NUMBER}),({_NUMBER})(?:@([A-Z]+))?")


def add_verbs(verbs: Any) -> None:
    """Add the verbs."""
    sheet = verbs.add_parser("sheet", help="draw the contact sheet of a recording as a PNG file")
    _add_drawing(sheet)
    sheet.set_defaults(run=run_sheet)

    look = verbs.add_parser("quicklook", help="look at a rotation or a beat: sinogram, slices, cine; not for diagnosis")
    _add_drawing(look, required=False)
    look.add_argument("--cine", type=Path, metavar="FILE.gif", help="moving picture of the first series that moves")
    look.set_defaults(run=run_quicklook)

    finish = verbs.add_parser("finish", help="make series, pictures, DICOM and verdict of a recording, in its images/")
    finish.add_argument("directory", metavar="DIR", type=Path, help="a list-mode directory, sealed or recovered")
    finish.add_argument("--again", action="store_true", help="make everything anew; earlier files are kept beside")
    finish.add_argument("--json", action="store_true", help="print the result as JSON")
    finish.set_defaults(run=run_finish)


def _add_drawing(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    parser.add_argument("directory", metavar="DIR", type=Path, help="a list-mode directory")
    parser.add_argument("--out", type=Path, required=required, metavar="FILE.png", help="the page; it must not exist")
    parser.add_argument("--step", type=int, metavar="N", help="series of step N alone, counted from 1")
    parser.add_argument(
        "--upper", type=float, metavar="PERCENT",
        help="of the most in a pixel: where colours end (default: above 99.5 %% of the pixels)",
    )  # fmt: skip
    parser.add_argument("--log", action="store_true", help="colours go with the logarithm of the counts")
    parser.add_argument(
        "--mask", action="append", default=[], metavar="X,Y,RADIUS[@VIEW]",
        help="circle in mm of the picture that is crossed out and decides no colours; may be given again; one that "
        "begins with a minus is written with =, e.g. --mask=-50,80,20",
    )  # fmt: skip
    parser.add_argument(
        "--colours", choices=("inverse", "grey", "hot"), default="inverse", help="inverse (default): the most is black"
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def run_sheet(options: argparse.Namespace) -> int:
    """Draw the contact sheet, with the verdict where the recording was finished."""
    from daq.composition.sheet import contact_sheet
    from daq.composition.sheetmasks import require_masks_inside
    from daq.composition.verdicts import verdict_on

    style = _style(options)
    _check(options.out, ".png")
    series, manifest = _series(options)
    require_masks_inside(style.masks, series)
    whole = options.step is None and "toml" in (manifest.protocol or {})
    verdict = verdict_on(options.directory, series) if whole else None
    _save_image(contact_sheet(series, manifest, verdict, style), options.out)
    _tell(options, series, [options.out])
    return 0


def run_quicklook(options: argparse.Namespace) -> int:
    """Draw the page of slices, the moving picture, or both."""
    from daq.composition.finishing import cines
    from daq.composition.quicklook import quick_look
    from daq.composition.quicklookcine import cine
    from daq.composition.sheetmasks import require_masks_inside

    style = _style(options)
    wanted = [(file, ending) for file, ending in ((options.out, ".png"), (options.cine, ".gif")) if file is not None]
    if not wanted:
        raise UsageError("nothing to draw: name a file by --out for slices, by --cine for a moving picture, or both")
    for file, ending in wanted:
        _check(file, ending)
    series, manifest = _series(options)
    require_masks_inside(style.masks, series)
    if options.out is not None:
        page = quick_look(series, manifest, style)
        if page is None:
            raise RefusedError(f"{options.directory}: it has no rotation, of which slices could be made")
        _save_image(page, options.out)
    if options.cine is not None:
        first = next((one for _, one in cines(series)), None)
        made = None if first is None else cine(first, manifest, style)
        if made is None:
            raise RefusedError(f"{options.directory}: it has no series of several pictures that could move")
        _save(made, options.cine)
    _tell(options, series, [file for file, _ in wanted])
    return 0


def run_finish(options: argparse.Namespace) -> int:
    """Make everything; exit 6 where something could not be made, or the verdict is bad."""
    from daq.cli.output import print_json, print_line
    from daq.composition.finishing import finish
    from daq.model.verdict import Grade

    done = finish(options.directory, again=options.again)
    if options.json:
        print_json(done.to_json())
    else:
        for name in done.files:
            print_line(f"written: {done.directory / 'images' / name}")
        for problem in done.problems:
            print_line(f"not made: {problem}")
        if done.verdict is not None:
            print_line(f"verdict: {done.verdict.grade.word}")
            for sentence in done.verdict.sentences:
                print_line(f"  {sentence}")
    bad = done.verdict is not None and done.verdict.grade is Grade.BAD
    return _EXIT_FAILED if done.problems or bad else 0


def _style(options: argparse.Namespace) -> SheetStyle:
    from daq.composition.sheetviews import SheetStyle

    if options.upper is not None and not 0.0 < options.upper <= _PER_CENT:
        raise UsageError(f"--upper {options.upper:g}: possible is above 0 to 100 per cent")
    return SheetStyle(
        colours=options.colours, upper_percent=options.upper, log=options.log, masks=tuple(map(_mask, options.mask))
    )


def _mask(text: str) -> Mask:
    from daq.composition.sheetviews import Mask
    from daq.model.geometry import View

    found = _MASK.fullmatch(text)
    if found is None or float(found[3]) <= 0:
        raise UsageError(
            f"--mask {text}: X,Y,RADIUS in mm, the radius above 0, and @VIEW where it is of one view alone"
        )
    if found[4] is not None and found[4] not in View.__members__:
        raise UsageError(f"--mask {text}: no view {found[4]}; possible are {', '.join(View.__members__)}")
    return Mask(float(found[1]), float(found[2]), float(found[3]), View(found[4]) if found[4] else None)


def _series(options: argparse.Namespace) -> tuple[list[Framed], Manifest]:
    from daq.storage.framed import framed_in
    from daq.storage.reader import open_listmode

    with open_listmode(options.directory) as recording:
        return framed_in(recording, step=options.step), recording.manifest


def _check(file: Path, ending: str) -> None:
    if file.suffix.lower() != ending:
        raise UsageError(f"{file}: name it {ending}")
    if file.exists():
        raise RefusedError(f"{file} exists: nothing is written over")


def _save_image(image: Any, file: Path) -> None:
    import io

    made = io.BytesIO()
    image.save(made, format="PNG")
    _save(made.getvalue(), file)


def _save(data: bytes, file: Path) -> None:
    """Write a file that is not there; raise `RefusedError` in words where it cannot be."""
    try:
        with file.open("xb") as opened:
            opened.write(data)
    except OSError as why:
        raise RefusedError(f"{file}: cannot be written: {why.strerror or why}") from None


def _tell(options: argparse.Namespace, series: Sequence[Framed], files: Sequence[Path]) -> None:
    from daq.cli.output import print_json, print_line

    if options.json:
        told = {"directory": str(options.directory), "files": list(map(str, files))}
        print_json({**told, "series": [one.about for one in series]})
        return
    for one in series:
        print_line(f"{one.name}: {str(one.kind).lower()}, {len(one.slots)} frames, {int(one.counts.sum()):,} counts")
    for file in files:
        print_line(f"written: {file}")
