"""What speaks against a preparation: records that are missing, and views that cannot be continued."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest
from support_protocols import planar, sweep

from acquisition_protocols import rules
from daq.composition import judging
from daq.errors import MissingError, RefusedError
from daq.model.verbs import Prepare

if TYPE_CHECKING:
    from acquisition_protocols.load import LoadedProtocol
    from daq.composition.equipment import Equipment

STATIC = planar()
MOVING = sweep()


@pytest.mark.parametrize(
    ("wanted", "record", "why"),
    [
        ("none", None, None),
        ("before_start", None, "none was given"),
        ("may_follow", None, "none was given"),
        ("before_start", {"lot": "1"}, "does not say when"),
        ("before_start", {"injected_at": None}, "does not say when"),
        ("before_start", {"injected_at": "2026-11-22T20:00:00+01:00"}, None),
        ("may_follow", {"lot": "1"}, None),
        ("follows", {"lot": "1"}, None),
        ("follows", {"injected_at": "2026-11-22T20:00:00+01:00"}, "begins before the injection"),
    ],
)
def test_what_an_administration_must_say_before_the_start(
    wanted: str, record: dict[str, object] | None, why: str | None
) -> None:
    said = judging._lacks_administration(wanted, record)

    assert (said is None) if why is None else (why in str(said))


def test_in_a_later_session_the_injection_has_been() -> None:
    record: dict[str, object] = {"injected_at": "2026-11-22T20:00:00+01:00"}
    assert judging._lacks_administration("follows", record, 2) is None
    assert "does not say when" in str(judging._lacks_administration("follows", {"lot": "1"}, 2))


async def judged_draft(monkeypatch: pytest.MonkeyPatch, state: str, reason: str) -> dict[str, str]:
    async def nothing_unmet(*_: object) -> AsyncIterator[tuple[str, str]]:
        nothing: tuple[tuple[str, str], ...] = ()
        for each in nothing:
            yield each

    monkeypatch.setattr(judging, "instrument_for", lambda *_: (None, None))
    monkeypatch.setattr(rules, "check", lambda *_, **__: [])
    monkeypatch.setattr(judging, "_unmet", nothing_unmet)
    protocol = SimpleNamespace(id="mine", version=3, file=SimpleNamespace(time_lapse=None))
    loaded = cast("LoadedProtocol", SimpleNamespace(protocol=protocol, state=state, state_reason="draft: not signed"))
    equipment = cast("Equipment", SimpleNamespace(scanner=None, standing=None))
    return await judging.judged(equipment, loaded, Prepare(protocol="mine", draft_reason=reason))


async def test_a_draft_without_a_reason_is_refused_and_its_reason_is_borne(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RefusedError, match=r"mine version 3 is a draft: not signed; give a reason .*--draft-reason"):
        await judged_draft(monkeypatch, "draft", "")

    assert await judged_draft(monkeypatch, "draft", "phantom") == {"draft": "phantom"}
    assert await judged_draft(monkeypatch, "signed", "") == {}


def acquisition(storage: Path, text: str | None, monkeypatch: pytest.MonkeyPatch) -> str:
    (storage / "2026-11-22" / "run-1").mkdir(parents=True)
    protocol = None if text is None else {"toml": text, "id": "mine"}
    monkeypatch.setattr(judging, "load_manifest", lambda _: SimpleNamespace(protocol=protocol))
    return "run-1"


def test_a_static_view_is_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    judging._require_continuable(tmp_path, acquisition(tmp_path, STATIC, monkeypatch))


@pytest.mark.parametrize(("text", "why"), [(MOVING, "only static views can"), (None, "does not say how")])
def test_what_moves_or_frames_is_not_continued(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None, why: str
) -> None:
    with pytest.raises(RefusedError, match=why):
        judging._require_continuable(tmp_path, acquisition(tmp_path, text, monkeypatch))


@pytest.mark.parametrize("identity", ["run-2", "../run-1", "*", ""])
def test_what_is_not_there_is_not_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, identity: str) -> None:
    acquisition(tmp_path, STATIC, monkeypatch)

    with pytest.raises(MissingError, match="there is no acquisition"):
        judging._require_continuable(tmp_path, identity)
