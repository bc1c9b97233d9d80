"""The command ``hassette demo``."""

import getpass
import os
import shlex
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import click

from hassette_core.cli.exit_codes import ExitCode
from hassette_core.cli.options import FiniteRange
from hassette_core.cli.process import run_to_the_end
from hassette_core.cli.stop_guard import StopGuard
from hassette_core.containment import contained_log_handlers
from hassette_core.errors import describe_error
from hassette_core.framework import Hassette
from hassette_core.logs import configure_logging
from hassette_core.redaction import Redaction, log_stray_exceptions, redact_output
from hassette_core.simulation.demo import Demo, DemoOptions
from hassette_core.simulation.demo.summary import summarise

STOP_BUDGET_S = 9.0
"""Stop budget in seconds until the framework has been created. After that, the budget of its settings applies."""
START_LIMIT_S = 30.0
"""Time limit of the start, in seconds.

If an app blocks the event loop for longer before the page is ready, the process ends.
"""


def default_data_dir(get_user: Callable[[], str] = getpass.getuser) -> Path:
    """Return a directory for the history of the demo, in the system's temporary directory.

    The directory's name contains the name of the user, because several users may run the demo on one machine.

    Args:
        get_user: Returns the name of the user.
    """
    try:
        user = get_user()
    except (KeyError, OSError, ImportError):  # in a container, the user may have no name
        user = str(os.getuid())
    return Path(tempfile.gettempdir()) / f"hassette-demo-{user}"


@click.command()
@click.option(
    "--data-dir", type=click.Path(path_type=Path), help="Directory of the history; by default a temporary directory."
)
@click.option("--seconds", type=FiniteRange(min=0, min_open=True), help="Stop after this time.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port of the page; 0 for any free port.")
@click.option("--seed", type=int, default=1, show_default=True, help="Seed; the same seed gives the same events.")
@click.option(
    "--speed",
    type=FiniteRange(min=0),
    default=60.0,
    show_default=True,
    help="Speed of the simulated home, in simulated seconds per second.",
)
@click.option(
    "--events-per-second", type=FiniteRange(min=0), default=0.0, show_default=True, help="Additional events, as load."
)
@click.option(
    "--config", type=click.Path(path_type=Path), help="Configuration file whose apps replace the example apps."
)
@click.option("--no-past", is_flag=True, help="Do not write the two weeks before the demo into a new history.")
def demo(
    data_dir: Path | None,
    seconds: float | None,
    port: int | None,
    seed: int,
    speed: float,
    events_per_second: float,
    config: Path | None,
    no_past: bool,
) -> int:
    """Run example apps in a simulated home.

    The demo needs no Home Assistant, no configuration and no network. A new history begins with the two weeks before
    the demo, so that each question has an answer at once.
    """
    guard = StopGuard(budget_s=STOP_BUDGET_S)
    data_path = data_dir or default_data_dir()
    demonstration = Demo(
        DemoOptions(
            data_dir=data_path,
            seconds=seconds,
            port=port,
            seed=seed,
            speed=speed,
            events_per_second=events_per_second,
            config=config,
            past=not no_past,
        ),
        make_framework=lambda config: guard.watch(Hassette(config)),
    )
    write_past(demonstration)
    began = time.monotonic()
    redact = Redaction(demonstration.secrets)
    redact_output(redact)
    log_stray_exceptions()
    configure_logging("info", redact).get_time_zone = lambda: demonstration.time_zone

    def announce(page_url: str | None) -> None:
        if demonstration.result().has_history:
            click.echo(f"To ask in another terminal: {_variables(data_path, page_url)}")
        click.echo(f"Page: {page_url}" if page_url else "There is no page, because hassette-sync is not running.")
        click.echo("Press Ctrl-C to stop." if seconds is None else f"The demo stops after {seconds:g} s.")
        if seconds is not None:
            guard.expect_stop_within(seconds)

    async def main() -> int:
        with guard.on_signals(demonstration.request_stop):
            if seconds is not None:
                # An app may block the event loop before `announce` sets the limit. Without this limit, the demo would
                # not end.
                guard.expect_stop_within(seconds + START_LIMIT_S)
            await demonstration.run(announce)
        return ExitCode.OK

    try:
        with contained_log_handlers():
            return run_to_the_end(main)
    finally:
        click.echo(summarise(demonstration.result(), time.monotonic() - began))


def _variables(data_path: Path, page_url: str | None) -> str:
    """Return the command that makes the commands of another terminal use this demo."""
    variables = [f"HASSETTE__DATA_DIR={shlex.quote(str(data_path.absolute()))}"]
    port = urlsplit(page_url).port if page_url else None
    if port is not None:
        variables.append(f"HASSETTE__SYNC__PORT={port}")
    return f"export {' '.join(variables)}"


def write_past(demonstration: Demo) -> None:
    """Write the days before the demo. Without them, the demo has less to show, but it runs."""
    if not demonstration.needs_past:
        return
    began = time.monotonic()
    click.echo("Running the apps through the two weeks before the demo, which takes some seconds …")
    try:
        demonstration.write_past()
    except Exception as error:  # noqa: BLE001  the start of the framework reports an unusable directory or store, too
        click.echo(f"The two weeks before the demo could not be written: {describe_error(error)}", err=True)
    else:
        click.echo(f"The history of two weeks was written in {time.monotonic() - began:.1f} s.")
