"""OTLP log records of a batch: one per log line of a run, and one per failure.

OpenTelemetry deprecates the events of spans in favour of log records (OTEP 4430). Each log record has the trace id and
span id of its run.
"""

import logging
from collections.abc import Iterator
from typing import NamedTuple

from opentelemetry._logs import SeverityNumber
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import TraceFlags

from hassette_executor.otel import names
from hassette_executor.otel.spans import SCOPE, clean, cleaned, context_of, exception_attributes
from hassette_executor.otel.triggers import Value
from hassette_executor.records.batches import Batch
from hassette_executor.records.runs import Record

EXCEPTION_EVENT = "exception"
_SEVERITIES = (
    (logging.CRITICAL, SeverityNumber.FATAL),
    (logging.ERROR, SeverityNumber.ERROR),
    (logging.WARNING, SeverityNumber.WARN),
    (logging.INFO, SeverityNumber.INFO),
    (logging.DEBUG, SeverityNumber.DEBUG),
)


class OtlpLogRecord(NamedTuple):
    """The fields that the exporter encodes. The name and fields of the SDK's own class differ between versions."""

    timestamp: int
    observed_timestamp: int
    trace_id: int
    span_id: int
    severity_text: str
    severity_number: SeverityNumber
    body: str
    attributes: dict[str, Value]
    event_name: str
    resource: Resource
    trace_flags: TraceFlags = TraceFlags(TraceFlags.SAMPLED)
    dropped_attributes: int = 0


class OtlpLog(NamedTuple):
    """A log record with its sender, as the exporter expects it."""

    log_record: OtlpLogRecord
    resource: Resource
    instrumentation_scope: InstrumentationScope
    dropped_attributes: int = 0


def logs_of(batch: Batch, instance_id: str, resource: Resource) -> list[OtlpLog]:
    """Return the log records of the runs in a batch.

    Args:
        batch: The batch.
        instance_id: Part of the ids of spans.
        resource: The sender.
    """
    return [log for record in batch.records() for log in _logs_of(record, instance_id, resource)]


def _logs_of(record: Record, instance_id: str, resource: Resource) -> Iterator[OtlpLog]:
    registration = record.registration
    facts: dict[str, Value | None] = {
        names.RECORD_ID: str(record.id),
        names.APP: registration.app,
        names.INSTANCE: registration.instance,
        names.REGISTRATION: registration.name,
        names.REGISTRATION_KIND: registration.kind,
    }
    context = context_of(instance_id, record.id)

    def log(
        at_us: int, level: int, body: str, attributes: dict[str, Value | None], event_name: str = ""
    ) -> OtlpLogRecord:
        return OtlpLogRecord(
            timestamp=at_us * 1000,
            observed_timestamp=at_us * 1000,
            trace_id=context.trace_id,
            span_id=context.span_id,
            severity_text=logging.getLevelName(level),
            severity_number=_severity(level),
            body=clean(body),
            attributes=cleaned({**facts, **attributes}),
            event_name=event_name,
            resource=resource,
        )

    for line in record.effects.log_lines if record.effects is not None else ():
        scope = InstrumentationScope(clean(line.logger))
        yield OtlpLog(log(line.at_us, line.level, line.message, {}), resource, scope)
    if (failure := record.failure) is not None:
        ended_us = record.started_us + record.duration_us
        body = f"{failure.type}: {failure.message}"
        exception = log(ended_us, logging.ERROR, body, exception_attributes(failure), EXCEPTION_EVENT)
        yield OtlpLog(exception, resource, SCOPE)


def _severity(level: int) -> SeverityNumber:
    return next((number for least, number in _SEVERITIES if level >= least), SeverityNumber.TRACE)
