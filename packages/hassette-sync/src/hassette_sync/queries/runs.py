"""Statements about runs. Lists walk a primary key or an index of ids, newest first, and stop at their limit."""

# ruff: noqa: S608  every piece of these statements is fixed text of this module

from collections.abc import Collection

_COLUMNS = """
    page.id, page.kind, page.registration_id, page.session_id, statuses.name AS status,
    page.started_us, page.duration_us, page.waited_us, event_types.name AS event_type, entities.name AS entity_id,
    page.old_state, page.new_state, page.context_id, page.parent_id, users.name AS user_id, page.due_us, page.manual,
    coalesce(listeners.app, scheduled_jobs.app) AS app,
    coalesce(listeners.instance, scheduled_jobs.instance) AS instance,
    coalesce(listeners.name, scheduled_jobs.name) AS name,
    error_groups.type AS failure_type, coalesce(failures.message, error_groups.message) AS failure_message,
    failures.error_group_id
"""

# The view run_failures at the right of an outer join would be made whole first: hence its two tables.
_JOINS = """
LEFT JOIN statuses ON statuses.id = page.status_id
LEFT JOIN names AS event_types ON event_types.id = page.event_type_id
LEFT JOIN names AS entities ON entities.id = page.entity_id
LEFT JOIN names AS users ON users.id = page.user_id
LEFT JOIN listeners ON page.kind = 'handler' AND listeners.id = page.registration_id
LEFT JOIN scheduled_jobs ON page.kind = 'job' AND scheduled_jobs.id = page.registration_id
LEFT JOIN failures ON failures.run_id = page.id
LEFT JOIN error_groups ON error_groups.id = failures.error_group_id
"""


def _in_words(inner: str, order: str = "DESC") -> str:
    return f"SELECT {_COLUMNS} FROM ({inner}) AS page {_JOINS} ORDER BY page.id {order}"


RUN = _in_words("SELECT * FROM runs WHERE id = :id")
"""One run, its names in words."""

RUNS_AFTER = _in_words("SELECT * FROM runs WHERE id > :after ORDER BY id LIMIT :limit", "ASC")
"""Runs that ended after a known one, oldest first: what a live client has missed."""


NEWEST_IDS = """
SELECT coalesce((SELECT max(id) FROM handler_invocations), 0), coalesce((SELECT max(id) FROM job_executions), 0)
"""
"""The newest run of either kind, 0 for none."""

CONDITIONS = {
    "registration": "registration_id = :registration_id",
    "registrations": "registration_id IN (SELECT value FROM json_each(:registrations))",
    # `<> 0` is what the partial indexes on everything but success ask for.
    "status": "status_id <> 0 AND status_id = :status_id",
    "success": "status_id = 0",
    "statuses": "status_id IN (SELECT value FROM json_each(:statuses))",
    "session": "session_id = :session_id",
    "min_duration": "duration_us >= :min_duration_us",
    "max_duration": "duration_us <= :max_duration_us",
    "kind": "kind = :kind",
    "entity": "entity_id IN (SELECT id FROM names WHERE name = :entity)",
    "error_group": (
        "id IN (SELECT run_id FROM failures WHERE error_group_id = :error_group_id AND run_id < :cursor "
        "AND run_id >= :first_id)"
    ),
    "text": """(
        registration_id IN (
            SELECT id FROM registrations
            WHERE app || '.' || instance || '.' || name LIKE :text ESCAPE '\\' OR handler LIKE :text ESCAPE '\\'
               OR topic LIKE :text ESCAPE '\\')
        OR entity_id IN (SELECT id FROM names WHERE name LIKE :text ESCAPE '\\')
        OR event_type_id IN (SELECT id FROM names WHERE name LIKE :text ESCAPE '\\')
        OR id IN (
            SELECT run_id FROM failures JOIN error_groups ON error_groups.id = error_group_id
            WHERE run_id >= :first_id AND run_id < :cursor
              AND (type LIKE :text ESCAPE '\\'
                   OR coalesce(failures.message, error_groups.message) LIKE :text ESCAPE '\\')))
    """,
}
"""What runs can be filtered by. The text is looked for in names, topics, entities, event types and error messages."""


# With nothing else asked, a page of the group's newest failures is the page: seldom more than a few dozen of many
# thousands. Any other condition may leave none of just these.
_ERROR_GROUP_ALONE = CONDITIONS["error_group"].removesuffix(")") + " ORDER BY run_id DESC LIMIT :limit)"


def runs_page(conditions: Collection[str]) -> str:
    """Return the statement for the newest runs below ``:cursor`` that meet the named conditions."""
    wanted = [CONDITIONS[name] for name in conditions] if list(conditions) != ["error_group"] else [_ERROR_GROUP_ALONE]
    where = " AND ".join(["id < :cursor", "id >= :first_id", *wanted])
    return _in_words(f"SELECT * FROM runs WHERE {where} ORDER BY id DESC LIMIT :limit")


RUN_FAILURE = "SELECT kind, traceback FROM run_failures WHERE run_id = :id"
"""What a run raised, with the sample traceback of its group."""

SERVICE_CALLS = """
SELECT at_us, service, target, data, duration_us, context_id, error
FROM run_service_calls WHERE run_id = :id ORDER BY position
"""
"""What a run called, in order."""

LOG_LINES = "SELECT at_us, level, logger, message FROM run_log_lines WHERE run_id = :id ORDER BY position"
"""What a run logged, oldest first."""

DROPPED_EFFECTS = "SELECT log_lines, service_calls FROM dropped_effects WHERE run_id = :id"
"""What the bounds cut off a run."""

# The conditions on user_id and parent_id repeat those of the partial indexes, or SQLite would not use them.
CAUSED_BY_CONTEXT = _in_words(
    """
    SELECT * FROM runs WHERE id IN (
        SELECT id FROM handler_invocations
        WHERE context_id = :context_id AND (user_id IS NOT NULL OR parent_id IS NOT NULL)
        UNION
        SELECT id FROM handler_invocations WHERE parent_id = :context_id AND parent_id IS NOT NULL
        ORDER BY 1 LIMIT :limit)
""",
    "ASC",
)
"""Runs that heard an event with this context, or with one that came out of it: a service call's effects."""

CALLERS_OF_CONTEXTS = _in_words(
    """
    SELECT * FROM runs WHERE id IN (
        SELECT run_id FROM service_calls
        WHERE context_id IS NOT NULL AND context_id IN (SELECT value FROM json_each(:contexts)) LIMIT :limit)
""",
    "ASC",
)
"""Runs whose service call Home Assistant answered with one of these contexts: an event's causes."""

RUNNING = """
SELECT running_executions.started_us, event_types.name AS event_type, entities.name AS entity_id, old_state, new_state,
       context_id, parent_id, users.name AS user_id, due_us, manual, running_executions.session_id,
       registrations.app, registrations.instance, registrations.name, registrations.kind
FROM running_executions
JOIN registrations ON registrations.id = registration_id
LEFT JOIN names AS event_types ON event_types.id = event_type_id
LEFT JOIN names AS entities ON entities.id = running_executions.entity_id
LEFT JOIN names AS users ON users.id = user_id
WHERE session_id = :session_id
ORDER BY running_executions.started_us
LIMIT 200
"""
"""What had been running for over a second at the last heartbeat."""
