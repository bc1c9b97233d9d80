"""The OTLP exporters of the SDK, one for each signal, and the results of their requests."""

import contextlib
import logging
import threading
from collections.abc import Generator, Sequence
from typing import Any

import requests
from google.protobuf.message import DecodeError
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk.metrics.export import MetricsData
from opentelemetry.sdk.resources import Resource

from hassette_executor.__about__ import __version__
from hassette_executor.otel import names
from hassette_executor.otel.errors import ExportFailedError, ExportRefusedError, ExportRejectedError
from hassette_executor.otel.settings import OpenTelemetrySettings, SignalName, without_password
from hassette_executor.otel.signals import Signal

# Status codes for data that can never be sent. 400: the data is invalid, and OTLP forbids sending it again. 413: the
# request is too large. After another error, the data is kept and sent again, because the user can fix the cause, such
# as a wrong token. The exception is a receiver that does not know the signal (see `Signal`).
_UNSENDABLE = (400, 413)
# Status codes for wrong or missing credentials.
_UNAUTHORISED = (401, 402, 403, 407)
# Status codes for a request that can be sent again, to the same or another address.
_TEMPORARY = (307, 308, 408, 425, 429)
_EXPORTERS: dict[SignalName, Any] = {
    "traces": OTLPSpanExporter,
    "metrics": OTLPMetricExporter,
    "logs": OTLPLogExporter,
}
_RESPONSES: dict[SignalName, tuple[type[Any], str, str]] = {
    "traces": (ExportTraceServiceResponse, "rejected_spans", "spans"),
    "metrics": (ExportMetricsServiceResponse, "rejected_data_points", "points"),
    "logs": (ExportLogsServiceResponse, "rejected_log_records", "log records"),
}
_REASON_CHARACTERS = 300


class Otlp:
    """Sends spans, metrics and logs. All calls for one signal are made in one thread, except `close`.

    Args:
        settings: Addresses and options of the receivers.
        signals: The signals to send.

    Attributes:
        signals: The signals that are sent, by name.
        resource: The sender, as an OpenTelemetry resource.
    """

    def __init__(self, settings: OpenTelemetrySettings, signals: Sequence[SignalName]) -> None:
        self._settings = settings
        self._answers = threading.local()  # the answer to the request that the thread makes
        addresses: dict[SignalName, str] = {signal: settings.address_of(signal) for signal in signals}
        self.signals = {signal: Signal(signal, without_password(address)) for signal, address in addresses.items()}
        # Any: the three exporters have no common base class, and their methods take untyped keywords.
        self._exporters: dict[str, Any] = {
            signal: self._exporter(_EXPORTERS[signal], address) for signal, address in addresses.items()
        }
        self.resource = Resource.create(
            {
                names.SERVICE_NAME: "hassette",
                names.SERVICE_VERSION: __version__,
                names.SERVICE_INSTANCE_ID: settings.instance_id,
                **settings.resource,
            }
        )

    def send(self, signal: SignalName, items: Sequence[object]) -> None:
        """Send items of one signal. Do nothing if the settings disable the signal, or if there are no items.

        Raises:
            ExportRefusedError: The receiver refuses this signal. The refusal has been logged.
            ExportFailedError: The items could not be sent now.
            ExportRejectedError: The receiver will never accept them.
        """
        if items and signal in self.signals:
            self.signals[signal].send(len(items), lambda: self._export(signal, items))

    def send_metrics(self, metrics: MetricsData) -> None:
        """Send metrics; raise the same errors as `send`."""
        self.signals["metrics"].send(1, lambda: self._export("metrics", metrics))

    def close(self) -> None:
        """Close the exporters, even while one of them waits for a retry. May be called from another thread."""
        for exporter in self._exporters.values():
            exporter.shutdown()

    def _exporter(self, kind: Any, address: str) -> Any:
        settings, session = self._settings, requests.Session()
        session.hooks["response"].append(self._note)
        return kind(
            address,
            # With None, the exporters read OTEL_EXPORTER_OTLP_HEADERS. With an empty table, they would not read it.
            headers=dict(settings.headers) or None,
            timeout=settings.timeout_s,
            compression=Compression.Gzip if settings.compression == "gzip" else Compression.NoCompression,
            session=session,
        )

    def _note(self, answer: requests.Response, *_: object, **__: object) -> None:
        self._answers.newest, self._answers.status = answer, answer.status_code
        if _is_refusal(answer.status_code):
            # After a 501, older exporters would repeat a request until its timeout. After a 302, `requests` would send
            # a GET to the other address, and the answer to this GET would mean nothing.
            answer.status_code = 404

    def _export(self, signal: SignalName, items: object) -> str | None:
        self._answers.newest = None
        address = without_password(self._settings.address_of(signal))
        with _captured_lines() as lines:
            try:
                sent = self._exporters[signal].export(items).name == "SUCCESS"
            except (OSError, UnicodeError) as error:
                # The address or the certificate is missing, or a header is not ASCII. Some of these errors are a
                # ValueError. The queue would treat a ValueError as a row that can never be stored, but the data is not
                # the cause.
                raise ExportFailedError(signal, address, str(error)) from error
        if sent:
            return self._rejected(signal)
        reason = lines[0] if lines else "the exporter gave no reason"  # later lines are about retries
        answer: requests.Response | None = self._answers.newest
        if answer is not None:
            status: int = self._answers.status
            reason = f"{status} {answer.text[:_REASON_CHARACTERS]}".strip()
            if status in _UNSENDABLE:
                raise ExportRejectedError(signal, address, reason)
            if _is_refusal(status):
                raise ExportRefusedError(signal, address, reason, knows_signal=status in _UNAUTHORISED)
        raise ExportFailedError(signal, address, reason)

    def _rejected(self, signal: SignalName) -> str | None:
        """Return the receiver's message about rejected items; None if it accepted all."""
        make, field, what = _RESPONSES[signal]
        response: Any = make()
        answer: requests.Response | None = self._answers.newest
        if answer is None or not answer.content:
            return None
        try:
            response.ParseFromString(answer.content)
        except DecodeError:
            # A proxy may answer with text or JSON. The status code already shows success, so ignore the body.
            return None
        rejected = getattr(response.partial_success, field)
        return f"{rejected} {what}: {response.partial_success.error_message}" if rejected else None


def _is_refusal(status: int) -> bool:
    """Return whether a receiver with this answer refuses every request: there is no such path, method or format."""
    return status in (501, 505) or (300 <= status < 500 and status not in (*_UNSENDABLE, *_TEMPORARY))


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
    loggers = [logging.getLogger(exporter.__module__) for exporter in _EXPORTERS.values()]
    for logger in loggers:
        logger.addFilter(capture)
    try:
        yield capture.lines
    finally:
        for logger in loggers:
            logger.removeFilter(capture)
