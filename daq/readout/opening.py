"""Opens what a plan names as its sources."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daq.readout.fers import FersSource
from daq.readout.mcpha import McphaSource
from daq.readout.several import SeveralDatagrams, SeveralStreams, require_tellable
from daq.readout.sources import Datagrams, DatagramSource, PetsysSource
from daq.readout.streams import FileSource, StreamSource, TcpSource

if TYPE_CHECKING:
    from daq.readout.plan import Plan


def open_source(plan: Plan) -> Datagrams | StreamSource:
    """Open the sources of the plan as one.

    Raise `UnreachableError` or `MissingError` in words, `RefusedError` for addresses that cannot be one acquisition.
    """
    require_tellable(plan)
    kind = plan.sources[0].kind
    if kind == "udp":
        return _datagrams(plan)
    if plan.layout.decoder == "mcpha":
        return McphaSource(plan)
    return FileSource(plan) if kind == "file" else _stream(plan)


def _datagrams(plan: Plan) -> Datagrams:
    if plan.datagram_framing == "petsys-gbe":
        return PetsysSource(plan)
    return DatagramSource(plan) if len(plan.sources) == 1 else SeveralDatagrams(plan)


def _stream(plan: Plan) -> StreamSource:
    opened = FersSource if plan.layout.decoder == "fers" else TcpSource
    return opened(plan, 0) if len(plan.sources) == 1 else SeveralStreams(plan, opened)
