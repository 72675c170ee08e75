"""What every command keeps, whatever bytes it is given: a sentence, an exit code of the table, bounded memory."""

from __future__ import annotations

from pathlib import Path

from support_cli import Done

PROFILE = "siemens-petlink32"
CODES = {0, 2, 3, 4, 5, 6, 7}
"""What a command may end with whatever it is given: never 1, unexpected."""
MEMORY_BYTES = 700 << 20


def in_a_sentence(made: Done) -> None:
    """Assert that a refusal is one, of bounded length, and that nothing unexpected happened."""
    assert made.code in CODES, made.err
    assert "Traceback" not in made.out + made.err
    if made.code not in (0, 6):
        assert made.err.startswith("daq: ")
        assert len(made.err) < 5000


def peak_bytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
