"""Options that several commands share."""

import math
from pathlib import Path
from typing import Any

import click

from hassette_core.config import DEFAULT_FILE

config_option = click.option(
    "--config",
    "-c",
    "file",
    type=click.Path(path_type=Path),
    default=DEFAULT_FILE,
    show_default=True,
    metavar="FILE",
    help="Configuration file.",
)


class FiniteRange(click.FloatRange):
    """A finite number in a range. Without this class, ``nan`` and ``inf`` would be accepted as numbers."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number


timeout_option = click.option(
    "--timeout",
    "timeout_s",
    type=FiniteRange(min=0, min_open=True),
    default=20.0,
    show_default=True,
    metavar="SECONDS",
    help="Time limit for the connection.",
)
