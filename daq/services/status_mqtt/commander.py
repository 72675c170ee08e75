"""Carries out commands from the broker, and answers each: accepted, done, or refused with the reason."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from daq.errors import RefusedError, ScandaqError, UnexpectedError
from daq.model.cleantext import clean_text
from daq.model.station import Actor, Role
from daq.model.verbs import ALWAYS
from daq.services.status_mqtt.announcer import Announcer
from daq.services.status_mqtt.commands import Gate, Reply, Result, readable_id
from daq.services.status_mqtt.settings import Figures
from daq.transports.mqtt import Heard

_LOG = logging.getLogger(__name__)
_MOST_AT_ONCE = 8
_REFUSALS_AT_ONCE = 20.0
_REFUSALS_PER_S = 5.0
_MOST_CORRELATION_BYTES = 256
_MOST_REASON = 500
_NO_ID = "-"

Run = Callable[[str, dict[str, object], Actor], Awaitable[dict[str, object]]]
RoleOf = Callable[[str], Role]
OnRefusal = Callable[[Actor, str, str], None]


@dataclass(frozen=True, slots=True)
class _Asked:
    """Who asked for what, and where the answer goes."""

    actor: Actor
    verb: str
    heard: Heard
    id: str


class Commander:
    """Takes what arrives on command topics. Each command is a task of its own: stopping never waits for another."""

    def __init__(
        self,
        announcer: Announcer,
        figures: Figures,
        gate: Gate,
        *,
        run: Run,
        role_of: RoleOf,
        vouched: bool,
        on_refusal: OnRefusal | None = None,
    ) -> None:
        """`on_refusal` hears who was refused what here and why, at most 5 a second; what `run` refuses, it knows."""
        self._announcer = announcer
        self._figures = figures
        self._gate = gate
        self._run = run
        self._role_of = role_of
        self._vouched = vouched
        self._on_refusal = on_refusal
        self._running: Counter[str] = Counter()
        self._budget = _REFUSALS_AT_ONCE
        self._budget_s = time.monotonic()

    def heard(self, heard: Heard, tasks: asyncio.TaskGroup) -> None:
        """Take a message; those that are no commands of this scanner are none of ours."""
        found = self._announcer.topics.user_and_verb(heard.topic)
        if found is None:
            return
        user, verb = found
        place = verb if verb in ALWAYS else "others"
        if self._running[place] >= _MOST_AT_ONCE:
            self._figures.commands["ignored"] += 1
            return
        self._running[place] += 1
        task = tasks.create_task(self._serve(user, verb, heard), name=f"mqtt command {clean_text(verb, 40)}")
        task.add_done_callback(partial(self._served, place))

    def _served(self, place: str, task: asyncio.Task[None]) -> None:
        del task
        self._running[place] -= 1

    async def _serve(self, user: str, verb: str, heard: Heard) -> None:
        """Carry out one command; whatever is wrong with it is an answer, never an end."""
        asked = _Asked(Actor(user, "mqtt"), verb, heard, _NO_ID)
        try:
            role = self._role_of(user) if self._vouched else Role.VIEWER
            asked = _Asked(Actor(user, "mqtt", role), verb, heard, _NO_ID)
            command = self._gate.check(user, verb, heard.payload, retained=heard.retained)
            asked = _Asked(asked.actor, verb, heard, command.id or _NO_ID)
        except ScandaqError as why:
            self._refuse(asked, why)
            return
        except Exception as why:  # noqa: BLE001 - a fault in one command ends no other
            _LOG.exception("unexpected in a command of %s", clean_text(user, 80))
            self._refuse(asked, UnexpectedError(f"unexpected {type(why).__name__} in the daemon"))
            return
        self._answer(asked, "accepted", self._about_response(asked))
        await self._carry_out(asked, command.args)

    async def _carry_out(self, asked: _Asked, args: dict[str, object]) -> None:
        try:
            await self._run(asked.verb, args, asked.actor)
        except ScandaqError as why:
            self._answer(asked, "refused", str(why), type(why).__name__)
        except Exception as why:  # noqa: BLE001 - as above
            _LOG.exception("unexpected in %s, asked for over MQTT", asked.verb)
            self._answer(asked, "refused", f"unexpected {type(why).__name__} in the daemon", UnexpectedError.__name__)
        else:
            self._answer(asked, "done")

    def _refuse(self, asked: _Asked, why: ScandaqError) -> None:
        """Answer a command that did not come through, as long as there are not too many of them."""
        now_s = time.monotonic()
        self._budget = min(_REFUSALS_AT_ONCE, self._budget + (now_s - self._budget_s) * _REFUSALS_PER_S)
        self._budget_s = now_s
        if self._budget < 1.0:
            self._figures.commands["ignored"] += 1
            return
        self._budget -= 1.0
        known = asked if asked.id != _NO_ID else _Asked(asked.actor, asked.verb, asked.heard, self._id_of(asked))
        self._answer(known, "refused", str(why), type(why).__name__)
        user, verb = clean_text(asked.actor.user, 80), clean_text(asked.verb, 40)
        _LOG.warning("MQTT: refused %s of %s: %s", verb, user, why)
        if self._on_refusal is not None:
            self._on_refusal(asked.actor, verb, str(why))

    def _id_of(self, asked: _Asked) -> str:
        return readable_id(asked.heard.payload) or _NO_ID

    def _answer(self, asked: _Asked, result: Result, reason: str = "", error: str = "") -> None:
        self._figures.commands[result] += 1
        reply = Reply(asked.id, clean_text(asked.verb, 40), result, reason[:_MOST_REASON], error)
        try:
            own = self._announcer.topics.reply(asked.actor.user, asked.id)
        except RefusedError as why:
            self._announcer.unpublishable(str(why))
            return
        correlation = asked.heard.correlation
        if correlation is not None and len(correlation) > _MOST_CORRELATION_BYTES:
            correlation = None
        response = asked.heard.response_topic
        self._announcer.reply(own, reply, correlation)
        if response is not None and response != own and self._may_answer(asked):
            self._announcer.reply(response, reply, correlation)

    def _may_answer(self, asked: _Asked) -> bool:
        """Return True for a response topic of the user: on any other, our right to write would be used, not theirs."""
        response = asked.heard.response_topic or ""
        before = self._announcer.topics.replies_of(asked.actor.user)
        return response.startswith(before) and len(response) > len(before) and not set("+#\0") & set(response)

    def _about_response(self, asked: _Asked) -> str:
        if asked.heard.response_topic and not self._may_answer(asked):
            before = self._announcer.topics.replies_of(asked.actor.user)
            return f"the response topic is not used: it must begin with {before}"
        return ""
