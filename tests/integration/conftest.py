"""Fixtures of tests with processes, servers and disks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support_disk import mounted


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Yield a freshly mounted file system of 24 MiB."""
    with mounted(tmp_path) as place:
        yield place
