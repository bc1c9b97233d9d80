"""Serve an assistant on standard input and output. It needs the extra ``mcp``."""

from pathlib import Path

from mcp.server.stdio import stdio_server

from hassette_sync.assistants.server import create_server
from hassette_sync.service import DataSyncService


async def serve_stdio(path: Path) -> None:
    """Answer an assistant's questions about a history until it closes standard input.

    Args:
        path: Path of the database file, which may be a copy.
    """
    async with DataSyncService(path) as data:
        server = create_server(data, may_control=False, by=lambda: "assistant")
        async with stdio_server() as (incoming, outgoing):
            await server.run(incoming, outgoing, server.create_initialization_options())
