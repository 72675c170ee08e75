"""A protocol in time-lapse is as the file says, only faster; its counts stay."""

from pathlib import Path

import pytest

from acquisition_protocols.load import checked, read, shipped
from daq.model.protocol import AcquisitionProtocol


def lapsed(name: str, times: int) -> tuple[AcquisitionProtocol, AcquisitionProtocol]:
    """Return a shipped protocol as it is and in time-lapse."""
    path = shipped()[name]
    text = read(path)
    faster = text.replace(b"\n[", f"\ntime_lapse = {times}\n\n[".encode(), 1)
    made = [checked(content, path) for content in (text, faster)]
    assert [[f for f in found if f.severity == "error"] for _, found in made] == [[], []]
    (usual, _), (fast, _) = made
    assert usual is not None
    assert fast is not None
    return usual, fast


def test_a_sweep_goes_as_many_times_as_fast_over_the_same_way() -> None:
    usual, fast = lapsed("bone-whole-body", 30)
    before, after = usual.steps[0].sweep, fast.steps[0].sweep

    assert before is not None
    assert after is not None
    assert after.speed == pytest.approx(30 * before.speed)
    assert (after.begin, after.end) == (before.begin, before.end)
    assert fast.title.endswith("time-lapse, 30 times as fast")


def test_frames_and_steps_are_as_many_times_shorter() -> None:
    usual, fast = lapsed("lymphoscintigraphy", 20)

    for before, after in zip(usual.steps, fast.steps, strict=True):
        assert [phase.frame_ps // 20 for phase in before.phases] == [phase.frame_ps for phase in after.phases]
        assert before.stop.duration_ps is not None
        assert after.stop.duration_ps == before.stop.duration_ps // 20
        assert after.stop.host_ps == before.stop.host_ps


def test_counts_are_those_of_the_file() -> None:
    usual, fast = lapsed("bone-spots", 10)

    limits = [(a.stop.counts, b.stop.counts) for a, b in zip(usual.steps, fast.steps, strict=True)]
    assert all(a is not None and b is not None and a.limit == b.limit for a, b in limits)


def test_one_time_is_no_time_lapse(tmp_path: Path) -> None:
    path = shipped()["bone-spots"]
    text = read(path).replace(b"\n[", b"\ntime_lapse = 1\n\n[", 1)

    protocol, found = checked(text, path)

    assert protocol is None
    assert any(finding.key == "time_lapse" for finding in found)
