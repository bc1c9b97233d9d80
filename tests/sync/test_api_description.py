"""The description of the API: each property, parameter and error is described."""

from typing import Any

import pytest

from hassette_sync import DataSyncService
from support.web_clients import app_client

pytest.importorskip("fastapi")


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
