"""Statements about runs. A list reads the primary key or an index in the order of ids, and stops at its limit."""

# ruff: noqa: S608  the statements contain only text from this package and from the store's table of kinds

from collections.abc import Collection

from hassette_store.kinds import KINDS
from hassette_store.statuses import SUCCESS
from hassette_sync.queries.kinds import (
    KIND,
    registration_columns_sql,
    registration_joins_sql,
    trigger_columns_sql,
    trigger_joins_sql,
    union_sql,
)
from hassette_sync.queries.texts import contains_sql, form_sql

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

# A name can be searched as the file contains it, and as the pages show it: they leave out the instance ``default``.
_REGISTRATION_TEXTS = (
    "app || '.' || instance || '.' || name",
    "app || '.' || name",
    "handler",
    "coalesce(topic, schedule)",
)

CONDITIONS = {
    "registration": "registration_id = :registration_id",
    "registrations": "registration_id IN (SELECT value FROM json_each(:registrations))",
    # SQLite uses the partial indexes on unsuccessful runs only for a statement that repeats their condition.
    "status": f"status_id <> {SUCCESS} AND status_id = :status_id",
    "success": f"status_id = {SUCCESS}",
    "statuses": "status_id IN (SELECT value FROM json_each(:statuses))",
    "session": "session_id = :session_id",
    "min_duration": "duration_us >= :min_duration_us",
    "max_duration": "duration_us <= :max_duration_us",
    "kind": "kind = :kind",
    # If no entity has exactly this name, case does not matter.
    "entity": f"""entity_id IN (
        SELECT id FROM names WHERE name = :entity
        UNION ALL
        SELECT id FROM names
        WHERE NOT EXISTS (SELECT 1 FROM names WHERE name = :entity) AND {form_sql("name")} = {form_sql(":entity")})
    """,
    "error_group": (
        "id IN (SELECT run_id FROM failures WHERE error_group_id = :error_group_id AND run_id < :cursor "
        "AND run_id >= :first_id)"
    ),
    "text": f"""(
        registration_id IN (
            SELECT id FROM registrations
            WHERE {" OR ".join(contains_sql(text) for text in _REGISTRATION_TEXTS)})
        OR entity_id IN (SELECT id FROM names WHERE {contains_sql("name")})
        OR event_type_id IN (SELECT id FROM names WHERE {contains_sql("name")})
        OR id IN (
            SELECT run_id FROM failures
            WHERE run_id >= :first_id AND run_id < :cursor
              AND (error_group_id IN (SELECT id FROM error_groups WHERE {contains_sql("type")})
                   OR (message IS NULL
                       AND error_group_id IN (SELECT id FROM error_groups WHERE {contains_sql("message")}))
                   OR {contains_sql("message")})))
    """,
}
"""Conditions of the filters on runs. The text filter searches names, topics, schedules, entities, event types and
errors. It compares the message of an error group only once, and not again for each failure of the group.
"""


# Without other conditions, read only the newest failures of the group, which may have many thousands. With other
# conditions the subquery has no limit, because they might reject all of these rows.
_ERROR_GROUP_ALONE = CONDITIONS["error_group"].removesuffix(")") + " ORDER BY run_id DESC LIMIT :limit)"


def runs_sql(conditions: Collection[str]) -> str:
    """Return the statement for the newest runs below ``:cursor`` that meet the named conditions."""
    filters = [CONDITIONS[name] for name in conditions] if list(conditions) != ["error_group"] else [_ERROR_GROUP_ALONE]
    where = " AND ".join(["id < :cursor", "id >= :first_id", *filters])
    return with_names(f"SELECT * FROM runs WHERE {where} ORDER BY id DESC LIMIT :limit")


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

DROPPED_EFFECTS = "SELECT log_lines, service_calls FROM dropped_effects WHERE run_id = :id"
"""Numbers of log lines and service calls of a run that were not recorded because of the limits."""

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
