"""The light of a simulated scene on the sensors of each head, a loop of it for each board."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from daq.errors import RefusedError, UsageError
from daq.model.camera import Sensors
from daq.model.scanner import ScannerProfile
from simulators.camera.generate import Photons, generate
from simulators.camera.light import Light, LightOutput, default_response
from simulators.camera.model import Scene
from simulators.camera.response import Reported
from simulators.camera.supply import scene_as_json
from simulators.camera.truthfile import write_photons
from simulators.fers.registers import CHANNELS
from simulators.fers.signals import PS, Signals
from simulators.pet.options import numbers_of

LONGEST_LOOP_S = 10.0
LOOP_EVENTS = 400_000
"""Photons of a board's loop, about, unless --loop says how long it is; 128 bytes each."""
MOST_LOOP_EVENTS = 4_000_000
_PILOT_S = 0.02
_WIDEST = 0xFFFF


def parse_light(text: str | None, keys: tuple[str, ...]) -> LightOutput:
    """Return how much light there is of `KEY=VALUE,...`; pedestals and noise are the board's. Raises `UsageError`."""
    given: dict[str, Any] = dict(numbers_of("--light", text or "", text or "", needed=(), may=keys))
    return LightOutput(pedestal_adc=0.0, pedestal_sigma_adc=0.0, noise_adc=0.0, full_scale_adc=_WIDEST, **given)


class LitBoards:
    """The photons of a scene on heads with sensors, and the signals of the boards that read them out."""

    def __init__(
        self, scene: Scene, scanner: ScannerProfile, output: LightOutput, *, loop_s: float | None, seed: int,
        head_seed: int = 0,
    ) -> None:  # fmt: skip
        """Make the photons of `seed` on heads whose channels are those of `head_seed`.

        Raise `RefusedError` for a head without 64 sensors, `UsageError` for a loop of too many photons.
        """
        self._output, self._seed, self._head_seed = output, seed, head_seed
        sensors = {head.number: head.sensors for head in scanner.heads}
        self._sensors: list[Sensors] = []
        for head in scene.heads:
            found = sensors[head.number]
            if found is None or len(found.x_mm) != CHANNELS:
                raise RefusedError(
                    f"scanner {scanner.id}, head {head.number}: {len(found.x_mm) if found else 'no'} sensors;"
                    f" a board has {CHANNELS} channels"
                )
            self._sensors.append(found)
        length_s = loop_s or self._loop_s(scene)
        self.scene = replace(scene, seconds=length_s)
        self.photons = generate(self.scene, seed)
        self._check(length_s)

    def signals(self) -> list[Signals]:
        """Return what each board sees, in the order of the heads."""
        return [self._of_head(k) for k in range(len(self._sensors))]

    def described(self) -> dict[str, Any]:
        """Return what makes the same light again."""
        light = asdict(self._output)
        return {"scene": scene_as_json(self.scene), "light": light, "loop_s": self.scene.seconds}

    def write(self, path: Path) -> None:
        """Write the truth about the photons of a loop; a board reports amplitudes, so what was reported is NaN."""
        nothing = np.full(len(self.photons), np.nan)
        rows: Iterator[tuple[Photons, Reported]] = iter([(self.photons, Reported(nothing, nothing, nothing))])
        write_photons(path, rows, self.described())

    def _of_head(self, k: int) -> Signals:
        head, sensors = self.scene.heads[k], self._sensors[k]
        photons = self.photons.of_head(head.number)
        response, of_head = default_response(head.crystal, sensors), self._head_seed + head.number
        light = Light(sensors, response, self._output, self._seed + k, of_head)
        start_ps = round(self.scene.start_s * PS)
        codes = light.codes(photons, start_ps)
        return Signals(photons.time_ps - start_ps, codes, max(1, round(self.scene.seconds * PS)))

    def _loop_s(self, scene: Scene) -> float:
        """Return how long a loop is that holds a reasonable number of photons of every head."""
        tried_s = min(_PILOT_S, scene.seconds)
        pilot = generate(replace(scene, seconds=tried_s), self._seed)
        most = max(1, int(np.bincount(pilot.head, minlength=1).max(initial=0)))
        return min(LONGEST_LOOP_S, scene.seconds, LOOP_EVENTS / most * tried_s)

    def _check(self, length_s: float) -> None:
        if len(self.photons) > MOST_LOOP_EVENTS:
            raise UsageError(
                f"--loop {length_s:g}: {len(self.photons)} photons, at most {MOST_LOOP_EVENTS}; make it shorter"
            )
