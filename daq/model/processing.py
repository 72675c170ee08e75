"""What happens to singles between decoding and writing, and which rows are kept: plain data, for plan and manifest.

decode -> calibrate -> window -> order -> pair -> write.
"""

from __future__ import annotations

from typing import Literal

from daq.model.calibration import Calibration
from daq.model.coincidence import PairingRule
from daq.model.headcalibration import HeadCorrections
from daq.model.layout import Strict
from daq.model.scanner import Ring
from daq.model.windows import EnergyWindow, WindowSet

StoredSingles = Literal["all", "windowed", "none"]
"""Which singles get a row: each one decoded, those in any energy window, none. The others are counted as excluded."""


class Processing(Strict):
    """One acquisition's processing. Nothing set: rows stay as the layout decodes them, and all are stored."""

    calibration: Calibration | None = None
    """None: energies stay what the layout gives. Windows and pairs need one, `identity` where nothing is calibrated."""
    windows: tuple[EnergyWindow, ...] = ()
    """Bit i of the column `windows` is window i."""
    pairing: PairingRule | None = None
    """None: no pairs are made."""
    ring: Ring | None = None
    """For counting singles per module; by default that of `pairing`."""
    singles: StoredSingles = "all"
    heads: tuple[HeadCorrections, ...] = ()
    """Positions and energies of gamma-camera heads; a head that is not named stays as the front end gives it."""
    pairs: bool = True
    """False: pairs are made and counted, and not stored."""

    @property
    def window_set(self) -> WindowSet:
        """Return the windows in the order of their bits."""
        return WindowSet(self.windows)

    @property
    def pairing_mask(self) -> int:
        """Return the bits of the windows whose singles pair; 0: every single pairs."""
        names = self.pairing.windows if self.pairing else ()
        return sum(1 << self.window_set.bit(name) for name in dict.fromkeys(names))

    @property
    def modules_of(self) -> Ring | None:
        """Return the ring whose modules are counted."""
        return self.ring or (self.pairing.ring if self.pairing else None)

    @property
    def is_none(self) -> bool:
        """True when rows stay as they are decoded."""
        untouched = self.calibration is None and not self.heads
        return untouched and not self.windows and self.pairing is None and self.singles == "all"
