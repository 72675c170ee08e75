"""Everything that a person asks or does: the verbs of the station over HTTP.

What stops something is served first and last: no key, no queue, no control, no limit.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from dataclasses import replace
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from daq.errors import DeadlineError, MissingError, ScandaqError
from daq.gateway.gateway import Gateway, answering, body_of, gateway_of, unexpected
from daq.gateway.holding import HELD
from daq.gateway.idempotency import Answer, checked_key, of_command
from daq.gateway.problems import problem_of
from daq.gateway.second import HEADER
from daq.gateway.sessions import Session
from daq.model.controlled import CONTROLLED
from daq.model.station import Actor
from daq.model.verbs import ALWAYS, ASKING, VERBS, checked
from daq.services.localsession import without_values

_LOG = logging.getLogger(__name__)
SOON_S = 15.0
"""A command that takes longer is answered by 202; asking again with its key waits for the rest."""
LONGEST_S = 600.0
"""A command that takes longer is answered by `DeadlineError`; it goes on."""


def command_routes() -> list[BaseRoute]:
    """Return the routes."""
    return [
        Route("/api/v1/ask/{verb}", answering(_ask), methods=["POST"]),
        Route("/api/v1/commands/{verb}", answering(_command), methods=["POST"]),
    ]


async def _ask(request: Request) -> Response:
    verb = request.path_params["verb"]
    gateway = gateway_of(request)
    session = gateway.signed_in(request)
    if verb not in ASKING:
        raise MissingError(f"{verb[:40]} is none of what can be asked: {', '.join(sorted(ASKING))}")
    return JSONResponse(await gateway.offer.command(verb, await body_of(request, verb), gateway.actor(session)))


async def _command(request: Request) -> Response:
    verb = request.path_params["verb"]
    gateway = gateway_of(request)
    session = gateway.stopping(request) if verb in ALWAYS else gateway.signed_in(request)
    if verb not in VERBS or verb in ASKING:
        raise MissingError(f"{verb[:40]} is none of the commands: {', '.join(sorted(VERBS.keys() - ASKING))}")
    if verb in ALWAYS:
        return _sent(await _carried_out(gateway, verb, await body_of(request, verb), gateway.actor(session)))
    key = checked_key(request.headers.get("Idempotency-Key"))
    args = await body_of(request, verb)
    session.acted_s = gateway.sessions.clock()
    if (
        verb in CONTROLLED
        and not gateway.answers.known(session.number, key)
        and _acceptable(verb, args, gateway, session)
    ):
        gateway.control.claim(verb, session)
    asked = of_command(verb, args)
    answer = await gateway.answers.once(
        session.number, key, asked, lambda: _by_two(gateway, verb, args, session, request.headers.get(HEADER)),
        within_s=SOON_S,
    )  # fmt: skip
    return _sent(answer) if answer is not None else JSONResponse({"accepted": True, "key": key}, 202)


def _acceptable(verb: str, args: dict[str, Any], gateway: Gateway, session: Session) -> bool:
    """Return whether the station would take it: nobody gets control by what it refuses anyway, in words of its own."""
    try:
        checked(verb, args, gateway.actor(session))
    except ScandaqError:
        return False
    return True


def _sent(answer: Answer) -> Response:
    return Response(answer.body, answer.status, media_type=answer.media_type)


async def _by_two(
    gateway: Gateway, verb: str, args: dict[str, Any], session: Session, token: str | None
) -> Answer:  # fmt: skip
    """Return what a command was answered with; who signed beside whoever asks is known to it."""
    try:
        second = gateway.seconds.take(session.number, token, of_command(verb, args))
        actor = replace(gateway.actor(session), second=second)
    except ScandaqError as why:
        return _told(problem_of(why))
    return await _carried_out(gateway, verb, args, actor, session.number)


def _told(answer: Response) -> Answer:
    return Answer(answer.status_code, bytes(answer.body), answer.media_type or "application/json")


async def _carried_out(gateway: Gateway, verb: str, args: dict[str, Any], actor: Actor, number: str = "") -> Answer:
    """Return what a command was answered with, whatever it was. `number`: of the session whose hand it needs."""

    def work() -> Awaitable[dict[str, object]]:
        return _within(LONGEST_S, gateway, verb, args, actor)

    def stop() -> Awaitable[dict[str, object]]:
        return gateway.offer.command("stop-motion", {}, actor)

    try:
        told = await (gateway.hands.while_held(number, verb, work, stop) if verb in HELD else work())
        answer = JSONResponse(told)
    except ScandaqError as why:
        answer = problem_of(why)
    except Exception as why:  # noqa: BLE001 - whoever asks must not end the daemon
        answer = unexpected(verb, why)
    return _told(answer)


async def _within(most_s: float, gateway: Gateway, verb: str, args: dict[str, Any], actor: Actor) -> dict[str, object]:
    task = asyncio.ensure_future(gateway.offer.command(verb, args, actor))
    done, _ = await asyncio.wait({task}, timeout=most_s)
    if not done:
        task.add_done_callback(_heard)
        raise DeadlineError(f"{verb} is not done after {most_s:g} s and goes on; ask for the status")
    return task.result()


def _heard(task: asyncio.Future[dict[str, object]]) -> None:
    if not task.cancelled() and (why := task.exception()) is not None:
        _LOG.error("a command failed long after it was asked for: %s", without_values(why))
