"""`contained_log_handlers`: keep a broken logging handler of an app from breaking the code that logs."""

import logging
import signal
from collections.abc import Generator
from contextlib import contextmanager, suppress

from hassette_core.errors import describe_error, where_raised

MAX_REPORTS = 100
"""At most this many different failures are reported, so that the reports cannot fill memory or the output."""


@contextmanager
def contained_log_handlers() -> Generator[None]:
    """Contain the failures of all logging handlers during the ``with`` block.

    An app may add a handler or a filter that raises an exception. `logging` raises this exception in the code
    that logs. That code may be a service of the framework, or the code that begins the stop. Each different
    failure is reported once, with `logging.Handler.handleError`, which writes a traceback to standard error.
    """
    handle = logging.Handler.handle
    reported: set[str] = set()

    def handle_contained(self: logging.Handler, record: logging.LogRecord) -> bool:
        try:
            return bool(handle(self, record))
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt) and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
                raise  # a real Ctrl-C, as in run_contained
            problem = f"{type(self).__qualname__} {describe_error(error)}{where_raised(error)}"
            if problem not in reported and len(reported) < MAX_REPORTS:
                reported.add(problem)
                with suppress(BaseException):  # the app may have overridden handleError too
                    self.handleError(record)
            return False

    logging.Handler.handle = handle_contained
    try:
        yield
    finally:
        logging.Handler.handle = handle
