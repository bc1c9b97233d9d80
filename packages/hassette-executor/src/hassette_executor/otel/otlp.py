"""The two OTLP exporters of the SDK, and the results of their requests."""

import contextlib
import logging
import threading
from collections.abc import Callable, Generator, Sequence
from typing import Any

import requests
from google.protobuf.message import DecodeError
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk.metrics.export import MetricExportResult, MetricsData
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult

from hassette_executor.__about__ import __version__
from hassette_executor.otel import names
from hassette_executor.otel.errors import ExportFailedError, ExportRejectedError
from hassette_executor.otel.settings import OpenTelemetrySettings

# Status codes for data that can never be sent. 400: the data is invalid, and OTLP forbids sending it again. 413: the
# request is too large. After any other status code the data is kept and sent again, because the user can fix the cause,
# such as a wrong token.
_UNSENDABLE = (400, 413)
_REASON_CHARACTERS = 300


class Otlp:
    """Sends spans and metrics. All calls except `close` are made in one thread.

    Args:
        settings: Address and options of the receiver.

    Attributes:
        resource: The sender, as an OpenTelemetry resource.
    """

    def __init__(self, settings: OpenTelemetrySettings) -> None:
        self._endpoint = endpoint = settings.endpoint.rstrip("/")
        self._answer: requests.Response | None = None
        compression = Compression.Gzip if settings.compression == "gzip" else Compression.NoCompression
        # With None, the exporters read OTEL_EXPORTER_OTLP_HEADERS. With an empty table they would not.
        headers = dict(settings.headers) or None
        # Any: older versions of the exporters declare the timeout as an int, but also accept a float.
        timeout: Any = settings.timeout_s
        self._spans = OTLPSpanExporter(
            f"{endpoint}/v1/traces", headers=headers, timeout=timeout, compression=compression, session=self._session()
        )
        # Any: the methods of the exporter take untyped keywords.
        self._metrics: Any = OTLPMetricExporter(
            f"{endpoint}/v1/metrics", headers=headers, timeout=timeout, compression=compression, session=self._session()
        )
        self.resource = Resource.create(
            {
                names.SERVICE_NAME: "hassette",
                names.SERVICE_VERSION: __version__,
                names.SERVICE_INSTANCE_ID: settings.instance_id,
                **settings.resource,
            }
        )

    def send_spans(self, spans: Sequence[ReadableSpan]) -> str | None:
        """Send spans; return the receiver's message about rejected spans, if any.

        Raises:
            ExportFailedError: The spans could not be sent now.
            ExportRejectedError: The receiver will never accept them.
        """
        self._send("spans", lambda: self._spans.export(spans) is SpanExportResult.SUCCESS)
        answer = ExportTraceServiceResponse()
        if not self._read(answer) or not answer.partial_success.rejected_spans:
            return None
        return f"{answer.partial_success.rejected_spans} spans: {answer.partial_success.error_message}"

    def send_metrics(self, metrics: MetricsData) -> str | None:
        """Send metrics; return and raise as `send_spans` does."""
        self._send("metrics", lambda: self._metrics.export(metrics) is MetricExportResult.SUCCESS)
        answer = ExportMetricsServiceResponse()
        if not self._read(answer) or not answer.partial_success.rejected_data_points:
            return None
        return f"{answer.partial_success.rejected_data_points} points: {answer.partial_success.error_message}"

    def close(self) -> None:
        """Close the exporters, even while one of them waits for a retry. May be called from another thread."""
        self._spans.shutdown()
        self._metrics.shutdown()

    def _session(self) -> requests.Session:
        session = requests.Session()
        session.hooks["response"].append(self._note)
        return session

    def _note(self, answer: requests.Response, *_: object, **__: object) -> None:
        self._answer = answer

    def _send(self, what: str, export: Callable[[], bool]) -> None:
        self._answer = None
        with _captured_lines() as lines:
            try:
                sent = export()
            except (OSError, UnicodeError) as error:
                # The address or the certificate is missing, or a header is not ASCII. Some of these errors are a
                # ValueError. The queue would treat a ValueError as a row that can never be stored, but the data is not
                # the cause.
                raise ExportFailedError(what, self._endpoint, str(error)) from error
        if sent:
            return
        reason = lines[0] if lines else "the exporter gave no reason"  # later lines are about retries
        if self._answer is not None:
            reason = f"{self._answer.status_code} {self._answer.text[:_REASON_CHARACTERS]}".strip()
            if self._answer.status_code in _UNSENDABLE:
                raise ExportRejectedError(what, self._endpoint, reason)
        raise ExportFailedError(what, self._endpoint, reason)

    def _read(self, answer: ExportTraceServiceResponse | ExportMetricsServiceResponse) -> bool:
        if self._answer is None or not self._answer.content:
            return False
        try:
            answer.ParseFromString(self._answer.content)
        except DecodeError:
            # A proxy may answer with text or JSON. The status code already shows success, so ignore the body.
            return False
        return True


class _LineCapture(logging.Filter):
    """Logging filter that collects the log lines of the thread that made it, and keeps them out of the log."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self._thread = threading.get_ident()

    def filter(self, record: logging.LogRecord) -> bool:
        if record.thread != self._thread:
            return True
        self.lines.append(record.getMessage()[:_REASON_CHARACTERS])
        return False


@contextlib.contextmanager
def _captured_lines() -> Generator[list[str]]:
    """Collect the log lines of the exporters, and keep them out of the log.

    The exporters log each attempt, and report the reason of a failure only in the log. `Otlp` puts the reason into its
    error, which the write queue logs once per interval.
    """
    capture = _LineCapture()
    loggers = [logging.getLogger(exporter.__module__) for exporter in (OTLPSpanExporter, OTLPMetricExporter)]
    for logger in loggers:
        logger.addFilter(capture)
    try:
        yield capture.lines
    finally:
        for logger in loggers:
            logger.removeFilter(capture)
