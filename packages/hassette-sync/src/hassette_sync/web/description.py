"""The description of the API (OpenAPI): security, tags, and errors as problem details."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

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
_TAGS = {
    "state": ("status", "overview", "running", "upcoming", "triggers", "uptime", "timeline"),
    "runs": ("runs", "errors", "registrations", "apps", "skips", "not-runs", "compare"),
    "explanations": ("why", "why-not", "logs", "events", "versions"),
    "framework": ("sessions", "lifecycle", "losses"),
}


def describe_api(app: FastAPI) -> dict[str, Any]:
    """Return the description of the API. The first call makes it."""
    if app.openapi_schema is None:
        schema = get_openapi(title=app.title, version=app.version, summary=app.summary, routes=app.routes)
        schema.setdefault("components", {})["securitySchemes"] = _SECURITY
        # Without a token in the settings, no security is needed.
        schema["security"] = [{}, *({name: []} for name in _SECURITY)]
        for path, operations in schema["paths"].items():
            for operation in operations.values():
                operation.setdefault("tags", [_tag(path)])
                _describe_errors(operation)
        app.openapi_schema = schema
    return app.openapi_schema


def _tag(path: str) -> str:
    part = path.split("/")[3]
    return next((tag for tag, parts in _TAGS.items() if part in parts), "control")


def _describe_errors(operation: dict[str, Any]) -> None:
    for status, response in operation["responses"].items():
        content = response.get("content", {})
        if status[0] in "45" and "application/json" in content:
            response["content"] = {PROBLEM_TYPE: content["application/json"]}
            response["description"] = "The request failed."
