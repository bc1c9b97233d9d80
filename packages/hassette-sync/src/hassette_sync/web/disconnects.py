"""Stop answering a request when its client has left."""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class StopWhenClientLeaves:
    """Middleware that cancels the answer to a GET request when the client disconnects.

    The cancellation reaches `hassette_sync.reader.Reader.ask`, which stops the statement. Without this middleware, a
    slow question would keep its thread until its deadline, although its answer has no receiver.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Other methods change something, so they run to their end.
        if scope["type"] != "http" or scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        messages: asyncio.Queue[Message] = asyncio.Queue()
        is_answered = False

        async def send_and_note(message: Message) -> None:
            nonlocal is_answered
            is_answered = message["type"] == "http.response.body" and not message.get("more_body", False)
            await send(message)

        answering = asyncio.ensure_future(self._app(scope, messages.get, send_and_note))
        listening = asyncio.ensure_future(_forward(receive, messages))
        try:
            await asyncio.wait({answering, listening}, return_when=asyncio.FIRST_COMPLETED)
            if is_answered:
                # The server reports a disconnection also after each whole answer. Then the application only cleans up,
                # for example closes the file that it has sent.
                await asyncio.wait({answering})
        finally:
            listening.cancel()
            answering.cancel()
        await asyncio.wait({answering})
        if not answering.cancelled():
            answering.result()


async def _forward(receive: Receive, messages: "asyncio.Queue[Message]") -> None:
    """Pass the messages of the client on, until it disconnects."""
    while True:
        message = await receive()
        messages.put_nowait(message)
        if message["type"] == "http.disconnect":
            return
