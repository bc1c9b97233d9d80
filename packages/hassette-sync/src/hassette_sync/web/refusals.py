"""Log of refused requests. It contains each cause at most once an hour, because a page repeats a refused request."""

import logging
import time
from collections.abc import Callable
from typing import Final

_logger = logging.getLogger(__name__)

_INTERVAL_S: Final = 3_600.0
_MAX_TEXT: Final = 200


class RefusalLog:
    """Log of refused requests, each cause at most once an hour.

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
        now = self._clock()
        if now - self._logged.get(cause, -_INTERVAL_S) < _INTERVAL_S:
            return
        self._logged[cause] = now
        _logger.warning(cause, extra={name: fact[:_MAX_TEXT] for name, fact in facts.items()})
