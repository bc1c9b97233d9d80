"""Settings of the OpenTelemetry sink, in the table ``[otel]`` of hassette.toml."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, Self, cast
from urllib.parse import urlsplit

from hassette_executor.errors import SettingError

Compression = Literal["gzip", "none"]
SignalName = Literal["traces", "metrics", "logs"]
SIGNALS: tuple[SignalName, ...] = ("traces", "metrics", "logs")
_EXAMPLES = {
    "endpoint": "http://collector:4318",
    **{f"{signal}_endpoint": f"http://collector:4318/v1/{signal}" for signal in SIGNALS},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenTelemetrySettings:
    """Settings of the OpenTelemetry sink.

    Certificates are set by environment variables of OpenTelemetry, such as ``OTEL_EXPORTER_OTLP_CERTIFICATE``. Headers
    can be set by ``OTEL_EXPORTER_OTLP_HEADERS``, so that the file does not contain a token.

    Attributes:
        endpoint: Base address of an OTLP/HTTP receiver, such as ``http://collector:4318``; ``/v1/traces``,
            ``/v1/metrics`` and ``/v1/logs`` are appended. Empty if each signal has its own address.
        traces: Whether runs, service calls and lifecycle events are sent as spans.
        metrics: Whether the counts and durations of runs are sent.
        logs: Whether log lines and exceptions are sent as OTLP logs. Otherwise they are events of the spans.
        traces_endpoint: The whole address for traces, such as ``http://tempo:4318/v1/traces``.
        metrics_endpoint: The whole address for metrics.
        logs_endpoint: The whole address for logs.
        headers: Headers of every request. They are treated as secrets and never shown.
        compression: ``"gzip"`` or ``"none"``.
        timeout_s: How long one request may take, including the exporter's retries, in seconds.
        metrics_interval_s: Seconds between two exports of the metrics.
        service_data: Whether the data of service calls is sent. The data may contain secrets, such as the code of an
            alarm panel.
        instance_id: The resource attribute ``service.instance.id``, which distinguishes this home from others. The
            default is a new random id, so set an id if it must be the same after a restart.
        resource: Further attributes of the resource, such as ``deployment.environment.name``.

    Raises:
        SettingError: A value is wrong; the message names the key.
    """

    endpoint: str = ""
    traces: bool = True
    metrics: bool = True
    logs: bool = False
    traces_endpoint: str = ""
    metrics_endpoint: str = ""
    logs_endpoint: str = ""
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    compression: Compression = "gzip"
    timeout_s: float = 10.0
    metrics_interval_s: float = 60.0
    service_data: bool = False
    instance_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    resource: Mapping[str, str] = field(default_factory=dict[str, str])

    def __post_init__(self) -> None:
        for key in ("endpoint", *(f"{signal}_endpoint" for signal in SIGNALS)):
            address = getattr(self, key)
            if address != "" and (not isinstance(address, str) or not _is_address(address)):
                shown = without_password(address) if isinstance(address, str) else address
                raise SettingError(key, shown, f"an address like {_EXAMPLES[key]}")
        for key in ("service_data", *SIGNALS):
            if not isinstance(getattr(self, key), bool):
                raise SettingError(key, getattr(self, key), "true or false")
        if not self.enabled:
            raise ValueError("one of traces, metrics and logs must be true; without the table [otel] nothing is sent")
        if missing := [f"{signal}_endpoint" for signal in self.enabled if not self.address_of(signal)]:
            raise ValueError(
                f'endpoint is missing: the address of the receiver, such as "{_EXAMPLES["endpoint"]}";'
                f" or set {' and '.join(missing)}"
            )
        if self.compression not in ("gzip", "none"):
            raise SettingError("compression", self.compression, '"gzip" or "none"')
        for key, most in (("timeout_s", 300), ("metrics_interval_s", 3_600)):
            value = getattr(self, key)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= most:
                raise SettingError(key, value, f"a number of seconds above 0, at most {most}")
        if not isinstance(self.instance_id, str) or not self.instance_id:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise SettingError("instance_id", self.instance_id, "a non-empty text")
        for key in ("headers", "resource"):
            if not _is_table_of_texts(getattr(self, key)):
                raise ValueError(f"{key} must be a table of texts")  # without the value: headers may contain a token

    @property
    def enabled(self) -> tuple[SignalName, ...]:
        """The signals that are sent."""
        return tuple(signal for signal in SIGNALS if getattr(self, signal))

    def address_of(self, signal: SignalName) -> str:
        """Return the whole address for a signal; empty if it has no address."""
        base = self.endpoint.rstrip("/")
        return getattr(self, f"{signal}_endpoint") or (f"{base}/v1/{signal}" if base else "")

    @classmethod
    def from_mapping(cls, table: Mapping[str, object]) -> Self:
        """Return settings from a table of hassette.toml.

        Raises:
            ValueError: A key is unknown or missing, or a value is wrong; the message names the key.
        """
        known = [setting.name for setting in fields(cls)]
        for key in table:
            if key not in known:
                raise ValueError(
                    f"{key} is not a setting of OpenTelemetry; the settings are: {', '.join(sorted(known))}"
                )
        return cls(**cast("dict[str, Any]", dict(table)))


def without_password(address: str) -> str:
    """Return an address for a log or an error, without user name and password."""
    scheme, separator, rest = address.partition("://")
    host, slash, path = rest.partition("/")
    user, at, host = host.rpartition("@")
    return f"{scheme}{separator}{'…' if user else ''}{at}{host}{slash}{path}"


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _is_table_of_texts(value: object) -> bool:
    if not isinstance(value, Mapping):
        return False
    table = cast("Mapping[object, object]", value)
    return all(isinstance(key, str) and isinstance(text, str) for key, text in table.items())
