"""What can be set, under ``[otel]`` in hassette.toml."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, Self, cast
from urllib.parse import urlsplit

Compression = Literal["gzip", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenTelemetrySettings:
    """Settings of the OpenTelemetry sink.

    Certificates are set as everywhere with OpenTelemetry: by ``OTEL_EXPORTER_OTLP_CERTIFICATE`` and its kin. So may
    headers be, which keeps a token out of the file.

    Attributes:
        endpoint: Base address of an OTLP/HTTP receiver, such as ``http://collector:4318``; ``/v1/traces`` and
            ``/v1/metrics`` are appended.
        headers: Sent with every request; a secret, never shown.
        compression: ``"gzip"`` or ``"none"``.
        timeout_s: How long one request may take, the exporter's own retries included, in seconds.
        metrics_interval_s: Seconds between two exports of the metrics.
        service_data: True sends the data of service calls, too. It may hold what should not leave the house, such
            as the code of an alarm panel.
        instance_id: ``service.instance.id``: tells this home from others, and stays the same over restarts. A
            random one by default.
        resource: Further attributes of the resource, such as ``deployment.environment.name``.
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
        if not isinstance(self.endpoint, str) or not _is_address(self.endpoint):  # pyright: ignore[reportUnnecessaryIsInstance]  it comes from a file
            raise ValueError(f"endpoint must be an address like http://collector:4318, got {self.endpoint!r}")
        if self.compression not in ("gzip", "none"):
            raise ValueError(f'compression must be "gzip" or "none", got {self.compression!r}')
        for name, most in (("timeout_s", 300), ("metrics_interval_s", 3_600)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= most:
                raise ValueError(f"{name} must be a number of seconds above 0, at most {most}, got {value!r}")
        if not isinstance(self.service_data, bool):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ValueError(f"service_data must be true or false, got {self.service_data!r}")  # noqa: TRY004  one kind of error for the file's mistakes
        if not isinstance(self.instance_id, str) or not self.instance_id:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ValueError(f"instance_id must be a text, got {self.instance_id!r}")
        for name in ("headers", "resource"):
            if not _is_table_of_texts(getattr(self, name)):
                raise ValueError(f"{name} must be a table of texts")

    @classmethod
    def from_mapping(cls, table: Mapping[str, object]) -> Self:
        """Make settings from a table of hassette.toml.

        Raises:
            ValueError: A key is unknown or missing, or a value is wrong; one sentence that names the key.
        """
        known = [setting.name for setting in fields(cls)]
        for key in table:
            if key not in known:
                raise ValueError(f"{key} is not a setting of OpenTelemetry; there are: {', '.join(sorted(known))}")
        if "endpoint" not in table:
            raise ValueError('endpoint is missing: where to send to, such as "http://collector:4318"')
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
