"""Routes whose body must be one JSON object. A key that is given twice is refused, as a parameter of the address is."""

import json
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any, Final

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.responses import Response

_TYPE: Final = "application/json"


class JsonRoute(APIRoute):
    """Route that checks the form of its body before the model checks the values.

    FastAPI takes the last value of a key that is given twice, and names an error by its place in the text.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the function that answers a request."""
        answer = super().get_route_handler()
        if self.body_field is None:
            return answer

        async def answer_checked(request: Request) -> Response:
            _check(request.headers.get("content-type", ""), await request.body())
            return await answer(request)

        return answer_checked


def _check(content_type: str, body: bytes) -> None:
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type != _TYPE:
        raise _error("Content-Type", f"The header must be {_TYPE}, got {media_type[:40]!r}")
    doubled: list[str] = []

    def keep_doubled(pairs: list[tuple[str, object]]) -> dict[str, object]:
        doubled.extend(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        return dict(pairs)

    try:
        value = json.loads(body, object_pairs_hook=keep_doubled)
    except (ValueError, RecursionError) as error:
        # Python's message about a long number names a function of Python.
        reason = f", got an error: {error}" if isinstance(error, json.JSONDecodeError) else ""
        raise _error("body", f"The body must be JSON in UTF-8{reason}") from None
    if not isinstance(value, dict):
        raise _error("body", "The body must be a JSON object")
    if doubled:
        raise _error(doubled[0], "This key must have one value, and got several")


def _error(name: str, sentence: str) -> RequestValidationError:
    return RequestValidationError([{"type": "body", "loc": ("body", name), "msg": sentence}])
