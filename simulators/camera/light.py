"""Light of flashes on sensors, and the codes that a front end makes of it: uint16 [n, channels].

    mean photoelectrons of channel c = E * photons_per_kev * detection * share(distance to c)
    code = pedestal + gain * adc_per_photoelectron * photoelectrons * (1 + drift * hours) + noise, at most full scale

Photoelectrons are Poisson's; `excess` multiplies their variance, as amplification in a tube or crosstalk in a SiPM do.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cache
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from daq.errors import UsageError
from daq.model.camera import MOST_CHANNELS, Crystal, Sensors
from daq.model.headcalibration import LightResponse
from simulators.camera.generate import Photons
from simulators.camera.lightkernel import flash

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.uint16]

COLLECTED = 0.7
"""Share of the light that sensors see of a flash in the middle: the rest is lost in crystal, guide and gaps."""
SPREAD_CUT = 4.0
QUANTILES = 1 << 16
HOUR_PS = 3.6e15


@dataclass(frozen=True, slots=True)
class LightOutput:
    """How much light there is and what channels make of it.

    `photons_per_kev` of the crystal (NaI(Tl): 38), `detection` the share of photons on a sensor that count.
    `intrinsic_fwhm`: what the crystal adds to the resolution at 140.5 keV, a fraction. `gain_sigma`,
    `drift_sigma_per_h`, `pedestal_sigma_adc`: spread over the channels; those in `dead` have a gain of 0.
    `noise_adc` is that of each code, `noisy_adc` of the channels in `noisy`.
    """

    photons_per_kev: float = 38.0
    detection: float = 0.25
    excess: float = 1.15
    intrinsic_fwhm: float = 0.05
    adc_per_photoelectron: float = 8.0
    gain_sigma: float = 0.08
    drift_sigma_per_h: float = 0.0
    pedestal_adc: float = 120.0
    pedestal_sigma_adc: float = 6.0
    noise_adc: float = 5.0
    noisy_adc: float = 300.0
    full_scale_adc: int = 8191
    dead: tuple[int, ...] = ()
    noisy: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            if isinstance(value, tuple):
                if not all(0 <= channel < MOST_CHANNELS for channel in value):
                    raise UsageError(f"light of {name} {value}: channels are 0 to {MOST_CHANNELS - 1}")
            elif not (value >= 0 and math.isfinite(value)):
                raise UsageError(f"light of {name} {value}: must be zero or more")
        if not self.full_scale_adc <= 0xFFFF:  # noqa: PLR2004
            raise UsageError(f"light of full_scale_adc {self.full_scale_adc}: codes have 16 bits")


@dataclass(frozen=True, slots=True, eq=False)
class Channels:
    """What each channel is like, [channels]: gain over the mean, its growth per hour, pedestal and noise in codes."""

    gain: Floats
    drift_per_h: Floats
    pedestal_adc: Floats
    noise_adc: Floats


def default_response(crystal: Crystal, sensors: Sensors) -> LightResponse:
    """Return the light response of flat sensors behind a crystal and a light guide.

    A small face at distance h sees solid angle as (1 + (r / h)^2)^-1.5; the width of the face widens that. The height
    is such that all sensors together see `COLLECTED` of a flash in the middle.
    """
    depth_mm = crystal.thickness_mm / 2 + sensors.light_guide_mm
    plain = LightResponse(height=1.0, width_mm=math.hypot(depth_mm, sensors.width_mm / 2), power=1.5, floor=0.0)
    total = float(shares(plain, sensors, np.zeros(1), np.zeros(1)).sum())
    return plain.model_copy(update={"height": COLLECTED / total})


@cache
def deviates() -> npt.NDArray[np.float32]:
    """Return quantiles of the standard normal distribution in the middles of equal shares; their variance is 1."""
    normal = NormalDist()
    half = [normal.inv_cdf((place + 0.5) / QUANTILES) for place in range(QUANTILES // 2)]
    found = np.array([*half, *(-value for value in reversed(half))])
    return np.asarray(found / found.std(), np.float32)


def shares(response: LightResponse, sensors: Sensors, x_mm: Floats, y_mm: Floats) -> Floats:
    """Return the share of flashes that sensors see, float64 [n, channels]: the formula of `LightResponse`."""
    squared = (x_mm[:, None] - np.array(sensors.x_mm)) ** 2 + (y_mm[:, None] - np.array(sensors.y_mm)) ** 2
    seen = response.height / (1 + squared / response.width_mm**2) ** response.power + response.floor
    return np.asarray(seen, np.float64)


def channels_of(sensors: Sensors, output: LightOutput, seed: int) -> Channels:
    """Return what each channel is like: spreads are cut at four standard deviations, gains at a tenth."""
    count = len(sensors.x_mm)
    draws = np.clip(np.random.default_rng([seed, 3]).standard_normal((3, count)), -SPREAD_CUT, SPREAD_CUT)
    gain = np.maximum(1 + output.gain_sigma * draws[0], 0.1)
    noise = np.full(count, float(output.noise_adc))
    gain[[channel for channel in output.dead if channel < count]] = 0.0
    noise[[channel for channel in output.noisy if channel < count]] = output.noisy_adc
    pedestal = np.maximum(output.pedestal_adc + output.pedestal_sigma_adc * draws[2], 0.0)
    return Channels(gain, output.drift_sigma_per_h * draws[1], pedestal, noise)


@dataclass(slots=True, eq=False)
class Light:
    """The light of one head. Calls go on where the last one ended: the same seed and calls give the same codes.

    `head_seed` decides what its channels are like, `seed` what photons make of it; None: `seed` decides both.
    """

    sensors: Sensors
    response: LightResponse
    output: LightOutput = field(default_factory=LightOutput)
    seed: int = 0
    head_seed: int | None = None
    channels: Channels = field(init=False)
    _state: npt.NDArray[np.uint64] = field(init=False)

    def __post_init__(self) -> None:
        of_head = self.seed if self.head_seed is None else self.head_seed
        self.channels = channels_of(self.sensors, self.output, of_head)
        self._state = np.random.default_rng([self.seed, 4]).integers(0, 1 << 64, 1, np.uint64)

    def codes(self, photons: Photons, start_ps: int = 0) -> Codes:
        """Return the codes of photons of this head, uint16 [n, channels]; gains have drifted since `start_ps`."""
        places = np.stack(
            [
                photons.x_mm, photons.y_mm, photons.energy_kev,
                photons.added_x_mm, photons.added_y_mm, photons.added_kev,
            ],
            axis=1,
        )  # fmt: skip
        return self._codes(places, (photons.time_ps - start_ps) / HOUR_PS)

    def amplitudes(self, x_mm: npt.NDArray[np.floating], y_mm: npt.NDArray[np.floating],
                   energy_kev: npt.NDArray[np.floating]) -> Codes:  # fmt: skip
        """Return the codes of flashes at places, uint16 [n, channels], before gains drifted."""
        nothing = np.zeros(len(x_mm))
        return self._codes(np.stack([x_mm, y_mm, energy_kev, nothing, nothing, nothing], axis=1), nothing)

    def pedestals(self, count: int) -> Codes:
        """Return the codes of `count` events without light, as of a front end that is triggered by a clock."""
        return self._codes(np.zeros((count, 6)), np.zeros(count))

    def _codes(self, places: npt.NDArray[np.floating], hours: Floats) -> Codes:
        output, channels = self.output, self.channels
        numbers = np.array(
            [
                self.response.height, self.response.width_mm, self.response.power, self.response.floor,
                output.photons_per_kev * output.detection, output.excess, output.intrinsic_fwhm,
                output.adc_per_photoelectron, output.full_scale_adc,
            ],
            np.float64,
        )  # fmt: skip
        table = np.stack(
            [
                self.sensors.x_mm, self.sensors.y_mm, channels.gain, channels.drift_per_h, channels.pedestal_adc,
                channels.noise_adc,
            ],
            axis=1,
        ).astype(np.float64)  # fmt: skip
        codes = np.empty((len(places), len(table)), np.uint16)
        flash(self._state, np.ascontiguousarray(places, np.float32), np.asarray(hours, np.float64), numbers,
              np.ascontiguousarray(table), deviates(), codes)  # fmt: skip
        return codes


def amplitudes(
    x_mm: npt.NDArray[np.floating],
    y_mm: npt.NDArray[np.floating],
    energy_kev: npt.NDArray[np.floating],
    sensors: Sensors,
    *,
    crystal: Crystal,
    output: LightOutput | None = None,
    seed: int = 0,
) -> Codes:
    """Return the codes of flashes on a head, uint16 [n, channels], all in one call; see `Light`."""
    light = Light(sensors, default_response(crystal, sensors), output or LightOutput(), seed)
    return light.amplitudes(x_mm, y_mm, energy_kev)
