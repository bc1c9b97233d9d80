"""Console log: one line per log record, with the message and its facts. Secrets are masked."""

import logging
import re
import sys
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, tzinfo
from typing import TextIO, cast

from hassette_core.errors import MAX_DESCRIPTION
from hassette_core.redaction import Redaction
from hassette_executor import format_exception, redact_and_cut

_NO_FACTS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message", "problem"}
# Control characters except tab and line feed, and those that reverse the direction of the text after them.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
_CHATTY = ("aiohttp", "aiosqlite", "alembic", "uvicorn", "watchfiles")


class FactsFormatter(logging.Formatter):
    """Formats a log record as a message followed by the facts from ``extra``.

    A fact has at most `MAX_DESCRIPTION` characters. Control characters, such as in the name of an entity, are written
    as in ``ascii()``, because a terminal would interpret them.

    Example:
        ``12:00:01+01:00 warning  link.link  Connection to Home Assistant lost  url=http://…``

    Args:
        redact: Masks secrets in the finished line.
        colour: Whether to colour the level, for a terminal.

    Attributes:
        get_time_zone: Returns the time zone of the times. With None, they are in the machine's time zone.
    """

    def __init__(self, redact: Redaction, *, colour: bool = False) -> None:
        super().__init__()
        self.get_time_zone: Callable[[], tzinfo | None] = lambda: None
        self._redact = redact
        self._colours = {logging.WARNING: "\x1b[33m", logging.ERROR: "\x1b[31m", logging.CRITICAL: "\x1b[31m"}
        self._colour = colour

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a log record, followed by the traceback if there is one."""
        level = f"{record.levelname.lower():7}"
        if self._colour and (start := self._colours.get(record.levelno)):
            level = f"{start}{level}\x1b[0m"
        where = record.name.removeprefix("hassette_core.").removeprefix("hassette_")
        lines = ["  ".join((f"{self._time_of(record)} {level}", where, _printable(self.describe(record))))]
        if record.exc_info and record.exc_info[1] is not None and not record.exc_text:
            record.exc_text = format_exception(record.exc_info[1], self._redact).rstrip("\n")
        lines += [_printable(text) for text in (record.exc_text, record.stack_info) if text]
        return self._redact("\n".join(lines))

    def describe(self, record: logging.LogRecord) -> str:
        """Return the message of a log record with its facts. Secrets are masked in the facts only."""
        facts = [f"{key}={self._fact(key, value)}" for key, value in vars(record).items() if key not in _NO_FACTS]
        message = record.getMessage()
        if problem := vars(record).get("problem"):
            # The problem is a sentence, so it reads best after the message.
            message = f"{message}: {redact_and_cut(str(problem), MAX_DESCRIPTION, self._redact)}"
        return "  ".join((message, *facts))

    def _time_of(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created, UTC).astimezone(self.get_time_zone())
        return time.isoformat(timespec="seconds").partition("T")[2]

    def _fact(self, key: str, value: object) -> str:
        try:
            text = f"{value:.6g}" if isinstance(value, float) else _text(key, value)
        except Exception as error:  # noqa: BLE001  The value belongs to an app. Without it, the line is still useful.
            return f"<unreadable: {type(error).__name__}>"
        text = redact_and_cut(text, MAX_DESCRIPTION, self._redact)
        return repr(text) if not text or any(character.isspace() for character in text) else text


def _printable(text: str) -> str:
    return _CONTROL.sub(lambda found: ascii(found[0])[1:-1], text)


def _text(key: str, value: object) -> str:
    """Return a registration as ``hall.upstairs.on_motion``, and a list as ``light.a, light.b``."""
    if isinstance(value, list | tuple):
        items = map(str, cast("Iterable[object]", value))
        return ".".join(items) if key == "registration" else ", ".join(items)
    return str(value)


def configure_logging(level: str, redact: Redaction) -> FactsFormatter:
    """Write the process's log to standard error, and return the formatter of the log.

    Args:
        level: ``debug``, ``info``, ``warning`` or ``error``. aiohttp, aiosqlite, alembic and uvicorn log only
            warnings and errors.
        redact: Masks secrets.
    """
    errors: TextIO | None = sys.stderr  # None in a process without a standard error stream
    handler = logging.StreamHandler(errors)
    formatter = FactsFormatter(redact, colour=errors is not None and errors.isatty())
    handler.setFormatter(formatter)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLogger().level))
    return formatter
