"""What the electronics of a head make of photons that arrive: dead time, triggers that are lost, pile-up, compiled."""

from __future__ import annotations

from typing import Any

import numpy as np

from daq.model.kernel import kernel

_PILED_UP = 2


@kernel(
    "void(int64[::1], uint8[::1], float32[:, ::1], uint8[::1], int64, float64, int64, int64, boolean, int64[:, ::1],"
    " float32[:, ::1], int64[::1], boolean[::1])"
)
def respond(
    times: Any, heads: Any, places: Any, flags: Any, decided: Any, threshold_kev: Any, dead_ps: Any,
    integration_ps: Any, paralysable: Any, state: Any, added: Any, lost: Any, kept: Any,
) -> None:  # fmt: skip
    """Decide for arrivals in order of time which are recorded, and collect what comes while these integrate.

    `places` [n, 3]: x, y, energy. A photon of at least the threshold is recorded when `dead_ps` have passed since the
    last one that was recorded, or, paralysable, that triggered. `state` [heads, 3] goes from call to call: time of that
    one, triggers lost since the last recorded, triggers lost at all. `added` [n, 3] becomes middle and energy of what
    came within `integration_ps` of a recorded one, `lost` [n] the triggers lost before it. Only the first `decided`
    rows are decided; those after them, which come again in the next call, are there for what they add.
    """
    opened = np.full(state.shape[0], -1, np.int64)
    for row in range(times.size):
        head, energy = heads[row], places[row, 2]
        first = opened[head]
        if row < decided and energy >= threshold_kev:
            free = times[row] - state[head, 0] >= dead_ps
            if free or paralysable:
                state[head, 0] = times[row]
            kept[row] = free
            if free:
                lost[row], state[head, 1] = state[head, 1], 0
                opened[head] = row
                continue
            state[head, 1] += 1
            state[head, 2] += 1
        if first >= 0 and times[row] - times[first] < integration_ps:
            both = added[first, 2] + energy
            added[first, 0] += (places[row, 0] - added[first, 0]) * energy / both
            added[first, 1] += (places[row, 1] - added[first, 1]) * energy / both
            added[first, 2] = both
            flags[first] |= np.uint8(_PILED_UP)
