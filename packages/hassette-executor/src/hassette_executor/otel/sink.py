"""`OpenTelemetrySink`: records as spans and metrics, to any receiver of OTLP."""

import asyncio
import logging
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Self

from hassette_executor.errors import ExecutorStoppedError
from hassette_executor.otel import names
from hassette_executor.otel.errors import ExportFailedError, ExportRejectedError
from hassette_executor.otel.settings import OpenTelemetrySettings
from hassette_executor.records import Batch
from hassette_executor.repeated_log import RepeatedLog
from hassette_executor.threads import HandlerThreads

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource

    from hassette_executor.otel.measures import Measures
    from hassette_executor.otel.otlp import Otlp
    from hassette_executor.otel.spans import SpanMaker

logger = logging.getLogger(__name__)

LOG_INTERVAL_S = 60.0
LAST_METRICS_S = 2.0
"""How long the last export may keep `stop` waiting."""
_OF_THE_END = frozenset({"outcome", "reason"})
"""Session facts that come with the last batch: how a session ended is no attribute of who sends."""


class OpenTelemetrySink:
    """Sends each run as a span, and counts them all as metrics: a service, and a sink for records, both by shape.

    Spans go with `write`, metrics by themselves at their own interval: those are cumulative, so an export that fails is
    made good by the next one. All of it happens in one thread, never on the event loop.

    Args:
        settings: Where to send, and how.
        now_us: Wall clock, in microseconds since the Unix epoch.

    Attributes:
        name: What the supervisor calls it.
        settings: As given.
    """

    name = "opentelemetry"

    def __init__(
        self, settings: OpenTelemetrySettings, *, now_us: Callable[[], int] = lambda: time.time_ns() // 1000
    ) -> None:
        self.settings = settings
        self._now_us = now_us
        self._thread = HandlerThreads(1)
        self._serving: asyncio.Task[None] | None = None
        self._log = RepeatedLog(logger, LOG_INTERVAL_S)
        self._otlp: Otlp | None = None
        # From here on, all is touched in the thread only. It outlives a restart of the service within one process.
        self._spans: SpanMaker | None = None
        self._measures: Measures | None = None
        self._facts: dict[str, str] = {}
        self._resource: Resource | None = None
        self._last_sequence = 0
        self._last_id = 0

    # ---- lifecycle --------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Get ready to send. The receiver need not be there yet.

        Raises:
            ImportError: The extra is not installed: ``pip install 'hassette-executor[otel]'``.
        """
        if self._otlp is None:
            self._thread.open()
            await self._thread.run(self._open)

    async def serve(self) -> None:
        """Send the metrics at their interval, until cancelled; nothing is sent while nothing has changed."""
        while True:
            await asyncio.sleep(self.settings.metrics_interval_s)
            await self._send_metrics_soon()

    async def stop(self) -> None:
        """Send the metrics for the last time, and send no more. It may be called at any time, any number of times."""
        otlp = self._otlp
        if otlp is None:
            return
        try:
            async with asyncio.timeout(LAST_METRICS_S):
                await self._send_metrics_soon()
        except TimeoutError:
            logger.warning(
                "The last metrics were not sent in time and are lost", extra={"endpoint": self.settings.endpoint}
            )
        self._otlp = None
        otlp.close()
        self._thread.close()

    async def __aenter__(self) -> Self:
        await self.start()
        self._serving = asyncio.create_task(self.serve(), name="hassette-opentelemetry")
        return self

    async def __aexit__(self, *_: object) -> None:
        serving, self._serving = self._serving, None
        try:
            if serving is not None:
                serving.cancel()
                await asyncio.wait({serving})
        finally:
            await self.stop()

    # ---- the sink ---------------------------------------------------------------------------------------------

    async def write(self, batch: Batch) -> None:
        """Send a batch's spans, and count what it says; one that has been sent before is not sent twice.

        Raises:
            ExportFailedError: It could not be sent; the same batch may be tried again.
            ExportRejectedError: The receiver will never take it as it is (a ValueError as well).
        """
        otlp = self._otlp
        if otlp is None:
            raise ExportFailedError("spans", self.settings.endpoint, "the sink has not been started")
        await self._thread.run(partial(self._write, otlp, batch))

    async def last_id(self) -> int:
        """Return the highest record id sent by this process, 0 for none."""
        return self._last_id

    # ---- in the thread ----------------------------------------------------------------------------------------

    def _open(self) -> None:
        # Here, and not at the top: importing the SDK takes a good part of a second, which the event loop has no time
        # for, and the entry point is loaded where the extra is not installed as well.
        from hassette_executor.otel.measures import Measures
        from hassette_executor.otel.otlp import Otlp
        from hassette_executor.otel.spans import SpanMaker

        self._spans = self._spans or SpanMaker(self.settings.instance_id, service_data=self.settings.service_data)
        self._measures = self._measures or Measures()
        self._otlp = Otlp(self.settings)

    def _write(self, otlp: "Otlp", batch: Batch) -> None:
        # Looked at here and set here: whoever gave up waiting for the first try may come with the second while that
        # is still under way.
        if batch.sequence <= self._last_sequence:
            return
        assert self._spans is not None  # since start
        assert self._measures is not None
        if spans := self._spans.spans_of(batch, self._resource_with(otlp, batch)):
            self._note_partial_success(otlp.send_spans(spans))
        self._measures.add(batch)
        self._last_sequence = batch.sequence
        records = (*batch.invocations, *batch.executions)
        self._last_id = max(self._last_id, *(record.id for record in records)) if records else self._last_id

    def _resource_with(self, otlp: "Otlp", batch: Batch) -> "Resource":
        facts = {key: text for key, text in batch.session_facts if key not in _OF_THE_END}
        if self._resource is None or facts:
            from opentelemetry.sdk.resources import Resource

            self._facts |= facts
            self._resource = otlp.resource.merge(
                Resource({names.SESSION_FACT + key: text for key, text in self._facts.items()})
            )
        return self._resource

    async def _send_metrics_soon(self) -> None:
        otlp = self._otlp
        if otlp is None:
            return
        try:
            await self._thread.run(partial(self._send_metrics, otlp))
        except (ExportFailedError, ExportRejectedError, ExecutorStoppedError) as error:
            self._log.log(
                "metrics",
                logging.WARNING,
                "Metrics could not be sent; the next export makes up for it",
                extra={"error": str(error)},
            )

    def _send_metrics(self, otlp: "Otlp") -> None:
        measures = self._measures
        assert measures is not None  # since start
        if not measures.changed:
            return
        # The resource is the one without session facts: a fact that changes would begin every series anew.
        try:
            self._note_partial_success(otlp.send_metrics(measures.points(self._now_us(), otlp.resource)))
        except BaseException:
            measures.changed = True
            raise
        measures.forget_retired()

    def _note_partial_success(self, rejected: str | None) -> None:
        if rejected is not None:
            self._log.log(
                "rejected",
                logging.WARNING,
                "The receiver did not take all that was sent; OTLP forbids to send that again",
                extra={"rejected": rejected},
            )
