"""The OpenAPI 3.1 document of the console, made of the models that check what comes."""

from __future__ import annotations

import asyncio
import re
from functools import cache
from typing import Any

from pydantic import BaseModel
from starlette.convertors import IntegerConvertor
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

import daq
from daq.gateway.control import ControlRequest
from daq.gateway.gateway import gateway_of
from daq.gateway.idempotency import KEY_PATTERN
from daq.gateway.openapiparts import PROBLEM, SESSION, control_schemas, in_json, json_object
from daq.gateway.qcfiles import qc_file_routes
from daq.gateway.second import Beside
from daq.gateway.session import ByLink, ByPassword
from daq.gateway.studyfiles import study_file_routes
from daq.gateway.viewfiles import view_file_routes
from daq.model.controlled import CONTROLLED
from daq.model.verbs import ALWAYS, ASKING, VERBS

PLACE = "/api/v1/openapi.json"
_REF = "#/components/schemas/{model}"
_SIGNED_IN: list[dict[str, list[str]]] = [{"cookie": []}]


def openapi_routes() -> list[BaseRoute]:
    """Return the route of the document. It says nothing of this station, so nobody has to sign in for it."""
    return [Route(PLACE, _document, methods=["GET"])]


async def _document(request: Request) -> Response:
    return JSONResponse(await asyncio.to_thread(document, gateway_of(request).cookie))


@cache
def document(cookie: str) -> dict[str, Any]:
    """Return the document; `cookie` is the name of the one that says who is signed in."""
    schemas: dict[str, Any] = {"Problem": PROBLEM, "Session": SESSION, **control_schemas()}
    paths = {
        "/api/v1/session": _session_paths(schemas),
        "/api/v1/second": _second_paths(schemas),
        "/api/v1/control": _control_paths(schemas),
        **{f"/api/v1/ask/{verb}": {"post": _asking(verb, schemas)} for verb in VERBS if verb in ASKING},
        **{f"/api/v1/commands/{verb}": {"post": _commanding(verb, schemas)} for verb in VERBS if verb not in ASKING},
    }
    files = [
        route for route in (*qc_file_routes(), *study_file_routes(), *view_file_routes()) if isinstance(route, Route)
    ]
    paths |= {_plain(route): {"get": _file(route)} for route in files}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "scandaq console", "version": daq.__version__, "license": {"name": "Apache-2.0"},
            "description": "What a person asks and does at a station. Not for clinical use.",
        },
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "securitySchemes": {"cookie": {"type": "apiKey", "in": "cookie", "name": cookie}},
        },
    }  # fmt: skip


def _asking(verb: str, schemas: dict[str, Any]) -> dict[str, Any]:
    return {
        **_of_verb(verb, schemas),
        "tags": ["ask"],
        "responses": {"200": json_object("the answer"), **_problems(409)},
    }


def _commanding(verb: str, schemas: dict[str, Any]) -> dict[str, Any]:
    told = {**_of_verb(verb, schemas), "tags": ["commands"]}
    if verb in ALWAYS:
        return {**told, "responses": {"200": json_object("done"), **_problems(409)}}
    key = {
        "name": "Idempotency-Key", "in": "header", "required": True,
        "schema": {"type": "string", "pattern": KEY_PATTERN},
        "description": "the command is done once for each key; a UUID",
    }  # fmt: skip
    later = in_json("under way: ask again with the same key", {"$ref": _REF.format(model="Accepted")})
    held = (423,) if verb in CONTROLLED else ()
    return {
        **told,
        "parameters": [key],
        "responses": {"200": json_object("done"), "202": later, **_problems(409, *held)},
    }


def _of_verb(verb: str, schemas: dict[str, Any]) -> dict[str, Any]:
    model, role, summary = VERBS[verb]
    return {
        "operationId": verb, "summary": summary, "security": _SIGNED_IN, "x-least-role": role.name.lower(),
        "description": f"Least role: {role.name.lower()}.",
        "requestBody": _body(_schema(model, schemas), required=False),
    }  # fmt: skip


def _session_paths(schemas: dict[str, Any]) -> dict[str, Any]:
    link, password = _schema(ByLink, schemas), _schema(ByPassword, schemas)
    signed = in_json("whether somebody is signed in", {
        "type": "object", "required": ["signed_in"], "properties": {"signed_in": {"type": "boolean"}},
    })  # fmt: skip
    here = in_json("who is signed in here", {"$ref": _REF.format(model="Session")})
    return {
        "get": {"operationId": "session", "summary": "who is signed in here", "tags": ["session"],
                "responses": {"200": here, **_problems(signed_in=False)}},
        "post": {"operationId": "sign-in", "summary": "sign in, by link or by password; sets the cookie",
                 "tags": ["session"], "requestBody": _body({"anyOf": [link, password]}, required=True),
                 "responses": {"200": signed, **_problems(signed_in=False)}},
        "delete": {"operationId": "sign-out", "summary": "sign out", "tags": ["session"],
                   "responses": {"200": signed, **_problems(409, signed_in=False)}},
    }  # fmt: skip


def _second_paths(schemas: dict[str, Any]) -> dict[str, Any]:
    signed = in_json("a token for the header Second-Person of one command", {
        "type": "object", "required": ["second", "user", "within_s"],
        "properties": {"second": {"type": "string"}, "user": {"type": "string"}, "within_s": {"type": "number"}},
    })  # fmt: skip
    return {
        "post": {"operationId": "sign-beside", "summary": "have a second person sign beside who is signed in",
                 "tags": ["session"], "security": _SIGNED_IN,
                 "requestBody": _body(_schema(Beside, schemas), required=True),
                 "responses": {"200": signed, **_problems()}},
    }  # fmt: skip


def _control_paths(schemas: dict[str, Any]) -> dict[str, Any]:
    body = _body(_schema(ControlRequest, schemas), required=True)
    with_others = in_json("who holds control", {"$ref": _REF.format(model="ControlSeen")})
    stands = in_json("how it stands now", {"$ref": _REF.format(model="Control")})
    return {
        "get": {"operationId": "control", "summary": "who holds control, who asks for it", "tags": ["control"],
                "security": _SIGNED_IN, "responses": {"200": with_others, **_problems()}},
        "post": {"operationId": "control-act", "summary": "take control, give it back, hand it over",
                 "tags": ["control"], "security": _SIGNED_IN, "requestBody": body,
                 "responses": {"200": stands, **_problems(409, 423)}},
    }  # fmt: skip


def _plain(route: Route) -> str:
    """Return the address of a route as the document names it: without what its parts are made of."""
    return re.sub(r":\w+\}", "}", route.path)


def _file(route: Route) -> dict[str, Any]:
    """Return what is said of a route of files: pictures, reports, exports."""
    given = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "integer" if isinstance(of, IntegerConvertor) else "string"},
        }
        for name, of in route.param_convertors.items()
    ]
    content = {
        "application/json": {"schema": {"type": "object"}},  # a list of what there is
        "*/*": {"schema": {"type": "string", "contentMediaType": "application/octet-stream"}},
    }
    return {
        "operationId": re.sub(r"\W+", "-", _plain(route)).strip("-"), "summary": "a file", "tags": ["files"],
        "security": _SIGNED_IN, "parameters": given,
        "responses": {"200": {"description": "the file", "content": content}, **_problems(409)},
    }  # fmt: skip


def _schema(model: type[BaseModel], schemas: dict[str, Any]) -> dict[str, Any]:
    """Put the schema of a model among the others; return how it is referred to."""
    made = model.model_json_schema(ref_template=_REF)
    schemas.update(made.pop("$defs", {}))
    schemas[model.__name__] = made
    return {"$ref": _REF.format(model=model.__name__)}


def _body(schema: dict[str, Any], *, required: bool) -> dict[str, Any]:
    return {"required": required, "content": {"application/json": {"schema": schema}}}


_TOLD = {
    401: "nobody is signed in", 403: "not allowed", 404: "not there", 409: "refused in this state",
    421: "not served under this name", 422: "not understood", 423: "another session holds control",
    429: "too much at once", 500: "a fault of the daemon", 502: "a device did something else", 503: "not reached",
    504: "not in time",
}  # fmt: skip


def _problems(*more: int, signed_in: bool = True) -> dict[str, Any]:
    """Return the answers that are problems."""
    always = {403, 404, 421, 422, 429, 500, 502, 503, 504} | ({401} if signed_in else set())
    content = {"application/problem+json": {"schema": {"$ref": _REF.format(model="Problem")}}}
    return {str(status): {"description": _TOLD[status], "content": content} for status in sorted(always | {*more})}
