"""Entry point ``otel`` in the group ``hassette.sinks``, by which core finds the sink.

The entry point exists even if the extra is not installed. Therefore this module does not import OpenTelemetry, and it
makes a sink only if hassette.toml contains a table ``[otel]``.
"""

import uuid
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from hassette_executor.otel.settings import OpenTelemetrySettings
from hassette_executor.otel.sink import OpenTelemetrySink

# The namespace of OpenTelemetry's conventions for ids that are derived from a machine id (resource/service.md).
_NAMESPACE = uuid.UUID("4d63009a-8d0f-11ee-aad7-4c796ed8e320")
_MACHINE_ID = Path("/etc/machine-id")


def create_sink(*, data_dir: Path, settings: Mapping[str, object]) -> tuple[OpenTelemetrySink, ...]:
    """Return the services that send records to OTLP receivers; none if ``[otel]`` is missing or empty.

    Each signal has its own sink, and so its own queue and thread. A receiver that does not answer delays only its own
    signal.

    Args:
        data_dir: The framework's data directory. The default of `instance_id` depends on it.
        settings: The table ``[otel]`` of hassette.toml.

    Raises:
        ValueError: A setting is unknown or wrong, or the extra is not installed.
    """
    if not settings:
        return ()
    chosen = OpenTelemetrySettings.from_mapping({"instance_id": instance_id(data_dir), **settings})
    if not _is_installed():
        raise ValueError("needs the extra [otel], which is not installed: pip install 'hassette-executor[otel]'")
    return tuple(OpenTelemetrySink(chosen, signal=signal) for signal in chosen.enabled)


def instance_id(data_dir: Path, machine_id: Path = _MACHINE_ID) -> str:
    """Return a constant id for one data directory on one machine; a random id if the machine has no id.

    Args:
        data_dir: The framework's data directory.
        machine_id: The file with the machine id. The machine id is hashed, as the conventions recommend.
    """
    try:
        machine = machine_id.read_text().strip()
    except OSError:
        machine = ""
    return str(uuid.uuid5(_NAMESPACE, f"{machine}:{data_dir.resolve()}") if machine else uuid.uuid4())


def _is_installed() -> bool:
    try:
        return find_spec("opentelemetry.exporter.otlp.proto.http") is not None
    except ModuleNotFoundError:
        return False
