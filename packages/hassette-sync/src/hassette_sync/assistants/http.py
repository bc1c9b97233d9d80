"""Serve one request of an assistant over streamable HTTP. It needs the extra ``mcp``."""

import logging

from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.types import Receive, Scope, Send

from hassette_sync.assistants.server import create_server
from hassette_sync.service import DataSyncService

# The SDK logs two lines for each request.
logging.getLogger("mcp.server").setLevel(logging.WARNING)


async def serve_request(
    scope: Scope, receive: Receive, send: Send, *, data: DataSyncService, may_control: bool, by: str
) -> None:
    """Answer a request. Each request stands alone, so there is no session that a client could leave open.

    Args:
        scope: The request, which the access control has admitted.
        receive: Receives the body.
        send: Sends the answer.
        data: Answers the questions.
        may_control: Whether the assistant may change the running framework.
        by: Name of the assistant's user.
    """
    server = create_server(data, may_control=may_control, by=lambda: by)
    manager = StreamableHTTPSessionManager(server, json_response=True, stateless=True)
    async with manager.run():
        await manager.handle_request(scope, receive, send)
