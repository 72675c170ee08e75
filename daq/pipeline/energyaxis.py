"""The bins of an energy spectrum."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class EnergyAxis:
    """`bins` equal bins from `low_kev` on."""

    low_kev: float
    bin_kev: float
    bins: int

    @property
    def centres_kev(self) -> npt.NDArray[np.float64]:
        """Return the middle of each bin [bins]."""
        places: npt.NDArray[np.float64] = np.arange(self.bins, dtype=np.float64) + 0.5
        return self.low_kev + places * self.bin_kev
