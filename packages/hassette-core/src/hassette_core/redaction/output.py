"""Mask secrets in everything that the process writes to standard output and standard error.

`log_records` masks log records. These streams also receive texts that no logger writes: the message of a
``SystemExit``, warnings, exceptions of threads, destructors and functions of `atexit`, and errors of `logging` itself.
"""

import logging
import sys
import threading
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, TextIO, cast

from hassette_core.redaction.texts import Redaction

logger = logging.getLogger(__name__)

LONGEST_LINE = 1_000_000
"""A line with more characters is masked and written in parts."""


class RedactedStream:
    """A text stream that masks secrets.

    It holds a text until the line ends, because Python writes a traceback in pieces, and a piece may end inside a
    secret. All other attributes are those of the wrapped stream.

    Args:
        stream: The wrapped stream.
        redact: Masks secrets.
    """

    def __init__(self, stream: TextIO, redact: Callable[[str], str]) -> None:
        self._stream = stream
        self._redact = redact
        self._held = ""
        # Reentrant, because a signal handler may write while the same thread writes.
        self._lock = threading.RLock()

    def write(self, text: str) -> int:
        """Write the complete lines, and hold the rest."""
        with self._lock:
            lines, end, rest = (self._held + text).rpartition("\n")
            if len(rest) > LONGEST_LINE:
                lines, end, rest = lines + end + rest, "", ""
            self._held = rest
            if lines or end:
                self._stream.write(self._redact(lines + end))
        return len(text)

    def writelines(self, lines: list[str]) -> None:
        """Write several texts."""
        for text in lines:
            self.write(text)

    def flush(self) -> None:
        """Write the rest of the line."""
        with self._lock:
            held, self._held = self._held, ""
            if held:
                self._stream.write(self._redact(held))
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def redact_output(redact: Redaction) -> None:
    """Mask secrets in both streams until the process ends. Call this before logging is configured.

    The streams stay masked, because functions of `atexit` and threads may still fail at the end of the process.
    """
    if not redact:
        return
    # A process without a console has no streams.
    if cast("TextIO | None", sys.stdout) is not None:
        sys.stdout = cast("TextIO", RedactedStream(sys.stdout, redact))
    if cast("TextIO | None", sys.stderr) is not None:
        sys.stderr = cast("TextIO", RedactedStream(sys.stderr, redact))


def log_stray_exceptions() -> None:
    """Log the exceptions of threads and destructors until the process ends. Python would print them without a limit."""
    threading.excepthook = _log_exception_of_thread
    sys.unraisablehook = _log_ignored_exception


def _log_exception_of_thread(args: threading.ExceptHookArgs, /) -> None:
    if issubclass(args.exc_type, SystemExit):
        return  # as in Python, a SystemExit ends only the thread and is not logged
    name = args.thread.name if args.thread is not None else ""
    _log("Thread ended with an exception", {"thread_name": name}, args.exc_type, args.exc_value, args.exc_traceback)


def _log_ignored_exception(args: "sys.UnraisableHookArgs", /) -> None:
    try:
        source = repr(args.object)
    except BaseException:  # noqa: BLE001  __repr__ may be code of an app, which may even call sys.exit()
        source = type(args.object).__name__
    facts = {"where": args.err_msg or "Exception ignored in", "object": source}
    _log("Exception was ignored by Python", facts, args.exc_type, args.exc_value, args.exc_traceback)


def _log(
    message: str,
    facts: Mapping[str, object],
    kind: type[BaseException],
    error: BaseException | None,
    traceback: TracebackType | None,
) -> None:
    error = error if error is not None else kind()
    logger.error(message, extra=facts, exc_info=(kind, error, traceback or error.__traceback__))
