"""Static files: with their version in the address, browsers keep them for a year; otherwise they ask again."""

import functools
import hashlib
import importlib.resources
from typing import Final

from starlette.datastructures import QueryParams
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

_YEAR: Final = "public, max-age=31536000, immutable"
_ASK: Final = "no-cache"


@functools.cache
def static_version() -> str:
    """Return the version of all static files. It changes with each of them, also without a new release."""
    digest = hashlib.sha256()
    folder = importlib.resources.files("hassette_sync") / "static"
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        if "." in file.name:  # each file has an extension, a folder has none
            digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:10]


class VersionedFiles(StaticFiles):
    """Static files with headers for caches. They are small, so a request for a part of one gets the whole file."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [field for field in scope["headers"] if field[0] not in (b"range", b"if-range")]
        await super().__call__({**scope, "headers": headers}, receive, send)

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["accept-ranges"] = "none"
        if response.status_code in (200, 304):
            asked = QueryParams(scope["query_string"]).get("v")
            response.headers["cache-control"] = _YEAR if asked == static_version() else _ASK
        return response
