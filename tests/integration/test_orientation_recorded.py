"""A phantom with a ball in each octant, recorded in all eight views of a patient who lies in each of four ways.

Recorded, framed, drawn, written as DICOM: letters around the picture, its content, the table and DICOM's codes agree.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from support_bodies import BACK, FRONT, seen, set_up
from support_protocols import camera
from support_recording import Script, record

from daq.composition import pictures, sheetkinds
from daq.composition.sheet import contact_sheet
from daq.model.geometry import PatientOrientation, View
from daq.model.orientation import VIEW_CODES, aspect_of, lying
from daq.model.processing import Processing
from daq.model.study import StudyReference
from daq.model.windows import EnergyWindow
from daq.storage.dicom import dicom_of
from daq.storage.drawing import Shown
from daq.storage.framed import framed_in
from daq.storage.hostmarks import AxisPlace
from daq.storage.listing import load_manifest
from daq.storage.manifest import MANIFEST, Manifest, dump_manifest
from daq.storage.pictures import pictures_in
from daq.storage.reader import open_listmode
from daq.wire.native import Header, encode
from device_profiles.load import load_profile
from device_profiles.scanners import load_scanner
from simulators.camera.phantoms import OCTANTS, octants

MS = 10**9
GANTRY_DEG = (0, 45, 90, 135)
HEADS_DEG = (180, 0)
EACH_MS, TOLD_MS, MBQ = 250, 2, 300.0
SIGMA_MM = 5.5
WAYS = {"L": (1, 0, 0), "R": (-1, 0, 0), "P": (0, 1, 0), "A": (0, -1, 0), "H": (0, 0, 1), "F": (0, 0, -1)}


def views(orientation: PatientOrientation, gantry_deg: float) -> list[View]:
    return [aspect_of(head + gantry_deg, orientation).view for head in HEADS_DEG]


def datagrams(orientation: PatientOrientation) -> list[bytes]:
    """Return the words of both heads, 2 ms in each datagram, the gantry at each angle in turn; the first one twice."""
    made, sent = [], 0
    for number, at_deg in enumerate((GANTRY_DEG[0], *GANTRY_DEG)):
        scene = set_up(octants(water=0.0), MBQ, FRONT, BACK, orientation=orientation, gantry=float(at_deg))
        photons = seen(scene, seconds=EACH_MS / 1000, seed=number + 1)
        time_us = photons.time_ps // 10**6
        codes = [np.rint(mm / 0.6).astype(np.int64) & 0x3FF for mm in (photons.y_mm, photons.x_mm)]
        words = 1 << 62 | photons.head.astype(np.int64) << 60 | (time_us + number * EACH_MS * 1000) << 30
        words |= np.rint(photons.energy_kev * 2).astype(np.int64).clip(0, 1023) << 20 | codes[0] << 10 | codes[1]
        for begin in range(0, EACH_MS, TOLD_MS):
            part = words[(time_us >= begin * 1000) & (time_us < (begin + TOLD_MS) * 1000)]
            made.append(encode(Header(0, 0, len(part), sent), part.astype("<u8").tobytes()))
            sent += len(part)
    return made


def recorded(folder: Path, orientation: PatientOrientation) -> tuple[list[Any], Manifest]:
    """Return the series of a recording: one of before any axis was told, and one for each angle."""
    words, actions = datagrams(orientation), {}
    steps = []
    for number, at_deg in enumerate(GANTRY_DEG, start=1):
        at = (("gantry", at_deg), ("bed", 0.0), ("front_radius", 150.0), ("back_radius", 150.0))
        places = [AxisPlace(axis, number * EACH_MS * MS, float(place), False) for axis, place in at]
        named = ("named step", (f"at {at_deg}", f"time={EACH_MS - 20}ms"))
        actions[number * EACH_MS // TOLD_MS] = [("positions", places), named]
        shown = ", ".join(f'"{view}"' for view in views(orientation, at_deg))
        steps.append(f'[[steps]]\nname = "at {at_deg}"\nviews = [{shown}]\nset.gantry = "{at_deg} deg"\n'
                     'stop.time = "1 s"\nimage.matrix = [96, 96]\nimage.zoom = 2.0\n')  # fmt: skip
    script = Script(
        words, list(range(0, 1000 * len(words), 1000)), profile=load_profile("head-xye64"), actions=actions,
        processing=Processing(windows=(EnergyWindow(126.0, 154.0, "peak"),)), stop=f"time={EACH_MS - 20}ms",
    )  # fmt: skip
    record(folder, script)
    manifest = load_manifest(folder)
    manifest.scanner = load_scanner("dual-head").model_dump(mode="json")
    manifest.protocol = {"id": "mine", "toml": camera("".join(steps))}
    manifest.study = StudyReference.new(bytes(16), patient_orientation=orientation).model_dump(mode="json")
    (folder / MANIFEST).write_bytes(dump_manifest(manifest))
    with open_listmode(folder) as recording:
        return framed_in(recording), manifest


def way(letters: str) -> npt.NDArray[np.float64]:
    """Return the direction in LPS that letters at an edge name."""
    found = np.sum([WAYS[letter] for letter in letters], axis=0, dtype=np.float64)
    return found / np.linalg.norm(found)


def by_letters(shown: Shown, signs: tuple[int, int] = (1, 1)) -> npt.NDArray[np.float64]:
    """Return the picture that the letters promise: each ball on the side of the patient where they say it is."""
    rows, columns = shown.image.shape
    across, up = ((np.arange(size) - (size - 1) / 2) * shown.pixel_mm for size in (columns, rows))
    made = np.zeros((rows, columns))
    for place, _, weight in OCTANTS.values():
        x, y = signs[0] * np.dot(place, way(shown.letters[1])), signs[1] * np.dot(place, way(shown.letters[2]))
        near = ((across[None, :] - x) ** 2 + (up[:, None] - y) ** 2) / (2 * SIGMA_MM**2)
        made += weight * np.exp(-near)
    return made


def likeness(one: npt.NDArray[Any], other: npt.NDArray[Any]) -> float:
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


@pytest.mark.parametrize("lies", ["HFS", "FFS", "HFP", "FFP"])
def test_letters_pictures_table_and_codes_agree_in_all_views(
    lies: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    orientation = PatientOrientation(lies)
    drawn: list[Shown] = []
    draw = sheetkinds.image_panel
    monkeypatch.setattr(sheetkinds, "image_panel", lambda shown: (drawn.append(shown), draw(shown))[1])

    (before, *series), manifest = recorded(tmp_path / "run", orientation)
    contact_sheet([before, *series], manifest)

    assert [shown.letters for shown in drawn[:2]] == [("", "", "", "")] * 2  # of before the gantry was told
    panels, there = iter(drawn[2:]), set()
    for one, at_deg in zip(series, GANTRY_DEG, strict=True):
        items = dicom_of(one, manifest).DetectorInformationSequence
        for place, (head_deg, item, shown) in enumerate(zip(HEADS_DEG, items, panels, strict=False)):
            table = aspect_of(head_deg + at_deg, orientation)
            view = views(orientation, at_deg)[place]
            letters = table.letters
            assert shown.letters == (letters.left, letters.right, letters.top, letters.bottom)
            assert str(view) in shown.lines[0]
            assert likeness(shown.image, by_letters(shown)) > 0.9, (view, shown.letters)
            mirrors = [signs for signs in product((1, -1), repeat=2) if signs != (1, 1)]
            assert max(likeness(shown.image, by_letters(shown, signs)) for signs in mirrors) < 0.6

            code, cosines = item.ViewCodeSequence[0], np.array(item.ImageOrientationPatient, np.float64)
            assert (code.CodeValue, code.CodeMeaning) == (VIEW_CODES[view].value, VIEW_CODES[view].meaning)
            assert cosines[:3] == pytest.approx(way(shown.letters[1]), abs=1e-6)
            assert cosines[3:] == pytest.approx(way(shown.letters[3]), abs=1e-6)
            there.add(view)
    plain = drawn[2:]
    drawn.clear()
    monkeypatch.setattr(pictures, "image_panel", lambda shown: (drawn.append(shown), draw(shown))[1])
    with open_listmode(tmp_path / "run") as recording:
        for step in range(2, 6):
            pictures.picture(pictures_in(recording, step=step), manifest, pictures.Style())
    assert [shown.letters for shown in drawn] == [shown.letters for shown in plain]
    assert min(likeness(shown.image, by_letters(shown)) for shown in drawn) > 0.8

    made = dicom_of(series[0], manifest)
    words = lying(orientation)
    turned = made.PatientOrientationCodeSequence[0].PatientOrientationModifierCodeSequence[0]
    assert (turned.CodeMeaning, made.PatientGantryRelationshipCodeSequence[0].CodeMeaning) == (
        words.modifier.meaning, words.gantry.meaning,
    )  # fmt: skip
    assert len(there) == 8
