"""Pictures of the documentation are there, small and described."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image
from support_pages import ROOT

PICTURE = re.compile(r"!\[([^\]]*)\]\(([^)\s]+)\)")
PAGES = sorted((ROOT / "docs").rglob("*.md"))
SHOWN = [(page, *found) for page in PAGES for found in PICTURE.findall(page.read_text(encoding="utf-8"))]
MOST_BYTES = 300_000


@pytest.mark.parametrize(("page", "text", "link"), SHOWN, ids=lambda each: getattr(each, "name", str(each)))
def test_a_picture_is_there_and_small_and_described(page: Path, text: str, link: str) -> None:
    path = (page.parent / link).resolve()

    assert text
    assert path.stat().st_size < MOST_BYTES
    with Image.open(path) as picture:
        assert picture.width <= 1200


def test_no_picture_lies_about_that_no_page_shows() -> None:
    shown = {(page.parent / link).resolve() for page, _, link in SHOWN}

    assert {path.resolve() for path in (ROOT / "docs").rglob("*.png")} - shown == set()
