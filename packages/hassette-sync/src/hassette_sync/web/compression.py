"""Compression of pages and answers. The only secret on a page, its key, has a different form on each page (BREACH)."""

import asyncio
import functools
import gzip
import importlib
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_MIN_BYTES: Final = 1_000
_IN_THREAD_BYTES: Final = 32_000
"""Larger bodies are compressed in a thread, because automations run on the event loop."""
_TYPES: Final = (
    "text/",
    "application/json",
    "application/problem+json",
    "application/javascript",
    "application/openmetrics-text",
    "image/svg+xml",
)


@functools.cache
def _compressors() -> Mapping[str, Callable[[bytes], bytes]]:
    """Return the compressions that this Python has, the best one first."""
    found: dict[str, Callable[[bytes], bytes]] = {}
    for encoding, module, options in (
        ("br", "brotli", {"quality": 4}),
        ("zstd", "compression.zstd", {"level": 6}),  # from Python 3.14 on
    ):
        try:
            found[encoding] = functools.partial(importlib.import_module(module).compress, **options)
        except ImportError:
            continue
    found["gzip"] = functools.partial(gzip.compress, compresslevel=6, mtime=0)
    return MappingProxyType(found)


def encoding_for(accepted: str) -> str | None:
    """Return the best compression of this server that a client accepts; None if it accepts none.

    Args:
        accepted: The header ``Accept-Encoding``.
    """
    weights: dict[str, float] = {}
    for part in accepted.lower().split(","):
        name, *parameters = (text.strip() for text in part.split(";"))
        weight = next((text[2:] for text in parameters if text.startswith("q=")), "1")
        try:
            weights[name] = float(weight)
        except ValueError:
            weights[name] = 0.0
    for encoding in _compressors():
        if weights.get(encoding, weights.get("*", 0.0)) > 0:
            return encoding
    return None


class AnswerCompression:
    """Middleware that compresses texts of more than 1,000 bytes.

    Args:
        app: The application. Its answers fit in memory.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request to the application, and compress its answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        encoding = encoding_for(Headers(scope=scope).get("accept-encoding", ""))
        start: Message | None = None
        body = bytearray()

        async def send_compressed(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                start = message
                return
            if start is None or message["type"] != "http.response.body":
                await send(message)
                return
            body.extend(message.get("body", b""))
            if not message.get("more_body", False):
                data = await _finish(start, bytes(body), encoding)
                await send(start)
                await send({"type": "http.response.body", "body": data})

        await self._app(scope, receive, send_compressed)


async def _finish(start: Message, body: bytes, encoding: str | None) -> bytes:
    headers = MutableHeaders(scope=start)
    if not headers.get("content-type", "").startswith(_TYPES):
        return body
    headers.add_vary_header("Accept-Encoding")
    if encoding is None or len(body) < _MIN_BYTES or "content-encoding" in headers or start["status"] == 206:
        return body
    compress = _compressors()[encoding]
    data = compress(body) if len(body) < _IN_THREAD_BYTES else await asyncio.to_thread(compress, body)
    headers["content-encoding"] = encoding
    headers["content-length"] = str(len(data))
    if (etag := headers.get("etag")) and not etag.startswith("W/"):
        headers["etag"] = f"W/{etag}"  # the bytes differ from those of the file
    return data
