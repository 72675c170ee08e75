"""The oscilloscope and the pulse generator of the board, as far as they can be seen on the wire.

No cable goes from the generator's output to an input, so its pulses are seen nowhere; its settings are taken all the
same. The oscilloscope shows both inputs as they are between pulses: noise around the baseline.
"""

from __future__ import annotations

import numpy as np

from daq.wire.mcpha import Code

MEMORY_SAMPLES = 1 << 23
_NOISE = 8.0
_GENERATOR = range(Code.GENERATOR_FALL, Code.STOP_GENERATOR + 1)


class Scope:
    """Registers of both; answers `READ_SCOPE`."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._samples = 0
        self._started = 0
        self.generator: dict[str, int] = {}

    def status(self) -> int:
        """Return the word of the status: bit 0 is set while it waits for its trigger or takes samples.

        A trace is there as soon as it is asked for: the noise triggers at once.
        """
        return (self._started << 1) & 0xFFFFFFFE

    def obey(self, code: Code, number: int, value: int) -> bytes:
        """Obey a command; return samples where it asks for them: i16 of both inputs, little-endian."""
        del number
        if code is Code.SCOPE_SAMPLES:
            self._samples = min(value, MEMORY_SAMPLES)
        elif code is Code.START_SCOPE:
            self._started += 1
        elif code is Code.READ_SCOPE:
            return self._rng.normal(0.0, _NOISE, (self._samples, 2)).astype("<i2").tobytes()
        elif code in _GENERATOR:
            self.generator[code.name] = value
        return b""
