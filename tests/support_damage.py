"""Whole segments to do harm to, and everything that reads a directory."""

from pathlib import Path

from support_listmode import coincidences, marks, segment, six_batches

from daq.storage.info import describe, info_text
from daq.storage.reader import open_listmode
from daq.storage.recover import recover
from daq.storage.verify import verify

MADE = [six_batches(), six_batches(index=1, first_row=60), segment("marks", [marks(0, 3), marks(3, 5)])]


def use_verify(directory: Path) -> None:
    assert verify(directory).verdict in ("ok", "damaged", "unsealed")


def use_info(directory: Path) -> None:
    assert info_text(describe(directory))


def use_reader(directory: Path) -> None:
    with open_listmode(directory, allow_damaged=True) as run:
        for batch in run.batches("coincidences"):
            row = (batch.column("time_ps")[0].as_py() + 500) // 1000
            assert batch == coincidences(row, row + batch.num_rows)


def use_recover(directory: Path) -> None:
    out = directory.with_name("saved")
    recover(directory, out)
    assert verify(out).verdict == "ok"
