"""A gamma camera's heads as physics makes them: photons in crystals, light on sensors, events of front ends.

`model` says what a scene is, `generate` makes its photons, `light` makes amplitudes of them;
`python -m simulators camera` sends the events of heads that give positions and energies.
"""

from simulators.camera.command import add_options, run

__all__ = ["add_options", "run"]
