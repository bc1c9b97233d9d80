"""``hassette demo``: the whole system on a machine with no Home Assistant."""

import getpass
import os
import tempfile
import time
from pathlib import Path

import click

from hassette_core.cli.exit_codes import ExitCode
from hassette_core.cli.options import FiniteRange
from hassette_core.cli.process import run_to_the_end, stop_on_signals
from hassette_core.logs import configure_logging
from hassette_core.redaction import Redaction
from hassette_core.simulation.demo import Demo, DemoOptions
from hassette_core.simulation.demo.summary import summarise

STOP_BUDGET_S = 9.0


def _own_temporary_folder() -> Path:
    try:
        user = getpass.getuser()
    except (KeyError, OSError, ImportError):  # in a container, a uid may have no name
        user = str(os.getuid())
    return Path(tempfile.gettempdir()) / f"hassette-demo-{user}"


@click.command()
@click.option("--data-dir", type=click.Path(path_type=Path), help="Where history is kept; a temporary folder if none.")
@click.option("--seconds", type=FiniteRange(min=0, min_open=True), help="End by itself after so long.")
@click.option("--port", type=click.IntRange(0, 65535), help="Of the page; 0 takes any free one.")
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed brings the same life in the house.")
@click.option("--speed", type=FiniteRange(min=0), default=60.0, show_default=True, help="Of the house's clock.")
@click.option("--events-per-second", type=FiniteRange(min=0), default=0.0, help="Load on top of the house's life.")
@click.option("--config", type=click.Path(path_type=Path), help="Apps to run in place of the examples.")
def demo(
    data_dir: Path | None,
    seconds: float | None,
    port: int | None,
    seed: int,
    speed: float,
    events_per_second: float,
    config: Path | None,
) -> int:
    """Show the whole system on a simulated home, with example apps.

    Nothing is needed beside this: no Home Assistant, no configuration, no network.
    """
    began = time.monotonic()
    demonstration = Demo(
        DemoOptions(
            data_dir=data_dir or _own_temporary_folder(),
            seconds=seconds,
            port=port,
            seed=seed,
            speed=speed,
            events_per_second=events_per_second,
            config=config,
        )
    )
    configure_logging("info", Redaction(demonstration.secrets))

    def announce(page_url: str | None) -> None:
        click.echo(f"The page: {page_url}" if page_url else "There is no page: hassette-sync is not running here.")
        click.echo("Stop with Ctrl-C." if seconds is None else f"Ends by itself in {seconds:g} s.")

    async def main() -> int:
        with stop_on_signals(demonstration.request_stop, STOP_BUDGET_S):
            await demonstration.run(announce)
        return ExitCode.OK

    try:
        return run_to_the_end(main)
    finally:
        click.echo(summarise(demonstration, time.monotonic() - began))
