"""The console's files: what the browser is given is whole, and nothing in it would be stopped by our own policy."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import daq.gateway

STATIC = Path(daq.gateway.__file__).parent / "static"
PAGE = (STATIC / "index.html").read_text(encoding="utf-8")
VENDOR = STATIC / "vendor"


def test_the_libraries_are_those_of_the_lock_file_and_bring_their_licences() -> None:
    told = json.loads((VENDOR / "vendor.json").read_text(encoding="utf-8"))

    found = {name: hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() for name in told["sha256"]}

    assert set(told["sha256"]) == {"preact-htm.js", "uplot.js", "uplot.css"}
    assert found == told["sha256"]
    licences = (VENDOR / "LICENSES.txt").read_text(encoding="utf-8")
    assert all(word in licences for word in ("htm\n", "preact\n", "uplot\n", "MIT", "Apache"))


def test_everything_that_the_page_names_is_there() -> None:
    named = re.findall(r'(?:href|src)="/static/([^"]+)"', PAGE)

    assert named
    assert [name for name in named if not (STATIC / name).is_file()] == []


def test_every_sheet_of_styles_is_named_by_the_page() -> None:
    sheets = {f"css/{path.name}" for path in (STATIC / "css").glob("*.css")}

    assert sheets <= set(re.findall(r'href="/static/([^"]+)"', PAGE))


def test_the_page_has_nothing_inline() -> None:
    assert re.search(r"<script(?![^>]*\bsrc=)", PAGE) is None
    assert re.search(r"\s(?:style|on\w+)=", PAGE) is None


def test_scripts_use_neither_eval_nor_foreign_addresses() -> None:
    for path in (STATIC / "js").rglob("*.js"):
        text = path.read_text(encoding="utf-8")
        assert re.search(r"\beval\(|new Function\(|innerHTML|dangerouslySetInnerHTML|document\.write", text) is None, (
            path
        )
        assert re.search(r"https?://(?!www\.w3\.org/)", text) is None, path


def test_colours_stand_in_one_place() -> None:
    for path in (STATIC / "css").glob("*.css"):
        if path.name in ("tokens.css", "console.css"):
            continue
        found = re.findall(r"#[0-9a-fA-F]{3,8}\b|\brgb\(", path.read_text(encoding="utf-8"))
        assert found == [], f"{path.name}: use the tokens of tokens.css"
