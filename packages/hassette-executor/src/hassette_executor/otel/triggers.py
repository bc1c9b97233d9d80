"""Triggers of runs as attributes of spans.

Names that only this module uses are defined here, except names of OpenTelemetry's conventions, which are in `names`.
"""

from datetime import UTC, datetime
from typing import NamedTuple

from opentelemetry.trace import SpanKind

from hassette_executor.otel import names
from hassette_executor.records.runs import HandlerInvocation, JobExecution, Record

CONTEXT_PARENT_ID = "homeassistant.context.parent_id"
ENTITY_ID = "homeassistant.entity.id"
EVENT_TYPE = "homeassistant.event.type"
STATE_NEW = "homeassistant.state.new"
STATE_OLD = "homeassistant.state.old"

JOB_DUE = "hassette.job.due"
EVENT_MISSED = "hassette.event.missed"
EVENT_IMMEDIATE = "hassette.event.immediate"
JOB_MANUAL = "hassette.job.manual"
JOB_SCHEDULE = "hassette.job.schedule"

Value = str | int | float | bool


class TriggerFacts(NamedTuple):
    """The facts of a span that depend on the kind of run.

    Attributes:
        span_kind: The kind of the span.
        attributes: Attributes of the trigger; None values are left out.
        context_ids: Context id and parent id of the event. A service call with one of these ids caused the run.
    """

    span_kind: SpanKind
    attributes: dict[str, Value | None]
    context_ids: tuple[str | None, ...] = ()


def trigger_facts(record: Record) -> TriggerFacts:
    """Return the facts of a span that depend on the trigger of its run."""
    return _event_facts(record) if isinstance(record, HandlerInvocation) else _due_facts(record)


def _event_facts(record: HandlerInvocation) -> TriggerFacts:
    trigger = record.trigger
    attributes: dict[str, Value | None] = {
        names.MESSAGING_SYSTEM: "homeassistant",
        names.MESSAGING_OPERATION_NAME: "process",
        names.MESSAGING_OPERATION_TYPE: "process",
        names.MESSAGING_DESTINATION_NAME: trigger.event_type,
        names.MESSAGING_DESTINATION_SUBSCRIPTION_NAME: record.registration.topic,
        EVENT_TYPE: trigger.event_type,
        ENTITY_ID: trigger.entity_id,
        STATE_OLD: trigger.old_state,
        STATE_NEW: trigger.new_state,
        names.CONTEXT_ID: trigger.context_id,
        CONTEXT_PARENT_ID: trigger.parent_id,
        names.USER_ID: trigger.user_id,
        EVENT_MISSED: trigger.missed or None,
        EVENT_IMMEDIATE: trigger.immediate or None,
    }
    return TriggerFacts(SpanKind.CONSUMER, attributes, (trigger.context_id, trigger.parent_id))


def _due_facts(record: JobExecution) -> TriggerFacts:
    return TriggerFacts(
        SpanKind.INTERNAL,
        {
            JOB_SCHEDULE: record.registration.schedule,
            JOB_DUE: datetime.fromtimestamp(record.trigger.due_us / 1e6, UTC).isoformat(),
            JOB_MANUAL: record.trigger.manual,
        },
    )
