"""What a site file says about the services of a station: broker, metrics, catalogue, users, devices."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from device_profiles.controllers import OnController

Port = Annotated[int, Field(ge=0, le=65535)]
Verb = Literal["prepare", "start", "pause", "resume", "stop", "abort", "acknowledge", "stop-motion", "lower-voltage"]
RoleName = Literal["viewer", "technologist", "qc", "physicist", "service"]
Ability = Literal[
    "axis", "bed", "detector_head", "high_voltage", "gate_trigger", "collimator", "interlocks", "motion_enable",
    "instrument",
]  # fmt: skip
ON_CONTROLLERS = ("axis", "bed", "high_voltage", "collimator", "interlocks", "motion_enable", "instrument")
"""What a device on a controller can be."""
OF_A_HEAD = ("detector_head", "collimator", "interlocks", "instrument")
"""What may be of one detector head."""
LOOPBACK = ("127.0.0.1", "::1", "localhost")
_DEVICE_URL = r"^(tcp://[^/@?#:]+(:[0-9]{1,5})?|udp://([^/@?#:]+|\[[0-9a-fA-F:]+\]):[0-9]{1,5})$"
_BROKER = re.compile(r"^(own|none|mqtts?://[A-Za-z0-9.\-\[\]:]+)$")


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Mqtt(_Table):
    """The broker that status goes to. Secrets are named by file, never written here.

    `broker`: `own` (one on loopback, its own process), `none`, `mqtt://HOST:PORT` or `mqtts://HOST:PORT`.
    """

    broker: Annotated[str, Field(pattern=_BROKER.pattern)] = "own"
    own_port: Port = 1883
    """Port of the own broker; 0 takes a free one."""
    protocol: Literal["5", "3.1.1"] = "5"
    client_id: str | None = None
    """Fixed; default `scandaq-<station>`."""
    keepalive_s: Annotated[int, Field(ge=1, le=60)] = 5
    user: str | None = None
    password_file: Path | None = None
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    commands: tuple[Verb, ...] = ()
    """Verbs that are taken from MQTT; none by default."""
    home_assistant: bool = False

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file belong together")
        if self.password_file is not None and self.user is None:
            raise ValueError("password_file needs user")
        if self.ca_file is not None and not self.broker.startswith("mqtts:"):
            raise ValueError("ca_file needs a broker of mqtts://")
        return self


class Metrics(_Table):
    """Prometheus metrics on loopback. Without a port there are none; 0 takes a free one."""

    port: Port | None = None


class Console(_Table):
    """The console in the browser. Without a port there is none; 0 takes a free one."""

    port: Port | None = None
    host: Annotated[str, Field(pattern=r"^[A-Za-z0-9.\-:]{1,253}$")] = "127.0.0.1"
    """Address that it is served at. Any other than loopback needs `cert_file` and `key_file`."""
    names: tuple[Annotated[str, Field(pattern=r"^[A-Za-z0-9.\-]{1,253}$")], ...] = ()
    """Names under which browsers reach it, beside `host`, the host's own name and addresses: no other is served."""
    cert_file: Path | None = None
    key_file: Path | None = None
    users: Path | None = None
    """File of the people who sign in by password (`daq console user`); default `console-users.json` in the state
    folder."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file belong together")
        if self.host not in LOOPBACK and self.cert_file is None:
            raise ValueError(f"beyond loopback the console needs TLS: cert_file and key_file for {self.host}")
        return self


class Bed(_Table):
    """What is watched over while a patient lies on the bed."""

    idle_min: Annotated[float, Field(ge=1.0, le=240.0)] = 20.0
    """After so many minutes in which nothing was acquired somebody is called."""


class Exports(_Table):
    """Where what people export at the console goes."""

    folder: Path | None = None
    """Absolute, or relative to the site file; default `exports` in the state folder."""
    title: Annotated[str, Field(min_length=1, max_length=80)] = "the station's own export folder"
    """What people call the place; the console shows this and no path."""


class BiasSupply(_Table):
    """What the bias supply of a FERS board may be asked for."""

    max_v: Annotated[float, Field(ge=20.0, le=85.0)]
    """The highest voltage that the sensors stand."""
    max_slope_v_per_s: Annotated[float, Field(gt=0.0, le=100.0)] = 5.0
    max_step_v: Annotated[float, Field(ge=20.0, le=85.0)] = 20.0
    """How far it is raised before it is read back; not less than the 20 V with which it begins."""
    tolerance_v: Annotated[float, Field(gt=0.0, le=5.0)] = 0.2
    """How far what is read may be from what was set."""
    trip_ma: Annotated[float, Field(gt=0.0, lt=10.0)]
    """The current at which it switches off."""
    serial: Annotated[int, Field(ge=1)] | None = None
    """Serial number (PID) of the board; another one there is refused."""


class Device(_Table):
    """A device of the station.

    `kind = "simulated"` is one within the daemon, with the scanner profile's limits; `kind = "caen-fers"` the bias
    supply of a board at `url`, with those of `bias`; `kind = "profile"` one on a `controller` of the site file.
    """

    ability: Ability
    kind: Literal["simulated", "caen-fers", "profile"] = "simulated"
    axis: str | None = None
    """For `axis` and `bed`: the name in the scanner profile's `axes`; default the device's own name."""
    supply: str | None = None
    """For `high_voltage` of kind `profile`: the name in the scanner profile's `supplies`; default the device's own."""
    head: str | None = None
    """Of a `detector_head`, `collimator`, `interlocks` or `instrument`: the head of the scanner profile that it is of;
    its interlocks guard the supplies of that head alone. None: of all."""
    controller: OnController | None = None
    """Of kind `profile`: where it is."""
    url: Annotated[str, Field(pattern=_DEVICE_URL)] | None = None
    """`tcp://HOST` or `tcp://HOST:PORT`: the board, and its port for commands where it is not 9760. `udp://HOST:PORT`
    of a simulated axis or bed: the simulator that it tells where it is, so that what is pictured moves with it."""
    bias: BiasSupply | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        self._require_controller()
        if self.head is not None and self.ability not in OF_A_HEAD:
            raise ValueError(f"head belongs to {', '.join(OF_A_HEAD)}, not to {self.ability}")
        fers = self.kind == "caen-fers"
        if fers and self.ability != "high_voltage":
            raise ValueError(f"a caen-fers board is a high_voltage, no {self.ability}")
        tells = not fers and self.ability in ("axis", "bed") and (self.url or "").startswith("udp://")
        if fers != (self.bias is not None) or (fers != (self.url is not None) and not tells):
            raise ValueError('url and bias belong to kind = "caen-fers", which needs both; a simulated axis has udp://')
        if fers and not (self.url or "").startswith("tcp://"):
            raise ValueError("a caen-fers board is at tcp://HOST")
        return self

    def _require_controller(self) -> None:
        profiled, where = self.kind == "profile", self.controller
        if profiled != (where is not None):
            raise ValueError('controller belongs to kind = "profile", which needs it')
        if profiled and self.ability not in ON_CONTROLLERS:
            raise ValueError(f"a {self.ability} on a controller is not known: {', '.join(ON_CONTROLLERS)} are")
        if not profiled and self.ability in ("interlocks", "motion_enable", "instrument"):
            raise ValueError(f'{self.ability} belongs to kind = "profile"')
        moves = self.ability in ("axis", "bed")
        if where is not None and moves != (where.per_unit is not None):
            raise ValueError("controller.per_unit belongs to an axis or bed, which needs it")
        if where is not None and where.per_unit == 0:
            raise ValueError("controller.per_unit must not be 0")


class Qc(_Table):
    """Rules of the site about quality control."""

    one_person_may_approve: bool = False
    """Whether whoever performed a test may approve its result, too; by default two persons are needed."""
    allowance_hours: Annotated[float, Field(ge=1, le=744)] = 24.0
    """How long patients are acquired in spite of a test that a person allowed, before somebody has to say so again."""


class Access(_Table):
    """Who may do what, by user name of this host or of the broker. The daemon's own user and root may do everything."""

    users: dict[str, RoleName] = {}
    socket_group: str | None = None
    """Group that may open the local socket; default none."""
