"""Log lines for people: a constant message, the facts behind it, and never a secret."""

import json
import logging
import sys
from collections.abc import Collection
from types import TracebackType
from typing import Any, Self, TextIO

HIDDEN = "•••"
CUT = "…"
"""What stands at the end of a text that was cut because it was too long."""
SHORTEST_PART = 4
"""Characters of a secret that may be left before a cut: fewer say too little, and begin too many words."""
_NO_FACTS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message", "problem"}
_CHATTY = ("aiohttp", "aiosqlite", "alembic", "hass_client", "uvicorn")


class Redaction:
    """Keeps secrets out of every log line of the process, whoever writes it and wherever it goes.

    While it is entered, each new log record is searched: its message and its traceback. What our own formatter
    writes is searched once more, because ``extra`` joins a record later.

    Args:
        secrets: What must not appear.
    """

    def __init__(self, secrets: Collection[str]) -> None:
        # Also as they read once they have been quoted: in the JSON of a service call, in the repr of a value.
        forms = {form for secret in secrets for form in (secret, json.dumps(secret)[1:-1], repr(secret)[1:-1])}
        forms |= {json.dumps(secret, ensure_ascii=False)[1:-1] for secret in secrets}
        self._secrets = tuple(sorted(forms, key=len, reverse=True))
        self._make_record = logging.getLogRecordFactory()
        self._traceback = logging.Formatter().formatException

    def __call__(self, text: str) -> str:
        """Return the text without the secrets, nor what is left of one where a limit on length has cut the text."""
        if CUT in text:
            text = self._without_cut_ones(text)
        for secret in self._secrets:
            if secret in text:
                text = text.replace(secret, HIDDEN)
        return text

    def _without_cut_ones(self, text: str) -> str:
        for secret in self._secrets:
            if CUT in secret:
                text = text.replace(secret, HIDDEN)
        *cut, last = text.split(CUT)
        return CUT.join([*map(self._without_cut_end, cut), last])

    def _without_cut_end(self, text: str) -> str:
        """Return a text that was cut without what its end has in common with the beginning of a secret."""
        if len(text) < SHORTEST_PART:
            return text
        found = len(text)
        for secret in self._secrets:
            start = text.find(secret[:SHORTEST_PART], max(0, len(text) - len(secret)))
            while 0 <= start < found and not secret.startswith(text[start:]):
                start = text.find(secret[:SHORTEST_PART], start + 1)
            if 0 <= start < found:
                found = start
        return text if found == len(text) else text[:found] + HIDDEN

    def __bool__(self) -> bool:
        """Whether there is anything to take out."""
        return bool(self._secrets)

    def __enter__(self) -> Self:
        self._make_record = logging.getLogRecordFactory()
        if self._secrets:
            logging.setLogRecordFactory(self._redacted)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._secrets:
            logging.setLogRecordFactory(self._make_record)

    def _redacted(self, *args: Any, **kwargs: Any) -> logging.LogRecord:
        record = self._make_record(*args, **kwargs)
        try:
            text = record.getMessage()
        except (TypeError, ValueError, KeyError):
            return record  # a wrong format string: logging itself will say so
        if (clean := self(text)) != text:
            record.msg, record.args = clean, None
        if record.exc_info and record.exc_info[0] is not None:
            # Formatters take a text that is there already.
            text = self._traceback(record.exc_info)
            if (clean := self(text)) != text:
                record.exc_text = clean
        return record


class FactsFormatter(logging.Formatter):
    """``12:00:01 warning  link  connection lost  url=http://…``: the message, then what came in ``extra``.

    Args:
        redact: Takes secrets out of the finished line.
        colour: Whether the reader is a terminal.
    """

    def __init__(self, redact: Redaction, *, colour: bool = False) -> None:
        super().__init__(datefmt="%H:%M:%S")
        self._redact = redact
        self._colours = {logging.WARNING: "\x1b[33m", logging.ERROR: "\x1b[31m", logging.CRITICAL: "\x1b[31m"}
        self._colour = colour

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, with a traceback below it if there is one."""
        level = f"{record.levelname.lower():7}"
        if self._colour and (start := self._colours.get(record.levelno)):
            level = f"{start}{level}\x1b[0m"
        where = record.name.removeprefix("hassette_core.").removeprefix("hassette_")
        facts = [f"{key}={_short(value)}" for key, value in vars(record).items() if key not in _NO_FACTS]
        said = record.getMessage()
        if problem := vars(record).get("problem"):
            said = f"{said}: {problem}"  # it is a sentence, and what a person looks for first
        lines = ["  ".join((f"{self.formatTime(record, self.datefmt)} {level}", where, said, *facts))]
        if record.exc_info and not record.exc_text:
            record.exc_text = self.formatException(record.exc_info)
        lines += [text for text in (record.exc_text, record.stack_info) if text]
        return self._redact("\n".join(lines))


def configure_logging(level: str, redact: Redaction) -> None:
    """Write the process's log to standard error.

    Args:
        level: ``debug``, ``info``, ``warning`` or ``error``; libraries are heard from warnings on.
        redact: Takes secrets out.
    """
    errors: TextIO | None = sys.stderr  # None in a process that was started without one
    handler = logging.StreamHandler(errors)
    handler.setFormatter(FactsFormatter(redact, colour=errors is not None and errors.isatty()))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLogger().level))


def _short(value: object) -> str:
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return repr(text) if not text or any(character.isspace() for character in text) else text
