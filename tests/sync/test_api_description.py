"""The description of the API: each property, parameter and error is described."""

import asyncio
import re
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from hassette_sync import DataSyncService, RunFilter, TimeRange
from hassette_sync.settings import WebSettings
from support.patient_data import patient_data
from support.web_clients import app_client, http_client

pytest.importorskip("fastapi")
from hassette_sync.web.parameters import WORDS_SCHEMA
from hassette_sync.web.service import WebService

pytestmark = pytest.mark.heavy


@pytest.fixture
async def description(data: DataSyncService) -> dict[str, Any]:
    async with app_client(data) as client:
        return (await client.get("/api/v1/openapi.json")).json()


async def test_each_property_and_each_answer_is_described(description: dict[str, Any]) -> None:
    schemas = description["components"]["schemas"]
    assert len(schemas) > 30
    for name, schema in schemas.items():
        assert schema.get("description"), name
        assert "Attributes:" not in schema["description"], name
        for property_, of_property in schema.get("properties", {}).items():
            assert of_property.get("description"), f"{name}.{property_}"


async def test_each_parameter_and_each_question_is_described(description: dict[str, Any]) -> None:
    for path, operations in description["paths"].items():
        for operation in operations.values():
            assert operation.get("description"), path
            assert operation["tags"], path


async def test_errors_are_described_as_problems(description: dict[str, Any]) -> None:
    for path, operations in description["paths"].items():
        for method, operation in operations.items():
            errors = {key: answer for key, answer in operation["responses"].items() if key[0] in "45"}
            assert errors, (method, path)
            for key, answer in errors.items():
                assert set(answer["content"]) == {"application/problem+json"}, (method, path, key)


async def test_ids_have_a_pattern_and_the_token_is_a_security_scheme(description: dict[str, Any]) -> None:
    run = description["components"]["schemas"]["Run"]
    assert run["properties"]["id"]["pattern"] == "^[0-9]{1,19}$"
    assert set(description["components"]["securitySchemes"]) == {"bearer", "header", "browser"}
    assert {"bearer": []} in description["security"]


async def test_each_parameter_is_described(description: dict[str, Any]) -> None:
    for path, operations in description["paths"].items():
        for operation in operations.values():
            for parameter in operation.get("parameters", []):
                assert parameter.get("description"), (path, parameter["name"])


def parameter(description: dict[str, Any], path: str, name: str) -> dict[str, Any]:
    found = description["paths"][f"/api/v1/{path}"]["get"]["parameters"]
    return next(one for one in found if one["name"] == name)["schema"]


async def test_cursors_of_answers_have_the_form_that_the_description_states(
    data: DataSyncService, description: dict[str, Any]
) -> None:
    last = TimeRange.last("7d")
    cursors = {
        "runs": (await data.runs(RunFilter(), last, limit=1)).next_cursor,
        "registrations": (await data.registrations(last, limit=1)).next_cursor,
        "errors": (await data.error_groups(last, limit=1)).next_cursor,
        "logs": (await data.logs(time_range=last, limit=1)).next_cursor,
        "not-runs": (await data.not_runs(time_range=last, limit=1)).next_cursor,
        "sessions": (await data.sessions(limit=1)).next_cursor,
    }
    assert sum(cursor is not None for cursor in cursors.values()) >= 4, cursors
    async with app_client(data) as client:
        for path, cursor in cursors.items():
            if cursor is not None:
                assert re.search(parameter(description, path, "cursor")["pattern"], cursor), (path, cursor)
                answer = await client.get(f"/api/v1/{path}", params={"cursor": cursor, "since": "7d", "limit": 1})
                assert answer.status_code == 200


@pytest.mark.parametrize(
    ("path", "cursors"),
    [
        ("registrations", ["0:::", "5:a:b:c", "9199999999999999999:%zz:%ff:~", "7:..:%00:-"]),
        ("errors", ["0-0-0", "1-9199999999999999999-3"]),
        ("logs", ["0.0", "9199999999999999999.999999999"]),
        ("not-runs", ["0.0", "9199999999999999999.9199999999999999999"]),
        ("runs", ["0", "9199999999999999999", ""]),
    ],
)
async def test_cursor_of_the_stated_form_is_answered(
    data: DataSyncService, description: dict[str, Any], path: str, cursors: list[str]
) -> None:
    pattern = parameter(description, path, "cursor")["pattern"]
    async with app_client(data) as client:
        for cursor in cursors:
            assert re.search(pattern, cursor), cursor
            assert (await client.get(f"/api/v1/{path}", params={"cursor": cursor})).status_code == 200, cursor
        for cursor in ("x", "1:", "-1", "9" * 30, "W10="):
            assert not re.search(pattern, cursor)
            assert (await client.get(f"/api/v1/{path}", params={"cursor": cursor})).status_code == 400, cursor


@pytest.mark.parametrize("path", ["runs", "overview", "uptime", "timeline", "compare", "sessions", "logs", "not-runs"])
async def test_start_after_the_end_is_exchanged_with_it(data: DataSyncService, path: str) -> None:
    ranges = [
        ("2026-01-31", "2026-01-30"),
        ("24h", "24h"),
        ("now", "7d"),
        ("0", "0"),
        ("", "0"),
        ("07:00", "yesterday"),
    ]
    async with app_client(data) as client:
        for since, until in ranges:
            answer = await client.get(f"/api/v1/{path}", params={"since": since, "until": until})
            assert answer.status_code == 200, (since, until, answer.text)


def test_reversed_range_covers_the_time_between_its_ends() -> None:
    at_us = 1_770_000_000_000_000
    right = TimeRange.parse("2026-01-30", "2026-01-31", at_us=at_us)
    assert TimeRange.parse("2026-01-31", "2026-01-30", at_us=at_us, in_any_order=True) == right
    empty = TimeRange.parse("2h", "2h", at_us=at_us, in_any_order=True)
    assert empty.until_us - empty.since_us == 1_000_000


async def test_why_needs_exactly_one_subject(data: DataSyncService, description: dict[str, Any]) -> None:
    subject = parameter(description, "why", "subject")
    assert [one["required"] for one in subject["oneOf"]] == [["entity"], ["service"], ["text"]]
    async with app_client(data) as client:
        for query in ("entity=light.hall", "service=light.turn_on", "text=%E2%80%8B", "text=moved"):
            assert (await client.get(f"/api/v1/why?{query}")).status_code == 200, query
        for query in ("", "entity=", "entity=a&service=b"):
            assert (await client.get(f"/api/v1/why?{query}")).status_code == 400, query


async def test_words_that_name_nothing_are_not_found(data: DataSyncService) -> None:
    async with app_client(data) as client:
        answer = await client.get("/api/v1/ask", params={"q": "why did it?"})
    assert (answer.status_code, answer.json()["type"]) == (404, "urn:hassette:problem:unclear_words")


async def test_start_and_the_first_requests_leave_the_event_loop_to_the_handlers(plausible: Path) -> None:
    """The longest turn of the event loop is a small part of the work."""
    longest = 0.0

    async def watch() -> None:
        nonlocal longest
        while True:
            before = time.thread_time()
            await asyncio.sleep(0)
            longest = max(longest, time.thread_time() - before)

    watching = asyncio.create_task(watch())
    began = time.process_time()
    async with WebService(patient_data(plausible), WebSettings(port=0)) as service, http_client() as client:
        for path in ("", "api/v1/openapi.json", "api/v1/overview"):
            answer = await client.get(f"{service.url}{path}")
            assert answer.status_code == httpx.codes.OK
    watching.cancel()
    assert longest < 0.35 * (time.process_time() - began)


async def test_field_of_a_form_that_is_not_filled_in_does_not_filter(data: DataSyncService) -> None:
    async with app_client(data) as client:
        for address in (
            "registrations?kind=&app=&cursor=",
            "runs?kind=&status=&session=",
            "logs?level=",
            "events?group=",
        ):
            assert (await client.get(f"/api/v1/{address}")).status_code == 200, address


def test_pattern_of_words_admits_no_text_that_python_strips_to_nothing() -> None:
    spaces = r"\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"  # \s in JSON Schema
    pattern = str(WORDS_SCHEMA["pattern"]).replace(r"\s", spaces).replace(r"\S", f"[^{spaces}]")
    stripped = [chr(code) for code in range(sys.maxunicode + 1) if chr(code).isspace()]
    assert [one for one in stripped if re.search(pattern, one)] == []
    assert re.search(pattern, " light.hall")
