"""Convert rows to the values that several answers share."""

import json
import logging
from collections.abc import Iterable, Mapping
from datetime import datetime
from sqlite3 import Row

from pydantic import TypeAdapter

from hassette_store.sketch import value_of
from hassette_store.statuses import STATUS_NAMES
from hassette_sync.answers.kinds import TRIGGERS, RegistrationRef, Trigger
from hassette_sync.answers.runs import FailingLine, LogLine, Run, ServiceCall, StateRead
from hassette_sync.answers.values import Counts
from hassette_sync.time_range import SECOND_US

_TRIGGER_FIELDS = {
    kind: tuple(name for name in trigger.model_fields if name != "kind") for kind, trigger in TRIGGERS.items()
}
_RUN = TypeAdapter(Run)
_RUNS = TypeAdapter(tuple[Run, ...])


def run_of(row: Row) -> Run:
    """Convert a row of `queries.runs`."""
    return _RUN.validate_python(_run_fields(row))


def runs_of(rows: Iterable[Row]) -> tuple[Run, ...]:
    """Convert rows of `queries.runs`. One call of Pydantic for all rows takes half the time of a call for each row."""
    return _RUNS.validate_python([_run_fields(row) for row in rows])


def _run_fields(row: Row) -> dict[str, object]:
    kind = row["kind"]
    return {
        "id": row["id"],
        "kind": kind,
        "registration": {
            "id": row["registration_id"],
            "kind": kind,
            "app": row["app"] or "?",
            "instance": row["instance"] or "",
            "name": row["name"] or "?",
        },
        "session_id": row["session_id"],
        "status": row["status"] or "unknown",
        "started_us": row["started_us"],
        "duration_us": row["duration_us"],
        "waited_us": row["waited_us"],
        "trigger": _trigger_fields(row),
        "failure": None
        if row["failure_type"] is None
        else {
            "type": row["failure_type"],
            "message": row["failure_message"],
            "error_group_id": row["error_group_id"],
        },
    }


def failing_line_of(row: Row | None) -> FailingLine | None:
    """Convert the columns of a failing line. None means no failure."""
    if row is None or not row["file"]:
        return None
    return FailingLine(file=row["file"], line=row["line"], function=row["function"], code=row["code"])


def state_read_of(row: Row) -> StateRead:
    """Convert the columns of a read of a state."""
    return StateRead(at_us=row["at_us"], entity_id=row["entity_id"] or "?", state=row["state"])


def service_call_of(row: Row, caused: tuple[Run, ...] = ()) -> ServiceCall:
    """Convert a row of a service call of a run, with the runs that it triggered."""
    return ServiceCall(
        at_us=row["at_us"],
        service=row["service"] or "?",
        target=row["target"],
        data=row["data"],
        duration_us=row["duration_us"],
        context_id=row["context_id"],
        error=row["error"],
        attempt=row["attempt"],
        confirmed_us=row["confirmed_us"],
        rehearsed=bool(row["rehearsed"]),
        caused=caused,
    )


def log_line_of(row: Row) -> LogLine:
    """Convert a row of a log line of a run."""
    return LogLine(
        at_us=row["at_us"], level=level_name(row["level"]), logger=row["logger"] or "", message=row["message"]
    )


def level_name(number: int) -> str:
    """Return the name of a level in Python's logging; the number if it has no name."""
    names = {value: name for name, value in logging.getLevelNamesMapping().items() if name not in ("WARN", "FATAL")}
    return names.get(number, str(number))


def trigger_of(row: Row) -> Trigger:
    """Convert a row that has the column ``kind`` and the columns of all triggers."""
    return TRIGGERS[row["kind"]].model_validate(_trigger_fields(row))


def _trigger_fields(row: Row) -> dict[str, object]:
    trigger = TRIGGERS[row["kind"]]
    fields: dict[str, object] = {name: row[name] for name in _TRIGGER_FIELDS[row["kind"]]}
    return {**fields, "kind": trigger.model_fields["kind"].default}


def registration_ref(row: Row) -> RegistrationRef:
    """Convert the columns that identify a registration."""
    return RegistrationRef(id=row["id"], kind=row["kind"], app=row["app"], instance=row["instance"], name=row["name"])


def registration_of_record(row: Row) -> RegistrationRef:
    """Convert the columns that identify the registration of a record. In a damaged file, its names may be missing."""
    return RegistrationRef(
        id=row["registration_id"],
        kind=row["kind"],
        app=row["app"] or "?",
        instance=row["instance"] or "",
        name=row["name"] or "?",
    )


def counts_of(row: Row | None) -> Counts:
    """Convert a row of sums by status. None means no runs."""
    if row is None:
        return Counts()
    return Counts(**{status: row[status] for status in STATUS_NAMES})


def sum_of(counts: Iterable[Counts]) -> Counts:
    """Add up counts, status by status."""
    counts = list(counts)
    return Counts(**{status: sum(getattr(one, status) for one in counts) for status in STATUS_NAMES})


def bucket_value_us(bucket: int) -> int:
    """Return a duration that stands for one bucket of a latency sketch: within 1 % of each duration in the bucket."""
    return round(value_of(bucket))


def time_of_fact(text: str) -> int:
    """Return the time of a fact in microseconds; 0 if it is not a time."""
    try:
        return int(datetime.fromisoformat(text).timestamp() * SECOND_US)
    except ValueError:
        return 0


def facts_of(text: str | None) -> dict[str, str]:
    """Parse a JSON object of facts or settings. Invalid JSON gives an empty dictionary."""
    try:
        value: object = json.loads(text or "{}")
    except ValueError:
        return {}
    if not isinstance(value, Mapping):
        return {}
    return {str(key): fact if isinstance(fact, str) else json.dumps(fact) for key, fact in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
