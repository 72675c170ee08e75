"""Series of recordings on the disk: by the protocol in the manifest, other windows, frames and gates, in words."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support_framing import gate
from support_protocols import camera
from support_recording import Script, record

from daq.cli.main import main
from daq.errors import FormatError, MismatchError, MissingError, RefusedError
from daq.model.framed import Framed, ImageKind
from daq.model.geometry import PatientOrientation
from daq.model.processing import Processing
from daq.model.protocol import Phase
from daq.model.scanner import ScannerProfile
from daq.model.study import StudyReference
from daq.model.windows import EnergyWindow
from daq.storage import framed as framed_storage
from daq.storage.dicom import dicom_of
from daq.storage.framed import framed_in
from daq.storage.framedfile import load_framed
from daq.storage.hostmarks import AxisPlace
from daq.storage.listing import load_manifest
from daq.storage.manifest import MANIFEST, dump_manifest
from daq.storage.pictures import pictures_in
from daq.storage.reader import ListMode, open_listmode
from daq.wire.native import Header, encode
from device_profiles.load import load_profile
from device_profiles.scanners import load_scanner

XYE = load_profile("head-xye64")
MS = 10**9
WINDOWS = (EnergyWindow(126.0, 154.0, "peak"), EnergyWindow(100.0, 126.0, "below"))
TURN = """[[steps]]
name = "stop"
repeat = { count = 3, axis = "gantry", from = "0 deg", step = "120 deg" }
stop.time = "1 s"
image.matrix = [16, 16]
"""
SCANNER = {"heads": [
    {"id": name, "number": number, "angle_deg": angle, "width_mm": 540.0, "height_mm": 400.0}
    for number, (name, angle) in enumerate([("front", 180.0), ("back", 0.0)])
]}  # fmt: skip


def datagrams(until_ms: int = 4000) -> list[bytes]:
    """Return 20 words of each of two heads in every 10 ms, and a trigger of the first every 250 ms."""
    random = np.random.default_rng(8)
    made, sent = [], [0, 0]
    for begin in range(0, until_ms, 10):
        for head in (0, 1):
            time = np.sort(random.integers(begin * 1000, (begin + 10) * 1000, 20))
            x, y = random.integers(-400, 400, 20), random.integers(-300, 300, 20)
            energy = random.integers(180, 320, 20)
            words = 1 << 62 | head << 60 | time << 30 | energy << 20 | (y & 0x3FF) << 10 | x & 0x3FF
            if head == 0 and begin % 250 == 0:
                words = np.append(words, 2 << 62 | (begin + 10) * 1000 << 30 | begin // 250)
            made.append(encode(Header(head, 0, len(words), sent[head]), words.astype("<u8").tobytes()))
            sent[head] += len(words)
    return made


def words_recorded(folder: Path, processing: Processing) -> None:
    """Record a step without a name and three stops of a second, at 0, 120 and 240 degrees."""
    words = datagrams()
    actions: dict[int, list[Any]] = {}
    for number in range(1, 4):
        place = AxisPlace("gantry", number * 1000 * MS, 120.0 * (number - 1), False)  # told as the step begins
        actions[number * 200] = [("positions", [place]), ("named step", (f"stop {number}/3", "time=900ms"))]
    script = Script(
        words, list(range(0, 1000 * len(words), 1000)), profile=XYE, actions=actions, processing=processing,
        cuts=frozenset(range(0, len(words), 7)), stop="time=900ms",
    )  # fmt: skip
    record(folder, script)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a recording without protocol and scanner, which is copied."""
    folder = tmp_path_factory.mktemp("plain") / "run"
    words_recorded(folder, Processing(windows=WINDOWS))
    return folder


def recorded(plain: Path, folder: Path, *, toml: str | None = camera(TURN, kind="spect"), **about: Any) -> Path:
    """Return the recording with a scanner, a protocol and what else the manifest is to say."""
    shutil.copytree(plain, folder)
    manifest = load_manifest(folder)
    manifest.scanner = SCANNER
    manifest.protocol = None if toml is None else {"id": "mine", "toml": toml}
    for name, value in about.items():
        setattr(manifest, name, value)
    (folder / MANIFEST).write_bytes(dump_manifest(manifest))
    return folder


def made(folder: Path, **asked: Any) -> list[Framed]:
    with open_listmode(folder) as recording:
        return framed_in(recording, **asked)


def test_without_a_protocol_each_step_is_a_picture_and_holds_what_was_counted(plain: Path, tmp_path: Path) -> None:
    folder = recorded(plain, tmp_path / "run", toml=None)
    found = made(folder)

    assert [(one.kind, one.name, one.steps) for one in found] == [
        (ImageKind.STATIC, name, (number,)) for number, name in enumerate(["", "stop 1/3", "stop 2/3", "stop 3/3"], 1)
    ]
    for number, one in enumerate(found, start=1):
        with open_listmode(folder) as recording:
            still = pictures_in(recording, step=number).pictures
        assert (one.counts.sum(axis=(2, 3, 4)) + one.outside).tolist() == still.inside.tolist()
        assert int(one.counts.sum()) > 500
        assert int(one.slots.live_ps[0]) == 900 * MS + (number == 1)


def test_a_scanner_or_a_study_that_lacks_something_is_refused_by_its_key(plain: Path, tmp_path: Path) -> None:
    heads = [{key: value for key, value in head.items() if key != "width_mm"} for head in SCANNER["heads"]]
    with pytest.raises(FormatError, match=r"scanner.heads\[0\] says no width_mm"):
        made(recorded(plain, tmp_path / "run", scanner={"heads": heads}))
    with pytest.raises(FormatError, match="study: patient_orientation: Input should be 'HFS'"):
        made(recorded(plain, tmp_path / "study", study={"key": "s-" + "a" * 26, "patient_orientation": "XYZ"}))


def test_heads_that_a_gantry_turns_face_nothing_known_until_it_is_told(plain: Path, tmp_path: Path) -> None:
    turning = {**SCANNER, "axes": {"rotary": {"gantry": {}}}}
    before, *stops = made(recorded(plain, tmp_path / "run", toml=None, scanner=turning))

    assert [head.angle_deg for head in before.heads] == [None, None]
    assert "gantry angle not recorded" in before.notes[0]
    assert [stop.heads[0].angle_deg for stop in stops] == [180.0, 300.0, 60.0]


def test_the_stops_of_a_protocol_are_views_with_their_angles(plain: Path, tmp_path: Path) -> None:
    folder = recorded(plain, tmp_path / "run")
    _, turned = made(folder)

    assert (turned.kind, turned.name, turned.steps) == (ImageKind.TOMO, "stop", (2, 3, 4))
    assert turned.slots.gantry_deg.tolist() == [0.0, 120.0, 240.0]
    assert (turned.rotation, turned.arc_deg, turned.completed, turned.ended_by) == ("CC", 360.0, True, "time")
    assert turned.pixels.columns == 16
    assert [(head.name, head.angle_deg, str(head.view)) for head in turned.heads] == [
        ("front", 180.0, "ANT"), ("back", 0.0, "POST"),
    ]  # fmt: skip
    assert np.array_equal(made(folder, step=3)[0].counts[:, :, 0], turned.counts[:, :, 1])


def test_a_step_that_goes_on_after_the_last_event_says_so(plain: Path, tmp_path: Path) -> None:
    folder = recorded(plain, tmp_path / "run", toml=None)
    manifest = load_manifest(folder)
    assert manifest.steps is not None
    late = manifest.steps[-1].model_copy(update={"end_ps": 5000 * MS})
    manifest.steps = [*manifest.steps[:-1], late]
    (folder / MANIFEST).write_bytes(dump_manifest(manifest))

    found = made(folder)
    assert [one.notes for one in found] == [(), (), (), ("no event came in the last 1.00 s",)]
    assert [head.silent_ps for one in found[:3] for head in one.heads] == [None] * 6
    lasting = [end - begin for begin, end in (head.silent_ps or (0, 0) for head in found[3].heads)]
    assert lasting == pytest.approx([1000 * MS] * 2, abs=10 * MS)


def test_a_step_that_a_power_cut_ended_lasts_until_the_last_event_that_was_kept(
    plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = load_manifest(plain).steps or []
    steps[-1] = steps[-1].model_copy(update={"end_ps": None, "ended_by": None, "completed": False, "live_ps": None})
    folder = recorded(plain, tmp_path / "run", toml=None, state="recovered", steps=steps)
    all_marks = framed_storage._marks

    def without_the_end(recording: ListMode) -> list[dict[str, Any]]:
        *before, last = all_marks(recording)
        assert last["kind"] == "stop"
        return before

    monkeypatch.setattr(framed_storage, "_marks", without_the_end)
    *others, last = made(folder)

    assert [int(one.slots.live_ps[0]) for one in others] == [900 * MS + 1, 900 * MS, 900 * MS]
    assert 0.9 * 900 * MS < int(last.slots.live_ps[0]) <= 1000 * MS
    assert (last.completed, last.ended_by) == (False, None)
    assert int(last.counts.sum()) > 500


def test_the_live_share_of_a_head_is_that_of_its_source(plain: Path, tmp_path: Path) -> None:
    folder = recorded(plain, tmp_path / "run", toml=None)
    manifest = load_manifest(folder)
    assert manifest.steps is not None
    manifest.steps[0] = manifest.steps[0].model_copy(update={"source_live_ps": {1: 450 * MS}})
    (folder / MANIFEST).write_bytes(dump_manifest(manifest))

    assert [[head.live_share for head in one.heads] for one in made(folder)[:2]] == [[1.0, 0.5], [1.0, 1.0]]
    assert [[head.live_told for head in one.heads] for one in made(folder)[:2]] == [[False, True], [False, False]]


def test_how_the_patient_lies_is_that_of_the_study(plain: Path, tmp_path: Path) -> None:
    study = StudyReference.new(bytes(16), patient_orientation=PatientOrientation.FFP)
    feet = made(recorded(plain, tmp_path / "feet", study=study.model_dump(mode="json")))[1]
    head = made(recorded(plain, tmp_path / "head"))[1]

    assert (feet.orientation, feet.rotation, str(feet.heads[0].view)) == (PatientOrientation.FFP, "CW", "POST")
    assert np.array_equal(feet.counts[..., ::-1, ::-1], head.counts)


def test_other_windows_are_made_of_what_was_recorded_and_of_nothing_else(plain: Path, tmp_path: Path) -> None:
    folder = recorded(plain, tmp_path / "run")
    halves = [EnergyWindow(126.0, 140.0, "low half"), EnergyWindow(140.0, 154.0, "high half")]
    (narrow,) = made(folder, step=1, windows=halves)
    (whole,) = made(folder, step=1)

    assert [window.name for window in narrow.windows] == ["low half", "high half"]
    assert np.array_equal(narrow.counts.sum(axis=1), whole.counts[:, 0])
    with pytest.raises(RefusedError, match=r"500-600 keV: the recording holds 0-511\.75 keV; events outside"):
        made(folder, windows=[EnergyWindow(500.0, 600.0, "high")])
    only = tmp_path / "only"
    words_recorded(only, Processing(windows=WINDOWS, singles="windowed"))
    with pytest.raises(RefusedError, match=r"the recording holds 100-154 keV"):
        made(only, windows=[EnergyWindow(100.0, 160.0, "wide")])
    ranged = camera(TURN, kind="spect", top='[recorded]\nlower = "110 keV"\nupper = "160 keV"\n')
    with pytest.raises(RefusedError, match=r"the recording holds 110-160 keV"):
        made(recorded(plain, tmp_path / "ranged", toml=ranged), windows=[EnergyWindow(100.0, 154.0, "wide")])


def test_frames_and_beats_are_made_afterwards_of_what_stands_still(plain: Path, tmp_path: Path) -> None:
    folder = recorded(plain, tmp_path / "run")
    (frames,) = made(folder, step=1, frames=[Phase(4, 100 * MS), Phase(1, 500 * MS)])
    (beats,) = made(folder, step=1, gate=gate(bins=5, learn=2))

    assert frames.slots.live_ps.tolist() == [100 * MS] * 4 + [500 * MS]
    assert beats.beats is not None
    assert (beats.beats.triggers, beats.beats.accepted, beats.beats.mean_ms) == (4, 3, 250.0)
    assert beats.slots.live_ps.tolist() == [150 * MS] * 5
    with pytest.raises(RefusedError, match="axes move in it or between its views, so it has no other frames"):
        made(folder, frames=[Phase(4, 100 * MS)])


@pytest.mark.parametrize(("told", "latency_ms"), [({"ecg": 12.5, "respiration": 90.0}, 12.5), ({}, None)])
def test_the_latency_of_the_trigger_goes_from_the_scanner_profile_into_the_account_of_beats_and_dicom(
    plain: Path, tmp_path: Path, told: dict[str, float], latency_ms: float | None
) -> None:
    profile = load_scanner("dual-head").model_dump(mode="json")
    scanner = ScannerProfile.model_validate_json(json.dumps({**profile, "trigger_latency_ms": told}))
    folder = recorded(plain, tmp_path / "run", scanner=scanner.model_dump(mode="json"))
    (beats,) = made(folder, step=1, gate=gate(bins=5, learn=2), most_pixels=16)
    given = dicom_of(beats, load_manifest(folder)).GatedInformationSequence[0].get("TriggerTime")

    assert beats.beats is not None
    assert beats.beats.latency_ms == latency_ms
    assert (None if given is None else float(given)) == latency_ms
    assert profile["trigger_latency_ms"] == {"ecg": 0.0}


def test_what_cannot_be_framed_is_said_in_words(plain: Path, tmp_path: Path) -> None:
    folder = recorded(plain, tmp_path / "run")
    with pytest.raises(MissingError, match="step 9: the recording has 4"):
        made(folder, step=9)
    broken = recorded(plain, tmp_path / "broken", toml="id = ")
    with pytest.raises(FormatError, match="the protocol in its manifest cannot be read"):
        made(broken)
    with pytest.raises(MismatchError, match="its singles have no positions"):
        made(plain_singles(tmp_path / "pet"))


def plain_singles(folder: Path) -> Path:
    record(folder, Script([], []))
    return folder


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = main(["listmode", "frame", *map(str, arguments)])
    out, err = capsys.readouterr()
    return code, out, err


def test_the_command_writes_files_and_says_what_is_in_them(
    plain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, out = recorded(plain, tmp_path / "run"), tmp_path / "out"
    code, text, _ = run(capsys, folder, "--out", out, "--gate", "ecg", "--bins", 5, "--tolerance", 20, "--json")
    again, _, err = run(capsys, folder, "--out", out)
    unmapped, _, no_map = run(capsys, folder, "--weighted")
    breathing, _, why = run(capsys, folder, "--out", tmp_path / "empty", "--gate", "respiration")

    said = json.loads(text)
    assert code == 0
    assert [Path(file).name for file in said["files"]] == ["01-step.npz", "02-stop.npz", "03-stop-ungated.npz"]
    assert [one["kind"] for one in said["series"]] == ["GATED", "GATED TOMO", "TOMO"]
    back = load_framed(out / "02-stop.npz")
    assert said["series"][1]["beats"]["accepted"] == back.beats.accepted == 9  # type: ignore[union-attr]
    assert (again, "holds something already" in err) == (3, True)
    assert (unmapped, "no uniformity map was recorded" in no_map) == (4, True)
    assert (breathing, "no trigger respiration was recorded" in why) == (3, True)
    assert not (tmp_path / "empty").exists()


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--frames", "60"], "write runs of NUMBERxTIME"),
        (["--frames", "60x2"], "has no unit"),
        (["--bins", "4"], "--bins says something of beats: name their trigger by --gate"),
        (["--gate", "ecg", "--frames", "1x1s"], "exclude each other"),
        (["--gate", "ecg", "--bins", "1"], "--bins 1: possible are 2 to 256"),
        (["--gate", "ecg", "--interval", "900-600 ms"], "write LOW-HIGH ms"),
        (["--pixels", "0"], "--pixels 0: possible are 1 to 1024"),
        (["--window", "peak"], "write NAME=LOW-HIGH keV"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], why: str
) -> None:
    code, _, err = run(capsys, tmp_path, *options)

    assert (code, why in err) == (2, True), err


def test_people_are_told_of_beats_in_a_line(plain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, text, _ = run(
        capsys, recorded(plain, tmp_path / "run"), "--step", 1, "--gate", "ecg", "--interval", "100-200 ms"
    )

    assert "4 triggers, 0 beats taken, 3 rejected (3 long)" in text
    assert "no beat was taken: nothing is gated" in text


def flood_words(random: np.random.Generator, begin_us: int, end_us: int, count: int) -> Any:
    time, head = np.sort(random.integers(begin_us, end_us, count)), random.integers(0, 2, count)
    x, y = random.integers(-450, 451, count), random.integers(-333, 334, count)
    return (1 << 62 | head << 60 | time << 30 | 280 << 20 | (y & 0x3FF) << 10 | x & 0x3FF).astype("<u8")


def test_a_recorded_sweep_under_a_flood_is_flat_to_noise_in_rows_and_columns(tmp_path: Path) -> None:
    """Codes of 0.6 mm, pixels of 6.75 mm, a bed at 200 mm/s: neither the comb of the codes nor the motion is seen."""
    random, each_us, per_call = np.random.default_rng(21), 50_000, 4000
    datagrams: list[bytes] = []
    actions: dict[int, list[Any]] = {}
    for number in range(100):  # half a second of standing, four of moving, half of standing
        place = min(max(number - 10, 0) * 10.0, 800.0)
        at = AxisPlace("bed", number * each_us * 1_000_000, place, 10 <= number < 90)
        words = flood_words(random, number * each_us, (number + 1) * each_us, per_call)
        actions[len(datagrams)] = [("positions", [at]), *([("named step", ("body", "time=4900ms"))] * (number == 1))]
        datagrams += [
            encode(Header(0, 0, 160, number * per_call + begin), words[begin : begin + 160].tobytes())
            for begin in range(0, per_call, 160)
        ]
    script = Script(
        datagrams, list(range(0, 1000 * len(datagrams), 1000)), profile=XYE, actions=actions, stop="time=5s",
        processing=Processing(windows=WINDOWS),
    )  # fmt: skip
    record(tmp_path / "run", script)
    manifest = load_manifest(tmp_path / "run")
    sweep = 'name = "body"\nsweep = { axis = "bed", from = "0 mm", to = "800 mm", speed = "200 mm/s" }\n'
    text = camera(f'[[steps]]\n{sweep}image.matrix = [80, 256]\nstop.host = "9 s"\n', kind="whole_body")
    manifest.scanner, manifest.protocol = SCANNER, {"id": "mine", "toml": text}
    (tmp_path / "run" / MANIFEST).write_bytes(dump_manifest(manifest))

    strip = made(tmp_path / "run")[1]
    assert (strip.kind, strip.name, strip.completed) == (ImageKind.WHOLE_BODY, "body", True)
    assert strip.strip is not None
    assert strip.strip.mean_speed_mm_per_s == pytest.approx(200.0, rel=1e-6)
    whole = strip.strip.exposed(0.999)
    assert whole.sum() == pytest.approx(400 / 6.75, abs=2)
    pictures = strip.counts[:, 0, 0][:, whole].astype(float)  # both heads
    for flat in (pictures.sum(axis=(0, 2)), pictures.sum(axis=(0, 1))):
        chi_squared = ((flat - flat.mean()) ** 2 / flat.mean()).sum() / (len(flat) - 1)
        assert chi_squared == pytest.approx(1.0, abs=0.6), len(flat)
