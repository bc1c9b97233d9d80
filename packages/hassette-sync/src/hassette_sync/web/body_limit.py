"""Limit on the body of a request. Questions have no body, and forms are small."""

from typing import Final

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hassette_sync.web.problems import problem

MAX_BODY_BYTES: Final = 64 * 1024


class _BodyTooLongError(Exception):
    """The body is longer than the limit."""


class BodyLimit:
    """Middleware that refuses a body of more than 64 KiB, as soon as its length is known.

    Args:
        app: The protected application.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request to the application, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        size, started = 0, False

        async def receive_limited() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > MAX_BODY_BYTES:
                raise _BodyTooLongError
            return message

        async def send_noting_start(message: Message) -> None:
            nonlocal started
            if size > MAX_BODY_BYTES and not started:
                raise _BodyTooLongError  # the application took it for another error
            started = True
            await send(message)

        length = Headers(scope=scope).get("content-length", "0")
        if int(length) > MAX_BODY_BYTES:  # the server refuses a length that is no number
            await _refusal()(scope, receive, send)
            return
        try:
            await self._app(scope, receive_limited, send_noting_start)
        except _BodyTooLongError:
            if started:
                raise
            await _refusal()(scope, receive, send)


def _refusal() -> Response:
    # The connection ends, because the rest of the body is never read.
    return problem(
        413,
        "content_too_large",
        f"The body of a request must be at most {MAX_BODY_BYTES} bytes, got more.",
        headers={"connection": "close"},
    )
