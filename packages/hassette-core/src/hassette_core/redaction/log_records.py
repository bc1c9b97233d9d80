"""Mask secrets in every log record of the process."""

import logging
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from hassette_core.redaction.texts import Redaction
from hassette_executor import format_exception


@contextmanager
def redacted_logging(redact: Redaction) -> Generator[None]:
    """Mask secrets in the message and traceback of each log record that is created inside the ``with`` block.

    This covers the loggers and handlers of all libraries. It does not cover ``extra``, because Python adds the values
    of ``extra`` to the log record later. Therefore `hassette_core.logs.FactsFormatter` also masks the finished line.
    """
    if not redact:
        yield
        return
    make_record = logging.getLogRecordFactory()

    def make_redacted(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = make_record(*args, **kwargs)
        try:
            text = record.getMessage()
        except Exception:  # noqa: BLE001  A wrong format string, or an argument whose __str__ raises: the handler
            return record  # reports it. The call of the logger never raises such an error.
        if (clean := redact(text)) != text:
            record.msg, record.args = clean, None
        if record.exc_info and record.exc_info[1] is not None:
            # Formatters use this text in place of the exception.
            record.exc_text = format_exception(record.exc_info[1], redact).rstrip("\n")
        return record

    logging.setLogRecordFactory(make_redacted)
    try:
        yield
    finally:
        logging.setLogRecordFactory(make_record)
