"""PETSIRD: the official reader sees what was recorded, the official writer makes the same bytes, rules are kept."""

import hashlib
import io
from pathlib import Path
from typing import Any

import numpy as np
import petsird
import pyarrow as pa
import pytest
from petsird.helpers import expand_detection_bin
from petsird.helpers.geometry import get_detecting_box
from petsird.yardl_types import DateTime
from support_exports import (
    MS,
    PROCESSING,
    RING,
    RULE,
    check_petsird,
    events_of,
    pairs,
    read_petsird,
    real_detectors,
    recording,
)
from support_listmode import MARKS, segment

from daq.errors import RefusedError, UsageError
from daq.listmode.petsird_events import TofBins
from daq.listmode.petsird_geometry import NO_BIN, detection_bins
from daq.listmode.petsird_schema import SCHEMA
from daq.model.geometry import LIGHT_MM_PER_PS
from daq.model.processing import Processing
from daq.model.scanner import Ring, positions_mm
from daq.storage.export import Exported, export
from daq.storage.exportpairs import Wanted

ODD = RING.model_copy(update={"module_detectors": 5})


def exported(folder: Path, columns: dict[str, np.ndarray], wanted: Wanted | None = None, **changes: Any) -> Exported:
    return export(recording(folder, columns, **changes), folder / "out.petsird", to="petsird", wanted=wanted)


def processing(**changes: Any) -> dict[str, Any]:
    rule = RULE.model_copy(update=changes)
    return Processing(pairing=rule, windows=PROCESSING.windows).model_dump(mode="json")


def expected(columns: dict[str, np.ndarray], kind: int, tof: TofBins) -> list[tuple[int, int, int, int]]:
    """Work out every event anew, one by one."""
    bins, found = detection_bins(RING).tolist(), []
    edges_ps = (np.arange(tof.number + 1) - tof.number / 2) * tof.width_ps
    for time_ps, a, b, tof_ps, this in zip(
        *(columns[name].tolist() for name in ("time_ps", "detector_a", "detector_b", "tof_ps", "kind")), strict=True
    ):
        t_a, t_b = 0, tof_ps
        ordered = sorted([(bins[a], t_a), (bins[b], t_b)], reverse=True)
        apart = ordered[0][1] - ordered[1][1]
        place = int(np.searchsorted(edges_ps, apart, side="right")) - 1
        if this == kind:
            found.append((time_ps // (100 * MS) * 100, ordered[0][0], ordered[1][0], place))
    return found


def test_the_official_reader_sees_every_event_in_its_block(tmp_path: Path) -> None:
    columns = pairs(2000)

    made = exported(tmp_path, columns)

    header, blocks = read_petsird(made.file)
    tof = TofBins.covering(1000, 16)
    assert (made.rows, made.left_out) == (2000, {})
    assert header.scanner.tof_bin_edges[0][0].number_of_bins() == 127 == tof.number
    assert events_of(blocks, "prompt_events") == expected(columns, 0, tof)
    assert events_of(blocks, "delayed_events") == expected(columns, 1, tof)
    assert check_petsird(header, blocks) == []


def test_the_official_writer_makes_the_same_bytes(tmp_path: Path) -> None:
    made = exported(tmp_path, pairs(500))
    header, blocks = read_petsird(made.file)
    theirs = io.BytesIO()

    with petsird.BinaryPETSIRDWriter(theirs) as writer:
        writer.write_header(header)
        writer.write_time_blocks(petsird.TimeBlock.EventTimeBlock(block) for block in blocks)

    assert theirs.getvalue() == made.file.read_bytes()


def test_the_schema_is_that_of_the_official_package() -> None:
    assert petsird.protocols.PETSIRDWriterBase.schema == SCHEMA


def test_the_sha256_lies_beside_the_file(tmp_path: Path) -> None:
    made = exported(tmp_path, pairs(10))

    digest = hashlib.sha256(made.file.read_bytes()).hexdigest()
    assert made.sha256 == digest
    assert (tmp_path / "out.petsird.sha256").read_text() == f"{digest}  out.petsird\n"
    with pytest.raises(RefusedError, match="never overwrites"):
        export(tmp_path / "run", tmp_path / "out.petsird", to="petsird")


@pytest.mark.parametrize("direction", ["counter_clockwise", "clockwise"])
def test_boxes_lie_where_the_crystals_are(tmp_path: Path, direction: str) -> None:
    ring = Ring(
        **{**RING.model_dump(), "direction": direction, "layers": 2, "layer_pitch_mm": 20.0, "first_angle_deg": 30.0}
    )
    columns = pairs(5)
    made = exported(tmp_path, columns, processing=processing(ring=ring))
    scanner = read_petsird(made.file)[0].scanner
    bins = detection_bins(ring)

    for detector in np.flatnonzero(bins != NO_BIN).astype(np.uint32):
        box = get_detecting_box(scanner, 0, expand_detection_bin(scanner, 0, int(bins[detector])))
        corners = np.array([corner.c for corner in box.corners], np.float64)
        middle = positions_mm(ring, np.array([detector]))[0]
        out = np.array([*middle[:2], 0]) / np.hypot(*middle[:2])
        assert np.allclose(corners.mean(axis=0), middle + 10 * out, atol=1e-4)
        assert np.isclose((corners @ out).min(), middle @ out, atol=1e-4)
        assert np.isclose(np.ptp(corners[:, 2]), 4.5, atol=1e-4)
    assert np.unique(bins[bins != NO_BIN]).size == len(real_detectors(ring)) == 2 * 4 * 18


def test_a_source_beside_the_axis_is_found_where_it_is(tmp_path: Path) -> None:
    """(t1 - t2) c / 2 is the distance from the middle of the line, towards the second detector."""
    a, b = np.uint32(1), np.uint32(13)
    at = positions_mm(RING, np.array([a, b]))
    for offset_mm in (-30.0, 40.0):
        source = (at[0] + at[1]) / 2 + (at[1] - at[0]) / np.linalg.norm(at[1] - at[0]) * offset_mm
        flight = [np.linalg.norm(source - end) / LIGHT_MM_PER_PS for end in at]
        columns = {name: column[:1] for name, column in pairs(1).items()}
        columns |= {"detector_a": np.array([a]), "detector_b": np.array([b]), "kind": np.zeros(1, "u1")}
        columns["tof_ps"] = np.array([round(flight[1] - flight[0])], "<i4")
        made = exported(tmp_path / f"{offset_mm}", columns) if (tmp_path / f"{offset_mm}").mkdir() is None else None
        assert made is not None
        header, blocks = read_petsird(made.file)
        ((_, first, second, tof),) = events_of(blocks, "prompt_events")
        boxes = [
            get_detecting_box(header.scanner, 0, expand_detection_bin(header.scanner, 0, bin_))
            for bin_ in (first, second)
        ]
        ends = [np.mean([corner.c for corner in box.corners], axis=0) for box in boxes]
        edges = header.scanner.tof_bin_edges[0][0].edges
        along = (edges[tof] + edges[tof + 1]) / 2
        unit = (ends[1] - ends[0]) / np.linalg.norm(ends[1] - ends[0])
        assert np.allclose((ends[0] + ends[1]) / 2 + unit * along, source, atol=1.5)


def test_time_without_events_is_covered_and_the_ends_are_cut(tmp_path: Path) -> None:
    columns = pairs(4)
    columns["time_ps"] = np.array([130, 140, 730, 731]) * MS
    made = exported(tmp_path, columns, duration_ps=845 * MS)

    header, blocks = read_petsird(made.file)

    intervals = [(block.time_interval.start, block.time_interval.stop) for block in blocks]
    assert intervals == [(0, 100), (100, 200), (200, 700), (700, 800), (800, 845)]
    assert check_petsird(header, blocks) == []


def test_time_between_steps_is_not_covered(tmp_path: Path) -> None:
    columns = pairs(3)
    columns["time_ps"] = np.array([60, 150, 1450]) * MS
    steps = [
        {"number": 1, "begin_ps": 50 * MS, "end_ps": 200 * MS, "ended_by": "time", "completed": True},
        {"number": 2, "begin_ps": 1000 * MS, "end_ps": 1480 * MS, "ended_by": "time", "completed": True},
    ]
    made = exported(tmp_path, columns, steps=steps)

    blocks = read_petsird(made.file)[1]

    intervals = [(block.time_interval.start, block.time_interval.stop) for block in blocks]
    assert intervals == [(50, 100), (100, 200), (1000, 1400), (1400, 1480)]


def test_one_step_is_exported_alone(tmp_path: Path) -> None:
    columns = pairs(300)
    steps = [
        {"number": 1, "begin_ps": 0, "end_ps": 330 * MS, "ended_by": "time", "completed": True},
        {"number": 2, "begin_ps": 500 * MS, "end_ps": 760 * MS, "ended_by": "time", "completed": True},
        {"number": 3, "begin_ps": 800 * MS},
    ]
    made = exported(tmp_path, columns, Wanted(step=2), steps=steps)

    header, blocks = read_petsird(made.file)

    inside = (columns["time_ps"] >= 500 * MS) & (columns["time_ps"] <= 760 * MS)
    assert made.rows == np.count_nonzero(inside)
    assert [(block.time_interval.start, block.time_interval.stop) for block in blocks] == [
        (500, 600), (600, 700), (700, 760),
    ]  # fmt: skip
    assert check_petsird(header, blocks) == []
    joined = export(tmp_path / "run", tmp_path / "all", to="safir")
    assert (joined.rows, "the 3 steps of the recording are one after the other" in joined.notes[0]) == (300, True)
    alone = export(tmp_path / "run", tmp_path / "one.root", to="root", wanted=Wanted(step=1))
    assert alone.rows == np.count_nonzero(columns["time_ps"] <= 330 * MS)
    for step in (3, 4):
        with pytest.raises(RefusedError, match=f"step {step} is not there or has no end; steps: 1, 2, 3"):
            export(tmp_path / "run", tmp_path / "none", to="petsird", wanted=Wanted(step=step))


def test_times_that_go_back_or_below_zero_stay_with_their_events(tmp_path: Path) -> None:
    columns = pairs(5)
    columns["time_ps"] = np.array([-250 * MS, 10 * MS, 120 * MS, 15 * MS, 130 * MS])
    made = exported(tmp_path, columns)

    blocks = read_petsird(made.file)[1]

    holding = [block for block in blocks if events_of([block], "prompt_events") or events_of([block], "delayed_events")]
    assert [block.time_interval.start for block in holding] == [0, 200, 300, 200, 300]
    assert "times begin before zero: time 0 of the file is -250 ms of the recording" in made.notes
    assert any("times go back 1 times" in note for note in made.notes)


def test_energy_bins_are_the_lowest_digit_of_a_detection_bin(tmp_path: Path) -> None:
    columns = pairs(300)
    made = exported(tmp_path, columns, Wanted(energy_bins=5))

    header, blocks = read_petsird(made.file)

    edges = header.scanner.event_energy_bin_edges[0].edges
    assert edges.tolist() == [400, 450, 500, 550, 600, 650]
    indices = np.sort([bin_ % 5 for event in events_of(blocks, "prompt_events") for bin_ in event[1:3]])
    prompts = columns["kind"] == 0
    energies = np.concatenate([columns[name][prompts] for name in ("energy_a_kev", "energy_b_kev")])
    assert np.array_equal(indices, np.sort(np.digitize(energies, edges) - 1))
    assert check_petsird(header, blocks) == []


def test_what_does_not_fit_is_left_out_and_counted(tmp_path: Path) -> None:
    columns = pairs(100)
    columns["detector_a"][:3] = 3  # a gap
    columns["detector_b"][:3] = 12
    columns["energy_b_kev"][10:15] = 700
    columns["energy_a_kev"][15] = np.nan
    made = exported(tmp_path, columns)

    assert made.left_out == {"no crystal": 3, "outside the energy window": 6}
    assert made.rows == 91


def test_without_differences_of_time_the_window_is_the_only_bin(tmp_path: Path) -> None:
    columns = {
        name: column for name, column in pairs(50).items() if name in ("time_ps", "detector_a", "detector_b", "kind")
    }
    made = exported(tmp_path, columns)

    scanner = read_petsird(made.file)[0].scanner

    assert np.allclose(scanner.tof_bin_edges[0][0].edges, [-1000 * LIGHT_MM_PER_PS / 2, 1000 * LIGHT_MM_PER_PS / 2])


@pytest.mark.parametrize(
    ("policy", "delay_ps", "prompts", "delayeds"),
    [
        ("takeAllGoods", 100_000, "MULTIPLES_AS_ALL_COINCIDENCES", "MULTIPLES_AS_ALL_COINCIDENCES"),
        ("killAll", None, "REJECT_HIGHER_MULTIPLES", "NONE"),
        ("takeWinnerOfGoods", 100_000, "OTHER", "OTHER"),
    ],
)
def test_the_policy_is_said_as_far_as_petsird_has_a_word(
    tmp_path: Path, policy: str, delay_ps: int | None, prompts: str, delayeds: str
) -> None:
    columns = pairs(20)
    columns["kind"][:] = 0
    rule = RULE.model_dump(mode="json") | {"policy": policy, "delay_ps": delay_ps}
    made = exported(tmp_path, columns, processing=PROCESSING.model_dump(mode="json") | {"pairing": rule})

    header, blocks = read_petsird(made.file)

    scanner = header.scanner
    assert (scanner.prompt_event_policy.name, scanner.delayed_event_policy.name) == (prompts, delayeds)
    assert check_petsird(header, blocks) == []


def test_references_of_the_recording_are_in_the_header(tmp_path: Path) -> None:
    calibrations = {"normalisation": {"id": "norm-7", "sha256": "ab" * 32}, "mu_map": "ct-3"}
    record = {"what": "ct_attenuation", "frame_of_reference_uid": "1.2.3", "ct_series_uid": "1.2.4"}
    record |= {"registration_id": "ct-to-pet-7", "registration_date": "2026-11-02"}
    step = {"number": 1, "begin_ps": 0, "end_ps": 950 * MS, "hand_overs": [{"name": "CT", "record": record}]}
    made = exported(tmp_path, pairs(3), calibrations=calibrations, patient_reference="p-12", steps=[step])

    header = read_petsird(made.file)[0]

    said = header.scanner.detection_efficiencies.method_description
    assert f"mu_map: ct-3; normalisation: norm-7 {'ab' * 32}" in said
    assert "mu map: CT series 1.2.4, registration ct-to-pet-7 of 2026-11-02" in said
    assert header.exam is not None
    assert header.exam.frame_of_reference_uid == "1.2.3"
    assert header.exam.patient.patient_id == "p-12"
    assert header.exam.start_of_acquisition == DateTime(1_700_000_000_000_000_000)


def singles_marks(moments: list[tuple[int, list[int]]]) -> pa.RecordBatch:
    """Marks of the readout: at each moment (ms) the singles of every module since the one before."""
    rows = [(ms * MS, module, count) for ms, counts in moments for module, count in [*enumerate(counts), (-1, 5)]]
    time_ps, module, count = (np.array(column) for column in zip(*rows, strict=True))
    return pa.record_batch(
        [
            pa.array(time_ps), pa.array(["singles_rate"] * len(rows)), pa.array(np.full(len(rows), 65535, np.uint16)),
            pa.array(count), pa.array(module.astype(np.float64)), pa.array([""] * len(rows)),
        ],
        schema=MARKS,
    )  # fmt: skip


@pytest.mark.parametrize("until_ms", [949, 700])
def test_singles_per_module_are_in_the_file_where_they_cover_it(tmp_path: Path, until_ms: int) -> None:
    """Counts that end before the events do may not be in a PETSIRD file."""
    columns = pairs(50)
    columns["time_ps"][-1] = 949 * MS
    moments = [(0, [0] * 12), (400, list(range(12))), (until_ms, [100] * 12)]
    marks = segment("marks", [singles_marks(moments)])
    made = exported(tmp_path, columns, beside=[marks])

    header, blocks = read_petsird(made.file)

    found = [block for block in blocks if isinstance(block, petsird.SinglesHistogramTimeBlock)]
    assert check_petsird(header, blocks) == []
    if until_ms == 700:
        assert (found, header.scanner.singles_histogram_level) == ([], petsird.SinglesHistogramLevelType.NONE)
        return
    assert [(block.time_interval.start, block.time_interval.stop) for block in found] == [(0, 400), (400, 950)]
    assert [counts for (counts,) in found[0].singles_per_singles_unit_histogram] == list(range(12))
    assert [counts for (counts,) in found[1].singles_per_singles_unit_histogram] == [100] * 12
    theirs = io.BytesIO()
    with petsird.BinaryPETSIRDWriter(theirs) as writer:
        writer.write_header(header)
        writer.write_time_blocks(
            (petsird.TimeBlock.SinglesHistogramTimeBlock if block in found else petsird.TimeBlock.EventTimeBlock)(block)
            for block in blocks
        )
    assert theirs.getvalue() == made.file.read_bytes()


def test_lists_larger_than_memory_wait_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = exported(tmp_path, pairs(900)).file.read_bytes()
    monkeypatch.setattr("daq.storage.exportblocks._SPOOL_BYTES", 64)

    export(tmp_path / "run", tmp_path / "again", to="petsird")

    assert (tmp_path / "again").read_bytes() == whole
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "again", "again.sha256", "out.petsird", "out.petsird.sha256", "run",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("columns", "changes", "words"),
    [
        ({}, {"processing": None}, r"name the scanner profile \(--scanner\)"),
        ({}, {"processing": {"pairing": {}}}, "the manifest's processing: pairing.half_window_ps: Field required"),
        ({"detector_a": None, "detector_b": None}, {}, "neither detectors nor bin addresses"),
        ({}, {"processing": processing(ring=ODD)}, "the manifest's scanner: .*module_detectors = 5: does not divide"),
        ({}, {"state": "open"}, "is not sealed: petsird is made of sealed recordings only"),
    ],
)
def test_a_recording_that_lacks_what_is_needed_is_refused(
    tmp_path: Path, columns: dict[str, None], changes: dict[str, Any], words: str
) -> None:
    kept = {name: column for name, column in pairs(5).items() if name not in columns}
    with pytest.raises(RefusedError, match=words):
        exported(tmp_path, kept, **changes)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_what_a_profile_does_not_say_is_asked_for(tmp_path: Path) -> None:
    ring = RING.model_copy(update={"crystal_mm": None})
    with pytest.raises(RefusedError, match=r"ring\.crystal_mm"):
        exported(tmp_path, pairs(5), processing=processing(ring=ring))
    with pytest.raises(UsageError, match="petsird is made of coincidences"):
        export(tmp_path / "run", tmp_path / "out", to="petsird", stream="singles")
    with pytest.raises(RefusedError, match="more than the half window of 900 ps"):
        export(tmp_path / "run", tmp_path / "out", to="petsird", wanted=Wanted(half_window_ps=900))
