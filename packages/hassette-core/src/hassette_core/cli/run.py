"""``hassette run``: the real thing."""

from pathlib import Path

import click

from hassette_core.cli.exit_codes import ExitCode
from hassette_core.cli.options import config_option
from hassette_core.cli.process import run_to_the_end, stop_on_signals
from hassette_core.config import load_config
from hassette_core.framework import Hassette
from hassette_core.installed import plugin_tables
from hassette_core.logs import configure_logging
from hassette_core.redaction import Redaction


@click.command()
@config_option
def run(file: Path) -> int:
    """Run your apps against Home Assistant, until SIGTERM or Ctrl-C.

    Without a connection it waits and tries again; it ends by itself only for what a person must mend.
    """
    config = load_config(file, plugin_tables=plugin_tables())
    configure_logging(config.hassette.log_level, Redaction(config.secrets))

    async def main() -> int:
        hassette = Hassette(config)
        with stop_on_signals(hassette.request_stop, config.hassette.stop_budget_s):
            await hassette.run()
        return ExitCode.OK

    return run_to_the_end(main)
