"""What the publisher is told, and what it counts."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from daq.errors import UsageError
from daq.transports.mqtt_address import BrokerAddress, Login, Protocol

_MOST_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class MqttSettings:
    """As in the site file. `broker`: `own`, `mqtt://HOST:PORT` or `mqtts://HOST:PORT`; secrets are named by file.

    `trust_users`: the broker vouches for the user in a command's topic. Default: where the daemon itself has to show a
    password or a certificate. Where it does not, everybody is a viewer, and may stop.
    """

    broker: str
    client_id: str
    protocol: Protocol = "5"
    keepalive_s: int = 5
    user: str | None = None
    password_file: Path | None = None
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    commands: tuple[str, ...] = ()
    home_assistant: bool = False
    trust_users: bool | None = None
    most_message_bytes: int = _MOST_BYTES

    def __post_init__(self) -> None:
        """Raise `UsageError` for an address that is none."""
        if self.broker != "own":
            self.address()

    def address(self) -> BrokerAddress:
        """Return where the broker is; raise `UsageError` for one of our own, which says so itself."""
        if self.broker == "own":
            raise UsageError("the own broker's address is known once it runs")
        return BrokerAddress.of(self.broker, self.protocol)

    def login(self) -> Login:
        """Return who connects."""
        return Login(
            self.client_id, self.keepalive_s, self.user, self.password_file, self.ca_file, self.cert_file, self.key_file
        )

    @property
    def vouched(self) -> bool:
        """Return True where the broker vouches for the user of a command."""
        if self.trust_users is not None:
            return self.trust_users
        return self.broker != "own" and (self.user is not None or self.cert_file is not None)


@dataclass(slots=True)
class Figures:
    """Counts since the start of the daemon, for somebody who exports them."""

    connected: bool = False
    reconnects: int = 0
    failed_connects: int = 0
    taken_over: int = 0
    published: int = 0
    published_bytes: int = 0
    acknowledged: int = 0
    refused: int = 0
    """Messages that the broker refused: no right, quota, packet too large."""
    too_large: int = 0
    unpublishable: int = 0
    superseded: int = 0
    """Messages that a newer one of their topic replaced before they were sent. That is no loss."""
    dropped_messages: int = 0
    dropped_documents: int = 0
    dropped_replies: int = 0
    outbox: int = 0
    """Messages that wait, now."""
    under_way: int = 0
    """Messages sent and not yet acknowledged, now."""
    offline_contradicted: int = 0
    """How often `online` was said again because somebody else's last will said otherwise."""
    commands: dict[str, int] = field(default_factory=lambda: {"accepted": 0, "done": 0, "refused": 0, "ignored": 0})
