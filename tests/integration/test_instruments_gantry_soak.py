"""Everything that befalls a gantry in a SPECT acquisition is seen by the operator as the manual says.

Of the first line that is the state alone: which of several true reasons comes first differs by milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support_gantry import GantryStation, spect_camera
from support_gantry_faults import FAULTS, PAGE, Fault, section, seen, told

pytestmark = pytest.mark.soak


@pytest.fixture(scope="module")
def camera(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GantryStation]:
    with spect_camera(tmp_path_factory.mktemp("gantry")) as station:
        yield station


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.title)
def test_the_operator_sees_what_the_page_says(camera: GantryStation, fault: Fault) -> None:
    page, text = PAGE.read_text(), seen(camera, fault)

    assert section(fault, "").split("```")[0] in page
    assert text.startswith("interrupted RUN, turns, step 1 of 3 (stop 2/3): ")
    lines = [line for line in text.splitlines()[1:] if not (fault.varies and "motion lost" in line)]
    assert told("\n".join(lines)) <= told(page)
