"""Where the singles of a recording come from when they are sorted again: its stored rows, else its raw stream."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa

from daq.errors import RefusedError
from daq.listmode.columns import decoded_columns
from daq.model.processing import Processing
from daq.model.windows import EnergyWindow, WindowSet, windows_inside
from daq.pipeline.windowing import bounds_of, masks
from daq.storage.recordedlayout import recorded_layout
from daq.storage.recordedprocessing import recorded_processing
from daq.storage.replaying import replayed
from daq.storage.sortingslices import Columns

if TYPE_CHECKING:
    import numpy.typing as npt

    from daq.storage.reader import ListMode

Origin = Literal["singles", "raw"]
_EVERY = WindowSet((EnergyWindow(0.0, 3e38, "every single"),))
_WANTED = ("time_ps", "detector", "energy_kev", "energy_adc", "windows", "late")


@dataclass(frozen=True, slots=True)
class Singles:
    """The singles of a recording, put into `windows`; None: into those they were recorded with."""

    recording: ListMode
    origin: Origin
    names: tuple[str, ...]
    windows: WindowSet | None = None

    @property
    def rows(self) -> int | None:
        """Return how many there are, None where they have to be derived first."""
        return self.recording.rows("singles") if self.origin == "singles" else None

    def stored(self, first: int) -> Iterator[Columns]:
        """Yield the stored singles from row `first` on, a batch at a time, as views. May be called by any thread."""
        for batch in self.recording.batches("singles", self.names, start_row=first):
            yield self._pairable({name: _plain(name, batch) for name in self.names if name != "late" or _any(batch)})

    def derived(self) -> Iterator[Columns]:
        """Yield the singles, derived again from raw with the recorded calibration, in order."""
        recorded = recorded_processing(self.recording.manifest, self.recording.directory)
        windows = recorded.windows if self.windows is None else self.windows.windows
        for rows, _ in replayed(self.recording, Processing(calibration=recorded.calibration, windows=windows)):
            for run in rows.get("singles", ()):
                yield self._pairable({name: run[name] for name in _WANTED if name in run})

    def _pairable(self, columns: dict[str, Any]) -> Columns:
        """Return the columns that pairing takes: energies in keV or, where nothing was calibrated, codes."""
        codes = columns.pop("energy_adc", None)
        if "energy_kev" not in columns:
            columns["energy_kev"] = _energies(codes, len(columns["time_ps"]))
        if self.windows is not None and self.origin == "singles":
            columns["windows"] = masks(bounds_of(self.windows), columns["energy_kev"])[0]
        return columns


def find_singles(recording: ListMode, windows: WindowSet | None) -> Singles:
    """Return where the singles are; refuse, in words, a recording that cannot be sorted or not with these windows."""
    manifest, where = recording.manifest, recording.directory
    if manifest.state == "open":
        raise RefusedError(f"{where} is not sealed; `daq listmode recover` makes a whole directory of it first")
    if manifest.time.get("order") is None:
        raise RefusedError(f"{where}: its rows were not put in order of time, so they cannot be paired")
    if "singles" in recording.streams and not manifest.time.get("rows_left_to_replay"):
        singles = Singles(recording, "singles", _names(recording, recording.schema("singles").names), windows)
        if windows is None or _are_inside(recording, windows):
            return singles
    if "raw" not in recording.streams:
        raise RefusedError(f"{where}: {_why_none(recording)}")
    return Singles(recording, "raw", (), windows)


def are_codes(recording: ListMode) -> bool:
    """Return True where the energies of singles are ADC codes, because nothing calibrated them."""
    calibration = recorded_processing(recording.manifest, recording.directory).calibration
    if calibration is not None and not calibration.identity:
        return False
    layout, _ = recorded_layout(recording.manifest, recording.directory)
    return "energy_adc" in decoded_columns(layout).get("singles", ())


def _names(recording: ListMode, names: list[str]) -> tuple[str, ...]:
    if "detector" not in names:
        raise RefusedError(f"{recording.directory}: its singles have no detector numbers, so they cannot be paired")
    return tuple(name for name in _WANTED if name in names and not (name == "energy_adc" and "energy_kev" in names))


def _are_inside(recording: ListMode, windows: WindowSet) -> bool:
    """Return whether the stored singles hold all that these windows ask for; refuse where raw does not, either."""
    if windows.windows and not {"energy_kev", "energy_adc"} & set(recording.schema("singles").names):
        raise RefusedError(f"{recording.directory}: its singles have no energies that windows could judge")
    processing = recorded_processing(recording.manifest, recording.directory)
    if processing.singles != "windowed":
        return True
    try:
        windows_inside(windows if windows.windows else _EVERY, processing.windows)
    except RefusedError:
        if "raw" in recording.streams:
            return False
        raise
    return True


def _why_none(recording: ListMode) -> str:
    if recording.manifest.time.get("rows_left_to_replay"):
        return "overload left some of its singles underived, and there is no raw stream to derive them from"
    if "coincidences" in recording.streams:
        return "it holds coincidences and neither singles nor raw: what was paired cannot be paired another way"
    return f"it holds neither singles nor raw, only {', '.join(recording.streams) or 'nothing'}"


def _any(batch: pa.RecordBatch) -> bool:
    """Return True when a row is late."""
    return bool(batch.column("late").true_count)


def _plain(name: str, batch: pa.RecordBatch) -> npt.NDArray[Any]:
    values: npt.NDArray[Any] = batch.column(name).to_numpy(zero_copy_only=name != "late")
    return values


def _energies(codes: npt.NDArray[np.uint16] | None, rows: int) -> npt.NDArray[np.float32]:
    return np.zeros(rows, np.float32) if codes is None else codes.astype(np.float32)
