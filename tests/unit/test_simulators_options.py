"""The options and their reference page."""

import argparse
import re
from pathlib import Path

import pytest

from daq.errors import UsageError
from simulators.__main__ import KINDS, main, module_of

PAGES = Path(__file__).parents[2] / "docs" / "reference"
PAGE = PAGES / "simulators.md"
OTHERS = (PAGES / "simulated-fers-boards.md", PAGES / "simulated-instruments.md")
"""Have the options of their kinds on pages of their own."""


def test_the_reference_page_lists_the_options_that_exist() -> None:
    parser = argparse.ArgumentParser(conflict_handler="resolve")
    for kind in KINDS:
        module_of(kind).add_options(parser)

    options = set(re.findall(r"(?<![-\w])--[a-z-]+", parser.format_help())) - {"--help"}

    told = "".join(page.read_text(encoding="utf-8") for page in (PAGE, *OTHERS))
    assert set(re.findall(r"^\| `(--[a-z-]+)", told, re.M)) == options


def test_the_reference_page_lists_the_kinds_that_exist() -> None:
    table = PAGE.read_text(encoding="utf-8").split("## The ready line")[0]

    assert re.findall(r"^\| `([a-z0-9-]+)", table, re.M) == list(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_explains_itself(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([kind, "--help"])

    assert ended.value.code == 0
    assert KINDS[kind].split(",")[0].lower() in capsys.readouterr().out.lower().replace("\n", " ")


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--profile", "head-xye64", "--rate", "1e300", "--events", "9"], "1e+294 events per tick; at most 131072"),
        (["--profile", "head-xye64", "--rate", "1e5", "--seconds", "1e300"], "a run of 1e+300 s; at most"),
        (
            ["--profile", "siemens-petlink32", "--rate", "1e-3", "--events", "9"],
            "more than 131072 time words between two events",
        ),
        (["--profile", "head-xye64", "--rate", "1e5", "--truth", "/"], "--truth /: is a folder; name a file"),
        (["--profile", "head-xye64", "--rate", "1e5", "--truth", "/no-such-folder/x"], "there is no folder"),
    ],
)
def test_options_without_sense_are_refused_in_words(
    options: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["poisson", *options]) == UsageError.exit_code

    assert sentence in capsys.readouterr().err
