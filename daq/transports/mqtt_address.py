"""Where a broker is and how to log in there. Secrets are read from their files at every connection, never kept."""

from __future__ import annotations

import logging
import ssl
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from daq.errors import MissingError, RefusedError, UsageError

_LOG = logging.getLogger(__name__)
_PORTS = {"mqtt": 1883, "mqtts": 8883}
_MOST_PASSWORD_BYTES = 65_535

Protocol = Literal["5", "3.1.1"]


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Where a broker is, and which version of MQTT it is spoken to."""

    host: str
    port: int
    tls: bool = False
    protocol: Protocol = "5"

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'mqtts' if self.tls else 'mqtt'}://{host}:{self.port}"

    @classmethod
    def of(cls, url: str, protocol: Protocol = "5") -> BrokerAddress:
        """Return the address of `mqtt://HOST:PORT` or `mqtts://HOST:PORT`; raise `UsageError` for anything else."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as why:
            raise UsageError(f"{url!r} is no address of a broker: {why}") from None
        if parts.scheme not in _PORTS or not parts.hostname or parts.path or parts.query or "@" in parts.netloc:
            raise UsageError(f"{url!r} is no address of a broker: write mqtt://HOST:PORT or mqtts://HOST:PORT")
        return cls(parts.hostname, port or _PORTS[parts.scheme], parts.scheme == "mqtts", protocol)


@dataclass(frozen=True, slots=True)
class Login:
    """Who connects. The password and the key are in files; nothing here is secret."""

    client_id: str
    keepalive_s: int = 5
    user: str | None = None
    password_file: Path | None = None
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None

    def password(self) -> str | None:
        """Return the password without its line end; raise `MissingError` or `RefusedError`, which name the file."""
        if self.password_file is None:
            return None
        _warn_of_readers(self.password_file)
        try:
            raw = self.password_file.read_bytes()
            text = raw.decode().removesuffix("\n").removesuffix("\r")
        except OSError as why:
            raise MissingError(f"password_file {self.password_file}: {why.strerror}") from None
        except UnicodeDecodeError:
            raise RefusedError(f"password_file {self.password_file} is not UTF-8 text") from None
        if not text or "\n" in text or len(raw) > _MOST_PASSWORD_BYTES:
            raise RefusedError(f"password_file {self.password_file} must hold one line, the password")
        return text

    def tls(self) -> ssl.SSLContext:
        """Return what the connection is secured with: TLS 1.2 or later, the broker's certificate and name verified."""
        _must_be_files(ca_file=self.ca_file, cert_file=self.cert_file, key_file=self.key_file)
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            context.sslsocket_class = _TidySocket
            if self.cert_file is not None and self.key_file is not None:
                _warn_of_readers(self.key_file)
                context.load_cert_chain(self.cert_file, self.key_file, password=_no_passphrase)
        except (ssl.SSLError, ValueError) as why:
            files = ", ".join(str(file) for file in (self.ca_file, self.cert_file, self.key_file) if file is not None)
            raise RefusedError(f"the certificates of the MQTT connection cannot be used ({files}): {why}") from None
        return context


class _TidySocket(ssl.SSLSocket):
    """Closed where the handshake fails; paho leaves that to the garbage collector."""

    def do_handshake(self, block: bool = False) -> None:  # noqa: FBT001, FBT002 - as in the standard library
        try:
            super().do_handshake(block)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except BaseException:
            self.close()
            raise


def _no_passphrase() -> str:
    """Refuse a key that is encrypted: nobody is there to type."""
    raise ValueError("the key is encrypted; a daemon needs one without a passphrase, in a file only it can read")


def _must_be_files(**files: Path | None) -> None:
    for key, file in files.items():
        try:
            if file is not None:
                file.open("rb").close()
        except OSError as why:
            raise MissingError(f"{key} {file}: {why.strerror}") from None


def _warn_of_readers(file: Path) -> None:
    """Say so when everybody on this host can read a secret."""
    try:
        mode = file.stat().st_mode
    except OSError as why:
        raise MissingError(f"{file}: {why.strerror}") from None
    if mode & stat.S_IROTH:
        _LOG.warning("%s can be read by every user of this host: chmod 600 it", file)
