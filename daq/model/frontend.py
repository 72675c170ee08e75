"""How datagrams of a front end are framed, and what is said to it before it is listened to."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from daq.model.fersboard import FersBoard
from daq.model.layout import Strict

DatagramFraming = Literal["native", "none", "petsys-gbe"]
"""`native`: numbered datagrams of scandaq's own. `none`: bare words. `petsys-gbe`: commands, replies and frames of the
PETsys electronics."""


class FrontEnd(Strict):
    """What a front end with commands is told before it is listened to.

    `reset_time_tag`: set its clock to zero. `enable_asics`: take data from the ASICs that the layout names, and no
    others. Its identity is looked at in any case.
    """

    reset_time_tag: bool = True
    enable_asics: bool = True
    control_port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """Where commands have a connection of their own: the port, unless the address names one."""
    board: FersBoard | None = None
    """What a FERS board is set to; None: it is started with the settings that it has."""
