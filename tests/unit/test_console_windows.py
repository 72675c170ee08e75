"""Energy windows of one exam: how far they may be moved, how a peak moves them, what is told and kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from acquisition_protocols.load import load_protocol
from daq.errors import LimitError, RefusedError, TransitionRefusedError, UsageError
from daq.model.console.window_verbs import EnergyWindow, Repeak
from daq.model.controlled import CONTROLLED
from daq.model.repeaking import NEEDED_COUNTS, HeadPeak, Shift, recentred, require_within, shift_of
from daq.model.station import Actor, Role
from daq.model.verbs import IN_TURN
from daq.model.verbs import checked as checked_verb
from daq.model.windowchange import Allowed, WindowChange, WindowEdges, changes_of, checked, line_of, named
from daq.readout.liveview import LiveView
from daq.services.acquisition.examwindows import ExamWindows
from daq.services.acquisition.telling import changed, windows
from daq.state.acquisition import State

SPOTS = load_protocol("bone-spots").protocol
LIMITS = Allowed(5.0, "a scanner profile", 40.0, 512.0)
ANNA = Actor("anna", "local", Role.TECHNOLOGIST)


def edges(lower_kev: float, upper_kev: float, **more: Any) -> WindowEdges:
    return WindowEdges(window="photopeak", lower_kev=lower_kev, upper_kev=upper_kev, **more)


def moved(lower_kev: float, upper_kev: float) -> tuple[WindowChange, ...]:
    return changes_of(SPOTS, [edges(lower_kev, upper_kev)], LIMITS, by="anna", at_utc="2020-01-01T00:00:00Z")


def test_a_window_that_is_moved_for_one_exam_leaves_the_signed_one_to_be_seen() -> None:
    exam = SPOTS.with_windows(moved(130.0, 158.0))

    assert (exam.windows.windows[0].lower_kev, exam.windows.windows[0].upper_kev) == (130.0, 158.0)
    assert exam.signed_windows == SPOTS.windows
    assert SPOTS.changed == ()
    assert windows(exam)[0]["signed_kev"] == pytest.approx([126.45, 154.55])
    assert (
        "130 to 158 keV in this exam, the protocol has 126.45 to 154.55 keV; set by hand"
        in changed(exam)[0]["sentence"]
    )


def test_a_change_comes_back_from_journal_and_manifest_as_it_was() -> None:
    (change,) = moved(130.0, 158.0)

    assert WindowChange.from_json(change.to_json()) == change
    assert (
        SPOTS.with_windows([WindowChange.from_json(change.to_json())]).windows == SPOTS.with_windows([change]).windows
    )


def test_a_window_that_is_set_back_is_no_change_any_more() -> None:
    again = changes_of(SPOTS, [edges(126.45, 154.55)], LIMITS, by="anna", at_utc="", before=moved(130.0, 158.0))

    assert again == ()
    assert SPOTS.with_windows(moved(130.0, 158.0)).with_windows(again) == SPOTS


@pytest.mark.parametrize(
    ("lower_kev", "upper_kev", "said"),
    [
        (134.0, 162.0, r"middle is \+7\.5 keV off .* at most 7\.0 keV are possible here \(5 % of 140\.5 keV\)"),
        (118.0, 146.0, r"middle is -8\.5 keV off .* tell the physicist"),
        (141.0, 155.0, r"the photopeak at 140\.5 keV would lie outside"),
        (134.0, 147.0, r"13\.0 keV wide; the protocol has 28\.1 keV, and 14\.1 to 42\.2 keV are possible"),
        (116.0, 164.0, r"48\.0 keV wide"),
        (150.0, 130.0, r"the lower bound must be at or above zero and below the upper"),
    ],
)
def test_a_window_beyond_what_is_sensible_is_refused_with_numbers(
    lower_kev: float, upper_kev: float, said: str
) -> None:
    with pytest.raises(RefusedError, match=said):
        checked(SPOTS, edges(lower_kev, upper_kev), LIMITS)


def test_a_window_outside_of_what_the_camera_records_is_refused() -> None:
    with pytest.raises(RefusedError, match="the camera records 128 to 512 keV"):
        checked(SPOTS, edges(127.0, 155.0), replace(LIMITS, low_kev=128.0))


def test_windows_of_quality_control_and_of_what_records_windows_alone_stay() -> None:
    flood = load_protocol("daily-flood").protocol
    narrow = replace(SPOTS, store=replace(SPOTS.store, singles="windowed"))

    with pytest.raises(RefusedError, match="quality control is judged with the energy windows of its protocol"):
        checked(flood, edges(126.0, 154.0), LIMITS)
    with pytest.raises(RefusedError, match="records only what lies inside its windows"):
        checked(narrow, edges(127.0, 155.0), LIMITS)
    with pytest.raises(RefusedError, match="no energy window 'cobalt'; there are photopeak"):
        named(SPOTS, "cobalt")


def test_the_line_of_a_window_is_that_of_the_protocol_or_of_its_nuclide() -> None:
    assert line_of(SPOTS, SPOTS.windows.windows[0]) == pytest.approx(140.5)


def heads(*off_kev: float | None, counts: int = 20_000) -> list[HeadPeak]:
    return [
        HeadPeak(number, counts) if off is None else HeadPeak(number, counts, 140.5 + off, 0.1)
        for number, off in enumerate(off_kev)
    ]


def test_the_shift_of_two_heads_is_their_mean_with_its_uncertainty() -> None:
    shift = shift_of(heads(-1.0, -2.0), 140.5)

    assert (shift.kev, shift.error_kev) == pytest.approx((-1.5, 0.1 / 2**0.5))
    assert shift.percent == pytest.approx(-1.0676, abs=1e-3)
    assert shift.is_sure


def test_too_few_counts_are_told_with_how_many_are_missing() -> None:
    with pytest.raises(LimitError, match=rf"head 0 has 1200 counts .* {NEEDED_COUNTS} are needed: 800 are missing"):
        shift_of(heads(0.5, counts=1200), 140.5)


def test_a_head_without_a_peak_is_named() -> None:
    with pytest.raises(RefusedError, match=r"head 1 shows no peak near 140\.5 keV"):
        shift_of(heads(0.5, None), 140.5)


def test_a_shift_beyond_the_limit_is_refused_and_says_whom_to_tell() -> None:
    wide = heads(-1.0, -7.5)

    with pytest.raises(RefusedError, match=r"head 1 -7\.5 keV; at most 7\.0 keV \(5 %\) .* tell the physicist"):
        require_within(shift_of(wide, 140.5), wide, LIMITS)


def test_the_window_follows_the_peak_in_tenths_of_a_kev() -> None:
    wanted = recentred(SPOTS.windows.windows[0], Shift(140.5, -1.476, 0.05, -1.5))

    assert (wanted.lower_kev, wanted.upper_kev, wanted.how) == (124.95, 153.05, "by its peak")


def test_what_counting_alone_could_make_is_no_shift() -> None:
    assert not Shift(140.5, 0.15, 0.02, 0.15).is_sure
    assert not Shift(140.5, 0.5, 0.3, 0.5).is_sure


def test_both_verbs_need_control_wait_their_turn_and_refuse_what_is_no_number() -> None:
    assert {"energy-window", "repeak"} <= CONTROLLED & IN_TURN
    with pytest.raises(UsageError, match="windows"):
        checked_verb("energy-window", {"windows": [{"window": "a", "lower_kev": "low", "upper_kev": 1.0}]}, ANNA)


class Planner:
    """Takes what is wanted; its run is the one that was given."""

    def __init__(self) -> None:
        self.asked: list[tuple[WindowEdges, str]] = []

    def allowed(self, _: Any) -> Allowed:
        return LIMITS

    async def moved(
        self, run: Any, wanted: Sequence[WindowEdges], actor: Actor, reason: str
    ) -> tuple[WindowChange, ...]:
        self.asked += [(each, reason) for each in wanted]
        run.protocol = run.protocol.with_windows(changes_of(run.protocol, wanted, LIMITS, by=actor.user, at_utc=""))
        return tuple(run.protocol.changed)


def spectrum(off_kev: float, counts: int) -> np.ndarray[Any, Any]:
    """Return what a readout publishes of one head: a peak of 9.8 % on a little scatter, [bins of 0.5 keV]."""
    axis, sigma = np.arange(1024) * 0.5 + 0.25, 140.5 * 0.098 / 2.355
    peak = counts * 0.5 * np.exp(-0.5 * ((axis - 140.5 - off_kev) / sigma) ** 2) / (sigma * np.sqrt(2 * np.pi))
    return np.asarray(peak + np.where(axis < 135, counts * 1e-4, 0.0))


class View:
    """The figures of two heads."""

    def __init__(self, *spectra: Any) -> None:
        self._spectra = np.stack(spectra)
        energy = {"low_kev": 0.0, "bin_kev": 0.5, "bins": 1024}
        self.about = {"looks": {"camera": {"heads": list(range(len(spectra))), "energy": energy}}}

    state = "live"

    def some(self, names: list[str]) -> dict[str, Any]:
        return {"state": self.state, **dict.fromkeys(names, self._spectra)}

    def __enter__(self) -> View:
        return self

    def __exit__(self, *_: object) -> None:
        return None


Desk = Callable[..., tuple[ExamWindows, Planner, Any]]


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Desk:
    def made(state: State = State.ARMED, *spectra: Any) -> tuple[ExamWindows, Planner, Any]:
        run = SimpleNamespace(identity="run-1", protocol=SPOTS)
        machine: Any = SimpleNamespace(state=state, entry=SimpleNamespace(run="run-1", detail=""))
        monkeypatch.setattr(LiveView, "attach", lambda *_, **__: View(*spectra))
        planner = Planner()
        return ExamWindows(lambda: run, machine, planner, lambda: Path("control"), lambda: None), planner, run  # type: ignore[arg-type, return-value]

    return made


async def test_on_a_source_the_window_follows_the_peak_and_the_shift_is_told(desk: Desk) -> None:
    exam, planner, run = desk(State.ARMED, spectrum(-1.9, 60_000), spectrum(-2.1, 60_000))

    told = await exam.handlers["repeak"](Repeak(source=True), ANNA)

    assert told["shift_kev"] == pytest.approx(-2.0, abs=0.15)
    assert 0 < told["error_kev"] < 0.1
    assert told["limit_kev"] == pytest.approx(7.025)
    assert told["recentred"]
    assert run.protocol.windows.windows[0].lower_kev == pytest.approx(124.45, abs=0.16)
    assert "keV off 140.5 keV" in planner.asked[0][1]


async def test_by_a_spectrum_that_stands_still_nothing_is_moved(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    windows, planner, _ = desk(State.ARMED, spectrum(-1.0, 40_000))
    monkeypatch.setattr(View, "state", "stale")
    with pytest.raises(RefusedError, match="stands still"):
        await windows.handlers["repeak"](Repeak(source=True), ANNA)
    assert planner.asked == []


async def test_on_a_patient_the_peak_is_looked_at_and_nothing_is_moved(desk: Desk) -> None:
    exam, planner, _ = desk(State.ARMED, spectrum(-2.0, 60_000))

    told = await exam.handlers["repeak"](Repeak(), ANNA)

    assert not told["recentred"]
    assert "On a patient the peak is only looked at" in told["said"]
    assert planner.asked == []


async def test_a_peak_in_its_place_moves_no_window(desk: Desk) -> None:
    exam, planner, _ = desk(State.ARMED, spectrum(0.0, 60_000))

    told = await exam.handlers["repeak"](Repeak(source=True), ANNA)

    assert (told["recentred"], planner.asked) == (False, [])
    assert "in its place" in told["said"]


async def test_a_peak_beyond_the_limit_moves_nothing_and_is_refused(desk: Desk) -> None:
    exam, planner, _ = desk(State.ARMED, spectrum(-9.0, 60_000))

    with pytest.raises(RefusedError, match="tell the physicist"):
        await exam.handlers["repeak"](Repeak(source=True), ANNA)
    assert planner.asked == []


@pytest.mark.parametrize("state", [State.ACQUIRING, State.PAUSED, State.WAITING, State.POSITIONING, State.PREPARING])
async def test_windows_stay_while_something_records_and_the_sentence_says_why(desk: Desk, state: State) -> None:
    exam, planner, _ = desk(state, spectrum(-2.0, 60_000))
    asked = EnergyWindow(windows=[edges(128.0, 156.0)])

    for verb, request in (("repeak", Repeak(source=True)), ("energy-window", asked)):
        with pytest.raises(TransitionRefusedError, match=f"stays as it is while the exam is {state}.*finish or abort"):
            await exam.handlers[verb](request, ANNA)
    assert planner.asked == []


async def test_without_an_exam_and_for_another_one_nothing_is_moved(desk: Desk) -> None:
    asked = EnergyWindow(windows=[edges(128.0, 156.0)], run="run-0")

    with pytest.raises(TransitionRefusedError, match="no exam is armed"):
        await desk(State.READY)[0].handlers["energy-window"](asked, ANNA)
    with pytest.raises(RefusedError, match="run-0 is not the exam that the station has now"):
        await desk(State.ARMED)[0].handlers["energy-window"](asked, ANNA)
