"""The daemon starts without what computes: compiled kernels belong to the readout and to the processes of jobs."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("module", ["daq.composition.daemon", "daq.gateway.app"])
def test_it_starts_without_compiled_kernels(module: str) -> None:
    code = f"import sys, {module}; print([name for name in ('numba', 'awkward', 'pydicom') if name in sys.modules])"

    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)

    assert told.stdout.strip() == "[]"
