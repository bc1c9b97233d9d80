"""``hassette check``: what is wrong, before it matters."""

import asyncio
from pathlib import Path

import click

from hassette_core.apps import load_apps
from hassette_core.cli.exit_codes import ExitCode
from hassette_core.cli.options import config_option
from hassette_core.config import HassetteConfig, load_config
from hassette_core.errors import LinkError
from hassette_core.framework import Hassette
from hassette_core.installed import plugin_tables
from hassette_core.link import HomeAssistantLink
from hassette_core.redaction import Redaction
from hassette_core.states import StateCache

ONLINE_TIMEOUT_S = 20.0


@click.command()
@config_option
@click.option("--online", is_flag=True, help="Connect to Home Assistant, too.")
def check(file: Path, online: bool) -> int:
    """Check the configuration and load every app, without running anything."""
    config = load_config(file, plugin_tables=plugin_tables())
    redact = Redaction(config.secrets)
    loaded, failed = load_apps(config.apps, config.app_dir)
    for app in loaded:
        click.echo(f"ok      {app.app_key}.{app.instance}: {app.app_class.__name__}")
    for app in failed:
        click.echo(f"failed  {redact(str(app.error))}", err=True)
    Hassette(config)  # nothing is started, but plugins look at their tables, and the address is read
    if online:
        click.echo(asyncio.run(_connect(config)))
    if failed:
        return ExitCode.USAGE
    click.echo(f"{file}: all is well, {len(loaded)} app instance{'' if len(loaded) == 1 else 's'}.")
    return ExitCode.OK


async def _connect(config: HassetteConfig) -> str:
    token = config.home_assistant.token
    assert token is not None  # checked before
    cache = StateCache()
    link = HomeAssistantLink(config.home_assistant.url, token.get_secret_value(), cache=cache, on_event=lambda _: None)
    try:
        async with link, asyncio.timeout(ONLINE_TIMEOUT_S):
            await link.wait_ready()
    except TimeoutError:
        why = "it is still starting" if link.connected else link.problem or "it does not answer"
        raise LinkError(
            f"no Home Assistant was ready at {link.url} within {ONLINE_TIMEOUT_S:g} s: {why}."
            " Is the address right, and is it running?"
        ) from None
    return f"ok      Home Assistant {link.home_assistant_version} at {link.url}, {len(cache.states)} entities"
