"""The page on acquisition protocols names every key, word and shipped protocol of the code; its example works."""

import re
from pathlib import Path
from typing import get_args

import pytest
from support_pages import blocks

from acquisition_protocols.load import checked, shipped
from acquisition_protocols.signing import SignatureFile
from daq.model.geometry import View
from daq.model.protocol import PAUSE_BY_KIND, ProtocolKind
from daq.model.protocol_file import Counter, ProtocolFile
from daq.model.tables import known_keys

PAGE = (Path(__file__).parents[2] / "docs/reference/acquisition-protocol.md").read_text()


def first_cells() -> set[str]:
    """Return the names in the first column of the page's tables."""
    cells = [line.split("|")[1] for line in PAGE.splitlines() if line.startswith("|")]
    return set(re.findall(r"`([a-zA-Z0-9_-]+)`", " ".join(cells)))


def test_the_page_names_every_key() -> None:
    keys = {*known_keys(ProtocolFile), *known_keys(SignatureFile)}

    assert keys - first_cells() == set()


def test_the_page_names_no_key_that_there_is_not() -> None:
    known = {*known_keys(ProtocolFile), *known_keys(SignatureFile), *ProtocolKind, *shipped()}

    assert first_cells() - known == set()


@pytest.mark.parametrize(("kind", "pause"), PAUSE_BY_KIND.items())
def test_the_page_says_what_a_pause_means(kind: str, pause: str) -> None:
    assert f"| `{kind}` | `{pause}` |" in PAGE


@pytest.mark.parametrize(
    "word", [*View, *get_args(Counter), "either", "both", "sum", "all", "before_start", "may_follow"]
)
def test_the_page_names_every_word_a_value_can_be(word: str) -> None:
    assert f"`{word}`" in PAGE


@pytest.mark.parametrize("name", sorted(shipped()))
def test_the_page_lists_every_shipped_protocol(name: str) -> None:
    assert f"| `{name}` |" in PAGE


def test_the_example_of_the_page_is_in_order() -> None:
    (example,) = [block for block in blocks(PAGE) if block.language == "toml"]
    protocol, found = checked(example.text.encode(), Path(example.about))

    assert found == []
    assert protocol is not None
