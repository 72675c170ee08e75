"""The automatic test asks the station as anybody would, and recordings say themselves what stands against them."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from support_qc_desk import MemoryBooks, qc_test

from daq.composition.qc import wiring
from daq.composition.qc.recorded import Recorded
from daq.composition.qc.zone import host_zone
from daq.errors import DeadlineError, RefusedError
from daq.model.qc.figures import Level
from daq.model.qc.verbs import QcSign
from daq.model.station import Actor, Role
from daq.services.qc.signing import Where
from daq.services.revisions import Revisions
from daq.state.acquisition import State
from daq.storage.manifest import RecordedStep


class Night:
    """A station that is armed, or not, when it is asked to run a test."""

    def __init__(self, becomes: State) -> None:
        self.asked: list[tuple[str, dict[str, object], str]] = []
        self.machine = SimpleNamespace(state=State.READY, entry=SimpleNamespace(detail="no gas"))
        self._becomes = becomes

    async def command(self, verb: str, args: dict[str, object], actor: Any) -> dict[str, object]:
        self.asked.append((verb, args, actor.origin))
        self.machine.state = self._becomes
        return {}


def auto(night: Night, folder: Path) -> Any:
    quality: Any = object.__new__(wiring.Quality)
    quality.tests = {"daily-flood": qc_test(protocol="daily-flood", auto_at="05:30")}
    quality._machine, quality._hardware = night.machine, SimpleNamespace(places=None)
    quality._site, quality._leavings = SimpleNamespace(state_folder=folder), None
    quality._ringing, quality.standing = None, SimpleNamespace(zone=host_zone())
    return quality._auto(cast("Any", night))._room


async def test_the_automatic_test_prepares_and_starts_as_a_program(tmp_path: Path) -> None:
    night = Night(State.ARMED)
    await auto(night, tmp_path).acquire("daily-flood", "S-1")

    assert [(verb, origin) for verb, _, origin in night.asked] == [("qc-run", "daemon"), ("start", "daemon")]
    assert night.asked[0][1] == {"test": "daily-flood", "source": "S-1", "reason": "by itself, at its hour"}


async def test_one_that_cannot_be_armed_is_not_started(tmp_path: Path) -> None:
    night = Night(State.FAULT)
    with pytest.raises(DeadlineError, match="could not be armed: fault: no gas"):
        await auto(night, tmp_path).acquire("daily-flood", None)
    assert [verb for verb, _, _ in night.asked] == ["qc-run"]


@pytest.mark.parametrize("alone", [True, False])
async def test_one_person_may_approve_where_the_site_file_says_so(alone: bool) -> None:
    quality: Any = object.__new__(wiring.Quality)
    quality.books, quality.tests, quality._where = MemoryBooks(), {}, Where()
    quality._site = SimpleNamespace(qc=SimpleNamespace(one_person_may_approve=alone), state_folder=Path("nowhere"))
    quality.desk, quality._rounds = SimpleNamespace(handlers={}), SimpleNamespace(handlers=dict)
    quality.standing, quality._revisions, quality.in_spite = None, Revisions(), SimpleNamespace(handlers=dict)
    quality._announcing = SimpleNamespace(look=lambda: None)
    own = quality.books.enter("daily-flood", Level.IN_LIMITS, ago_h=1)
    signs = quality.handlers["qc-sign"](
        QcSign(result=own.id, sha256=own.sha256, meaning="approved"), Actor("anna", "local", Role.PHYSICIST, uid=1)
    )
    with nullcontext() if alone else pytest.raises(RefusedError, match="cannot both perform and approve"):
        await signs
    assert len(quality.books._kind("signature")) == alone


def recorded(
    *steps: RecordedStep, planned: int = 1, test: str = "daily-flood", marks: tuple[str, ...] = ()
) -> Recorded:
    manifest: Any = SimpleNamespace(
        acquisition_id="r", steps=list(steps), protocol={"steps": planned}, qc={"test": test},
        overrides={"draft": "why"}, calibrations={},
    )  # fmt: skip
    return Recorded(Path("r"), manifest, "0", marks)


def step(**told: Any) -> RecordedStep:
    limits = "singles[p]@0+1=10000000,host=60ps"
    return RecordedStep(**{"number": 1, "name": "flood", "begin_ps": 0, "completed": True, "stop": limits, **told})


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (recorded(step(ended_by="singles[p]@0+1")), ""),
        (recorded(step(ended_by="host")), "ended at its backstop"),
        (recorded(step(ended_by="host", stop="host=60ps")), ""),
        (recorded(step(ended_by="operator", completed=False)), "was ended by operator before its end"),
        (recorded(step(), planned=2), "1 of 2 steps were acquired"),
        (recorded(), "nothing was counted"),
        (recorded(step(), test="too-hot"), "was acquired for the test too-hot"),
        (recorded(step(), marks=("head 1 counts 500 cps",)), "head 1 counts 500 cps"),
    ],
)
def test_what_stands_against_a_test_is_in_its_recording(made: Recorded, why: str) -> None:
    said = "; ".join(made.obstacles("daily-flood"))
    assert (said == "") if not why else (why in said)


def test_what_was_overridden_and_what_is_missing_is_remarked() -> None:
    assert list(recorded(step(missing=1200)).remarks()) == [
        "draft was overridden: why", "r: 1,200 words of the front end are missing",
    ]  # fmt: skip
