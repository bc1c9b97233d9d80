"""Options, output and exit codes that several commands share."""

import math
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, fields
from enum import IntEnum
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from hassette_sync.asked_time import AskedTime
from hassette_sync.errors import BadQuestionError
from hassette_sync.home_time import HomeTime
from hassette_sync.terminal.colours import paint
from hassette_sync.terminal.tables import without_control
from hassette_sync.time_range import AROUND_US, SECOND_US, TimeRange, now_us

DEFAULT_LIMIT = 20
"""Rows of a page of the terminal, unless a command has another default."""
_LONGEST_S = 10 * 366 * 86_400

EPILOG = """
\b
The database is --db PATH, a file or its directory. Without --db, it is hassette.db in the
first of: $HASSETTE__DATA_DIR, the data_dir of ./hassette.toml, the current directory if the
file is there, ./data.

\b
Exit codes: 0 success, 1 failure (no history, damaged file, unknown id), 2 wrong usage.
"""


def epilog(*examples: str) -> str:
    """Return the end of a help text: examples of the command, the search for the database, and the exit codes."""
    lines = "\n".join(f"  hassette {example}" for example in examples)
    return f"\n\b\nExamples:\n{lines}\n{EPILOG}"


CommandT = TypeVar("CommandT", bound=Callable[..., Any])


class ExitCode(IntEnum):
    """Exit codes of the process."""

    OK = 0
    FAILURE = 1
    """There is no history, the file is damaged, or there is no entry with the given id."""
    USAGE = 2
    """The command line is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryOptions:
    """Values of the options that the commands about the history share. Each command has some of them.

    Attributes:
        db: The database file or its directory; None for the default.
        as_json: Print JSON instead of text.
        wide: Do not cut tables to the width of the terminal.
        since: Start of the time range as text.
        until: End of the time range as text.
        at: Day or moment of the time range as text, in place of start and end.
        limit: Maximum number of rows.
        cursor: Cursor of the previous page.
    """

    db: Path | None
    as_json: bool
    wide: bool = False
    since: str | None = None
    until: str | None = None
    at: str | None = None
    limit: int = DEFAULT_LIMIT
    cursor: str | None = None

    def time_range(self, home: HomeTime, default: str | None = None) -> TimeRange:
        """Return the time range; ``default`` is its start if there is no ``--since``.

        Raises:
            BadQuestionError: A text is not a time, the range is empty, or a moment and a range are given.
        """
        if self.at is not None:
            if self.since or self.until:
                raise BadQuestionError(
                    "must be used without --since and --until, because it stands for both.", parameter="at"
                )
            return AskedTime.parse(self.at, now_us=now_us(), home=home).around(AROUND_US)
        return TimeRange.parse(self.since or default, self.until, home=home)

    @property
    def table_width(self) -> int | None:
        """The width of the terminal; None with ``--wide`` or if a file or another program reads the output."""
        return None if self.wide or not sys.stdout.isatty() else shutil.get_terminal_size((120, 24)).columns


database_option = click.option(
    "--db",
    # With readable=False, click accepts a file that cannot be read. The command then fails with exit code 1, not 2.
    type=click.Path(path_type=Path, readable=False),
    metavar="PATH",
    help="The database file or its directory.",
)
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs; ids are strings.")
_WIDE = click.option("--wide", is_flag=True, help="Do not cut tables to the width of the terminal.")


def history_options(
    *, tables: bool = True, since: str | None = "24h ago", limit: int | None = None, cursor: bool = True
) -> Callable[[CommandT], CommandT]:
    """Add the shared options to a command. Its first argument is a `HistoryOptions` with their values.

    Args:
        tables: The command prints tables, so it has ``--wide``.
        since: Default start of the time range, for the help text; None for a command without a time range.
        limit: Default number of rows. None for an answer of one piece: such a command has no ``--limit`` and no
            ``--cursor``.
        cursor: Whether the answer has pages.
    """
    options = [database_option, _JSON]
    options += [_WIDE] if tables else []
    options += _range_options(since) if since else []
    options += _page_options(limit, cursor=cursor) if limit is not None else []
    shared = {field.name for field in fields(HistoryOptions)}

    def decorate(command: CommandT) -> CommandT:
        @wraps(command)
        def call(**values: Any) -> Any:
            given = HistoryOptions(**{name: values.pop(name) for name in shared & values.keys()})
            return command(given, **values)

        decorated: Any = call
        for option in reversed(options):
            decorated = option(decorated)
        return decorated

    return decorate


_AT = (
    "Only the five minutes before and after a time (03:12), or the whole of a day (yesterday), of a part of it (last "
    "night) or of a span (03:00 to 04:30)."
)


def _range_options(default: str) -> list[Callable[[Any], Any]]:
    since = f"Start: an age (24h, 7d) or a time (07:00, yesterday, 2026-01-31T18:00). Default: {default}."
    return [
        click.option("--since", metavar="TIME", help=since),
        click.option("--until", metavar="TIME", help="End: an age or a time. Default: now."),
        click.option("--at", metavar="TIME", help=_AT),
    ]


def _page_options(limit: int, *, cursor: bool) -> list[Callable[[Any], Any]]:
    continued = "Continue a list: the cursor that the previous page printed."
    options = [
        click.option("--limit", type=int, default=limit, show_default=True, metavar="N", help="Maximum number of rows.")
    ]
    return [*options, click.option("--cursor", metavar="CURSOR", help=continued)] if cursor else options


def parse_min_duration(text: str) -> int:
    """Convert a number of seconds to microseconds.

    Raises:
        BadQuestionError: Not a number, or out of range.
    """
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    # This form also rejects NaN.
    if not 0 <= seconds <= _LONGEST_S:
        raise BadQuestionError(
            f"must be a number of seconds from 0 to {_LONGEST_S:,}, got {text[:40]!r}.", parameter="min_duration"
        )
    return round(seconds * SECOND_US)


def show_output(text: str, *, colours: bool = False) -> bool:
    """Print a text. A reader that closes the pipe early, such as ``head``, does not cause an error.

    Args:
        text: Text, which may have styles (`hassette_sync.terminal.colours`).
        colours: Whether the styles are shown.

    Returns:
        Whether there is still a reader.
    """
    try:
        # Names of apps and entities may contain control characters, which the terminal would interpret.
        print(paint(without_control(text), colours=colours), flush=True)
    except BrokenPipeError:
        # The interpreter flushes the output again at exit, and that flush must not fail.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return False
    return True
