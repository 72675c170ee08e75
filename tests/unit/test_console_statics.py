"""The files of the console's page: each is sent once, packed, and the page names all that it begins with."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from support_gateway import room

from daq.gateway.pages import STATIC, page_of
from daq.gateway.service import _bound
from daq.gateway.statics import PACK_FROM_BYTES, Statics, modules_of


def served(folder: Path) -> httpx.AsyncClient:
    app = Starlette(routes=[Mount("/static", Statics(folder))])
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://here")


async def test_a_file_is_sent_packed_once_and_again_when_it_has_changed(tmp_path: Path) -> None:
    (tmp_path / "page.js").write_text("let a = 1;\n" * PACK_FROM_BYTES, encoding="utf-8")
    async with served(tmp_path) as browser:
        first = await browser.get("/static/page.js")
        tag = first.headers["etag"]
        same = await browser.get("/static/page.js", headers={"If-None-Match": tag})
        (tmp_path / "page.js").write_text("let b = 2;\n", encoding="utf-8")
        changed = await browser.get("/static/page.js", headers={"If-None-Match": tag})

    assert first.text == "let a = 1;\n" * PACK_FROM_BYTES
    assert first.headers["content-encoding"] == "gzip"
    assert int(first.headers["content-length"]) < PACK_FROM_BYTES
    assert first.headers["content-type"].startswith("text/javascript")
    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)
    assert (changed.status_code, changed.text) == (200, "let b = 2;\n")
    assert "content-encoding" not in changed.headers
    assert {each.headers["cache-control"] for each in (first, same, changed)} == {"no-cache"}


async def test_who_takes_nothing_packed_gets_the_file_and_a_head_has_no_body(tmp_path: Path) -> None:
    (tmp_path / "page.css").write_text("p { margin: 0; }\n" * PACK_FROM_BYTES, encoding="utf-8")
    async with served(tmp_path) as browser:
        plain = await browser.get("/static/page.css", headers={"Accept-Encoding": "identity"})
        head = await browser.head("/static/page.css")

    assert plain.content == (tmp_path / "page.css").read_bytes()
    assert (head.status_code, head.content) == (200, b"")


async def test_a_file_is_in_memory_once_however_its_name_is_written(tmp_path: Path) -> None:
    (tmp_path / "js").mkdir()
    (tmp_path / "js" / "a.js").write_text("let a = 1;\n", encoding="utf-8")
    files = Statics(tmp_path)
    held = [await files.held(name) for name in ("js/a.js", "js//a.js", "js/./a.js", "js/../js/a.js")]
    assert held[0] is not None
    assert all(each is held[0] for each in held)


async def test_a_link_that_leads_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("secret", encoding="utf-8")
    (tmp_path / "static").mkdir()
    (tmp_path / "static" / "way.txt").symlink_to(tmp_path / "secret.txt")
    async with served(tmp_path / "static") as browser:
        assert (await browser.get("/static/way.txt")).status_code == 404


@pytest.mark.parametrize("address", ["/", "/room"])
async def test_the_page_names_every_module_that_it_begins_with(tmp_path: Path, address: str) -> None:
    page = (await room(tmp_path).signed_in().get(address)).text
    named = re.findall(r'rel="modulepreload" href="/static/([^"]+)"', page)

    screen = "js/screens/room.js" if address == "/room" else "js/screens/worklist.js"
    assert page == page_of(address)
    assert {"js/main.js", "js/live.js", "vendor/preact-htm.js", screen} <= set(named)
    assert [name for name in named if not (STATIC / name).is_file()] == []


def test_modules_are_found_through_all_that_import_them_however_it_is_written(tmp_path: Path) -> None:
    (tmp_path / "js" / "deep").mkdir(parents=True)
    (tmp_path / "js" / "a.js").write_text(
        'import {\n  b,\n} from "./deep/b.js"; // why\nconst c = () => import("./c.js");\n', encoding="utf-8"
    )
    (tmp_path / "js" / "deep" / "b.js").write_text(
        'export * from "../d.js";\nimport "../a.js";\nexport const b = 1;\n',
        encoding="utf-8",
    )
    (tmp_path / "js" / "d.js").write_text("export const d = 1;\n", encoding="utf-8")

    assert modules_of(tmp_path, "js/a.js") == ["js/a.js", "js/deep/b.js", "js/d.js"]


def test_the_body_of_an_answer_does_not_wait_for_its_head_to_be_acknowledged() -> None:
    """With Nagle's algorithm it would, for the 40 ms by which kernels delay what they acknowledge."""
    with _bound("127.0.0.1", 0) as listening, socket.create_connection(listening.getsockname()):
        taken, _ = listening.accept()
        with taken:
            assert taken.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
