"""A batch as spans: one per run, one per service call within it, one per lifecycle event.

The same batch gives the same spans, ids included: they are hashes of the record's id. So what is sent twice, because
the answer to the first time was lost on its way, is one span to a receiver that looks at ids.
"""

import logging
from collections import OrderedDict
from datetime import UTC, datetime
from hashlib import blake2b

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from hassette_executor import records as values
from hassette_executor.__about__ import __version__
from hassette_executor.failures import Failure
from hassette_executor.otel import names
from hassette_executor.registrations import ListenerRegistration
from hassette_executor.triggers import EventTrigger

Value = str | int | float | bool
SCOPE = InstrumentationScope("hassette_executor", __version__)
HOMEASSISTANT = "homeassistant"
FAILED = ("_failed", "_lost", "_crashed", "_exhausted")
"""Endings of the lifecycle events that tell of an error."""
MAX_CAUSES = 10_000
"""Context ids of service calls that are remembered, so that a run they caused can link to them."""


class SpanMaker:
    """Makes spans of batches.

    Args:
        instance_id: Tells the ids of this home from those of others.
        service_data: Whether the data of service calls is told.
    """

    def __init__(self, instance_id: str, *, service_data: bool) -> None:
        self._instance_id = instance_id
        self._service_data = service_data
        self._causes: OrderedDict[str, SpanContext] = OrderedDict()

    def spans_of(self, batch: values.Batch, resource: Resource) -> list[ReadableSpan]:
        """Return a batch's spans."""
        records = (*batch.invocations, *batch.executions)
        # A run that waits for its effects ends after the runs that they set off: calls first, links afterwards.
        calls = [span for record in records for span in self._call_spans(record, resource)]
        runs = [self._run_span(record, resource) for record in records]
        return [*runs, *calls, *(self._lifecycle_span(event, resource) for event in batch.lifecycle)]

    def _context(self, record_id: int, part: str = "") -> SpanContext:
        key = f"{self._instance_id}/{record_id}".encode()
        trace_id = int.from_bytes(blake2b(key, digest_size=16).digest(), "big")
        span_id = int.from_bytes(blake2b(key, digest_size=8, salt=part.encode()).digest(), "big")
        # Zero is no id; it comes up once in 2^64.
        return SpanContext(trace_id or 1, span_id or 1, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))

    def _run_span(self, record: values.Record, resource: Resource) -> ReadableSpan:
        registration, trigger, failure = record.registration, record.trigger, record.failure
        attributes: dict[str, Value | None] = {
            names.RECORD_ID: str(record.id),  # as text: JavaScript, and so most pages, loses bits above 2^53
            names.APP: registration.app,
            names.INSTANCE: registration.instance,
            names.REGISTRATION: registration.name,
            names.REGISTRATION_KIND: kind_of(registration),
            names.STATUS: record.status.value,
            names.WAITED: record.waited_us / 1e6,
            names.CODE_FUNCTION_NAME: registration.handler,
            names.ERROR_TYPE: failure.type if failure else None,
        }
        if registration.source is not None:
            attributes[names.CODE_FILE_PATH] = registration.source.file
            attributes[names.CODE_LINE_NUMBER] = registration.source.line
        links: list[Link] = []
        if isinstance(trigger, EventTrigger):
            assert isinstance(registration, ListenerRegistration)
            attributes |= _event_attributes(trigger, registration)
            links.extend(
                Link(self._causes[context_id], {names.CONTEXT_ID: context_id})
                for context_id in (trigger.context_id, trigger.parent_id)
                if context_id is not None and context_id in self._causes
            )
        else:
            assert not isinstance(registration, ListenerRegistration)
            attributes[names.JOB_SCHEDULE] = registration.schedule
            attributes[names.JOB_DUE] = datetime.fromtimestamp(trigger.due_us / 1e6, UTC).isoformat()
            attributes[names.JOB_MANUAL] = trigger.manual
        if record.effects is not None:
            attributes[names.DROPPED_LOG_LINES] = record.effects.dropped_log_lines or None
            attributes[names.DROPPED_SERVICE_CALLS] = record.effects.dropped_service_calls or None
        return ReadableSpan(
            name=clean(f"{registration.app}.{registration.name}"),
            context=self._context(record.id),
            resource=resource,
            attributes=_cleaned(attributes),
            events=_events(record),
            links=links,
            kind=SpanKind.CONSUMER if isinstance(trigger, EventTrigger) else SpanKind.INTERNAL,
            status=_status(record),
            start_time=record.started_us * 1000,
            end_time=(record.started_us + record.duration_us) * 1000,
            instrumentation_scope=SCOPE,
        )

    def _call_spans(self, record: values.Record, resource: Resource) -> list[ReadableSpan]:
        if record.effects is None:
            return []
        parent = self._context(record.id)
        spans: list[ReadableSpan] = []
        for number, call in enumerate(record.effects.service_calls):
            context = self._context(record.id, f"call {number}")
            if call.context_id is not None:
                self._remember(call.context_id, context)
            attributes: dict[str, Value | None] = {
                names.RPC_METHOD: f"{call.domain}.{call.service}",
                names.SERVICE_TARGET: call.target or None,
                names.SERVICE_DATA: (call.data or None) if self._service_data else None,
                names.CONTEXT_ID: call.context_id,
                # The conventions' word for an error whose kind is not known: what we have is a sentence.
                names.ERROR_TYPE: None if call.error is None else "_OTHER",
            }
            spans.append(
                ReadableSpan(
                    name=clean(f"{call.domain}.{call.service}"),
                    context=context,
                    parent=parent,
                    resource=resource,
                    attributes=_cleaned(attributes),
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
        if len(self._causes) > MAX_CAUSES:
            self._causes.popitem(last=False)

    def _lifecycle_span(self, event: values.LifecycleEvent, resource: Resource) -> ReadableSpan:
        failed = event.kind.endswith(FAILED)
        return ReadableSpan(
            name=clean(event.kind),
            context=self._context(event.id),
            resource=resource,
            attributes=_cleaned(
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


def kind_of(registration: values.Registration) -> str:
    """Return ``listener`` or ``job``."""
    return "listener" if isinstance(registration, ListenerRegistration) else "job"


def clean(text: str) -> str:
    """Return a text that can be sent as UTF-8: half a surrogate pair would make the whole batch fail."""
    return text if text.isascii() else text.encode(errors="replace").decode()


def _cleaned(attributes: dict[str, Value | None]) -> dict[str, Value]:
    return {
        key: clean(value) if isinstance(value, str) else value for key, value in attributes.items() if value is not None
    }


def _event_attributes(trigger: EventTrigger, registration: ListenerRegistration) -> dict[str, Value | None]:
    return {
        names.MESSAGING_SYSTEM: HOMEASSISTANT,
        names.MESSAGING_OPERATION_NAME: "process",
        names.MESSAGING_OPERATION_TYPE: "process",
        names.MESSAGING_DESTINATION_NAME: trigger.event_type,
        names.MESSAGING_DESTINATION_SUBSCRIPTION_NAME: registration.topic,
        names.EVENT_TYPE: trigger.event_type,
        names.ENTITY_ID: trigger.entity_id,
        names.STATE_OLD: trigger.old_state,
        names.STATE_NEW: trigger.new_state,
        names.CONTEXT_ID: trigger.context_id,
        names.CONTEXT_PARENT_ID: trigger.parent_id,
        names.USER_ID: trigger.user_id,
    }


def _events(record: values.Record) -> list[Event]:
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
        events.append(Event("exception", _cleaned(_exception_attributes(record.failure)), timestamp=ended_ns))
    return events


def _exception_attributes(failure: Failure) -> dict[str, Value | None]:
    return {
        names.EXCEPTION_TYPE: failure.type,
        names.EXCEPTION_MESSAGE: failure.message,
        names.EXCEPTION_STACKTRACE: failure.traceback or None,
    }


def _status(record: values.Record) -> Status:
    if record.failure is not None:
        return Status(StatusCode.ERROR, clean(f"{record.failure.type}: {record.failure.message}"))
    if record.status in (values.Status.ERROR, values.Status.TIMED_OUT):
        return Status(StatusCode.ERROR, record.status.value)
    return Status()
