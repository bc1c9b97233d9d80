"""Errors of the API as problem details (RFC 9457), the only shape of an error below ``/api``."""

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Final

from pydantic import BaseModel, Field
from starlette.responses import Response

PROBLEM_TYPE: Final = "application/problem+json"
_PROBLEM_PREFIX: Final = "urn:hassette:problem:"
_MACHINE_PATHS: Final = ("/mcp", "/api", "/health", "/metrics", "/static")


class InvalidParameter(BaseModel):
    """One invalid parameter of a request."""

    parameter: str = Field(description="Name of the parameter.", examples=["limit"])
    detail: str = Field(description="What is wrong, as a sentence.", examples=["Input should be less than 501."])


class Problem(BaseModel):
    """Answer to a request that failed: problem details as in RFC 9457."""

    type: str = Field(
        description="Kind of the error, the same for all errors of one kind.",
        pattern=f"^{_PROBLEM_PREFIX}[a-z_]+$",
        examples=[f"{_PROBLEM_PREFIX}not_found"],
    )
    title: str = Field(description="Meaning of the status code.", examples=["Not Found"])
    status: int = Field(description="HTTP status code.", ge=400, le=599, examples=[404])
    detail: str = Field(
        description="What was wrong and what would be right, as a sentence for the user.",
        examples=["There is no run with the id 7. It may have been deleted because of its age."],
    )
    invalid_parameters: list[InvalidParameter] = Field(
        default=[], description="The invalid parameters, if the error is about parameters."
    )


def is_for_programs(path: str) -> bool:
    """Return whether errors at this path are problem details. Other paths are pages."""
    return path.startswith(tuple(f"{part}/" for part in _MACHINE_PATHS)) or path in _MACHINE_PATHS


def problem_body(status: int, kind: str, detail: str, invalid: Sequence[tuple[str, str]] = ()) -> bytes:
    """Return the problem details as JSON.

    Args:
        status: HTTP status code.
        kind: Last part of the type, such as ``not_found``.
        detail: Sentence for the user.
        invalid: Names of invalid parameters, each with a sentence.
    """
    body: dict[str, object] = {
        "type": f"{_PROBLEM_PREFIX}{kind}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    if invalid:
        body["invalid_parameters"] = [{"parameter": name, "detail": sentence} for name, sentence in invalid]
    return json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")


def problem(
    status: int,
    kind: str,
    detail: str,
    *,
    invalid: Sequence[tuple[str, str]] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return problem details as a response; `problem_body` describes the arguments."""
    return Response(
        problem_body(status, kind, detail, invalid), status, headers=dict(headers or {}), media_type=PROBLEM_TYPE
    )
