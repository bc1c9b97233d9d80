"""`Signal`: sends one of the three kinds of data of OpenTelemetry, and tracks whether the receiver accepts it.

Not every receiver accepts every signal: Prometheus accepts only metrics, Jaeger only traces. If a receiver has
always answered "not found", nothing is lost if the signal is not sent.
"""

import logging
import time
from collections.abc import Callable

from hassette_executor.otel.errors import ExportRefusedError
from hassette_executor.repeated_log import RepeatedLog

logger = logging.getLogger(__name__)

PROBE_S = 60.0
"""Seconds until the next attempt to send a signal that the receiver does not know."""


class Signal:
    """Sends one signal, and reports a refusal once until the receiver accepts the signal again.

    Args:
        name: ``traces``, ``metrics`` or ``logs``.
        endpoint: The address.
        monotonic_ns: The clock.

    Attributes:
        name: ``traces``, ``metrics`` or ``logs``.
    """

    def __init__(self, name: str, endpoint: str, monotonic_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self.name = name
        self._endpoint = endpoint
        self._now = monotonic_ns
        self._log = RepeatedLog(logger, monotonic_ns=monotonic_ns)
        self._accepted = False
        self._refused = False
        self._probe_ns = 0
        self._not_sent = 0

    @property
    def is_off(self) -> bool:
        """Whether the receiver does not know this signal, and it is not time to try again."""
        return self._now() < self._probe_ns

    def send(self, items: int, export: Callable[[], str | None]) -> None:
        """Send items of this signal. While the signal is off, only count the items.

        Args:
            items: Number of items.
            export: Sends the items, and returns the receiver's message about rejected items, if any.

        Raises:
            ExportRefusedError: The receiver refuses the signal, but knows it or has accepted it before. The refusal has
                been logged.
            ExportFailedError: The items could not be sent now.
            ExportRejectedError: The receiver will never accept these items.
        """
        if self.is_off:
            self._not_sent += items
            return
        try:
            rejected = export()
        except ExportRefusedError as error:
            self._report_refusal(error)
            if self._accepted or error.knows_signal:
                raise
            self._probe_ns = self._now() + int(PROBE_S * 1e9)
            self._not_sent += items
            return
        if self._refused:
            facts = {"signal": self.name, "endpoint": self._endpoint, "not_sent": self._not_sent}
            logger.warning("Receiver accepts a signal again", extra=facts)
        self._accepted, self._refused, self._not_sent = True, False, 0
        if rejected is not None:
            self._log.log(
                "rejected",
                logging.WARNING,
                "Receiver rejected some items; OTLP forbids sending them again",
                extra={"rejected": rejected},
            )

    def _report_refusal(self, error: ExportRefusedError) -> None:
        if self._refused:
            return
        self._refused = True
        facts = {"signal": self.name, "endpoint": self._endpoint, "answer": error.reason}
        facts["to_fix"] = f"set {self.name} = false or another {self.name}_endpoint in [otel], or correct the headers"
        logger.warning("Receiver refuses a signal; this is logged once", extra=facts)
