"""``serve``: serve the pages without the framework."""

import asyncio
import os
import signal
from pathlib import Path

import click

from hassette_sync.cli.shared import EPILOG, database_option, show_output
from hassette_sync.errors import BadQuestionError
from hassette_sync.plugin import create_web_service
from hassette_sync.service import DataSyncService
from hassette_sync.settings import DEFAULT_HOST, DEFAULT_PORT, MIN_TOKEN_LENGTH, WebSettings, is_loopback
from hassette_sync.terminal.database import database_path

TOKEN_VARIABLE = "HASSETTE__SYNC__TOKEN"  # noqa: S105  the name of a variable


@click.command(epilog=EPILOG)
@database_option
@click.option(
    "--host",
    default=DEFAULT_HOST,
    show_default=True,
    help=f"Address to listen on. Any address other than loopback needs a token in ${TOKEN_VARIABLE}.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=DEFAULT_PORT,
    show_default=True,
    help="Port to listen on; 0 takes any free port.",
)
def serve(db: Path | None, host: str, port: int) -> None:
    """Show the history in a web browser. Hassette need not be running."""
    token = os.environ.get(TOKEN_VARIABLE)
    if token is None and not is_loopback(host):
        raise BadQuestionError(
            f"must be a loopback address such as {DEFAULT_HOST!r} unless a token is set, got {host!r}. "
            f"Set ${TOKEN_VARIABLE} to a secret of at least {MIN_TOKEN_LENGTH} characters.",
            parameter="host",
        )
    settings = WebSettings(host=host, port=port, token=token)
    asyncio.run(_serve(database_path(db), settings))


async def _serve(path: Path, settings: WebSettings) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    async with create_web_service(DataSyncService(path), settings) as service:
        show_output(f"Serving {path} at {service.url} (stop with Ctrl+C)")
        await stopping.wait()
