"""Rate-limited log: at most one line per interval for each kind of line, with a count of the other lines."""

import logging
import time
from collections.abc import Callable, Hashable, Mapping

MAX_KINDS = 1_000
"""Above this number of kinds, the log forgets the kinds without a line in the last interval."""


class RepeatedLog:
    """Writes the first line of a kind at once, then at most one line per interval with the number of lines left out.

    Writing never raises: the caller must continue even if an app has installed a broken logging handler.

    Args:
        logger: The logger to write to.
        interval_s: Seconds between two lines of one kind.
        monotonic_ns: The clock.

    Example::

        log = RepeatedLog(logging.getLogger(__name__), interval_s=60)
        log.log("full", logging.WARNING, "Queue is full; events are dropped", extra={"queue": "events"})
    """

    def __init__(
        self, logger: logging.Logger, interval_s: float = 60.0, monotonic_ns: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self._logger = logger
        self._interval_ns = int(interval_s * 1e9)
        self._now = monotonic_ns
        self._written: dict[Hashable, int] = {}
        self._left_out: dict[Hashable, int] = {}
        self._pruned_ns = 0

    @property
    def kinds(self) -> int:
        """Number of remembered kinds."""
        return len(self._written)

    def log(
        self, kind: Hashable, level: int, message: str, *args: object, extra: Mapping[str, object] | None = None
    ) -> None:
        """Write the line, or count it.

        Args:
            kind: Groups the lines. At most one line of each kind is written per interval.
            level: A `logging` level.
            message: A constant message; ``extra`` holds the facts.
            args: Arguments of the message, formatted only if the line is written.
            extra: Facts. The log adds ``left_out``, the number of lines left out since the last line of this kind.
        """
        now = self._now()
        if now - self._written.get(kind, -self._interval_ns) < self._interval_ns:
            self._left_out[kind] = self._left_out.get(kind, 0) + 1
            return
        if len(self._written) >= MAX_KINDS and now - self._pruned_ns >= self._interval_ns:
            self._prune(now)
        self._written[kind] = now
        left_out = self._left_out.pop(kind, 0)
        if left_out:
            message += f" ({left_out} more like this since the last such line)"
        self.write(level, message, *args, extra={**(extra or {}), "left_out": left_out})

    def write(self, level: int, message: str, *args: object, extra: Mapping[str, object]) -> None:
        """Write a line at once, regardless of earlier lines. The arguments are those of `log`."""
        try:
            self._logger.log(level, message, *args, extra=extra)
        except Exception:  # noqa: BLE001  An app's handler or filter is broken, so the failure cannot be logged.
            return

    def _prune(self, now: int) -> None:
        # At most once per interval: searching thousands of kinds takes longer than writing a line.
        self._pruned_ns = now
        expired = [kind for kind, at in self._written.items() if now - at >= self._interval_ns]
        for kind in expired:
            del self._written[kind]
        if left_out := sum(self._left_out.pop(kind, 0) for kind in expired):
            message = "Repeated lines of several kinds were left out"
            self.write(logging.WARNING, message, extra={"left_out": left_out})
