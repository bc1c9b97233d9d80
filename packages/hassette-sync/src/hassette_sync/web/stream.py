"""The live stream: a WebSocket at ``/api/v1/live?after=ID``; pages add ``&at_most=N&key=KEY``."""

import asyncio
from contextlib import aclosing, suppress
from typing import Any, Literal

from fastapi import APIRouter, Request, WebSocket, WebSocketDisconnect
from starlette.responses import Response
from starlette.websockets import WebSocketState

from hassette_sync.answers.stream import LiveMessage, LiveRun
from hassette_sync.errors import BadQuestionError, DroppedError
from hassette_sync.follow import TooManyRuns
from hassette_sync.ids import parse_id
from hassette_sync.questions.paging import MAX_LIMIT
from hassette_sync.service import DataSyncService
from hassette_sync.time_range import now_us
from hassette_sync.web.browser_sessions import BrowserSessions
from hassette_sync.web.problems import problem
from hassette_sync.web.visitors import VISITOR, Visitor

_SEND_TIMEOUT_S = 10.0
"""A client that does not accept a message within this time is dropped."""
_CLOSE_WITHIN_S = 0.5
_MAX_REASON_BYTES = 123
GOING_AWAY, BAD_DATA, TRY_AGAIN_LATER = 1001, 1007, 1013

stream = APIRouter()


_NO_WEBSOCKET = (
    "Live updates need a WebSocket, and none could be opened. If a proxy is in front of Hassette, let it pass on the "
    "headers Upgrade and Connection with HTTP/1.1. The documentation shows how, on the page “Behind a proxy”."
)
_TOO_MANY = "All places of the live stream are in use. Pages are updated every few seconds instead."


@stream.get("/api/v1/live", include_in_schema=False)
async def explain(request: Request) -> Response:
    """Explain why there are no live updates, for a request that is not a WebSocket."""
    if "sec-websocket-key" in request.headers:
        request.app.state.refusals.report(
            "Live connection arrived without its header Upgrade; the page polls instead",
            host=request.headers.get("host", ""),
            to_fix_it="let the proxy pass on the headers Upgrade and Connection with HTTP/1.1",
        )
    return problem(426, "upgrade_required", _NO_WEBSOCKET, headers={"upgrade": "websocket"})


@stream.websocket("/api/v1/live")
async def live(websocket: WebSocket, after: str = "0", at_most: str | None = None) -> None:
    """Send each run as it ends: in the order of ids, unless the wall clock was set back.

    The first message is ``hello``. A client that reconnects with the last id that it received misses no run that the
    history contains. A client that is too slow gets ``dropped`` and may reconnect. If there are more than ``at_most``
    new runs at once, the client gets one ``reload`` in their place, because a page shows only the newest runs. It also
    gets ``reload`` if the stream follows the file and the wall clock was set back.
    """
    followers: set[asyncio.Task[object]] = websocket.app.state.followers
    if len(followers) >= websocket.app.state.max_followers:
        refusal = problem(503, "too_many_live_clients", _TOO_MANY, headers={"retry-after": "60"})
        await websocket.send_denial_response(refusal)
        return
    await websocket.accept()
    try:
        last_id = parse_id(after, "after")
        batch_limit = min(parse_id(at_most, "at_most"), MAX_LIMIT) if at_most is not None else None
    except BadQuestionError as error:
        await websocket.close(BAD_DATA, _close_reason(str(error)))
        return
    if (task := asyncio.current_task()) is not None:
        followers.add(task)
        task.add_done_callback(followers.discard)
    await _serve(websocket, last_id, batch_limit)


async def _serve(websocket: WebSocket, after: int, at_most: int | None) -> None:
    """Send to the client until it disconnects, is dropped, or the server stops; then close the connection."""
    stopping: asyncio.Event = websocket.app.state.stopping
    sending = asyncio.create_task(_send(websocket, after, at_most), name="hassette-sync live client")
    # Clients send no messages, but the server notices a disconnect only while it reads.
    disconnected = asyncio.create_task(_wait_for_disconnect(websocket), name="hassette-sync live client end")
    closing = asyncio.create_task(stopping.wait(), name="hassette-sync live closing")
    tasks: list[asyncio.Task[Any]] = [sending, disconnected, closing]
    visitor: Visitor = websocket.scope[VISITOR]
    if visitor.session:
        sessions: BrowserSessions = websocket.app.state.sessions
        tasks.append(asyncio.create_task(sessions.wait_for_end(visitor.session), name="hassette-sync live sign-out"))
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
    if isinstance(error := results[0], Exception) and not isinstance(error, WebSocketDisconnect):
        websocket.app.state.refusals.report_error("Live stream to a client ended with an error", error)
    left_first = disconnected.done() and not disconnected.cancelled()
    if websocket.application_state is WebSocketState.CONNECTED and not left_first:
        with suppress(RuntimeError, WebSocketDisconnect, TimeoutError):
            async with asyncio.timeout(_CLOSE_WITHIN_S):
                await websocket.close(GOING_AWAY if stopping.is_set() else TRY_AGAIN_LATER)


async def _wait_for_disconnect(websocket: WebSocket) -> None:
    """Ignore the messages of a client until it disconnects."""
    while (await websocket.receive())["type"] != "websocket.disconnect":
        pass


def _close_reason(text: str) -> str:
    """Return the part of a text that fits into the frame that closes a WebSocket."""
    return text.encode()[:_MAX_REASON_BYTES].decode(errors="ignore")


async def _send(websocket: WebSocket, after: int, at_most: int | None) -> None:
    data: DataSyncService = websocket.app.state.data
    source = "feed" if data.is_live else "file"
    last_id = after

    async def send(
        kind: Literal["hello", "runs", "reload", "dropped"], runs: tuple[LiveRun, ...] = (), reason: str = ""
    ) -> None:
        message = LiveMessage(type=kind, last_id=last_id, at_us=now_us(), source=source, runs=runs, reason=reason)
        async with asyncio.timeout(_SEND_TIMEOUT_S):
            await websocket.send_text(message.model_dump_json())

    await send("hello")
    try:
        async with aclosing(data.follow_limited(after, at_most)) as batches:
            async for batch in batches:
                if isinstance(batch, TooManyRuns):
                    last_id = batch.last_id
                    await send("reload")
                else:
                    last_id = batch[-1].id
                    await send("runs", batch)
    except (DroppedError, TimeoutError) as error:
        reason = str(error) or "The client was dropped: its connection is too slow."
        with suppress(TimeoutError):
            await send("dropped", reason=reason)
