"""The same tests for the simulated home and real versions of Home Assistant, and the list of the differences.

The queries use the code of the link (`HomeAssistantLink`, `Connection`, `Api`). Only messages that the link never sends
bypass this code. Before answers are compared, everything that differs between runs is replaced: ids, times, users, and
the entity ids of comparable entities. ``answers_2025.4.4.json`` and ``answers_2026.11.json`` contain the answers of the
real versions; without a real one, the simulated home is compared with both files.
"""

import json
import os
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from support.home_assistant import VERSIONS, Endpoint, RealHomeAssistant
from support.home_queries import QUERIES, HomeClient, Normaliser, connected
from support.interface_queries import INTERFACE_QUERIES
from support.service_queries import SERVICE_CALLS, call_services

pytestmark = pytest.mark.timeout(120)

ALL_QUERIES = [*QUERIES, *INTERFACE_QUERIES, *(f"services of {domain}" for domain in SERVICE_CALLS)]

# Features of Home Assistant that the simulated home does not have. Hassette uses none of them.
KNOWN_DIFFERENCES = {
    "knows subscribe_entities",
    "translates its errors",
}


def answers_of(version: str) -> Path:
    """Return the file with the answers of a real Home Assistant.

    This command records them:
    ``HASS_VERSION=2026.11 HASSETTE_RECORD_ANSWERS=1 pytest tests/homeassistant/test_contract.py -m homeassistant``
    """
    name = next(name for name, reported in VERSIONS.items() if reported == version)
    return Path(__file__).with_name(f"answers_{name}.json")


async def unused_features(client: HomeClient) -> dict[str, bool]:
    """Return the features that Hassette does not use, and for each whether the home has it."""
    connection = client.link.require_connection("check features")
    can: dict[str, bool] = {}
    for command in (
        "get_config",
        "render_template",
        "subscribe_entities",
        "subscribe_trigger",
        "config/area_registry/list",
        "config/entity_registry/list",
    ):
        can[f"knows {command}"] = await client.refusal(connection.command("look", command)) != "Unknown command."
    can["serves /api/template"] = (
        await connection.rest("look", "POST", "/api/template", {"template": "1"})
    ).status != 404
    services = await connection.command("look", "get_services")
    can["describes the selectors of a service's fields"] = "selector" in str(services["light"]["turn_on"])
    async with aiohttp.ClientSession() as session, session.ws_connect(f"{client.home.url}/api/websocket") as socket:
        await socket.receive_json()
        await socket.send_json({"type": "auth", "access_token": client.home.token})
        await socket.receive_json()
        await socket.send_json({"id": 1, "type": "call_service", "domain": "bogus_name", "service": "bogus_name"})
        can["translates its errors"] = "translation_key" in (await socket.receive_json())["error"]
        await socket.send_json({"id": 2, "type": "supported_features", "features": {"coalesce_messages": 1}})
        await socket.receive_json()
        await socket.send_json({"id": 3, "type": "subscribe_events"})
        await socket.receive_json()
        await socket.send_json({"id": 4, "type": "fire_event", "event_type": "contract_event"})
        coalesced = isinstance(await socket.receive_json(), list)
        can["sends several messages as one to a client that supports it"] = coalesced
    return can


async def ask(home: Endpoint, name: str) -> Any:
    domain = name.removeprefix("services of ")
    query: Callable[[HomeClient], Awaitable[Any]]
    if domain in SERVICE_CALLS:
        query = partial(call_services, home=home, calls=SERVICE_CALLS[domain])
    else:
        query = QUERIES.get(name) or INTERFACE_QUERIES[name]
    async with connected(home) as client:
        return Normaliser(home.names)(await query(client))


@pytest.mark.parametrize("query", ALL_QUERIES)
async def test_home_gives_the_recorded_answers(home: Endpoint, query: str) -> None:
    answer = await ask(home, query)
    file = answers_of(home.version)
    recorded = json.loads(file.read_text())
    if os.environ.get("HASSETTE_RECORD_ANSWERS") and home.names.boolean == "input_boolean.test_1":
        recorded[query] = answer
        file.write_text(json.dumps(recorded, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
    assert answer == recorded[query]


@pytest.mark.homeassistant
async def test_simulated_home_has_only_the_known_differences(
    simulated: Endpoint, real: RealHomeAssistant, capsys: pytest.CaptureFixture[str]
) -> None:
    async with connected(simulated) as one, connected(real.home) as other:
        ours, theirs = await unused_features(one), await unused_features(other)
    rows = {facet: (theirs[facet], ours[facet]) for facet in theirs}
    with capsys.disabled():
        print(f"\n{real.home.version}\n{table(rows)}")
    assert {name for name, (one, other) in rows.items() if one != other} == KNOWN_DIFFERENCES


def table(rows: dict[str, tuple[Any, Any]]) -> str:
    """Return a Markdown table. It shows boolean answers. For other answers, it shows whether the two are the same."""
    lines = ["| feature | Home Assistant | simulated home |", "|---|---|---|"]
    answers = {True: "yes", False: "no"}
    for name, (real_answer, simulated_answer) in rows.items():
        if isinstance(real_answer, bool):
            lines.append(f"| {name} | {answers[real_answer]} | {answers[simulated_answer]} |")
        else:
            lines.append(
                f"| {name.replace('_', ' ')} | … | {'the same' if real_answer == simulated_answer else 'DIFFERENT'} |"
            )
    return "\n".join(lines)
