"""Statements about runs. `hassette_sync.queries.run_search` finds the ids of the runs in a list."""

# ruff: noqa: S608  the statements contain only text from this package and from the store's table of kinds

from hassette_store.kinds import KINDS
from hassette_sync.queries.kinds import (
    KIND,
    registration_columns_sql,
    registration_joins_sql,
    trigger_columns_sql,
    trigger_joins_sql,
    union_sql,
)

_COLUMNS = f"""
    page.id, page.kind, page.registration_id, page.session_id, statuses.name AS status,
    page.started_us, page.duration_us, page.waited_us, {trigger_columns_sql("page")},
    {registration_columns_sql("app", "instance", "name")},
    error_groups.type AS failure_type, coalesce(failures.message, error_groups.message) AS failure_message,
    failures.error_group_id
"""

# The joins use the two tables of the view run_failures. If the view were on the right side of an outer join, SQLite
# would first read the whole view.
_JOINS = f"""
LEFT JOIN statuses ON statuses.id = page.status_id
{trigger_joins_sql("page")}
{registration_joins_sql("page")}
LEFT JOIN failures ON failures.run_id = page.id
LEFT JOIN error_groups ON error_groups.id = failures.error_group_id
"""


def with_names(inner: str, order: str = "DESC") -> str:
    """Return a statement for runs with their names. ``inner`` selects rows of the view ``runs``."""
    return f"SELECT {_COLUMNS} FROM ({inner}) AS page {_JOINS} ORDER BY page.id {order}"


RUN = with_names("SELECT * FROM runs WHERE id = :id")
"""One run with its names."""

RUNS_AFTER = with_names("SELECT * FROM runs WHERE id > :after ORDER BY id LIMIT :limit", "ASC")
"""Runs with an id above a known one, oldest first: the runs that a live client has missed."""

NEWEST_ID = (
    f"SELECT coalesce(max(id), 0) AS id FROM ({union_sql(lambda kind: f'SELECT max(id) AS id FROM {kind.runs_table}')})"
)
"""Id of the newest run, or 0 if there are no runs."""

RUNS_BY_ID = with_names("SELECT * FROM runs WHERE id IN (SELECT value FROM json_each(:ids))")
"""Some runs with their names, newest first."""

RUN_FAILURE = """
SELECT kind, file, line, function, code, sample_run_id, sample_traceback FROM run_failures WHERE run_id = :id
"""
"""Failure of a run with its failing line, and the sample traceback of its error group."""

SERVICE_CALLS = """
SELECT at_us, service, target, data, duration_us, context_id, error, attempt, confirmed_us, rehearsed
FROM run_service_calls WHERE run_id = :id ORDER BY position
"""
"""Service calls of a run, in order."""

LOG_LINES = "SELECT at_us, level, logger, message FROM run_log_lines WHERE run_id = :id ORDER BY position"
"""Log lines of a run, oldest first."""

STATE_READS = "SELECT at_us, entity_id, state FROM run_state_reads WHERE run_id = :id ORDER BY position"
"""States that a run read, oldest first."""

DROPPED_EFFECTS = "SELECT log_lines, service_calls, state_reads FROM dropped_effects WHERE run_id = :id"
"""Numbers of log lines, service calls and reads of a run that were not recorded because of the limits."""

_IDS_IN_CONTEXT = " UNION ".join(
    f"SELECT id FROM {kind.runs_table} WHERE {condition}" for kind in KINDS for condition in kind.context_conditions
)

CAUSED_BY_CONTEXT = with_names(
    f"""
    SELECT * FROM runs WHERE id IN ({_IDS_IN_CONTEXT} ORDER BY 1 LIMIT :limit)
""",
    "ASC",
)
"""Runs triggered by an event with this context or with a child context: the runs that a service call triggered."""

CALLERS_OF_CONTEXTS = with_names(
    """
    SELECT * FROM runs WHERE id IN (
        SELECT run_id FROM service_calls
        WHERE context_id IS NOT NULL AND context_id IN (SELECT value FROM json_each(:contexts)) LIMIT :limit)
""",
    "ASC",
)
"""Runs with a service call in one of these contexts: the runs that caused an event."""

NOT_RUNS = f"""
SELECT not_runs.at_us, reasons.name AS reason, detail,
       event_type_id IS NOT NULL OR not_runs.due_us IS NOT NULL AS has_trigger,
       {trigger_columns_sql("not_runs")}, {KIND} AS kind
FROM (SELECT *, at_us AS started_us FROM not_runs WHERE registration_id = :registration_id) AS not_runs
JOIN registrations ON registrations.id = registration_id
LEFT JOIN names AS reasons ON reasons.id = reason_id
{trigger_joins_sql("not_runs")}
ORDER BY not_runs.id DESC
"""
"""The newest triggers of one registration that led to no run, newest first."""

RUNNING = f"""
SELECT running_executions.started_us, {trigger_columns_sql("running_executions")},
       registrations.app, registrations.instance, registrations.name, {KIND} AS kind
FROM running_executions
JOIN registrations ON registrations.id = registration_id
{trigger_joins_sql("running_executions")}
WHERE session_id = :session_id
ORDER BY running_executions.started_us
LIMIT 200
"""
"""Runs that had lasted longer than about 0.25 s at the last heartbeat."""

DURATIONS = """
SELECT id, registration_id, status_id AS status, duration_us FROM runs
WHERE registration_id IN (SELECT value FROM json_each(:registrations)) AND id >= :first_id AND id < :end_id
LIMIT :limit
"""
"""Status and duration of each run of some handlers and jobs in a range."""
