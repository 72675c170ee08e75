"""Those who tell the outside what the station says: MQTT, metrics."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from daq.composition.runs import Planner
from daq.model.station import Actor, Role
from daq.services.alarms import Alarms
from daq.services.audit import Audit
from daq.services.broker import ensure_broker
from daq.services.bus import Bus
from daq.services.metrics import Asked, Metrics
from daq.services.metricsources import document_figures, mqtt_figures, readout_figures
from daq.services.station import Station
from daq.services.status_mqtt.service import StatusMqtt
from daq.services.status_mqtt.settings import MqttSettings

if TYPE_CHECKING:
    from device_profiles.site import Site

Services = list[tuple[str, Callable[[], Coroutine[Any, Any, None]]]]


@dataclass(frozen=True, slots=True)
class Sayers:
    """What publishers speak of and with."""

    bus: Bus
    alarms: Alarms
    audit: Audit
    station: Station
    planner: Planner
    role_of: Callable[[str, int | None], Role]
    figures: Sequence[Asked]
    """Of devices and controllers."""


def publishers(site: Site, scanner: str, sayers: Sayers) -> Services:
    """Return who publishes at this site: name and coroutine function."""
    services: Services = []
    status = mqtt(site, scanner, sayers)
    if status is not None:
        services.append(("mqtt", status.run))
    if site.metrics.port is not None:
        services.append(("metrics", _metrics(site.metrics.port, status, sayers).run))
    return services


def _metrics(port: int, status: StatusMqtt | None, sayers: Sayers) -> Metrics:
    """Return the metrics of the station, its readout, its run documents and its connection to the broker."""

    def of_readout() -> dict[str, Any] | None:
        run = sayers.station.run
        return run.last_status if run is not None and not run.over else None

    asked = [*readout_figures(of_readout), *document_figures(sayers.planner.documents), *sayers.figures]
    return Metrics(sayers.bus, port, asked + (mqtt_figures(status.figures) if status is not None else []))


def mqtt(site: Site, scanner: str, sayers: Sayers) -> StatusMqtt | None:
    """Return the publisher of a site; None where it wants none."""
    wanted = site.mqtt
    if wanted.broker == "none":
        return None
    settings = MqttSettings(
        broker=wanted.broker, client_id=wanted.client_id or f"scandaq-{site.station}", protocol=wanted.protocol,
        keepalive_s=wanted.keepalive_s, user=wanted.user, password_file=wanted.password_file, ca_file=wanted.ca_file,
        cert_file=wanted.cert_file, key_file=wanted.key_file, commands=wanted.commands,
        home_assistant=wanted.home_assistant,
    )  # fmt: skip
    own = partial(ensure_broker, site.state_folder, wanted.own_port) if wanted.broker == "own" else None

    def refused(actor: Actor, verb: str, reason: str) -> None:
        sayers.audit.note(actor, verb, "", result="refused", error=reason)

    return StatusMqtt(
        settings, scanner, sayers.bus, command=sayers.station.command,
        role_of=lambda user: sayers.role_of(user, None), on_refusal=refused, own_broker=own, alarms=sayers.alarms,
    )  # fmt: skip
