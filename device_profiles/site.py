"""`site/0`: what is plugged in where. A TOML file whose values environment variables `SCANDAQ_...` override.

A variable is the key path in capitals with `__` for each dot: `SCANDAQ_STORAGE`, `SCANDAQ_INSTRUMENTS__RING__URL`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

from daq.errors import ProfileError, ScandaqError
from daq.model.control import ControlProfile
from daq.model.finding import ABSENT, Finding, Said, error, errors
from daq.model.layout import Name
from daq.model.tables import from_pydantic, known_keys, refusal
from device_profiles.control import load_control
from device_profiles.controllers import Controller
from device_profiles.controllers_rules import wrong_controllers
from device_profiles.load import load_profile
from device_profiles.places import ENV_PREFIX
from device_profiles.reading import read_toml
from device_profiles.scanners import beside, load_scanner
from device_profiles.services import Access, Bed, Console, Device, Exports, Metrics, Mqtt, Qc
from device_profiles.supplies_rules import wrong_supplies

SITE_SCHEMA = "site/0"

_PORTS = range(1, 65536)


def _url(text: str) -> str:
    """Refuse what cannot be an endpoint; return it unchanged."""
    why = why_no_endpoint(text)
    if why is not None:
        raise ValueError(why)
    return text


class Plug(BaseModel):
    """One instrument that is plugged in."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    profile: str
    """Id of a shipped instrument profile, or a path relative to the site file."""
    url: Annotated[str, AfterValidator(_url)]
    """`udp://HOST:PORT` (subscribe), `udp://@HOST:PORT` (listen), `tcp://HOST:PORT`, `file:///PATH`. Behind a tcp
    address `?control=PORT` names the port for commands."""
    more_urls: tuple[Annotated[str, AfterValidator(_url)], ...] = ()
    """Addresses of further heads, read out together with the first: the k-th address is that of head k."""
    serials: tuple[Annotated[str, Field(min_length=1, max_length=100)], ...] = ()
    """Serial numbers of the heads, in the order of their addresses; without them any calibration of a head fits."""
    source: Annotated[int, Field(ge=0, lt=0xFFFF)] = 0
    """Number of the front-end source, for transports that do not state it."""

    @property
    def urls(self) -> tuple[str, ...]:
        """Return the addresses of all heads."""
        return (self.url, *self.more_urls)


class Site(BaseSettings):
    """One station. Frozen; unknown keys are refused. The key `schema` is checked before and is no setting."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True)

    station: Annotated[str, Field(min_length=1, max_length=64)]
    """Name of the station in manifests, messages and on screen."""
    storage: Path
    """Folder of the recordings; absolute, or relative to the site file."""
    scanner: str | None = None
    """Id of a shipped scanner profile, or a path relative to the site file."""
    instruments: dict[Name, Plug] = {}
    controllers: dict[Name, Controller] = {}
    """Instruments that are asked and told: supplies of voltage, motors, registers, interlocks."""
    devices: dict[Name, Device] = {}
    state: Path | None = None
    """Folder of journal, audit log and catalogue; default `station` in the storage folder."""
    socket: Path | None = None
    """Path of the local socket; default `control` in the state folder."""
    protocols: Path | None = None
    """Folder of the site's own acquisition protocols."""
    calibrations: Path | None = None
    """Folder of the calibration files of the instruments (`device_profiles.calibrations`)."""
    head_calibrations: Path | None = None
    """Folder of the calibration files of gamma-camera heads (`device_profiles.cameracalibrations`)."""
    worklist: Path | None = None
    """File of the worklist (`worklist/1`); without one everybody is entered by hand."""
    procedures: dict[Annotated[str, Field(min_length=1, max_length=64)], Annotated[str, Field(max_length=100)]] = {}
    """Code or words of a requested procedure, and the id of the protocol that is proposed for it."""
    catalogue: str | None = None
    """SQLAlchemy URL of the catalogue of acquisitions; default an SQLite file in the state folder."""
    simulated: bool = False
    """What is recorded here is simulated: every manifest and message says so."""
    finish: bool = True
    """Whether pictures, DICOM objects and a verdict are made of acquisitions of cameras and probes when they end."""
    mqtt: Mqtt = Mqtt()
    metrics: Metrics = Metrics()
    console: Console = Console()
    access: Access = Access()
    qc: Qc = Qc()
    bed: Bed = Bed()
    exports: Exports = Exports()

    @property
    def state_folder(self) -> Path:
        """Return the folder of journal, audit log and catalogue."""
        return self.state or self.storage / "station"

    @property
    def socket_path(self) -> Path:
        """Return the path of the local socket."""
        return self.socket or self.state_folder / "control"

    @property
    def exports_folder(self) -> Path:
        """Return where exports go."""
        return self.exports.folder or self.state_folder / "exports"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let the environment win over the file; read nothing else."""
        del settings_cls, dotenv_settings, file_secret_settings
        return env_settings, init_settings


def load_site(path: Path) -> Site:
    """Return the site of a file, the environment applied, `storage` made absolute.

    Raises `MissingError`, or `ProfileError` with every problem; a value from the environment names its variable.
    """
    site, found = check_site(path)
    wrong = errors(found)
    if site is None or wrong:
        raise ProfileError(refusal(str(path), wrong))
    return site


def check_site(path: Path) -> tuple[Site | None, list[Finding]]:
    """Return the site where keys and types are in order, else None, and every finding."""
    tables = read_toml(path)
    schema = tables.pop("schema", ABSENT)
    if schema != SITE_SCHEMA:
        return None, [error("schema", schema, f"must be {SITE_SCHEMA!r}")]
    try:
        site = Site(**tables)
    except ValidationError as why:
        return None, [_with_variable(finding) for finding in from_pydantic(why, known_keys(Site))]
    except SettingsError as why:
        return None, [error("environment", Said(f"{ENV_PREFIX}..."), f"{why} ({why.__cause__})")]
    made = _with_places(site, path.parent)
    folder = path.parent
    controllers = wrong_controllers(made.controllers, made.devices, folder)
    devices = [*_wrong_devices(made, folder), *_wrong_limits(made, folder)]
    return made, [*_named_profiles(made, folder), *controllers, *devices, *_wrong_exports(made)]


def _with_places(site: Site, folder: Path) -> Site:
    """Return the site with every path absolute; relative ones start at the site file, absent ones have defaults."""
    storage = (folder / site.storage).absolute()
    state = (folder / site.state).absolute() if site.state else storage / "station"
    secrets = {
        name: (folder / given).absolute()
        for name in ("password_file", "ca_file", "cert_file", "key_file")
        if (given := getattr(site.mqtt, name)) is not None
    }
    console = {
        name: (folder / given).absolute()
        for name in ("cert_file", "key_file", "users")
        if (given := getattr(site.console, name)) is not None
    }
    places = {
        "storage": storage,
        "state": state,
        "socket": (folder / site.socket).absolute() if site.socket else state / "control",
        "protocols": (folder / site.protocols).absolute() if site.protocols else None,
        "calibrations": (folder / site.calibrations).absolute() if site.calibrations else None,
        "head_calibrations": (folder / site.head_calibrations).absolute() if site.head_calibrations else None,
        "worklist": (folder / site.worklist).absolute() if site.worklist else None,
        "catalogue": site.catalogue or f"sqlite:///{state / 'catalogue.sqlite'}",
        "mqtt": site.mqtt.model_copy(update=secrets),
        "console": site.console.model_copy(update=console),
        "exports": site.exports.model_copy(
            update={"folder": (folder / site.exports.folder).absolute()} if site.exports.folder else {}
        ),
    }
    return site.model_copy(update=places)


def why_no_endpoint(text: str) -> str | None:
    """Return why `text` is no endpoint URL, or None."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as why:
        return f"not a URL: {why}"
    if parts.scheme == "file":
        return None if parts.path.startswith("/") and not parts.netloc else "a file is written file:///PATH"
    if parts.scheme not in ("tcp", "udp"):
        return "must begin with udp://, tcp:// or file:///"
    return _why_no_socket(parts, port)


def _why_no_socket(parts: SplitResult, port: int | None) -> str | None:
    if not parts.hostname or port not in _PORTS:
        return f"must name a host and a port of 1 to 65535: {parts.scheme}://HOST:PORT"
    has_control = parts.scheme == "tcp" and re.fullmatch(r"control=[0-9]{1,5}", parts.query) is not None
    if parts.path or (parts.query and not has_control) or parts.fragment:
        return f"nothing may follow the port: {parts.scheme}://HOST:PORT"
    if "@" in parts.netloc and (parts.scheme != "udp" or not parts.netloc.startswith("@")):
        return "only udp://@HOST:PORT (listen) has an @, and nothing stands before it"
    return None


def _named_profiles(site: Site, folder: Path) -> Iterator[Finding]:
    """Demand that every profile the site names can be loaded and speaks the transport of its URL."""
    for name, plug in site.instruments.items():
        try:
            profile = load_profile(beside(plug.profile, folder))
        except ScandaqError as why:
            yield error(f"instruments.{name}.profile", plug.profile, str(why))
            continue
        for number, url in enumerate(plug.urls):
            if urlsplit(url).scheme not in profile.transport.kinds:
                reason = f"the profile {profile.id} knows {', '.join(profile.transport.kinds)}"
                key = f"instruments.{name}." + (f"more_urls[{number - 1}]" if number else "url")
                yield error(key, url, reason)
        if plug.serials and len(plug.serials) != len(plug.urls):
            reason = f"serial numbers; there are {len(plug.urls)} addresses"
            yield error(f"instruments.{name}.serials", Said(str(len(plug.serials))), reason)
    if site.scanner is not None:
        try:
            load_scanner(beside(site.scanner, folder))
        except ScandaqError as why:
            yield error("scanner", site.scanner, str(why))


def _wrong_exports(site: Site) -> Iterator[Finding]:
    """Demand that exports lie apart from the recordings: both are looked through, and only one may be given away."""
    folder = site.exports.folder
    if folder is not None and (
        folder == site.storage or folder in site.storage.parents or site.storage in folder.parents
    ):
        yield error("exports.folder", str(folder), "must lie outside of `storage`, and `storage` outside of it")


def _wrong_devices(site: Site, folder: Path) -> Iterator[Finding]:
    """Demand that axes, and supplies on controllers, have limits in the scanner profile."""
    axes: set[str] = set()
    supplies: set[str] = set()
    heads: set[str] = set()
    if site.scanner is not None:
        with suppress(ScandaqError):  # said elsewhere
            profile = load_scanner(beside(site.scanner, folder))
            axes = {*profile.axes.rotary, *profile.axes.linear}
            supplies = {*profile.supplies}
            heads = {head.id for head in profile.heads}
    for name, device in site.devices.items():
        wanted = device.axis or name
        if device.ability in ("axis", "bed") and wanted not in axes:
            known = ", ".join(sorted(axes)) or "none"
            yield error(f"devices.{name}.axis", wanted, f"is no axis of the scanner profile; it has {known}")
        supply = device.supply or name
        if device.ability == "high_voltage" and device.kind == "profile" and supply not in supplies:
            known = ", ".join(sorted(supplies)) or "none"
            yield error(f"devices.{name}.supply", supply, f"is no supply of the scanner profile; it has {known}")
        if device.head is not None and device.head not in heads:
            known = ", ".join(sorted(heads)) or "none"
            yield error(f"devices.{name}.head", device.head, f"is no head of the scanner profile; it has {known}")


def _wrong_limits(site: Site, folder: Path) -> Iterator[Finding]:
    """Demand that the scanner asks no supply for more than its instrument can do."""
    profiles: dict[str, ControlProfile] = {}
    for name, said in site.controllers.items():
        with suppress(ScandaqError):  # said elsewhere
            profiles[name] = load_control(beside(said.profile, folder))
    if site.scanner is not None:
        with suppress(ScandaqError):
            limits = load_scanner(beside(site.scanner, folder)).supplies
            yield from wrong_supplies(site.devices, profiles, limits)


def _with_variable(finding: Finding) -> Finding:
    """Name the environment variable a wrong value came from."""
    variable = ENV_PREFIX + finding.key.upper().replace(".", "__")
    if variable not in os.environ:
        return finding
    return Finding(finding.key, finding.value, f"{finding.reason} (set by {variable})", finding.severity)


def as_json(site: Site) -> dict[str, Any]:
    """Return the site as plain data, without the password that the catalogue's URL may hold."""
    told = {"schema": SITE_SCHEMA, **site.model_dump(mode="json")}
    if site.catalogue:
        told["catalogue"] = re.sub(r"(://[^:/@]*):[^@/]*@", r"\1:***@", site.catalogue)
    return told
