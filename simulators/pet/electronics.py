"""What the electronics of a module make of photons that arrive: dead time and pile-up, compiled."""

from __future__ import annotations

from typing import Any

import numpy as np

from daq.model.kernel import kernel

_PILED_UP = 2


@kernel("void(int64[::1], int64[::1], int64, int64, int64, int64[::1], float32[::1], uint8[::1], boolean[::1])")
def respond(
    times: Any, modules: Any, decided: Any, dead_ps: Any, integration_ps: Any, last: Any, energies: Any, flags: Any,
    kept: Any,
) -> None:  # fmt: skip
    """Decide for arrivals in order of time which are recorded, and add to these what comes while they integrate.

    Paralysable: an arrival is recorded when its module saw none, recorded or not, for `dead_ps`. `last` [modules] is
    the last arrival and goes from call to call. Only the first `decided` rows are decided; those after them, which come
    again in the next call, are there for what they add.
    """
    opened = np.full(last.size, -1, np.int64)
    for row in range(times.size):
        module = modules[row]
        first = opened[module]
        if row < decided:
            kept[row] = times[row] - last[module] >= dead_ps
            last[module] = times[row]
            if kept[row]:
                opened[module] = row
                continue
        if first >= 0 and times[row] - times[first] < integration_ps:
            energies[first] += energies[row]
            flags[first] |= np.uint8(_PILED_UP)
