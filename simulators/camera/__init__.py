"""A gamma camera's heads as physics makes them: photons in crystals, light on sensors, events of front ends.

`model` says what a scene is, `generate` makes its photons, `light` makes amplitudes of them, `supply` words.
"""
