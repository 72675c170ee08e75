"""Every protocol that comes with scandaq is valid, fully sourced, a draft, and can be found."""

import re
from pathlib import Path

import pytest

from acquisition_protocols import sources
from acquisition_protocols.load import MAX_BYTES, available, checked, load_protocol, read, shipped
from daq.errors import MissingError, ProfileError, RefusedError
from daq.model.protocol import Image, Phase, Step
from daq.model.tables import parse_toml

NAMES = sorted(shipped())
WANTED = {
    "bone-spots", "bone-whole-body", "bone-blood-flow", "bone-spect", "lymphoscintigraphy", "fdg-static", "daily-flood",
    "sentinel-node-probe", "demo-two-steps", "demo-pet-two-steps", "demo-pet-ring", "fdg-whole-body", "fdg-pet-ct",
    "f18-dynamic", "pet-list-mode", "pet-daily", "demo-planar-static", "bone-three-phase", "i131-whole-body",
    "planar-eight-views", "paired-views", "renal-mag3", "thyroid-uptake", "thyroid-scan", "muga", "myocardial-spect",
    "myocardial-spect-stress", "myocardial-spect-tl201", "bone-spect-contour", "bone-spect-continuous", "bone-spect-ct",
    "sentinel-node-spect-ct", "breast-gamma", "intrinsic-flood", "demo-whole-body", "demo-dynamic", "demo-gated",
    "demo-spect", "demo-gated-spect", "demo-continuous-spect",
}  # fmt: skip


def test_the_usual_studies_are_there() -> None:
    assert set(NAMES) >= WANTED


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_said_against_a_shipped_protocol(name: str) -> None:
    path = shipped()[name]
    protocol, found = checked(read(path), path)

    assert found == []
    assert protocol is not None
    assert protocol.id == name


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_protocol_is_a_draft(name: str) -> None:
    loaded = load_protocol(name)

    assert (loaded.state, loaded.signature) == ("draft", None)
    assert "comes with scandaq" in loaded.state_reason
    assert len(loaded.sha256) == 64


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_of_a_shipped_protocol_names_its_own_source(name: str) -> None:
    path = shipped()[name]
    tables = parse_toml(read(path), str(path))
    stated = [
        (".".join(where), sources.source_of(where, tables["sources"])) for where, _, _ in sources.parameters(tables)
    ]

    assert len(stated) > 3
    assert [where for where, key in stated if key is None or key == "*"] == []


@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith("demo")])
def test_a_clinical_source_says_whether_it_was_read(name: str) -> None:
    texts = load_protocol(name).protocol.sources.values()
    known = re.compile(r"read\)|not read|unverified|^scandaq|^60 stops over|^what FDG|^measured", re.MULTILINE)

    assert [text for text in texts if not known.search(text)] == []


def test_no_clinical_step_runs_without_a_backstop_of_the_host() -> None:
    steps = [step for name in NAMES for step in load_protocol(name).protocol.steps]

    assert [step.name for step in steps if step.stop.host_ps is None] == []


def test_the_whole_body_sweep_is_ten_centimetres_a_minute() -> None:
    (step,) = load_protocol("bone-whole-body").protocol.steps

    assert step.sweep is not None
    assert step.sweep.speed * 60 == pytest.approx(100.0)
    assert step.sweep.duration_s == pytest.approx(1410)
    assert step.sweep.speed_range == pytest.approx((100 / 60, 120 / 60))


def test_bone_spect_has_sixty_stops_over_a_full_turn() -> None:
    steps = load_protocol("bone-spect").protocol.steps

    assert len(steps) == 60
    assert [steps[0].positions["gantry"], steps[-1].positions["gantry"]] == [0, 354]


def test_demonstrations_can_be_run_by_this_readout_and_last_seconds() -> None:
    for name in ("demo-two-steps", "demo-pet-two-steps"):
        steps = load_protocol(name).protocol.steps
        assert [bool(step.stop_limits()) for step in steps] == [True, True]
        assert max(step.stop.host_ps or 0 for step in steps) <= 20 * 10**12


def test_an_unknown_name_is_told_close_ones() -> None:
    with pytest.raises(MissingError, match="no acquisition protocol 'bone-spekt'; did you mean bone-spect"):
        load_protocol("bone-spekt")


def test_a_site_s_own_protocol_hides_the_shipped_one(tmp_path: Path) -> None:
    own = tmp_path / "demo-two-steps.toml"
    own.write_bytes(read(shipped()["demo-two-steps"]).replace(b"version = 1", b"version = 7"))

    assert load_protocol("demo-two-steps", [tmp_path]).protocol.version == 7
    assert available([tmp_path])["demo-two-steps"] == own
    assert load_protocol("demo-two-steps").protocol.version == 1


def test_of_two_folders_the_first_one_counts(tmp_path: Path) -> None:
    for number, folder in enumerate(("first", "second"), start=2):
        (tmp_path / folder).mkdir()
        text = read(shipped()["demo-two-steps"]).replace(b"version = 1", b"version = %d" % number)
        (tmp_path / folder / "demo-two-steps.toml").write_bytes(text)

    assert load_protocol("demo-two-steps", [tmp_path / "first", tmp_path / "second"]).protocol.version == 2


def test_a_folder_that_is_not_there_has_no_protocols(tmp_path: Path) -> None:
    assert available([tmp_path / "none"]) == available()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"a = [", "not TOML"),
        (b"\xff", "not UTF-8 text"),
        (b"", "3|problems"),
        (b"# " + b"x" * MAX_BYTES, "at most 1048576 bytes"),
    ],
)
def test_a_file_that_is_none_is_refused_in_words(tmp_path: Path, content: bytes, why: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(content)

    with pytest.raises(ProfileError, match=why):
        load_protocol(path)


def test_a_folder_or_a_device_is_no_protocol(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="cannot be read"):
        load_protocol(tmp_path)
    with pytest.raises(ProfileError, match="at most"):
        load_protocol(Path("/dev/zero"))


def test_a_whole_body_scan_begins_with_the_pelvis_and_its_bed_positions_share_a_quarter() -> None:
    for name in ("fdg-whole-body", "fdg-pet-ct"):
        protocol = load_protocol(name).protocol
        assert [step.positions["bed"] for step in protocol.steps] == [1200, 1005, 810, 615, 420]
        assert [step.overlap_percent for step in protocol.steps] == [None, 25, 25, 25, 25]
        assert all(step.repeat.first == "pelvis" for step in protocol.file.steps if step.repeat is not None)


def test_a_pet_ct_waits_for_the_ct_and_for_the_look_at_its_overlay() -> None:
    protocol = load_protocol("fdg-pet-ct").protocol

    assert [each.what for each in protocol.steps[0].before] == ["ct_attenuation"]
    assert [each.what for each in protocol.after] == ["overlay_check"]


def test_a_dynamic_study_of_pet_records_before_the_injection() -> None:
    protocol = load_protocol("f18-dynamic").protocol
    (step,) = protocol.steps

    assert protocol.requirements.administration == "follows"
    assert step.stop.duration_ps == 61 * 60 * 10**12
    assert (step.phases[0].frames, step.phases[0].frame_ps) == (1, 60 * 10**12)


_S = 10**12
BONE, MYOCARDIUM = (2 * 3600, 6 * 3600), (10 * 60, 2 * 3600)


def of_step(name: str, step: str) -> Step:
    return next(each for each in load_protocol(name).protocol.steps if each.name == step)


@pytest.mark.parametrize(("name", "flow", "pool"), [
    ("bone-three-phase", "blood flow", "blood pool"), ("bone-blood-flow", "blood flow", "blood pool"),
])  # fmt: skip
def test_the_blood_pool_is_done_within_ten_minutes_of_the_injection(name: str, flow: str, pool: str) -> None:
    """EANM 2016: flow 30 to 60 frames of 1 to 2 s, 64 or 128 squared; pool 3 to 5 min, 128 or 256 squared."""
    frames, still = of_step(name, flow), of_step(name, pool)

    assert [(30 <= each.frames <= 60, _S <= each.frame_ps <= 2 * _S) for each in frames.phases] == [(True, True)]
    assert (frames.image, still.image) == (Image(128, 128, 1.0), Image(256, 256, 1.0))
    assert 180 * _S <= (lasts_ps := still.stop.duration_ps or 0) <= 300 * _S
    assert still.after_injection_s is not None
    assert still.after_injection_s[0] == 60
    assert still.after_injection_s[1] + lasts_ps / _S <= 600


@pytest.mark.parametrize(("name", "earliest_s", "latest_s"), [
    ("bone-whole-body", 2 * 3600, 5 * 3600), ("bone-spots", *BONE), ("bone-spect", *BONE), ("bone-spect-ct", *BONE),
    ("bone-spect-contour", *BONE), ("bone-spect-continuous", *BONE), ("lymphoscintigraphy-late", 2 * 3600, 24 * 3600),
    ("myocardial-spect", *MYOCARDIUM), ("myocardial-spect-stress", *MYOCARDIUM),
    ("myocardial-spect-tl201", *MYOCARDIUM), ("thyroid-scan", 15 * 60, 40 * 60),
])  # fmt: skip
def test_a_late_view_says_when_it_is_to_begin_after_the_injection(name: str, earliest_s: int, latest_s: int) -> None:
    windows = [step.after_injection_s for step in load_protocol(name).protocol.steps]

    assert all(window and earliest_s <= window[0] < window[1] <= latest_s for window in windows)


def test_the_numbers_of_the_usual_studies_are_those_of_their_sources() -> None:
    """The parameters of studies as the guidelines and tables named in their sources have them."""
    spots = {
        step.name: step.stop.counts.limit for step in load_protocol("bone-spots").protocol.steps if step.stop.counts
    }
    assert spots == {"thorax": 10**6, "pelvis": 10**6, "head": 5 * 10**5, "knees": 5 * 10**5, "extremities": 3 * 10**5}

    for name in ("bone-spect", "bone-spect-ct", "bone-spect-contour"):
        stops = [step for step in load_protocol(name).protocol.steps if step.name.startswith("stop")]
        assert (len(stops), stops[0].image) == (60, Image(128, 128, 1.0))
        assert {step.stop.duration_ps for step in stops} == {20 * _S}  # 15 to 30 s

    drainage, early = of_step("lymphoscintigraphy", "drainage"), of_step("lymphoscintigraphy", "early ANT")
    assert drainage.phases == (Phase(60, 20 * _S),)
    assert (drainage.image, early.image) == (Image(128, 128, 1.35), Image(256, 256, 1.35))
    transmission = of_step("lymphoscintigraphy", "transmission")
    assert (transmission.windows, transmission.role) == (("co57",), "transmission")
    assert 60 * _S <= (transmission.stop.duration_ps or 0) <= 120 * _S

    (lao,) = load_protocol("muga").protocol.steps
    assert (lao.gate and lao.gate.bins >= 16, lao.image) == (True, Image(64, 64, 1.5))
    for name, views, bins in (("myocardial-spect", 64, 8), ("myocardial-spect-stress", 64, 8)):
        steps = load_protocol(name).protocol.steps
        assert (2 * len(steps), steps[0].gate and steps[0].gate.bins) == (views, bins)

    (iodine,) = load_protocol("i131-whole-body").protocol.steps
    assert iodine.sweep is not None
    assert iodine.sweep.speed_range == pytest.approx((40 / 60, 100 / 60))
    assert load_protocol("i131-whole-body").protocol.requirements.collimators == ("HEGP",)


@pytest.mark.parametrize("name", ["camera-background", "daily-flood", "intrinsic-flood"])
def test_steps_of_quality_control_say_that_they_are_of_no_patient(name: str) -> None:
    assert {step.role for step in load_protocol(name).protocol.steps} == {"quality_control"}
