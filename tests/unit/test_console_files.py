"""Pictures of patients over HTTP: for whoever is signed in, and kept by no browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support_gateway import Desk, room

PLACES = (
    "/api/v1/files/studies/run-1/ant.png", "/api/v1/files/frames/run-1/dynamic/1/0",
    "/api/v1/files/exports/one/ant.png", "/api/v1/files/views/run-1/1-0.png",
)  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
async def test_pictures_of_patients_are_for_whoever_is_signed_in_and_kept_by_no_browser(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    picture = tmp_path / "views" / "run-1" / "1-0.png"
    picture.parent.mkdir(parents=True)
    picture.write_bytes(b"a picture")

    async def told(_: Desk, __: str, args: dict[str, object], ___: Any) -> dict[str, object]:
        return {**args, "path": str(picture)}

    monkeypatch.setattr(Desk, "__call__", told)
    here = room(tmp_path)

    answer, refused = await here.signed_in().get(place), await here.browser().get(place)

    assert (answer.status_code, answer.content, refused.status_code) == (200, b"a picture", 401)
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("number", ["9" * 5000, "12345", "-1", "1e3", "x"])
async def test_a_number_in_an_address_that_is_none_leads_nowhere(tmp_path: Path, number: str) -> None:
    here = room(tmp_path)

    answer = await here.signed_in().get(f"/api/v1/files/frames/run-1/dynamic/{number}/0")

    assert (answer.status_code, answer.json()["kind"], here.desk.done) == (404, "MissingError", [])
