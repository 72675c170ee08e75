"""The topics that a station speaks on. One table serves the publisher, the commands and the AsyncAPI document.

    nm/v1/<scanner>/availability               online | offline, the last will
    nm/v1/<scanner>/state                      what the station does, and what may be asked of it
    nm/v1/<scanner>/readings/<device>/<name>   a value with its unit and quality
    nm/v1/<scanner>/alarm/<device>/<name>      an alarm; empty when it is over
    nm/v1/<scanner>/describe                   what there is
    nm/v1/<scanner>/qc/<test>                  where a test of quality control stands
    nm/v1/<scanner>/run/<run>/progress         counts, rates, time
    nm/v1/<scanner>/run/<run>/ledger           where every word went
    nm/v1/<scanner>/run/<run>/document         run documents
    nm/v1/<scanner>/cmd/<user>/<verb>          a command
    nm/v1/<scanner>/reply/<user>/<id>          its replies

Names are percent-encoded where MQTT gives a character a meaning, so that two names never share a topic. The user is
written as the broker knows it, because the broker compares it.
"""

from __future__ import annotations

from urllib.parse import quote

from daq.errors import RefusedError

TREE = "nm/v1"
AVAILABILITY = TREE + "/{scanner}/availability"
STATE = TREE + "/{scanner}/state"
DESCRIBE = TREE + "/{scanner}/describe"
READING = TREE + "/{scanner}/readings/{device}/{name}"
ALARM = TREE + "/{scanner}/alarm/{device}/{name}"
QC = TREE + "/{scanner}/qc/{test}"
PROGRESS = TREE + "/{scanner}/run/{run}/progress"
LEDGER = TREE + "/{scanner}/run/{run}/ledger"
DOCUMENT = TREE + "/{scanner}/run/{run}/document"
COMMAND = TREE + "/{scanner}/cmd/{user}/{verb}"
REPLY = TREE + "/{scanner}/reply/{user}/{id}"
HOME_ASSISTANT = "homeassistant/device/{object_id}/config"

ONLINE = "online"
OFFLINE = "offline"

_MOST_LEVEL_CHARACTERS = 200
_IN_NO_LEVEL = frozenset("+#/\0")


def level(name: str) -> str:
    """Return a name as one level of a topic; raise `RefusedError` for one that is empty or too long."""
    text = quote(name, safe="")
    if not name or len(text) > _MOST_LEVEL_CHARACTERS:
        limit = f"1 to {_MOST_LEVEL_CHARACTERS} characters, this has {len(text)}"
        raise RefusedError(f"{name[:40]!r} cannot be a level of a topic: {limit}")
    return text


def user_level(user: str) -> str:
    """Return a broker's user as a level of a topic, unchanged; raise `RefusedError` where it cannot be one."""
    if not user or len(user) > _MOST_LEVEL_CHARACTERS or _IN_NO_LEVEL & set(user):
        raise RefusedError(f"the user {user[:40]!r} cannot be a level of a topic: it holds one of + # / or is too long")
    return user


class Topics:
    """The topics of one scanner."""

    def __init__(self, scanner: str) -> None:
        """Raise `RefusedError` for a scanner name that cannot be part of a topic."""
        self.scanner = level(scanner)
        self.availability = AVAILABILITY.format(scanner=self.scanner)
        self.state = STATE.format(scanner=self.scanner)
        self.describe = DESCRIBE.format(scanner=self.scanner)
        self.every_reading = READING.format(scanner=self.scanner, device="+", name="+")
        self.every_alarm = ALARM.format(scanner=self.scanner, device="+", name="+")
        self.every_qc = QC.format(scanner=self.scanner, test="+")
        self.every_ledger = LEDGER.format(scanner=self.scanner, run="+")
        self.every_command = COMMAND.format(scanner=self.scanner, user="+", verb="+")

    def reading(self, device: str, name: str) -> str:
        """Return the topic of a reading."""
        return READING.format(scanner=self.scanner, device=level(device), name=level(name))

    def alarm(self, device: str, name: str) -> str:
        """Return the topic of an alarm."""
        return ALARM.format(scanner=self.scanner, device=level(device), name=level(name))

    def qc(self, test: str) -> str:
        """Return the topic of a test of quality control."""
        return QC.format(scanner=self.scanner, test=level(test))

    def progress(self, run: str) -> str:
        """Return the topic of a run's progress."""
        return PROGRESS.format(scanner=self.scanner, run=level(run))

    def ledger(self, run: str) -> str:
        """Return the topic of a run's ledger."""
        return LEDGER.format(scanner=self.scanner, run=level(run))

    def document(self, run: str) -> str:
        """Return the topic of a run's documents."""
        return DOCUMENT.format(scanner=self.scanner, run=level(run))

    def reply(self, user: str, identifier: str) -> str:
        """Return the topic of the replies to a user's command."""
        return REPLY.format(scanner=self.scanner, user=user_level(user), id=level(identifier))

    def replies_of(self, user: str) -> str:
        """Return what every reply topic of a user begins with."""
        return REPLY.format(scanner=self.scanner, user=user_level(user), id="")

    def command(self, user: str, verb: str) -> str:
        """Return the topic of a user's command."""
        return COMMAND.format(scanner=self.scanner, user=user_level(user), verb=level(verb))

    def user_and_verb(self, topic: str) -> tuple[str, str] | None:
        """Return who commands what on a topic; None where it is no command topic of this scanner."""
        before = COMMAND.partition("{user}")[0].format(scanner=self.scanner)
        levels = topic.removeprefix(before).split("/")
        if not topic.startswith(before) or len(levels) != len(("user", "verb")) or not all(levels):
            return None
        return levels[0], levels[1]


def home_assistant(object_id: str) -> str:
    """Return the topic on which Home Assistant learns of a device."""
    return HOME_ASSISTANT.format(object_id=object_id)
