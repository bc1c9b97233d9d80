"""`OpenTelemetrySink`: sends records as spans, metrics and logs to any OTLP receiver."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Self

from hassette_executor.errors import ExecutorStoppedError
from hassette_executor.otel import names
from hassette_executor.otel.errors import ExportFailedError, ExportRefusedError, ExportRejectedError
from hassette_executor.otel.settings import OpenTelemetrySettings, SignalName, without_password
from hassette_executor.records.batches import Batch
from hassette_executor.repeated_log import RepeatedLog
from hassette_executor.running.threads import ThreadPool

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource

    from hassette_executor.otel.measures import Measures
    from hassette_executor.otel.otlp import Otlp
    from hassette_executor.otel.spans import SpanMaker

logger = logging.getLogger(__name__)

LAST_METRICS_S = 2.0
"""How long `stop` waits for the last export, in seconds."""
_END_FACTS = frozenset({"outcome", "reason"})
"""Session facts about the end of a session. They are not attributes of the resource, which describes the sender."""
_METRICS_ERRORS = (ExportFailedError, ExportRejectedError, ExecutorStoppedError)


class OpenTelemetrySink:
    """Sends each run as a span, counts of runs as metrics, and log lines as logs. It is a service and a record sink.

    `write` sends spans and logs. `serve` sends metrics at a separate interval. Metrics are cumulative, so the next
    export also contains the counts of a failed export. No request is made on the event loop: spans and logs have one
    thread, and metrics have another.

    A sink that sends several signals sends the next spans only after the logs. If the receivers of the signals are
    different, create one sink for each signal, as `create_sink` does. Then a receiver that does not answer delays only
    its own signal.

    Args:
        settings: Address and options of the receiver.
        signal: The only signal to send; None for all that the settings enable.
        now_us: Wall clock, in microseconds since the Unix epoch.

    Attributes:
        name: ``"opentelemetry"``, followed by the name of the only signal.
        settings: The settings.
        stop_limit_s: How long the stop of the executor waits for this sink, in seconds.

    Example::

        async with OpenTelemetrySink(OpenTelemetrySettings(endpoint="http://collector:4318")) as sink:
            async with CommandExecutor(sink) as executor:
                ...
    """

    stop_limit_s = 2.0

    def __init__(
        self,
        settings: OpenTelemetrySettings,
        *,
        signal: SignalName | None = None,
        now_us: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        self.name = "opentelemetry" if signal is None else f"opentelemetry {signal}"
        self.settings = settings
        self._signals = settings.enabled if signal is None else (signal,)
        self._now_us = now_us
        self._thread = ThreadPool(1)
        self._metrics_thread = ThreadPool(1)
        self._measures_lock = threading.Lock()
        self._serving: asyncio.Task[None] | None = None
        self._log = RepeatedLog(logger)
        self._otlp: Otlp | None = None
        # Only `_thread` writes the attributes below. They keep their values when the service is stopped and
        # started again in the same process.
        self._spans: SpanMaker | None = None
        self._measures: Measures | None = None
        self._facts: dict[str, str] = {}
        self._resource: Resource | None = None
        self._last_sequence = 0
        self._traced_sequence = 0
        self._last_id = 0

    async def start(self) -> None:
        """Create the exporters. The receiver need not be reachable yet.

        Raises:
            ImportError: The extra is not installed: ``pip install 'hassette-executor[otel]'``.
        """
        if self._otlp is None:
            self._thread.open()
            self._metrics_thread.open()
            await self._thread.run(self._open)

    async def serve(self) -> None:
        """Send the metrics once per interval, if they have changed, until this call is cancelled."""
        while True:
            await asyncio.sleep(self.settings.metrics_interval_s)
            await self._try_send_metrics()

    async def stop(self) -> None:
        """Send the metrics for the last time, then close the exporters. Safe to call at any time and more than once."""
        otlp = self._otlp
        if otlp is None:
            return
        try:
            async with asyncio.timeout(LAST_METRICS_S):
                await self._metrics_thread.run(partial(self._send_metrics, otlp))
        except TimeoutError:
            endpoint = without_password(self.settings.address_of("metrics"))
            logger.warning("Last metrics were not sent in time and are lost", extra={"endpoint": endpoint})
        except ExportRefusedError:
            pass  # the refusal has been logged
        except _METRICS_ERRORS as error:
            logger.warning("Last metrics could not be sent and are lost", extra={"error": str(error)})
        self._otlp = None
        otlp.close()
        self._thread.close()
        self._metrics_thread.close()

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

    async def write(self, batch: Batch) -> None:
        """Send the spans of a batch and add the batch to the metrics. A batch that was sent before is ignored.

        Raises:
            ExportFailedError: The spans or logs could not be sent; the caller can send the same batch again.
            ExportRejectedError: The receiver will never accept the spans or logs (also a ValueError).
        """
        otlp = self._otlp
        if otlp is None:
            raise ExportFailedError(
                "records", without_password(self.settings.endpoint), "the sink has not been started"
            )
        await self._thread.run(partial(self._write, otlp, batch))

    async def last_id(self) -> int:
        """Return the highest record id sent by this process, 0 for none."""
        return self._last_id

    def _open(self) -> None:
        # Imported in the thread, because importing the SDK takes a large part of a second and would block the event
        # loop. This module must not import it, because the entry point is also loaded if the extra is not installed.
        from hassette_executor.otel.measures import Measures
        from hassette_executor.otel.otlp import Otlp
        from hassette_executor.otel.spans import SpanMaker

        settings = self.settings
        self._spans = self._spans or SpanMaker(
            settings.instance_id, service_data=settings.service_data, with_events=not settings.logs
        )
        self._measures = self._measures or Measures()
        self._otlp = Otlp(settings, self._signals)

    def _write(self, otlp: "Otlp", batch: Batch) -> None:
        # `_last_sequence` is checked and set in the thread, because after a cancelled write the retry may start while
        # the first attempt still runs.
        if batch.sequence <= self._last_sequence:
            return
        assert self._spans is not None  # set by `start`
        assert self._measures is not None
        resource = self._resource_with(otlp, batch)
        if batch.sequence > self._traced_sequence and "traces" in otlp.signals:
            # Spans are made even if they are not sent now: a span links to the service call that caused the run.
            otlp.send("traces", self._spans.spans_of(batch, resource))
            self._traced_sequence = batch.sequence
        if "logs" in otlp.signals:
            from hassette_executor.otel.log_records import logs_of

            otlp.send("logs", logs_of(batch, self.settings.instance_id, resource))
        if "metrics" in otlp.signals:
            with self._measures_lock:
                self._measures.add(batch)
        self._last_sequence = batch.sequence
        self._last_id = max([self._last_id, *(record.id for record in batch.records())])

    def _resource_with(self, otlp: "Otlp", batch: Batch) -> "Resource":
        facts = {key: text for key, text in batch.session_facts if key not in _END_FACTS}
        if self._resource is None or facts:
            from opentelemetry.sdk.resources import Resource

            self._facts |= facts
            self._resource = otlp.resource.merge(
                Resource({names.SESSION_FACT + key: text for key, text in self._facts.items()})
            )
        return self._resource

    async def _try_send_metrics(self) -> None:
        otlp = self._otlp
        if otlp is None:
            return
        try:
            await self._metrics_thread.run(partial(self._send_metrics, otlp))
        except ExportRefusedError:
            pass  # the refusal has been logged
        except _METRICS_ERRORS as error:
            self._log.log(
                "metrics",
                logging.WARNING,
                "Metrics could not be sent; the next export includes them",
                extra={"error": str(error)},
            )

    def _send_metrics(self, otlp: "Otlp") -> None:
        measures, signal = self._measures, otlp.signals.get("metrics")
        assert measures is not None  # set by `start`
        if signal is None or signal.is_off or not measures.changed:
            return
        # The resource has no session facts here: if a fact changed, the receiver would treat all series as new ones.
        with self._measures_lock:
            points = measures.points(self._now_us(), otlp.resource)
        try:
            otlp.send_metrics(points)
        except BaseException:
            measures.changed = True
            raise
        with self._measures_lock:
            measures.forget_retired()
