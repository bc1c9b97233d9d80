"""From rows to values that several answers share."""

import json
from collections.abc import Mapping
from sqlite3 import Row

from hassette_store import value_of
from hassette_sync.answers.runs import FailureBrief, Run
from hassette_sync.answers.values import Counts, DueTrigger, EventTrigger, Percentiles, RegistrationRef, Trigger


def run_of(row: Row) -> Run:
    """Make a run of a row of `queries.runs`."""
    failure = None
    if row["failure_type"] is not None:
        failure = FailureBrief(
            type=row["failure_type"], message=row["failure_message"], error_group_id=row["error_group_id"]
        )
    return Run(
        id=row["id"],
        kind=row["kind"],
        registration=RegistrationRef(
            id=row["registration_id"],
            kind=row["kind"],
            app=row["app"] or "?",
            instance=row["instance"] or "",
            name=row["name"] or "?",
        ),
        session_id=row["session_id"],
        status=row["status"] or "unknown",
        started_us=row["started_us"],
        duration_us=row["duration_us"],
        waited_us=row["waited_us"],
        trigger=trigger_of(row),
        failure=failure,
    )


def trigger_of(row: Row) -> Trigger:
    """Make a trigger of a row that has the columns of one."""
    if row["kind"] == "job":
        return DueTrigger(due_us=row["due_us"] or row["started_us"], manual=bool(row["manual"]))
    return EventTrigger(
        event_type=row["event_type"] or "?",
        entity_id=row["entity_id"],
        old_state=row["old_state"],
        new_state=row["new_state"],
        context_id=row["context_id"],
        parent_id=row["parent_id"],
        user_id=row["user_id"],
    )


def counts_of(row: Row | None) -> Counts:
    """Make counts of a row of sums; None stands for nothing."""
    if row is None:
        return Counts()
    return Counts(
        success=row["success"],
        error=row["error"],
        cancelled=row["cancelled"],
        timed_out=row["timed_out"],
        interrupted=row["interrupted"],
    )


def sum_of(counts: "list[Counts]") -> Counts:
    """Add counts up."""
    return Counts(
        success=sum(one.success for one in counts),
        error=sum(one.error for one in counts),
        cancelled=sum(one.cancelled for one in counts),
        timed_out=sum(one.timed_out for one in counts),
        interrupted=sum(one.interrupted for one in counts),
    )


def bucket_value_us(bucket: int) -> int:
    """Return the duration that stands for a bucket of the latency sketch, within 1 % of all that fall in it."""
    return round(value_of(bucket))


def percentiles_of(row: Row | None) -> Percentiles:
    """Make percentiles of a row of buckets; None stands for no runs."""
    if row is None or row["p50"] is None:
        return Percentiles()
    return Percentiles(
        p50_us=bucket_value_us(row["p50"]), p95_us=bucket_value_us(row["p95"]), p99_us=bucket_value_us(row["p99"])
    )


def facts_of(text: str | None) -> dict[str, str]:
    """Read a JSON object of facts or settings; what is not one reads as empty."""
    try:
        value: object = json.loads(text or "{}")
    except ValueError:
        return {}
    if not isinstance(value, Mapping):
        return {}
    return {str(key): word if isinstance(word, str) else json.dumps(word) for key, word in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
