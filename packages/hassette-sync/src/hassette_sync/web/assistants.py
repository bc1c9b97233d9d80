"""The path ``/mcp``, where assistants ask questions with the token."""

import asyncio
import importlib
from typing import Final

from fastapi import Request
from starlette.types import Receive, Scope, Send

from hassette_sync.assistants.settings import assistant_settings
from hassette_sync.errors import AssistantsNotInstalledError
from hassette_sync.service import DataSyncService
from hassette_sync.web.problems import problem
from hassette_sync.web.visitors import VISITOR, Visitor

PATH: Final = "/mcp"
_MODULE: Final = "hassette_sync.assistants.http"
_REFUSED: Final = (
    "Assistants need the token in the header Authorization: set token in [sync], and send “Authorization: Bearer "
    "<token>”."
)


class AssistantEndpoint:
    """ASGI application that answers assistants. Only requests with the token in a header are answered.

    The cookie of a browser is not enough, because a page of another site could use it.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it with problem details."""
        state = Request(scope).app.state
        visitor: Visitor = scope[VISITOR]
        if visitor.kind != "token":
            await problem(403, "token_required", _REFUSED)(scope, receive, send)
            return
        try:
            # The import takes a second on a small machine, in which the event loop must not stop.
            http = await asyncio.to_thread(importlib.import_module, _MODULE)
        except ModuleNotFoundError as missing:
            if (missing.name or "").startswith("hassette_sync"):
                raise
            error = AssistantsNotInstalledError(missing.name or "a package")
            await problem(501, "not_installed", str(error))(scope, receive, send)
            return
        data: DataSyncService = state.data
        await http.serve_request(
            scope,
            receive,
            send,
            data=data,
            may_control=assistant_settings.of(data.path).control,
            by=f"assistant, {visitor.name}",
        )
