"""Settings of the OpenTelemetry sink, in the table ``[otel]`` of hassette.toml."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, Self, cast
from urllib.parse import urlsplit

from hassette_executor.errors import SettingError

Compression = Literal["gzip", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenTelemetrySettings:
    """Settings of the OpenTelemetry sink.

    Certificates are set by environment variables of OpenTelemetry, such as ``OTEL_EXPORTER_OTLP_CERTIFICATE``. Headers
    can be set by ``OTEL_EXPORTER_OTLP_HEADERS``, so that the file does not contain a token.

    Attributes:
        endpoint: Base address of an OTLP/HTTP receiver, such as ``http://collector:4318``; ``/v1/traces`` and
            ``/v1/metrics`` are appended.
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

    endpoint: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    compression: Compression = "gzip"
    timeout_s: float = 10.0
    metrics_interval_s: float = 60.0
    service_data: bool = False
    instance_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    resource: Mapping[str, str] = field(default_factory=dict[str, str])

    def __post_init__(self) -> None:
        if not isinstance(self.endpoint, str) or not _is_address(self.endpoint):  # pyright: ignore[reportUnnecessaryIsInstance]  values come from a file
            raise SettingError("endpoint", self.endpoint, "an address like http://collector:4318")
        if self.compression not in ("gzip", "none"):
            raise SettingError("compression", self.compression, '"gzip" or "none"')
        for key, most in (("timeout_s", 300), ("metrics_interval_s", 3_600)):
            value = getattr(self, key)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= most:
                raise SettingError(key, value, f"a number of seconds above 0, at most {most}")
        if not isinstance(self.service_data, bool):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise SettingError("service_data", self.service_data, "true or false")
        if not isinstance(self.instance_id, str) or not self.instance_id:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise SettingError("instance_id", self.instance_id, "a non-empty text")
        for key in ("headers", "resource"):
            if not _is_table_of_texts(getattr(self, key)):
                raise ValueError(f"{key} must be a table of texts")  # without the value: headers may contain a token

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
        if "endpoint" not in table:
            raise ValueError('endpoint is missing: the address of the receiver, such as "http://collector:4318"')
        return cls(**cast("dict[str, Any]", dict(table)))


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
