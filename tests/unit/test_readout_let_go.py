"""An armed readout that is let go leaves nothing; one that records is not let go."""

from __future__ import annotations

from pathlib import Path

import pytest
from support_readout import (
    free_port,
    plan_of,
    running,
    until,
)

from daq.errors import RefusedError
from daq.readout.control import ask
from daq.readout.plan import CONTROL


def test_an_armed_readout_that_is_let_go_leaves_no_directory_and_frees_its_front_end(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, f"udp://@127.0.0.1:{free_port()}", start_at_once=False)
    with running(plan) as run:
        until(lambda: run.readout.status()["state"] == "armed", "armed")
        ask(run.folder / CONTROL, {"do": "release"})
        code = run.finish()

    assert (code, run.last_status["state"]) == (0, "released")
    assert not (tmp_path / "run").exists()
    with running(plan) as again:
        until(lambda: again.readout.status()["state"] == "armed", "armed")


def test_a_readout_that_records_is_not_let_go(tmp_path: Path) -> None:
    with running(plan_of(tmp_path, f"udp://@127.0.0.1:{free_port()}")) as run:
        until(lambda: run.readout.status()["state"] == "recording", "recording")

        with pytest.raises(RefusedError, match="only one that waits for its start"):
            ask(run.folder / CONTROL, {"do": "release"})
        assert run.readout.status()["state"] == "recording"
