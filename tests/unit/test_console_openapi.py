"""The OpenAPI document says what is served, and the page about it has every address."""

from __future__ import annotations

import re
from pathlib import Path

from jsonschema import Draft202012Validator
from starlette.routing import Route
from support_gateway import room

from daq.gateway.openapi import document
from daq.model.controlled import CONTROLLED
from daq.model.verbs import ALWAYS, ASKING, VERBS

PAGE = (Path(__file__).parents[2] / "docs/reference/console-api.md").read_text(encoding="utf-8")


def test_every_verb_has_its_path_role_and_schema() -> None:
    told = document("scandaq")

    for verb, (model, role, summary) in VERBS.items():
        asked = told["paths"][f"/api/v1/{'ask' if verb in ASKING else 'commands'}/{verb}"]["post"]
        schema = asked["requestBody"]["content"]["application/json"]["schema"]
        assert (asked["summary"], asked["x-least-role"]) == (summary, role.name.lower())
        assert schema == {"$ref": f"#/components/schemas/{model.__name__}"}
        assert ("parameters" in asked) == (verb not in ASKING | ALWAYS)
        assert ("423" in asked["responses"]) == (verb in CONTROLLED)


def test_every_schema_is_one_and_all_that_are_referred_to_are_there() -> None:
    schemas = document("scandaq")["components"]["schemas"]
    models = {model for model, _, _ in VERBS.values()}

    assert len({model.__name__ for model in models}) == len(models)
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)
    for name in str(document("scandaq")).split("#/components/schemas/")[1:]:
        assert name.partition("'")[0] in schemas


async def test_every_address_that_is_served_is_in_the_document_and_it_needs_no_sign_in(tmp_path: Path) -> None:
    here = room(tmp_path)
    served = (await here.browser().get("/api/v1/openapi.json")).json()
    told = {path for path in served["paths"] if not path.startswith(("/api/v1/ask/", "/api/v1/commands/"))}
    found = [route.path for route in here.app.routes if isinstance(route, Route) and route.path.startswith("/api/")]
    routes = {re.sub(r":\w+\}", "}", path) for path in found}

    assert served["openapi"] == "3.1.0"
    assert told == routes - {"/api/v1/openapi.json", "/api/v1/ask/{verb}", "/api/v1/commands/{verb}"}


def test_the_page_names_every_verb_that_needs_control() -> None:
    section = PAGE.partition("It takes control to send:")[2].partition("\n\n")[0]

    assert set(section.split("`")[1::2]) == CONTROLLED
