"""What a picture of a recording says: which head saw which side of the patient, what was counted, when, for how long.

A view comes from where the gantry was and how the patient lay, as on a contact sheet (`daq.pipeline.facing`). Of a
recording without a protocol nobody knows either: then it is from where the scanner profile has its heads while the
gantry stands at 0, the patient taken to lie head first and supine, and the picture says so. Nobody types it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from daq.model.framed import Pixels
from daq.model.geometry import VIEW_ANGLE_DEG
from daq.model.orientation import aspect_at, letters_seen, lying
from daq.pipeline.facing import NOT_RECORDED, faced
from daq.pipeline.peaks import Peak, peaks_in
from daq.pipeline.seriesrule import HeadFacts
from daq.storage.drawing import Colours, Shown, image_panel, page
from daq.storage.drawingspectrum import Marked, Spectrum, spectrum_panel
from daq.storage.manifestfacts import head_facts, orientation_of, recorded_protocol, turns

if TYPE_CHECKING:
    from PIL.Image import Image

    from daq.model.protocol import AcquisitionProtocol, Step
    from daq.model.windows import EnergyWindow
    from daq.pipeline.framing import FramingRule
    from daq.storage.manifest import Manifest
    from daq.storage.pictures import RecordedPictures

_PS_PER_S = 1e12
_NEAR_DEG = 1.0
_ALL = 100.0
_BEYOND = 1.6


@dataclass(frozen=True, slots=True)
class Seen:
    """One head of a recording: its number and name, what it faces, the letters around its picture, its field in mm."""

    number: int
    name: str
    view: str
    letters: tuple[str, str, str, str]
    field_mm: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class Style:
    """How images are drawn: by weights where there are any, the last colour at so many per cent of the most."""

    weighted: bool = True
    upper_percent: float = _ALL
    colours: Colours = "inverse"


def heads_seen(manifest: Manifest, recorded: RecordedPictures) -> list[Seen]:
    """Return the heads of the pictures, in their order."""
    protocol = recorded_protocol(manifest, manifest.acquisition_id)
    told = (manifest.scanner or {}).get("heads", ())
    known = {head.number: head for head in (head_facts(place, each) for place, each in enumerate(told))}
    step = _step(protocol, recorded)
    order = sorted(known)
    found = []
    for number in recorded.pictures.rule.heads:
        head = known.get(number, HeadFacts(number))
        at = order.index(number) if number in order else len(order)
        wanted = step.views[at] if step is not None and at < len(step.views) else None
        angle_deg, view, doubt = faced(
            head, recorded.gantry_deg, wanted, orientation=orientation_of(manifest, protocol),
            turns=protocol is not None and turns(manifest, protocol),
        )  # fmt: skip
        laterality = None if step is None else step.laterality
        letters = letters_seen(angle_deg, view, laterality)
        name = str(view) if wanted is not None and view is not None else view_at(angle_deg)
        field_mm = None if head.width_mm is None or head.height_mm is None else (head.width_mm, head.height_mm)
        unknown = f"view not known ({NOT_RECORDED})" if doubt else ""
        found.append(Seen(number, head.name, name or unknown, letters, field_mm))
    return found


def _step(protocol: AcquisitionProtocol | None, recorded: RecordedPictures) -> Step | None:
    if protocol is None or recorded.step is None:
        return None
    return next((step for step in protocol.steps if step.name == recorded.step.name), None)


def letters_at(angle_deg: float | None) -> tuple[str, str, str, str]:
    """Return the sides of the patient at left, right, top and bottom of a picture seen from an angle; head up."""
    if angle_deg is None:
        return ("", "", "", "")
    letters = aspect_at(angle_deg).letters
    return (letters.left, letters.right, letters.top, letters.bottom)


def picture(recorded: RecordedPictures, manifest: Manifest, style: Style) -> Image:
    """Return the images of all heads, a row each, in all windows, a column each."""
    rows = []
    for place, head in enumerate(heads_seen(manifest, recorded)):
        rows.append(
            [image_panel(_shown(recorded, manifest, (place, at), head, style)) for at in range(_windows(recorded))]
        )
    return page(rows, _heading(manifest, recorded), warning="SIMULATED" if manifest.simulated else "")


def spectra(recorded: RecordedPictures, manifest: Manifest) -> Image:
    """Return the spectra of all heads, one below the other, with the windows and the peaks found."""
    rule = recorded.pictures.rule
    panels = []
    for place, head in enumerate(heads_seen(manifest, recorded)):
        marked = [
            Marked(window.name, window.lower_kev, window.upper_kev, peak.kev if peak else None)
            for window, peak in zip(rule.windows, _peaks(recorded, place), strict=True)
        ]
        lines = [f"{_named(head)}: {int(recorded.pictures.events[place]):,} events", *_peak_lines(recorded, place)]
        shown = rule.axis.centres_kev < _highest_kev(rule)
        counts = recorded.pictures.spectra[place][shown]
        panels.append([spectrum_panel(Spectrum(rule.axis.centres_kev[shown], counts, lines, marked))])
    return page(panels, _heading(manifest, recorded), warning="SIMULATED" if manifest.simulated else "")


def figures(recorded: RecordedPictures, manifest: Manifest) -> dict[str, Any]:
    """Return what the pictures show as plain data, units in the names."""
    pictures, rule = recorded.pictures, recorded.pictures.rule
    outside = pictures.outside
    heads = []
    for place, head in enumerate(heads_seen(manifest, recorded)):
        images = [
            {
                "window": name, "counts": int(pictures.inside[place, at]), "outside": int(outside[place, at]),
                "weighted_counts": float(pictures.image(place, at, weighted=True).sum()),
                "most_in_pixel": int(pictures.images[place, at].max()),
            }
            for at, name in enumerate(rule.names)
        ]  # fmt: skip
        peaks = {
            window.name: None if peak is None
            else {"peak_kev": peak.kev, "fwhm_kev": peak.fwhm_kev, "error_kev": peak.error_kev}
            for window, peak in zip(rule.windows, _peaks(recorded, place), strict=True)
        }  # fmt: skip
        heads.append({
            "head": head.number, "name": head.name, "view": head.view, "events": int(pictures.events[place]),
            "images": images, "peaks": peaks,
        })  # fmt: skip
    step = recorded.step
    return {"step": step.number if step else None, "live_ps": step.live_ps if step else None,
            "frame": rule.frame.about, "heads": heads}  # fmt: skip


def cropped(image: npt.NDArray[Any], frame: Pixels, field_mm: tuple[float, float] | None) -> npt.NDArray[Any]:
    """Return the part [rows, columns] of an image whose pixels have their middle in the field; all where none is."""
    if field_mm is None:
        return image
    across = frame.x0_mm + (np.arange(frame.columns) + 0.5) * frame.pixel_mm
    up = frame.y0_mm + (np.arange(frame.rows) + 0.5) * frame.pixel_mm
    found: npt.NDArray[Any] = image[np.abs(up) < field_mm[1] / 2][:, np.abs(across) < field_mm[0] / 2]
    return found if found.size else image


def _shown(recorded: RecordedPictures, manifest: Manifest, of: tuple[int, int], head: Seen, style: Style) -> Shown:
    pictures, rule, (place, at) = recorded.pictures, recorded.pictures.rule, of
    has_weights = style.weighted and (place, at) in rule.weighted
    image = cropped(pictures.image(place, at, weighted=has_weights), rule.frame, head.field_mm)
    image = image[::-1, ::-1] if manifest.feet_first else image  # as on a contact sheet: head up
    name = _bounds(rule.windows[at]) if rule.windows else rule.names[at]
    what = f"{name}: {int(pictures.inside[place, at]):,} counts"
    weights = "weighted for uniformity" if has_weights else "as counted"
    most = float(image.max()) if image.size else 0.0
    return Shown(
        image, rule.frame.pixel_mm, [_named(head), what, f"{_lasted(recorded)}; {weights}"], head.letters,
        upper=most * style.upper_percent / _ALL, colours=style.colours,
        unit="weighted counts" if has_weights else "counts",
    )  # fmt: skip


def _heading(manifest: Manifest, recorded: RecordedPictures) -> list[str]:
    scanner = (manifest.scanner or {}).get("title") or manifest.profile.get("title", "")
    step = recorded.step
    which = f"; step {step.number}{': ' + step.name if step.name else ''}" if step else ""
    views = "views by the scanner profile, gantry at 0; the patient is taken to lie head first, supine"
    protocol = recorded_protocol(manifest, manifest.acquisition_id)
    if protocol is not None:
        views = f"the patient lay {lying(orientation_of(manifest, protocol)).words}"
    return [
        f"{manifest.acquisition_id}, {manifest.created_utc[:19].replace('T', ' ')} UTC{which}",
        str(scanner),
        views if manifest.scanner else "no scanner is named: which way the heads look is not known",
    ]


def _lasted(recorded: RecordedPictures) -> str:
    step = recorded.step
    if step is None or step.end_ps is None:
        return "duration not known"
    lasted = f"{(step.end_ps - step.begin_ps - step.paused_ps) / _PS_PER_S:.3g} s"
    return lasted if step.live_ps is None else f"{lasted}, live {step.live_ps / _PS_PER_S:.4g} s"


def _named(head: Seen) -> str:
    name = f"head {head.number}" + (f" ({head.name})" if head.name else "")
    return f"{name}: {head.view}" if head.view else name


def _peaks(recorded: RecordedPictures, place: int) -> Sequence[Peak | None]:
    pictures, rule = recorded.pictures, recorded.pictures.rule
    return peaks_in(pictures.spectra[place], rule.axis, rule.windows)


def _peak_lines(recorded: RecordedPictures, place: int) -> list[str]:
    lines = []
    for window, peak in zip(recorded.pictures.rule.windows, _peaks(recorded, place), strict=True):
        bounds = _bounds(window)
        if peak is None:
            lines.append(f"{bounds}: no peak")
        else:
            width = f"FWHM {peak.fwhm_kev:.1f} keV ({100 * peak.fwhm_kev / peak.kev:.1f} %)"
            lines.append(f"{bounds}: peak at {peak.kev:.2f} ± {peak.error_kev:.2f} keV, {width}")
    return lines


def _highest_kev(rule: FramingRule) -> float:
    """Return up to which energy a spectrum is drawn: a good part beyond the highest window."""
    return max((_BEYOND * window.upper_kev for window in rule.windows), default=math.inf)


def _bounds(window: EnergyWindow) -> str:
    return f"{window.name}, {window.lower_kev:g} to {window.upper_kev:g} keV"


def _windows(recorded: RecordedPictures) -> int:
    return len(recorded.pictures.rule.names)


def view_at(angle_deg: float | None) -> str:
    """Return the view of a head at an angle: its name, else the angle."""
    if angle_deg is None:
        return ""
    for view, nominal_deg in VIEW_ANGLE_DEG.items():
        if abs((angle_deg - nominal_deg + 180.0) % 360.0 - 180.0) <= _NEAR_DEG:
            return str(view)
    return f"at {angle_deg:g} degrees"
