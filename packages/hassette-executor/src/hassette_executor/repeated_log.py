"""One log line per interval for what keeps happening, with a count."""

import logging
import time
from collections.abc import Callable, Hashable, Mapping

MAX_KINDS = 1_000
"""Kinds remembered beyond an interval; then those that have fallen silent make room."""


class RepeatedLog:
    """Writes the first of a kind at once, then at most one line per interval, saying how many went unsaid.

    It never raises: a handler or filter of somebody's that does must not cost the record that the line is about.

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
        self._pruned_ns = 0

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
        if len(self._written) >= MAX_KINDS and now - self._pruned_ns >= self._interval_ns:
            self._make_room(now)
        self._written[kind] = now
        unsaid = self._unsaid.pop(kind, 0)
        if unsaid:
            message += f" ({unsaid} more like this since the last such line)"
        self.say(level, message, *args, extra={**(extra or {}), "unsaid": unsaid})

    def _make_room(self, now: int) -> None:
        # Once per interval at most: to look through thousands of kinds for each line would cost more than the lines.
        self._pruned_ns = now
        silent = [kind for kind, at in self._written.items() if now - at >= self._interval_ns]
        for kind in silent:
            del self._written[kind]
        if unsaid := sum(self._unsaid.pop(kind, 0) for kind in silent):
            message = "Lines of kinds that have fallen silent were left out"
            self.say(logging.WARNING, message, extra={"unsaid": unsaid})

    def say(self, level: int, message: str, *args: object, extra: Mapping[str, object]) -> None:
        """Write a line at once, whatever was written before; arguments as of `log`."""
        try:
            self._logger.log(level, message, *args, extra=extra)
        except Exception:  # noqa: BLE001  somebody's handler or filter is broken; to say so we would need another log
            return
