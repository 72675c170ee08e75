"""The documentation hangs together: links lead somewhere, commands are commands, tables of options are whole."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest
from support_pages import ROOT, blocks, commands

from daq.cli.listmode import report_json
from daq.cli.main import build_parser
from daq.storage.info import describe
from daq.storage.verify import verify
from simulators.__main__ import KINDS

DOCS = ROOT / "docs"
TOP = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")
PAGES = [*sorted(DOCS.rglob("*.md")), *(ROOT / name for name in TOP if (ROOT / name).exists())]
CHECKOUT = (ROOT / "README.md").exists()
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
COMMAND_LINE = (DOCS / "reference" / "command-line.md").read_text(encoding="utf-8")


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def prose(page: Path) -> str:
    """Return the page without fenced blocks and code spans."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"`[^`\n]*`", "", text)


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub makes of a page's headings."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    titles = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


def broken(page: Path) -> Iterator[str]:
    """Yield the links of a page that lead nowhere; those out of the documentation are looked at in a checkout only."""
    for link in LINK.findall(prose(page)):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = unquote(link).partition("#")
        target = (page.parent / path).resolve() if path else page
        if not CHECKOUT and target.is_relative_to(ROOT) and not target.is_relative_to(DOCS):
            continue
        if not target.exists() or (anchor and anchor not in anchors(target)):
            yield link


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_leads_somewhere(page: Path) -> None:
    assert list(broken(page)) == []


def test_a_link_to_nowhere_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# A title: with `code`\n[a](#a-title-with-code) [b](#nowhere) [c](https://example.org/) `[d](e)`\n"
    )

    assert list(broken(page)) == ["#nowhere"]


def test_every_page_can_be_reached_from_the_index() -> None:
    indices = [DOCS / "README.md", DOCS / "reference" / "instruments" / "README.md"]
    linked = {
        (index.parent / link.partition("#")[0]).resolve()
        for index in indices
        for link in LINK.findall(index.read_text(encoding="utf-8"))
    }

    assert [name_of(page) for page in PAGES if page.is_relative_to(DOCS) and page not in linked] == ["docs/README.md"]


def daq_commands() -> list[tuple[str, list[str]]]:
    """Return every `daq ...` command of all pages, as (page, arguments)."""
    found = []
    for page in PAGES:
        for command in commands(page.read_text(encoding="utf-8")):
            for part in re.split(r"\|\|?|&&|;|>", command):
                words = shlex.split(part, comments=True)
                if words and Path(words[0]).name == "daq":
                    found.append((name_of(page), words[1:]))
    return found


@pytest.mark.parametrize(("page", "arguments"), daq_commands(), ids=str)
def test_every_command_on_a_page_is_one_that_daq_takes(page: str, arguments: list[str]) -> None:
    options = build_parser().parse_args(arguments)

    assert callable(options.run), page


def test_the_commands_of_the_pages_are_found() -> None:
    verbs = {tuple(word for word in arguments[:2] if word.isalpha()) for _, arguments in daq_commands()}

    assert {("listmode", "recover"), ("listmode", "verify"), ("profile", "lint"), ("record",)} <= verbs


def leaves(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """Yield the parsers of all commands without verbs below them."""
    groups = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not groups:
        yield parser
    for group in groups:
        for below in group.choices.values():
            yield from leaves(below)


def sections() -> dict[str, str]:
    """Return the command sections of the page by their titles."""
    found = re.split(r"^## ", COMMAND_LINE, flags=re.MULTILINE)[1:]
    return {text.partition("\n")[0]: text for text in found if text.startswith("daq ")}


def stated(section: str) -> set[str]:
    """Return the arguments that the first table of a section states: options by name, others in capitals."""
    table = section.partition("| argument |")[2].partition("\n\n")[0]
    cells = re.findall(r"^\| `([^`]+)`", table, flags=re.MULTILINE)
    return {cell.split()[0].removesuffix("...") for cell in cells}


def taken(parser: argparse.ArgumentParser) -> tuple[set[str], int]:
    """Return the option strings of a parser but for help, and the number of its positional arguments."""
    options = {text for action in parser._actions for text in action.option_strings} - {"-h", "--help"}
    return options, sum(1 for action in parser._actions if not action.option_strings)


def test_the_page_has_a_section_for_every_command_and_no_other() -> None:
    assert set(sections()) == {parser.prog for parser in leaves(build_parser())}


@pytest.mark.parametrize("parser", list(leaves(build_parser())), ids=lambda parser: parser.prog)
def test_a_section_states_every_argument_and_no_other(parser: argparse.ArgumentParser) -> None:
    names = stated(sections()[parser.prog])
    options = {name for name in names if name.startswith("-")}

    assert (options, len(names - options)) == taken(parser)


@pytest.mark.parametrize("parser", list(leaves(build_parser())), ids=lambda parser: parser.prog)
def test_a_section_marks_the_required_options(parser: argparse.ArgumentParser) -> None:
    rows = re.findall(r"^\| `(--\S+)[^`]*` \| required", sections()[parser.prog], flags=re.MULTILINE)

    required = [action for action in parser._actions if action.option_strings and action.required]
    assert set(rows) == {action.option_strings[0] for action in required}


def test_the_page_states_every_exit_code_that_the_help_states() -> None:
    rows = re.findall(r"^\| (\d+) \|", COMMAND_LINE, flags=re.MULTILINE)

    assert rows == re.findall(r"\b(\d+) [a-z]", build_parser().epilog or "")


def keys_of(value: object) -> Iterator[str]:
    """Yield the keys of an object and of the objects in it, but for those that are names of streams or kinds."""
    if isinstance(value, dict):
        for key, below in value.items():
            yield key
            if key not in ("rows", "words_by_kind"):
                yield from keys_of(below)
    elif isinstance(value, list):
        for below in value:
            yield from keys_of(below)


@pytest.mark.parametrize("tool", [describe, lambda directory: report_json(verify(directory))], ids=["info", "verify"])
def test_the_page_names_every_key_of_the_json(tool: object) -> None:
    assert callable(tool)
    printed = tool(ROOT / "tests" / "golden" / "listmode-1.0")

    assert [key for key in keys_of(printed) if f"`{key}`" not in COMMAND_LINE] == []


def test_the_simulators_page_names_every_kind() -> None:
    page = (DOCS / "reference" / "simulators.md").read_text(encoding="utf-8")

    assert [kind for kind in KINDS if f"`{kind}" not in page] == []


@pytest.mark.skipif(not CHECKOUT, reason="no README beside these tests: not a checkout")
def test_the_readme_asks_for_two_commands_and_no_more() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")

    assert [block.text.strip() for block in blocks(readme) if block.language == "sh"] == ["make demo", "make test"]
    assert len(readme.splitlines()) <= 150


def test_no_page_shows_a_path_of_somebodys_machine() -> None:
    pattern = re.compile(r"/(?:home|root|work|Users|tmp)/\S*")
    found = [(name_of(page), hit) for page in PAGES for hit in pattern.findall(page.read_text(encoding="utf-8"))]

    assert found == []


def test_every_fence_is_closed_and_of_a_known_language() -> None:
    plain = {"console", "sh", "python", "toml", "json", "sql", "text", "mermaid"}
    fenced = [block.language for page in PAGES for block in blocks(page.read_text(encoding="utf-8"))]
    odd = [name_of(page) for page in PAGES if page.read_text(encoding="utf-8").count("\n```") % 2]

    assert set(fenced) <= plain
    assert odd == []
