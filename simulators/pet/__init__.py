"""PET physics: decays, photons, crystals and their electronics, with the truth about every single.

`model` says what a scan is, `generate` makes its singles; `python -m simulators pet` sends them as a front end would.
"""

from simulators.pet.command import add_options, run

__all__ = ["add_options", "run"]
