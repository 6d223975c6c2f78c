"""The published contracts: the excerpts are whole, what is checked against them, and how a fault is told."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sandbox.contracts.contract import FOLDER, Contract
from sandbox.contracts.discord import violations
from sandbox.contracts.discord_schema import CONTRACT
from sandbox.contracts.excerpt import excerpt, operations, written
from sandbox.discord.exchange import Exchange
from sandbox.process import PROJECT

PUBLISHED = {"discord": "discord-openapi.json", "videos": "openai-videos-openapi.json"}
SHARED = Path(__file__).parents[3] / "shared"


def sent(body: Any, *, method: str = "POST", path: str = "/channels/1/messages", **query: str) -> Exchange:
    return Exchange("api", method, path, query, {}, 0.0, body=body)


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_excerpts_are_what_was_published(name: str) -> None:
    source = SHARED / PUBLISHED[name]
    if not source.is_file():
        pytest.skip("the published description is not beside this checkout")

    made = excerpt(json.loads(source.read_text("utf-8")), operations(name))

    assert (FOLDER / f"{name}.json").read_text("utf-8") == written(made)


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_excerpts_have_every_operation_of_the_local_servers_and_every_schema_they_need(name: str) -> None:
    spec = Contract(FOLDER / f"{name}.json").spec

    known = {(method, path) for path, item in spec["paths"].items() for method in item}
    assert operations(name) <= known
    assert len(operations(name)) >= 5
    assert excerpt(spec, operations(name)) == spec


def test_an_excerpt_keeps_what_is_asked_for_and_properties_that_are_called_like_words_for_people() -> None:
    shown = {"type": "object", "description": "A film", "properties": {"title": {"type": "string", "title": "Title"}}}
    answer = {"description": "Fine", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Film"}}}}
    spec = {
        "openapi": "3.1.0",
        "info": {"title": "Films", "version": "1", "license": {"name": "MIT"}, "contact": {}},
        "paths": {
            "/films": {"get": {"summary": "List", "responses": {"200": answer, "404": answer}}, "post": {}},
            "/actors": {"get": {"responses": {}}},
        },
        "components": {"schemas": {"Film": shown, "Actor": {"type": "object"}}},
    }

    kept = excerpt(spec, {("get", "/films")})

    assert kept["paths"] == {
        "/films": {"get": {"responses": {"200": {"content": answer["content"]}}}, "parameters": []}
    }
    assert kept["components"] == {"schemas": {"Film": {"type": "object", "properties": {"title": {"type": "string"}}}}}
    assert json.loads(written(kept)) == kept


@pytest.mark.parametrize(
    ("exchange", "fault"),
    [
        (sent({"content": 7}), '$.content: 7 is not of types "null", "string"'),
        (sent({"content": "x"}, wait="1"), "no such query parameter: wait"),
        (sent({}, method="GET", path="/users/@me"), "a body where none belongs"),
        (sent(None, path="/nothing"), "no such route"),
        (
            sent({"message_reference": {"message_id": []}}),
            '$.message_reference.message_id: [] is not of type "string"',
        ),
        (
            sent({"components": [{"type": 17, "components": [{"type": 10, "content": ""}]}]}),
            '$.components[0].components[0].content: "" is shorter than 1 character',
        ),
    ],
)
def test_a_fault_is_told_at_its_place_by_the_schema_that_was_meant(exchange: Exchange, fault: str) -> None:
    (told,) = violations(exchange)

    assert told.startswith(
        f"{exchange.method} {'/channels/{channel_id}/messages' if 'channels' in exchange.path else exchange.path}: "
    )
    assert told.endswith(fault)


def test_what_discord_takes_beyond_its_contract_is_no_fault() -> None:
    body = {
        "content": "x",
        "attachments": [{"id": 0}],
        "allowed_mentions": {"parse": [], "users": [5]},
        "message_reference": {"message_id": 1, "channel_id": 2, "guild_id": 3, "type": 0},
    }

    assert violations(sent(body)) == []
    assert CONTRACT.faults(("components", "schemas", "CreatePrivateChannelRequest"), {"recipient_id": 5}) == []


def test_without_the_library_for_the_checks_the_sandbox_says_how_to_start_it() -> None:
    hidden = "import sys; sys.modules['jsonschema_rs'] = None; import sandbox.__main__"

    started = subprocess.run([sys.executable, "-c", hidden], cwd=PROJECT, capture_output=True, text=True, check=False)

    assert started.returncode == 1
    assert started.stderr == "The sandbox needs the package jsonschema_rs. Start it with `uv run`, which installs it.\n"
