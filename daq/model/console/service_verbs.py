"""What may be asked of the daemon about its equipment: controllers, calibrations, logs, the host it runs on."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from daq.model.arguments import Arguments, Text
from daq.model.station import Role

MOST_LINES = 500
CalibrationId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$")]
Folder = Literal["heads", "instruments"]


class CalibrationStep(Arguments):
    """Take a step of a calibration's life. `sha256`: of what was looked at, so that nobody takes it unseen."""

    folder: Folder
    calibration: CalibrationId
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    reason: Annotated[Text, Field(min_length=3)]


class CalibrationSign(CalibrationStep):
    """Sign a calibration that was verified; `check`: what verified it, where `daq calibrate verify` does not."""

    check: Annotated[str, Field(max_length=400)] = ""


class AuditLines(Arguments):
    """Read the audit log, newest first; `before`: only lines of lower numbers, for the next page."""

    before: Annotated[int, Field(ge=1, lt=2**53)] | None = None
    limit: Annotated[int, Field(ge=1, le=MOST_LINES)] = 100
    user: Annotated[str, Field(max_length=200)] = ""
    verb: Annotated[str, Field(max_length=40)] = ""
    result: Literal["asked", "done", "refused", "failed"] | None = None
    text: Annotated[str, Field(max_length=100)] = ""


class LogLines(Arguments):
    """Read what the daemon logged since it started, newest first; `before`: for the next page."""

    before: Annotated[int, Field(ge=1, lt=2**53)] | None = None
    limit: Annotated[int, Field(ge=1, le=MOST_LINES)] = 100
    level: Literal["info", "warning", "error"] = "info"
    """This level and worse."""
    text: Annotated[str, Field(max_length=100)] = ""


class HostHealth(Arguments):
    """Tell what limits this host, as `daq doctor` does, the disk's speed left out."""


class ConsoleSessionEnd(Arguments):
    """End the session of somebody at another console, by its number; its browser is told why."""

    session: Annotated[str, Field(pattern=r"^[0-9a-f]{8}$")]
    reason: Annotated[Text, Field(min_length=3)]


SERVICE_VERBS: dict[str, tuple[type[Arguments], Role, str]] = {
    "controllers": (Arguments, Role.VIEWER, "values, registers and actions of controllers, by their profiles"),
    "calibrations": (Arguments, Role.VIEWER, "calibrations and where each stands in its life"),
    "calibration-sign": (CalibrationSign, Role.PHYSICIST, "sign a calibration that was verified"),
    "calibration-activate": (CalibrationStep, Role.PHYSICIST, "use a signed calibration from now on"),
    "calibration-roll-back": (CalibrationStep, Role.PHYSICIST, "take the active calibration back"),
    "audit-lines": (AuditLines, Role.VIEWER, "who did what, newest first, a page at a time"),
    "log-lines": (LogLines, Role.VIEWER, "what the daemon logged since it started"),
    "host-health": (HostHealth, Role.VIEWER, "what limits this host"),
    "console-sessions": (
        Arguments,
        Role.VIEWER,
        "who is signed in at the consoles, since when, and who holds control",
    ),
    "console-session-end": (ConsoleSessionEnd, Role.SERVICE, "end the session of somebody at another console"),
}
SERVICE_ASKING = frozenset(
    {"controllers", "calibrations", "audit-lines", "log-lines", "host-health", "console-sessions"}
)
SERVICE_LOCAL = frozenset({
    "calibration-sign", "calibration-activate", "calibration-roll-back", "console-sessions", "console-session-end",
})  # fmt: skip
"""Never taken from a broker: who signs, or ends a session, is at this host, or signed in at the console."""
