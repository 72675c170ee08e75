"""What the readout process is told: plain data, profiles already resolved."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from pydantic import BaseModel, ConfigDict, Field

from daq.errors import UsageError
from daq.model.frontend import DatagramFraming, FrontEnd
from daq.model.layout import Clock, Layout
from daq.model.order import OrderRule
from daq.model.processing import Processing
from daq.model.stop import StopCondition
from daq.readout.protocol import LEAST_LEASE_S, MOST_LEASE_S, MOST_NAME_CHARACTERS
from daq.storage.manifest import Manifest

_HIGHEST_PORT = 65_535
MOST_SOURCES = 64
"""Addresses of one acquisition."""

PLAN = "plan.json"
CONTROL = "control"
LOG = "readout.log"
LAST_STATUS = "last-status.json"
"""Files of a runtime directory: what the readout is told, its socket, its log, and what it said last of all."""


class SourceAddress(BaseModel):
    """Where data comes from. `listen`: wait for a pushing front end at this local address instead of subscribing.

    `control`: port for commands beside a stream, where it is another than the profile says.
    """

    model_config = ConfigDict(frozen=True)

    kind: Literal["udp", "tcp", "file"]
    host: str = ""
    port: int = 0
    path: str = ""
    listen: bool = False
    control: int | None = None

    def __str__(self) -> str:
        """Return it as it is given on a command line, but for the port of commands."""
        if self.kind == "file":
            return f"file://{self.path}"
        return f"{self.kind}://{'@' if self.listen else ''}{self.host}:{self.port}"


def parse_source(url: str) -> SourceAddress:
    """Return the address of `udp://HOST:PORT`, `udp://@HOST:PORT` (listen), `tcp://HOST:PORT` or a file.

    `tcp://HOST:PORT?control=PORT` names the port for commands.
    """
    if "://" not in url:
        return _file(url, url)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as why:
        raise UsageError(f"source {url}: {why}") from None
    if parts.scheme == "file":
        return _file(url, unquote(parts.path))
    if parts.scheme not in ("udp", "tcp"):
        raise UsageError(
            f"source {url}: possible are udp://HOST:PORT, udp://@HOST:PORT, tcp://HOST:PORT and file:///PATH"
        )
    if not port or (not parts.hostname and not parts.netloc.startswith("@")):
        raise UsageError(f"source {url}: needs a host and a port from 1 to 65535")
    listen = parts.netloc.startswith("@")
    if listen and parts.scheme == "tcp":
        raise UsageError(f"source {url}: listening is for udp only; give the front end's own address")
    kind: Literal["udp", "tcp"] = "udp" if parts.scheme == "udp" else "tcp"
    host = parts.hostname or "0.0.0.0"  # noqa: S104 - whoever listens does so on every interface unless told
    return SourceAddress(kind=kind, host=host, port=port, listen=listen, control=_control(url, parts))


def _control(url: str, parts: SplitResult) -> int | None:
    """Return the port for commands that the address names; refuse anything else behind its `?`."""
    if not parts.query:
        return None
    said = parse_qs(parts.query, keep_blank_values=True)
    port = said.get("control", [""])[-1]
    if parts.scheme != "tcp" or set(said) != {"control"} or not (port.isdecimal() and 0 < int(port) <= _HIGHEST_PORT):
        raise UsageError(f"source {url}: behind a tcp address can stand ?control=PORT, with a port from 1 to 65535")
    return int(port)


def _file(url: str, path: str) -> SourceAddress:
    if not path or "\0" in path:
        raise UsageError(f"source {url!r}: {path!r} is no path")
    return SourceAddress(kind="file", path=path)


class Receive(BaseModel):
    """How datagrams are received.

    `gro`: let the kernel put datagrams together where it can. `priority`: real-time (SCHED_FIFO) priority of the
    receiving thread, 0 for none. `rate_words_per_s`: what the buffers are judged by.
    """

    model_config = ConfigDict(extra="forbid")

    gro: bool = True
    priority: int = 0
    socket_buffer_bytes: int = 64 << 20
    rate_words_per_s: float = 1e6


class Plan(BaseModel):
    """One acquisition as the readout runs it. Times in seconds of host time, sizes in bytes.

    `sources` are on one clock. Of several, what comes from the k-th is of source number k, whatever its framing says.

    `stop` is the first step's condition; with `single_step` its end is the acquisition's. Without `start_at_once` the
    readout is armed and waits to be told; with `preview` what comes meanwhile is shown, and recorded nowhere, where
    data flow before the start (`daq.readout.preview`). Without an `order` rows stay as they came. `processing` says
    what is done to singles and which rows are kept; without `store_rows` marks alone are, whatever it says.

    `step_name` and `moving` are the first step's: its name, and whether axes move during it. With `attend_s` the
    readout is watched over from the beginning for so long, as if whoever started it had said so. `unattended_s` is how
    long one that nobody watches any more waits to be found; `unattended_step_s` how long it goes on with a stationary
    step that no clock is sure to end.
    """

    model_config = ConfigDict(extra="forbid")

    directory: str
    manifest: Manifest
    layout: Layout
    clock: Clock
    unit: Literal["word", "event", "frame"]
    sources: Annotated[tuple[SourceAddress, ...], Field(min_length=1, max_length=MOST_SOURCES)]
    datagram_framing: DatagramFraming
    front_end: FrontEnd | None = None
    stop: StopCondition
    store_raw: bool = True
    store_rows: bool = True
    connect_s: float = 10.0
    stall_s: float = 10.0
    buffer_bytes: int = 256 << 20
    receive: Receive = Receive()
    order: OrderRule | None = None
    processing: Processing = Processing()
    start_at_once: bool = True
    preview: bool = True
    single_step: bool = True
    step_name: Annotated[str, Field(max_length=MOST_NAME_CHARACTERS)] = ""
    moving: bool = False
    attend_s: Annotated[float, Field(ge=LEAST_LEASE_S, le=MOST_LEASE_S)] | None = None
    unattended_s: Annotated[float, Field(ge=0.0)] = 30.0
    unattended_step_s: Annotated[float, Field(ge=0.0)] = 3600.0
    control: str
    """Path of the control socket."""
    hash_segments: bool = True
