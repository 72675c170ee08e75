"""Windows by the nuclide's name: how many, where, and those for scatter beside them."""

from __future__ import annotations

import pytest

from daq.errors import MissingError, RefusedError
from daq.model.nuclide_table import NUCLIDES
from daq.model.window_sets import beside, line_inside, main_line_kev, photopeaks, window_set
from daq.model.windows import EnergyWindow


@pytest.mark.parametrize(("name", "peaks"), [("Tc-99m", 1), ("Ga-67", 3), ("In-111", 2), ("I-131", 1), ("Tl-201", 2)])
def test_a_nuclide_has_its_usual_photopeaks(name: str, peaks: int) -> None:
    assert len(window_set([name]).windows) == peaks


def test_every_photopeak_of_the_table_is_about_a_line() -> None:
    imaged = [of for of in NUCLIDES.values() if of.usual_windows and of.lines]

    lines = {of.name: [line_inside(of, usual.window) for usual in photopeaks(of.name)] for of in imaged}

    assert lines["Ga-67"] == [93.310, 184.576, 300.217]
    assert main_line_kev("Tc-99m") == 140.511
    assert len(lines) > 8


def test_scatter_windows_touch_the_photopeak_and_none_is_lost_between() -> None:
    peak, below, above = window_set(["Tc-99m"], tew_width_kev=3.0).windows

    assert (below.upper_kev, above.lower_kev) == (peak.lower_kev, peak.upper_kev)
    assert above.upper_kev - above.lower_kev == pytest.approx(3.0)
    assert [below.name, above.name] == ["140.5 below", "140.5 above"]


def test_two_nuclides_at_once_name_their_windows_by_nuclide() -> None:
    names = [window.name for window in window_set(["Tc-99m", "I-123"]).windows]

    assert names == ["Tc-99m 140.5", "I-123 159"]


def test_more_windows_than_bits_unknown_nuclides_and_impossible_widths_are_refused() -> None:
    with pytest.raises(RefusedError, match="at most 16"):
        window_set(["Ga-67", "In-111", "Tl-201"], tew_width_kev=3.0)
    with pytest.raises(MissingError, match="Xx-1"):
        window_set(["Xx-1"])
    with pytest.raises(RefusedError, match="does not fit below"):
        beside(EnergyWindow(10.0, 20.0, "low"), 15.0)
    with pytest.raises(RefusedError, match="no usual window"):
        photopeaks("Lu-176")
