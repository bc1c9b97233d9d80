"""The live stream: ``/api/live?after=ID`` over WebSocket."""

import asyncio
import logging
from contextlib import aclosing, suppress

from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from starlette.websockets import WebSocketState

from hassette_sync.answers.stream import LiveMessage
from hassette_sync.errors import BadQuestionError
from hassette_sync.follow import DroppedError
from hassette_sync.ids import parse_id
from hassette_sync.service import DataSyncService

_logger = logging.getLogger(__name__)

SEND_TIMEOUT_S = 10.0
"""A client that takes nothing for so long is dropped."""
GOING_AWAY, BAD_DATA, TRY_AGAIN_LATER = 1001, 1007, 1013

stream = APIRouter()


@stream.websocket("/api/live")
async def live(websocket: WebSocket, after: str = "0") -> None:
    """Send each run as it ends, in the order of ids.

    The first message is ``hello``. A client that comes back with the last id it has misses nothing; one that is too
    slow is told ``dropped``, and may come back.
    """
    await websocket.accept()
    try:
        last_id = parse_id(after)
    except BadQuestionError as error:
        await websocket.close(BAD_DATA, str(error)[:100])
        return
    data: DataSyncService = websocket.app.state.data
    stopping: asyncio.Event = websocket.app.state.stopping
    sending = asyncio.create_task(_send(websocket, data, last_id), name="hassette-sync live client")
    # The client says nothing, but only a read notices that it has gone.
    leaving = asyncio.create_task(_wait_for_end(websocket), name="hassette-sync live client end")
    closing = asyncio.create_task(stopping.wait(), name="hassette-sync live closing")
    tasks = (sending, leaving, closing)
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
    if isinstance(error := results[0], Exception) and not isinstance(error, WebSocketDisconnect):
        _logger.warning("A live client ended with an error", exc_info=error)
    if websocket.application_state is WebSocketState.CONNECTED and not leaving_first(leaving):
        with suppress(RuntimeError, WebSocketDisconnect, TimeoutError):
            async with asyncio.timeout(0.5):
                await websocket.close(GOING_AWAY if stopping.is_set() else TRY_AGAIN_LATER)


def leaving_first(leaving: asyncio.Task[None]) -> bool:
    """Tell whether the client has gone of its own accord."""
    return leaving.done() and not leaving.cancelled()


async def _wait_for_end(websocket: WebSocket) -> None:
    with suppress(WebSocketDisconnect):
        while True:
            await websocket.receive_text()


async def _send(websocket: WebSocket, data: DataSyncService, after: int) -> None:
    source = "feed" if data.is_live else "file"
    last_id = after

    async def send(message: LiveMessage) -> None:
        async with asyncio.timeout(SEND_TIMEOUT_S):
            await websocket.send_text(message.model_dump_json())

    await send(LiveMessage(type="hello", last_id=last_id, source=source))
    try:
        async with aclosing(data.follow(after)) as batches:
            async for runs in batches:
                last_id = runs[-1].id
                await send(LiveMessage(type="runs", last_id=last_id, source=source, runs=runs))
    except (DroppedError, TimeoutError) as error:
        reason = f"Dropped: too far behind, or the connection is too slow. {error}".strip()
        with suppress(TimeoutError):
            await send(LiveMessage(type="dropped", last_id=last_id, source=source, reason=reason))
