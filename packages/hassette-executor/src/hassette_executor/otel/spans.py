"""Spans of a batch: one per run, one per service call of a run, one per lifecycle event.

The same batch gives the same spans, and their ids are hashes of the record's id. If the response to a request is lost,
the batch is sent twice. A receiver that compares ids then still shows each span once.
"""

import logging
from collections import OrderedDict
from hashlib import blake2b

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from hassette_executor.__about__ import __version__
from hassette_executor.otel import names
from hassette_executor.otel.triggers import Value, trigger_facts
from hassette_executor.records.batches import Batch, LifecycleEvent
from hassette_executor.records.failures import Failure
from hassette_executor.records.runs import Record
from hassette_executor.records.runs import Status as RunStatus

SCOPE = InstrumentationScope("hassette_executor", __version__)
ERROR_KIND_ENDINGS = ("_failed", "_lost", "_crashed", "_exhausted")
"""A lifecycle event is an error if its kind has one of these endings."""


class SpanMaker:
    """Makes the spans of batches.

    Args:
        instance_id: Part of each hash, so that the ids of two homes differ.
        service_data: Whether the data of service calls is sent.
        with_events: Whether log lines and exceptions are events of the spans. False if they are sent as logs.
        max_causes: How many context ids of service calls to remember. If the event that triggered a run has such an id,
            the span of the run gets a link to the span of the service call.
    """

    def __init__(
        self, instance_id: str, *, service_data: bool, with_events: bool = True, max_causes: int = 10_000
    ) -> None:
        self._instance_id = instance_id
        self._with_events = with_events
        self._service_data = service_data
        self._max_causes = max_causes
        self._causes: OrderedDict[str, SpanContext] = OrderedDict()

    def spans_of(self, batch: Batch, resource: Resource) -> list[ReadableSpan]:
        """Return the spans of the runs, service calls and lifecycle events in a batch."""
        records = batch.records()
        # A service call can cause a second run, which may end before the run that made the call. It then comes first in
        # the batch. So make the spans of all calls before any link.
        calls = [span for record in records for span in self._call_spans(record, resource)]
        runs = [self._run_span(record, resource) for record in records]
        return [*runs, *calls, *(self._lifecycle_span(event, resource) for event in batch.lifecycle)]

    def _run_span(self, record: Record, resource: Resource) -> ReadableSpan:
        registration, failure, trigger = record.registration, record.failure, trigger_facts(record)
        attributes: dict[str, Value | None] = {
            names.RECORD_ID: str(record.id),  # as text, because JavaScript cannot represent integers above 2^53
            names.APP: registration.app,
            names.INSTANCE: registration.instance,
            names.REGISTRATION: registration.name,
            names.REGISTRATION_KIND: registration.kind,
            names.STATUS: record.status.value,
            names.WAITED: record.waited_us / 1e6,
            names.CODE_FUNCTION_NAME: registration.handler,
            names.ERROR_TYPE: failure.type if failure else None,
            **trigger.attributes,
        }
        if registration.source is not None:
            attributes[names.CODE_FILE_PATH] = registration.source.file
            attributes[names.CODE_LINE_NUMBER] = registration.source.line
        links = [
            Link(self._causes[context_id], {names.CONTEXT_ID: context_id})
            for context_id in trigger.context_ids
            if context_id is not None and context_id in self._causes
        ]
        if record.effects is not None:
            attributes[names.DROPPED_LOG_LINES] = record.effects.dropped_log_lines or None
            attributes[names.DROPPED_SERVICE_CALLS] = record.effects.dropped_service_calls or None
        return ReadableSpan(
            name=clean(f"{registration.app}.{registration.name}"),
            context=context_of(self._instance_id, record.id),
            resource=resource,
            attributes=cleaned(attributes),
            events=_events(record) if self._with_events else (),
            links=links,
            kind=trigger.span_kind,
            status=_status(record),
            start_time=record.started_us * 1000,
            end_time=(record.started_us + record.duration_us) * 1000,
            instrumentation_scope=SCOPE,
        )

    def _call_spans(self, record: Record, resource: Resource) -> list[ReadableSpan]:
        if record.effects is None:
            return []
        parent = context_of(self._instance_id, record.id)
        spans: list[ReadableSpan] = []
        for number, call in enumerate(record.effects.service_calls):
            context = context_of(self._instance_id, record.id, f"call {number}")
            if call.context_id is not None:
                self._remember(call.context_id, context)
            attributes: dict[str, Value | None] = {
                names.RPC_METHOD: f"{call.domain}.{call.service}",
                names.SERVICE_TARGET: call.target or None,
                names.SERVICE_DATA: (call.data or None) if self._service_data else None,
                names.CONTEXT_ID: call.context_id,
                # The conventions define "_OTHER" for an error of unknown type. A service call records only the text of
                # its error.
                names.ERROR_TYPE: None if call.error is None else "_OTHER",
                names.CALL_ATTEMPT: call.attempt if call.attempt > 1 else None,
                names.CALL_CONFIRMED: None if call.confirmed_us is None else call.confirmed_us / 1e6,
                names.CALL_REHEARSED: call.rehearsed or None,
            }
            spans.append(
                ReadableSpan(
                    name=clean(f"{call.domain}.{call.service}"),
                    context=context,
                    parent=parent,
                    resource=resource,
                    attributes=cleaned(attributes),
                    kind=SpanKind.CLIENT,
                    status=Status(StatusCode.ERROR, clean(call.error)) if call.error is not None else Status(),
                    start_time=call.at_us * 1000,
                    end_time=(call.at_us + call.duration_us) * 1000,
                    instrumentation_scope=SCOPE,
                )
            )
        return spans

    def _remember(self, context_id: str, context: SpanContext) -> None:
        self._causes[context_id] = context
        if len(self._causes) > self._max_causes:
            self._causes.popitem(last=False)

    def _lifecycle_span(self, event: LifecycleEvent, resource: Resource) -> ReadableSpan:
        failed = event.kind.endswith(ERROR_KIND_ENDINGS)
        return ReadableSpan(
            name=clean(event.kind),
            context=context_of(self._instance_id, event.id),
            resource=resource,
            attributes=cleaned(
                {
                    names.LIFECYCLE_KIND: event.kind,
                    names.LIFECYCLE_SUBJECT: event.subject,
                    names.LIFECYCLE_DETAIL: event.detail or None,
                }
            ),
            status=Status(StatusCode.ERROR, clean(event.detail or event.kind)) if failed else Status(),
            start_time=event.at_us * 1000,
            end_time=event.at_us * 1000,
            instrumentation_scope=SCOPE,
        )


def context_of(instance_id: str, record_id: int, part: str = "") -> SpanContext:
    """Return the ids of the span of a record.

    Args:
        instance_id: Part of each hash, so that the ids of two homes differ.
        record_id: The id of the run or event.
        part: Distinguishes the service calls of a run.
    """
    key = f"{instance_id}/{record_id}".encode()
    trace_id = int.from_bytes(blake2b(key, digest_size=16).digest(), "big")
    span_id = int.from_bytes(blake2b(key, digest_size=8, salt=part.encode()).digest(), "big")
    # Zero is not a valid id, and one hash in 2^64 is zero.
    return SpanContext(trace_id or 1, span_id or 1, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))


def clean(text: str) -> str:
    """Replace lone surrogates, because a text with a lone surrogate cannot be sent as UTF-8."""
    return text if text.isascii() else text.encode(errors="replace").decode()


def cleaned(attributes: dict[str, Value | None]) -> dict[str, Value]:
    """Return the attributes that have a value, without lone surrogates."""
    return {
        key: clean(value) if isinstance(value, str) else value for key, value in attributes.items() if value is not None
    }


def _events(record: Record) -> list[Event]:
    events = [
        Event(
            "log",
            {
                names.LOG_LEVEL: logging.getLevelName(line.level),
                names.LOG_LOGGER: clean(line.logger),
                names.LOG_MESSAGE: clean(line.message),
            },
            timestamp=line.at_us * 1000,
        )
        for line in (record.effects.log_lines if record.effects else ())
    ]
    if record.failure is not None:
        ended_ns = (record.started_us + record.duration_us) * 1000
        events.append(Event("exception", cleaned(exception_attributes(record.failure)), timestamp=ended_ns))
    return events


def exception_attributes(failure: Failure) -> dict[str, Value | None]:
    """Return the attributes of an exception, as in the semantic conventions."""
    return {
        names.EXCEPTION_TYPE: failure.type,
        names.EXCEPTION_MESSAGE: failure.message,
        names.EXCEPTION_STACKTRACE: failure.traceback or None,
    }


def _status(record: Record) -> Status:
    if record.failure is not None:
        return Status(StatusCode.ERROR, clean(f"{record.failure.type}: {record.failure.message}"))
    if record.status in (RunStatus.ERROR, RunStatus.TIMED_OUT):
        return Status(StatusCode.ERROR, record.status.value)
    return Status()
