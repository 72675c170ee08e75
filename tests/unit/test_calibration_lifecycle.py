"""Calibrations are used when somebody signed and activated them, and never silently replaced."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support_cameras import HEAD, NOON, PHOTOPEAK, made

from daq.errors import FormatError, ProfileError, RefusedError
from daq.model.calibrationlifecycle import Entry, Lifecycle, State, lifecycle_of
from device_profiles.calibrations import find_calibration, head_sha256, write_calibration
from device_profiles.cameracalibrations import write_camera_calibration
from device_profiles.camerachoice import Chosen, Wanted, calibrations_in, choose
from device_profiles.lifecycle import FILE, begin, camera_slot, read_lifecycle, ring_slot, take_step

SAID = {"user": "physicist", "by": "physicist", "at_utc": "2021-03-01T12:00:00Z", "reason": "commissioning"}


def put(folder: Path, name: str, made_utc: str, kind: str = "peaking", **changed: Any) -> None:
    write_camera_calibration(folder / f"{name}.toml", made(kind, name, made_utc=made_utc, **changed))


def step(folder: Path, name: str, what: str, **said: str) -> Lifecycle:
    of = next(each.calibration for each in calibrations_in(folder) if each.calibration.id == name)
    told = {"step": what, "calibration": name, "sha256": of.sha256, "slot": camera_slot(of), **SAID, **said}
    return take_step(folder, lambda _: told)


def signed_and_active(folder: Path, name: str, *, other: str = "") -> Lifecycle:
    step(folder, name, "signed", check="recording 7")
    return step(folder, name, "activated", other=other)


def chosen(folder: Path, trial: str | None = None) -> Chosen:
    return choose(calibrations_in(folder, trial=trial), Wanted("head", HEAD, NOON, windows=(PHOTOPEAK,)))


def used(folder: Path) -> list[tuple[str, str | None]]:
    return [(each.id, each.state) for each in chosen(folder).corrections.used]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    put(tmp_path, "old", "2026-11-18T08:00:00Z")
    put(tmp_path, "new", "2026-11-19T08:00:00Z")
    return tmp_path


def test_without_a_life_cycle_the_newest_counts_as_before(folder: Path) -> None:
    assert used(folder) == [("new", None)]


def test_with_a_life_cycle_nothing_is_used_until_it_is_active(folder: Path) -> None:
    begin(folder, **SAID)
    found = chosen(folder)
    assert found.corrections.used == ()
    assert found.left_out == [
        "head 1: peaking new is candidate, not active",
        "head 1: peaking old is candidate, not active",
    ]


def test_a_candidate_newer_than_the_active_one_is_not_used_and_is_said(folder: Path) -> None:
    begin(folder, **SAID)
    signed_and_active(folder, "old")
    assert used(folder) == [("old", "active")]
    assert chosen(folder).left_out == ["head 1: peaking new is candidate, not active"]


def test_activating_names_what_gives_way_and_roll_back_brings_it_again(folder: Path) -> None:
    begin(folder, **SAID)
    signed_and_active(folder, "old")
    with pytest.raises(RefusedError, match="old is active, and none was to give way"):
        signed_and_active(folder, "new")
    step(folder, "new", "activated", other="old")
    assert used(folder) == [("new", "active")]
    step(folder, "new", "rolled-back", other="old", reason="its flood has an edge")
    assert used(folder) == [("old", "active")]
    assert chosen(folder).left_out == ["head 1: peaking new is rolled back, not active"]


def test_nothing_is_rolled_back_to_where_nothing_was_active_before(folder: Path) -> None:
    begin(folder, **SAID)
    signed_and_active(folder, "old")
    with pytest.raises(RefusedError, match="nothing was active before old; it can be retired"):
        step(folder, "old", "rolled-back")
    step(folder, "old", "retired")
    assert used(folder) == []


def test_what_is_not_verified_is_not_signed_and_what_is_not_signed_not_active(folder: Path) -> None:
    begin(folder, **SAID)
    with pytest.raises(RefusedError, match="new is not verified"):
        step(folder, "new", "signed")
    with pytest.raises(RefusedError, match="new is candidate; activated needs one that is signed"):
        step(folder, "new", "activated")


def test_a_check_uses_the_candidate_in_place_of_the_active_one(folder: Path) -> None:
    begin(folder, **SAID)
    signed_and_active(folder, "new")
    tried = chosen(folder, trial="old").corrections.used
    assert [(each.id, each.state) for each in tried] == [("old", "trial")]
    assert used(folder) == [("new", "active")]


def test_uniformities_of_two_windows_are_active_beside_each_other(tmp_path: Path) -> None:
    from daq.model.cameracalibration import Window

    put(tmp_path, "tc", "2026-11-18T08:00:00Z", "uniformity")
    other = (Window(name="Tc", lower_kev=143.1, upper_kev=174.9),)
    put(tmp_path, "iodine", "2026-11-19T08:00:00Z", "uniformity", windows=other)
    begin(tmp_path, **SAID)
    signed_and_active(tmp_path, "tc")
    signed_and_active(tmp_path, "iodine")
    found = chosen(tmp_path)
    assert [(each.id, each.state) for each in found.corrections.used] == [("tc", "active")]
    assert found.left_out == ["head 1: uniformity iodine is active, of other windows"]


def test_another_file_under_the_name_of_a_signed_one_is_refused(folder: Path) -> None:
    begin(folder, **SAID)
    signed_and_active(folder, "old")
    (folder / "old.toml").unlink()
    with pytest.raises(ProfileError, match=r"old is active .*, and its file is not there"):
        chosen(folder)
    put(folder, "old", "2026-11-18T09:00:00Z")
    with pytest.raises(ProfileError, match="old is not what was signed"):
        chosen(folder)


@pytest.mark.parametrize("line", [0, 1, 2])
def test_a_changed_line_is_refused_in_words(folder: Path, line: int) -> None:
    begin(folder, **SAID)
    signed_and_active(folder, "old")
    lines = (folder / FILE).read_text().splitlines(keepends=True)
    (folder / FILE).write_text("".join([*lines[:line], lines[line].replace("commiss", "decomm"), *lines[line + 1 :]]))
    with pytest.raises(FormatError, match=rf"{FILE}, line {line + 1}: it was changed after it was written"):
        chosen(folder)


def test_a_forged_line_a_missing_one_and_a_torn_one_are_refused(folder: Path) -> None:
    begin(folder, **SAID)
    signed_and_active(folder, "old")
    content = (folder / FILE).read_bytes()
    lines = content.splitlines(keepends=True)
    for damaged, message in (
        (b"".join([lines[0], lines[2]]), "line 3 does not follow line 1"),
        (content[:-9], "its last line is cut off"),
        (b"", "its last line is cut off"),
        (content + b"{}\n", "line 4: it is no line of a life-cycle"),
        (content + _forged(content), "line 4: old is active; activated needs one that is signed"),
    ):
        (folder / FILE).write_bytes(damaged)
        with pytest.raises(FormatError, match=message):
            chosen(folder)


def _forged(content: bytes) -> bytes:
    """Return one line more that is whole by its hash, and takes a step that cannot be."""
    last = json.loads(content.splitlines()[-1])
    kept = {key: value for key, value in last.items() if key not in ("schema", "hash")}
    return Entry(**kept | {"seq": last["seq"] + 1, "previous": last["hash"]}).line()


def test_a_life_cycle_is_begun_once_and_before_any_step(folder: Path) -> None:
    with pytest.raises(RefusedError, match="keeps no life-cycle: begin it first"):
        step(folder, "old", "signed", check="x")
    begin(folder, **SAID)
    with pytest.raises(RefusedError, match="keeps a life-cycle already"):
        begin(folder, **SAID)


def test_a_step_without_a_reason_is_refused(folder: Path) -> None:
    with pytest.raises(RefusedError, match="reason"):
        begin(folder, **SAID | {"reason": ""})
    assert read_lifecycle(folder) is None


def test_two_who_take_a_step_at_once_do_not_both(folder: Path) -> None:
    begin(folder, **SAID)

    def meanwhile(_: Lifecycle) -> dict[str, str]:
        return step(folder, "old", "retired") and {}

    with pytest.raises(RefusedError, match="somebody else takes a step just now"):
        take_step(folder, meanwhile)


def test_a_ring_uses_its_active_calibration_and_says_which_newer_ones_it_leaves_out(tmp_path: Path) -> None:
    at = datetime(2021, 3, 3, tzinfo=UTC)
    for name, day in (("first", 1), ("second", 2)):
        write_calibration(
            tmp_path / f"{name}.toml", id=name, instrument="ring", made_utc=f"2021-03-0{day}T08:00:00Z", method="x",
            detectors=[0, 1], time_offset_ps=[day, day],
        )  # fmt: skip
    assert find_calibration(tmp_path, instrument="ring", at=at).id == "second"
    begin(tmp_path, **SAID)
    none = find_calibration(tmp_path, instrument="ring", at=at)
    assert (none.identity, len(none.left_out)) == (True, 2)
    told = {"calibration": "first", "sha256": head_sha256(tmp_path / "first.toml"), "slot": ring_slot("ring"), **SAID}
    take_step(tmp_path, lambda _: {"step": "signed", "check": "result 4", **told})
    take_step(tmp_path, lambda _: {"step": "activated", **told})
    found = find_calibration(tmp_path, instrument="ring", at=at)
    assert (found.id, found.state) == ("first", "active")
    assert found.left_out == ("second, made 2021-03-02T08:00:00Z, is candidate, not active",)


STEPS = st.tuples(
    st.sampled_from(["signed", "activated", "rolled-back", "retired"]),
    st.sampled_from(["a", "b", "c", "d"]),
    st.booleans(),
)


@given(st.lists(STEPS, max_size=30))
def test_never_are_two_of_one_slot_active_and_none_is_replaced_without_being_named(
    steps: list[tuple[Any, str, bool]],
) -> None:
    known = Lifecycle()
    known.add(Entry(seq=1, step="begun", previous=known.head, **SAID))
    for what, name, honest in steps:
        slot = "one" if name in "ab" else "two"
        was = known.active(slot)
        other = (was if what == "activated" else known.before(slot)) if honest else ""
        entry = Entry(
            seq=len(known.entries) + 1, step=what, calibration=name, sha256="0" * 64, slot=slot,
            other=other if what in ("activated", "rolled-back") else "", check="x", previous=known.head, **SAID,
        )  # fmt: skip
        try:
            known.add(entry)
        except RefusedError:
            assert known.active(slot) == was
            continue
        if was and known.active(slot) != was:
            assert was in (entry.calibration, entry.other)
        for names in ("ab", "cd"):
            assert sum(known.state(each) is State.ACTIVE for each in names) <= 1
    read = lifecycle_of([each.line().rstrip(b"\n") for each in known.entries], "lines")
    assert (read.states, read.stacks) == (known.states, known.stacks)
