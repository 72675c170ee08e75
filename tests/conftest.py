"""Fixtures that all tests share."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def pytest_configure(config: pytest.Config) -> None:
    """Know the marks that are about speed alone; let Ctrl-C reach the processes under test.

    A shell that starts the tests in the background lets them, and all their children, ignore it.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    config.addinivalue_line("markers", "slow: takes a second or more; `make check` leaves it to `make test`")


@pytest.fixture(scope="session")
def recorded_data() -> Path:
    """Return the folder of recorded data, or skip: it is not part of the repository."""
    place = Path(os.environ.get("SCANDAQ_DATA", ROOT.parent / "shared" / "data"))
    if not (place / "siemens-mmr").is_dir():
        pytest.skip(
            f"files recorded on scanners are not in the repository, nor at {place}: set SCANDAQ_DATA to their folder"
        )
    return place
