"""The command ``hassette check``."""

import asyncio
from pathlib import Path

import click

from hassette_core.apps import load_apps
from hassette_core.cli.options import FiniteRange, config_option
from hassette_core.cli.process import ExitCode
from hassette_core.config import HassetteConfig, load_config
from hassette_core.errors import LinkError
from hassette_core.framework import Hassette
from hassette_core.installed import plugin_tables
from hassette_core.link import HomeAssistantLink
from hassette_core.redaction import Redaction
from hassette_core.states import StateCache


@click.command()
@config_option
@click.option("--online", is_flag=True, help="Also connect to Home Assistant.")
@click.option(
    "--timeout",
    "timeout_s",
    type=FiniteRange(min=0, min_open=True),
    default=20.0,
    show_default=True,
    metavar="SECONDS",
    help="Time limit for the connection.",
)
def check(file: Path, online: bool, timeout_s: float) -> int:
    """Check the configuration and load every app.

    No app is started. An error names the file, the line, the key and the expected value.
    """
    config = load_config(file, plugin_tables=plugin_tables())
    redact = Redaction(config.secrets)
    loaded, failed = load_apps(config.apps, config.app_dir)
    for app in loaded:
        click.echo(f"ok      {app.app_key}.{app.instance}: {app.app_class.__name__}")
    for app in failed:
        click.echo(f"failed  {redact(str(app.error))}", err=True)
    # Creating the framework starts nothing, but it parses the address, and each plugin checks its table.
    Hassette(config)
    if online:
        click.echo(asyncio.run(_connect(config, timeout_s)))
    if failed:
        return ExitCode.USAGE
    click.echo(f"{file} is valid: {len(loaded)} app instance{'' if len(loaded) == 1 else 's'}")
    return ExitCode.OK


async def _connect(config: HassetteConfig, timeout_s: float) -> str:
    cache = StateCache()
    link = HomeAssistantLink(config.home_assistant.url, config.require_token(), cache=cache, on_event=lambda _: None)
    try:
        async with link, asyncio.timeout(timeout_s):
            await link.wait_ready()
    except TimeoutError:
        reason = (
            "it is still starting, or its states are not loaded"
            if link.connected
            else link.problem or "it does not answer"
        )
        raise LinkError(
            f"Home Assistant at {link.url} was not ready within {timeout_s:g} s: {reason}."
            " Check that the address is right and that Home Assistant is running."
        ) from None
    return f"ok      Home Assistant {link.home_assistant_version} at {link.url}, {len(cache.states)} entities"
