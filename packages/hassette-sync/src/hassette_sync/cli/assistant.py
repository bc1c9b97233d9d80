"""The command ``mcp``: answer an assistant on standard input and output."""

import asyncio
from pathlib import Path

import click

from hassette_sync.cli.shared import database_option, epilog
from hassette_sync.errors import AssistantsNotInstalledError
from hassette_sync.terminal.database import database_path


@click.command(epilog=epilog("mcp", "mcp --db /backups/hassette.db"))
@database_option
def mcp(db: Path | None) -> None:
    """Answer an AI assistant on standard input and output.

    The assistant starts this command. It reads the file, which may be a copy, and changes nothing.
    """
    try:
        from hassette_sync.assistants.stdio import serve_stdio
    except ModuleNotFoundError as missing:
        if (missing.name or "").startswith("hassette_sync"):
            raise
        raise AssistantsNotInstalledError(missing.name or "a package") from missing
    try:
        asyncio.run(serve_stdio(database_path(db)))
    except KeyboardInterrupt:
        return  # a user ends it at the terminal
