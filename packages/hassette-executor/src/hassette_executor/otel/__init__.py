"""Sink that sends records as OpenTelemetry traces, metrics and logs: ``pip install 'hassette-executor[otel]'``."""

from hassette_executor.otel.plugin import create_sink
from hassette_executor.otel.settings import OpenTelemetrySettings
from hassette_executor.otel.sink import OpenTelemetrySink

__all__ = ["OpenTelemetrySettings", "OpenTelemetrySink", "create_sink"]
