"""Statements about triggers that led to no run. The history keeps the newest 20 of each registration."""

# ruff: noqa: S608  the statements contain only text from this package and from the store's table of kinds

from collections.abc import Collection

from hassette_sync.queries.kinds import (
    registration_columns_sql,
    registration_joins_sql,
    trigger_columns_sql,
    trigger_joins_sql,
)

CONDITIONS = {
    "registrations": "registration_id IN (SELECT value FROM json_each(:registrations))",
    "reason": "reason_id = (SELECT id FROM names WHERE name = :reason)",
    "entity": "entity_id = (SELECT id FROM names WHERE name = :entity)",
    "session": "session_id = :session_id",
}
"""Conditions of the filters on triggers without a run."""


def not_runs_sql(conditions: Collection[str]) -> str:
    """Return the statement for the newest triggers without a run, before the key (``:before_us``, ``:cursor``)."""
    where = " AND ".join(
        ["at_us >= :since_us", "(at_us, id) < (:before_us, :cursor)", *(CONDITIONS[name] for name in conditions)]
    )
    # The inner statement sorts only ids, and the outer one reads the rows. To sort whole rows would take twice as long.
    return f"""
        SELECT page.id, page.at_us, page.registration_id, reasons.name AS reason, page.detail,
               page.event_type_id IS NOT NULL OR page.due_us IS NOT NULL AS has_trigger,
               {trigger_columns_sql("page")}, page.kind, {registration_columns_sql("app", "instance", "name")}
        FROM (
            SELECT not_runs.*, at_us AS started_us,
                   CASE WHEN registration_id IN (SELECT id FROM listeners) THEN 'handler' ELSE 'job' END AS kind
            FROM (SELECT id FROM not_runs WHERE {where} ORDER BY at_us DESC, id DESC LIMIT :limit) AS newest
            CROSS JOIN not_runs ON not_runs.id = newest.id
        ) AS page
        {registration_joins_sql("page")}
        LEFT JOIN names AS reasons ON reasons.id = page.reason_id
        {trigger_joins_sql("page")}
        ORDER BY page.at_us DESC, page.id DESC
    """
