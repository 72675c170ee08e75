"""Hold a control profile against a recorded conversation: it must say and understand the same.

Requests and replies are taken from the recording, not from an instrument. A fresh codec frames them again in their
order, and the bytes must be those that travelled; each reply must be understood, and as the value it was then.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from daq.devices.abilities import Value
from daq.devices.instruments.recording import readable, understood
from daq.devices.instruments.words import fill, pattern_of
from daq.errors import ScandaqError
from daq.model.control import ControlProfile, ControlValue, Exchange
from daq.model.controlrecord import ControlRecord, Exchanged, Understood
from daq.model.finding import ABSENT, Finding, error, warning
from daq.wire.control.codec import Codec
from daq.wire.control.codecs import codec_of

_TAG = "{tag}"


@dataclass(frozen=True, slots=True)
class _Question:
    """Something that the profile asks, as it stands in the recording; `value` None: who it is."""

    key: str
    exchange: Exchange
    said: re.Pattern[str]
    channel: str = ""
    how: str = "get"
    value: ControlValue | None = None


def against(profile: ControlProfile, record: ControlRecord) -> list[Finding]:
    """Return what does not fit, and what the recording says nothing of."""
    return list(_Comparison(profile, record).findings())


class _Comparison:
    """One profile, one recording, read once from its beginning to its end."""

    def __init__(self, profile: ControlProfile, record: ControlRecord) -> None:
        self._profile, self._record = profile, record
        self._fields = {**profile.variables, **record.head.variables}
        self._questions = list(self._asked_by_the_profile())
        self._answered: set[str] = set()
        self._read: dict[tuple[str, str, str], Value] = {}
        self._told: set[tuple[str, str]] = set()

    def findings(self) -> Iterator[Finding]:
        """Yield each finding once."""
        head, models = self._record.head, self._profile.identity.models
        if not re.fullmatch(models, head.model):
            yield error("identity.models", models, f"the recording is of a {head.model!r}")
        codec = codec_of(self._profile)
        for line in self._record.lines:
            found = self._exchanged(codec, line) if isinstance(line, Exchanged) else self._as_then(line)
            for each in found:
                if (each.key, each.reason) not in self._told:
                    self._told.add((each.key, each.reason))
                    yield each
        for question in self._questions:
            if f"{question.key} {question.channel}" not in self._answered:
                where = f" of channel {question.channel}" if question.channel else ""
                yield warning(question.key, question.exchange.send, f"the recording holds no answer to it{where}")

    def _asked_by_the_profile(self) -> Iterator[_Question]:
        for number, exchange in enumerate(self._profile.identity.ask):
            yield _Question(f"identity.ask[{number}]", exchange, self._said(exchange, {}))
        for name, value, how, channel, exchange in readable(self._profile):
            fields = {"channel": channel} if value.of == "channel" and how == "get" else {}
            key = f"values.{name}.{how}"
            yield _Question(key, exchange, self._said(exchange, fields), channel, how, value)

    def _said(self, exchange: Exchange, fields: Mapping[str, str]) -> re.Pattern[str]:
        """Return what a request looks like, whatever its tag."""
        known = {**self._fields, **fields, "tag": _TAG}
        return re.compile(re.escape(fill(exchange.send, known)).replace(re.escape(_TAG), r"(?P<tag>\d\d)"))

    def _exchanged(self, codec: Codec, line: Exchanged) -> Iterator[Finding]:
        sent = codec.begin(line.say, raw=line.raw).hex()
        if sent != line.sent:
            shown, then = bytes.fromhex(sent), bytes.fromhex(line.sent)
            yield error("framing", line.say, f"is said as {shown!r}; in the recording it was {then!r}")
            return
        replies: list[str] = []
        try:
            for part in line.got:
                replies += codec.feed(bytes.fromhex(part))
        except ScandaqError as why:
            yield error("framing", line.say, str(why))
            return
        if len(replies) != 1:
            return  # none came then, or too many: nothing to hold the profile against
        for question in self._questions:
            asked = question.said.fullmatch(line.say)
            if asked is not None:
                yield from self._answer(question, asked.groupdict(), replies[0])

    def _answer(self, question: _Question, tag: Mapping[str, str], reply: str) -> Iterator[Finding]:
        fields = {**self._fields, **tag, **({"channel": question.channel} if question.channel else {})}
        self._answered.add(f"{question.key} {question.channel}")
        found = pattern_of(question.exchange.reply or "", fields).fullmatch(reply)
        if found is None:
            if not any(re.fullmatch(fill(each.reply, fields, quote=True), reply) for each in self._profile.troubles):
                pattern = question.exchange.reply or ABSENT
                yield error(f"{question.key}.reply", pattern, f"the instrument answered {reply!r}")
            return
        if question.value is None:
            return
        groups = {name: said or "" for name, said in found.groupdict().items()}
        name = question.key.split(".")[1]
        try:
            for channel, value in understood(self._profile, question.value, question.channel, question.how, groups):
                self._read[name, channel, question.how] = value
        except ScandaqError as why:
            yield error(question.key, reply, str(why))

    def _as_then(self, line: Understood) -> Iterator[Finding]:
        now = self._read.pop((line.read, line.channel, line.how), None)
        if now is None or line.refused:
            return
        unit = self._profile.values[line.read].unit or ""
        if unit == line.unit and _alike(now, line.value):
            return
        where = f" of channel {line.channel}" if line.channel else ""
        then, made = f"{line.value!r} {line.unit}".rstrip(), f"{now!r} {unit}".rstrip()
        reason = f"the recording says {then}{where}, this profile makes {made} of the same reply"
        yield error(f"values.{line.read}", line.how, reason)


def _alike(one: Value, other: Value) -> bool:
    if isinstance(one, float) and isinstance(other, int | float):
        return math.isclose(one, other, rel_tol=1e-12)
    return type(one) is type(other) and one == other
