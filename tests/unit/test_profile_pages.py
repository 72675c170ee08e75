"""The reference pages name every key, column, mark and unit that the code knows, and their examples work."""

import re
from pathlib import Path

import pytest

from daq.model.column_rules import COUNT_COLUMNS, TARGETS
from daq.model.control import ControlProfile
from daq.model.events import DECODED_MARKS
from daq.model.scanner import ScannerProfile
from daq.model.tables import known_keys
from device_profiles.load import check_profile
from device_profiles.scanners import shipped_scanners
from device_profiles.schema import InstrumentProfile
from device_profiles.site import Site, load_site

PAGES = Path(__file__).parents[2] / "docs/reference"
INSTRUMENT = (PAGES / "instrument-profile.md").read_text()
MCPHA = (PAGES / "redpitaya-mcpha.md").read_text()
"""Of the table `layout.mcpha`."""
SCANNER = (PAGES / "scanner-and-site.md").read_text()
TESTS = (PAGES / "qc-limits.md").read_text()
"""Of the tables `qc.NAME`."""


def named(page: str) -> set[str]:
    """Return the names in the first column of the page's tables, dotted ones by their last part."""
    cells = [line.split("|")[1:3] for line in page.splitlines() if line.startswith("|")]
    names = re.findall(r"`([a-zA-Z0-9_.]+)`", " ".join(cell for row in cells for cell in row))
    return {name.rpartition(".")[2] for name in names}


@pytest.mark.parametrize(
    ("page", "keys"),
    [
        (INSTRUMENT + MCPHA, set(known_keys(InstrumentProfile))),
        (INSTRUMENT, {target for targets in TARGETS.values() for target in targets}),
        (SCANNER + TESTS, set(known_keys(ScannerProfile))),
        (SCANNER, set(known_keys(Site))),
        (SCANNER, set(shipped_scanners())),
    ],
)
def test_a_page_names_every_key(page: str, keys: set[str]) -> None:
    assert {key for key in keys if key not in named(page) and f"| `{key}` |" not in page} == set()


def test_the_page_names_every_mark_a_word_can_be() -> None:
    assert [mark for mark in DECODED_MARKS if f"`{mark}`" not in INSTRUMENT] == []


@pytest.mark.parametrize(("column", "bits"), COUNT_COLUMNS.items())
def test_the_page_states_the_width_of_count_columns(column: str, bits: int) -> None:
    (row,) = [line for line in INSTRUMENT.splitlines() if line.startswith(f"| `{column}` ")]

    assert f"at most {bits} bits" in row


@pytest.mark.parametrize("target", ["time", "energy_adc", "energy_kev", "head", "bin", "tof_ps", "value", "value2"])
def test_the_page_states_which_kinds_fill_a_column(target: str) -> None:
    (row,) = [line for line in INSTRUMENT.splitlines() if line.startswith(f"| `{target}` ")]

    stated = [word.strip() for word in row.split("|")[2].split(",")]
    assert stated == [yields for yields, targets in TARGETS.items() if target in targets]


def test_the_example_profile_gives_no_finding(tmp_path: Path) -> None:
    path = tmp_path / "example.toml"
    path.write_text(example(INSTRUMENT))

    profile, found = check_profile(path)

    assert found == []
    assert profile is not None
    assert profile.id == "example-module"


def test_the_example_site_loads(tmp_path: Path) -> None:
    path = tmp_path / "site.toml"
    path.write_text(example(SCANNER.partition("## Site file")[2]))

    assert load_site(path).storage == Path("/srv/listmode")


def example(page: str) -> str:
    return page.partition("```toml\n")[2].partition("```")[0]


def test_the_page_of_control_profiles_names_every_key() -> None:
    told = set(re.findall(r"[a-z_]+", (PAGES / "control-profile.md").read_text()))

    assert {key for key in known_keys(ControlProfile) if key not in told} == set()
