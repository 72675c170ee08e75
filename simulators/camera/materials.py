"""How crystals attenuate photons: cross sections of photoelectric absorption and of Compton scattering.

Linear coefficients in 1/mm, computed with xraylib 4.3.0 (T. Schoonjans et al., Spectrochim. Acta B 66, 776 (2011);
photoelectric and Compton cross sections after L. Kissel and D. E. Cullen) for NaI of 3.667, CsI of 4.51 and LaBr3 of
5.08 g/cm3. Coherent scattering, which leaves the energy and nearly the direction, is not counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from daq.errors import MissingError

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Material:
    """Coefficients at energies in keV, ascending; a pair of close energies is an absorption edge."""

    energy_kev: tuple[float, ...]
    photo_per_mm: tuple[float, ...]
    compton_per_mm: tuple[float, ...]

    def photo(self, energy_kev: Floats | float) -> Floats:
        """Return the coefficient of photoelectric absorption, 1/mm, by logarithms between the energies listed."""
        return self._between(energy_kev, self.photo_per_mm)

    def total(self, energy_kev: Floats | float) -> Floats:
        """Return the coefficient of both, 1/mm."""
        return self.photo(energy_kev) + self._between(energy_kev, self.compton_per_mm)

    def _between(self, energy_kev: Floats | float, listed: tuple[float, ...]) -> Floats:
        wanted = np.log(np.asarray(energy_kev, np.float64))
        return np.asarray(np.exp(np.interp(wanted, np.log(self.energy_kev), np.log(listed))))


_NAI = Material(
    (20, 25, 30, 33.1, 33.3, 40, 50, 60, 80, 100, 120, 140, 160, 180, 200, 250, 300, 400, 500, 600, 790),
    (7.56, 4.042, 2.423, 1.834, 10.8, 6.687, 3.69, 2.241, 1.007, 0.536, 0.3188, 0.2052, 0.14, 0.09997, 0.07405, 0.03942,
     0.02376, 0.01095, 0.006176, 0.003957, 0.002106),
    (0.0347, 0.0373, 0.03911, 0.03996, 0.04, 0.04131, 0.04241, 0.04285, 0.04272, 0.04195, 0.04092, 0.03983, 0.03873,
     0.03768, 0.03668, 0.03442, 0.03249, 0.02937, 0.02696, 0.02502, 0.02217),
)  # fmt: skip
_CSI = Material(
    (20, 25, 30, 33.1, 33.3, 35.9, 36.1, 40, 50, 60, 80, 100, 120, 140, 160, 180, 200, 250, 300, 400, 500, 600, 790),
    (11.47, 6.147, 3.692, 2.796, 9.134, 7.488, 13.23, 10.09, 5.597, 3.404, 1.535, 0.819, 0.488, 0.3144, 0.2148, 0.1535,
     0.1138, 0.06066, 0.03661, 0.0169, 0.009544, 0.006118, 0.00326),
    (0.0387, 0.04199, 0.04434, 0.04547, 0.04553, 0.04632, 0.04637, 0.04732, 0.04893, 0.04972, 0.04996, 0.04929, 0.04824,
     0.04706, 0.04585, 0.04467, 0.04354, 0.04095, 0.03871, 0.03505, 0.0322, 0.0299, 0.02651),
)  # fmt: skip
_LABR3 = Material(
    (20, 25, 30, 38.8, 39.0, 40, 50, 60, 80, 100, 120, 140, 160, 180, 200, 250, 300, 400, 500, 600, 790),
    (22.19, 12.05, 7.257, 3.501, 7.614, 7.101, 3.878, 2.343, 1.044, 0.553, 0.3278, 0.2103, 0.1432, 0.1021, 0.07547,
     0.04005, 0.02409, 0.01108, 0.006239, 0.003993, 0.002125),
    (0.04765, 0.05158, 0.05431, 0.05734, 0.05739, 0.05763, 0.05919, 0.05979, 0.05955, 0.05843, 0.05699, 0.05547,
     0.05396, 0.05249, 0.05109, 0.04793, 0.04522, 0.04084, 0.03746, 0.03475, 0.03079),
)  # fmt: skip
CRYSTALS = MappingProxyType({"NaI(Tl)": _NAI, "CsI(Tl)": _CSI, "CsI(Na)": _CSI, "LaBr3(Ce)": _LABR3})
"""By the name that scanner profiles use."""


def crystal_material(name: str) -> Material:
    """Return the material of a crystal. Raises `MissingError` for one that is not known."""
    found = CRYSTALS.get(name)
    if found is None:
        raise MissingError(f"crystal of {name!r}: the simulator knows {', '.join(CRYSTALS)}")
    return found
