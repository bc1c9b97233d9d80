"""Log of refused and failed requests: each cause at most once an hour, because a page repeats its requests."""

import logging
import time
import traceback
from collections.abc import Callable
from typing import Final

_logger = logging.getLogger(__name__)

_INTERVAL_S: Final = 3_600.0
_MAX_TEXT: Final = 200
_MAX_CAUSES: Final = 100


class RefusalLog:
    """Log of refused and failed requests, each cause at most once an hour.

    Args:
        clock: Monotonic clock in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._logged: dict[str, float] = {}

    def report(self, cause: str, **facts: str) -> None:
        """Log why a request was refused, unless the same cause was logged within the last hour.

        Args:
            cause: Constant log message.
            facts: Values from the request, and the way to fix the cause.
        """
        if self._is_due(cause):
            _logger.warning(cause, extra={name: fact[:_MAX_TEXT] for name, fact in facts.items()})

    def report_error(self, message: str, error: Exception) -> None:
        """Log an unexpected error with its traceback, unless the same line raised it within the last hour.

        Args:
            message: Constant log message.
            error: The error.
        """
        frames = traceback.extract_tb(error.__traceback__)
        place = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else ""
        if self._is_due(f"{message} {type(error).__name__} {place}"):
            _logger.error(message, exc_info=error)

    def _is_due(self, cause: str) -> bool:
        now = self._clock()
        if now - self._logged.get(cause, -_INTERVAL_S) < _INTERVAL_S:
            return False
        if len(self._logged) >= _MAX_CAUSES:
            self._logged.pop(min(self._logged, key=self._logged.__getitem__))
        self._logged[cause] = now
        return True
