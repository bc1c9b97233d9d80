"""The description of the API (OpenAPI): security, tags, and errors as problem details."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.openapi.utils import get_openapi
from starlette.responses import Response

from hassette_sync.web.problems import PROBLEM_TYPE

_SECURITY = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "The token of [sync], if one is set."},
    "header": {
        "type": "apiKey",
        "in": "header",
        "name": "X-Hassette-Token",
        "description": "The same token, where a proxy needs the header Authorization.",
    },
    "browser": {
        "type": "apiKey",
        "in": "cookie",
        "name": "hassette_session",
        "description": "Session of a browser that has signed in.",
    },
}
_SUBJECTS = ("entity", "service", "text")
_TAGS = {
    "state": ("status", "overview", "running", "upcoming", "triggers", "uptime", "timeline"),
    "runs": ("runs", "errors", "registrations", "apps", "skips", "not-runs", "compare"),
    "explanations": ("why", "why-not", "logs", "events", "versions"),
    "framework": ("sessions", "lifecycle", "losses"),
}


async def describe_api(request: Request) -> Response:
    """Return the description of the API. The first request makes it."""
    # In a thread, because automations run on the event loop.
    return Response(await asyncio.to_thread(_description, request.app), media_type="application/json")


def _description(app: FastAPI) -> str:
    if app.openapi_schema is None:
        schema = get_openapi(title=app.title, version=app.version, summary=app.summary, routes=app.routes)
        schema.setdefault("components", {})["securitySchemes"] = _SECURITY
        # Without a token in the settings, no security is needed.
        schema["security"] = [{}, *({name: []} for name in _SECURITY)]
        for path, operations in schema["paths"].items():
            for operation in operations.values():
                operation.setdefault("tags", [_tag(path)])
                _describe_errors(operation)
        _require_one_of(schema["paths"]["/api/v1/why"]["get"], _SUBJECTS)
        app.openapi_schema = schema
    return json.dumps(app.openapi_schema, ensure_ascii=False)


def _tag(path: str) -> str:
    part = path.split("/")[3]
    return next((tag for tag, parts in _TAGS.items() if part in parts), "control")


def _describe_errors(operation: dict[str, Any]) -> None:
    for status, response in operation["responses"].items():
        content = response.get("content", {})
        if status[0] in "45" and "application/json" in content:
            response["content"] = {PROBLEM_TYPE: content["application/json"]}
            response["description"] = "The request failed."


def _require_one_of(operation: dict[str, Any], names: Sequence[str]) -> None:
    """State that a request must have exactly one of some parameters.

    Only the schema of an object can state it. The address has the properties of the object as parameters.
    """
    found = {one["name"]: one for one in operation["parameters"] if one["name"] in names}
    operation["parameters"] = [one for one in operation["parameters"] if one["name"] not in names]
    alternatives = [
        {
            "type": "object",
            "properties": {name: _without_null(one["schema"]) | {"description": one["description"]}},
            "required": [name],
            "additionalProperties": False,
        }
        for name, one in found.items()
    ]
    operation["parameters"].insert(
        0,
        {
            "name": "subject",
            "in": "query",
            "required": True,
            "style": "form",
            "explode": True,
            "description": f"Exactly one of the parameters {', '.join(names)}.",
            "schema": {"oneOf": alternatives},
        },
    )


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of an optional text without its alternative null."""
    return {"type": "string", **{key: value for key, value in schema.items() if key not in ("anyOf", "title")}}
