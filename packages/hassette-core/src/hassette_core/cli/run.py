"""The command ``hassette run``."""

from pathlib import Path

import click

from hassette_core.cli.collection import collection_paused, keep_all_objects
from hassette_core.cli.exit_codes import ExitCode
from hassette_core.cli.options import config_option
from hassette_core.cli.process import run_to_the_end
from hassette_core.cli.stop_guard import StopGuard
from hassette_core.config import HassetteConfig, load_config
from hassette_core.containment import contained_log_handlers
from hassette_core.framework import Hassette
from hassette_core.installed import plugin_tables
from hassette_core.logs import configure_logging
from hassette_core.redaction import Redaction, log_stray_exceptions, redact_output


@click.command()
@config_option
def run(file: Path) -> int:
    """Run your apps until SIGTERM or Ctrl-C.

    While Home Assistant is not available, the command keeps trying to connect. It ends with an error if the
    configuration is wrong or Home Assistant refuses the token.
    """

    def reload() -> HassetteConfig:
        return load_config(file, plugin_tables=plugin_tables())

    config = reload()
    redact = Redaction(config.secrets)
    redact_output(redact)
    log_stray_exceptions()
    log_format = configure_logging(config.hassette.log_level, redact)

    async def main() -> int:
        with collection_paused():  # this imports the plugins
            hassette = Hassette(config, reload=reload if config.hassette.reload else None)
        keep_all_objects()
        hassette.also_mask(redact)
        log_format.get_time_zone = lambda: hassette.time_zone
        guard = StopGuard(budget_s=config.hassette.stop_budget_s)
        with guard.on_signals(hassette.request_stop):
            await guard.watch(hassette).run()
        return ExitCode.OK

    with contained_log_handlers():
        return run_to_the_end(main)
