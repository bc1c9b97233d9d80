"""One log line per interval for what keeps happening, with a count."""

import logging
import time
from collections.abc import Callable, Hashable, Mapping


class RepeatedLog:
    """Writes the first of a kind at once, then at most one line per interval, saying how many went unsaid.

    Args:
        logger: Where to write.
        interval_s: Seconds between two lines of one kind.
        monotonic_ns: The clock.
    """

    def __init__(
        self, logger: logging.Logger, interval_s: float, monotonic_ns: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self._logger = logger
        self._interval_ns = int(interval_s * 1e9)
        self._now = monotonic_ns
        self._written: dict[Hashable, int] = {}
        self._unsaid: dict[Hashable, int] = {}

    def log(
        self, kind: Hashable, level: int, message: str, *args: object, extra: Mapping[str, object] | None = None
    ) -> None:
        """Write the line, or count it.

        Args:
            kind: Lines of one kind share an interval.
            level: A `logging` level.
            message: A constant message; ``extra`` holds the facts.
            args: Arguments of the message, formatted only if it is written.
            extra: Facts; ``unsaid`` is added, the number of lines left out since the last one.
        """
        now = self._now()
        if now - self._written.get(kind, -self._interval_ns) < self._interval_ns:
            self._unsaid[kind] = self._unsaid.get(kind, 0) + 1
            return
        if len(self._written) > 1_000:
            # Kinds that have fallen silent make room, unless a count is still to be said.
            self._written = {
                kind: at for kind, at in self._written.items() if now - at < self._interval_ns or kind in self._unsaid
            }
        self._written[kind] = now
        unsaid = self._unsaid.pop(kind, 0)
        if unsaid:
            message += f" ({unsaid} more like this since the last such line)"
        self._logger.log(level, message, *args, extra={**(extra or {}), "unsaid": unsaid})
