"""Statements about log lines. Each examines a limited number of lines, so its time does not depend on the text."""

# ruff: noqa: S608  the statements contain only text from this package and from the store's table of kinds

from collections.abc import Collection

from hassette_sync.queries.kinds import registration_columns_sql, registration_joins_sql
from hassette_sync.queries.texts import contains_sql

_BEFORE = "run_id >= :first_id AND run_id <= :cursor AND (run_id, position) < (:cursor, :position)"

# CROSS JOIN keeps the order of the tables: SQLite looks up the run of each examined line.
_EXAMINED = f"""
    SELECT run_id, position, at_us, level, logger_id, message FROM log_lines
    WHERE {_BEFORE} ORDER BY run_id DESC, position DESC LIMIT :examined
"""

CONDITIONS = {
    "level": "lines.level >= :level",
    "run": "lines.run_id = :run_id",
    "registrations": "runs.registration_id IN (SELECT value FROM json_each(:registrations))",
    "text": contains_sql("lines.message"),
    "moment": "lines.at_us BETWEEN :since_us AND :until_us",
}
"""Conditions of the filters on log lines."""


def logs_sql(conditions: Collection[str]) -> str:
    """Return the statement for the log lines that meet the named conditions, among the newest ``:examined`` lines.

    The lines are those before the key (``:cursor``, ``:position``), newest first.
    """
    where = " AND ".join(["true", *(CONDITIONS[name] for name in conditions)])
    return f"""
        SELECT found.run_id, found.position, found.at_us, found.level, found.message, loggers.name AS logger,
               found.session_id, found.kind, found.registration_id,
               {registration_columns_sql("app", "instance", "name")}
        FROM (
            SELECT lines.*, runs.session_id, runs.kind, runs.registration_id
            FROM ({_EXAMINED}) AS lines CROSS JOIN runs ON runs.id = lines.run_id
            WHERE {where} ORDER BY lines.run_id DESC, lines.position DESC LIMIT :limit
        ) AS found
        LEFT JOIN names AS loggers ON loggers.id = found.logger_id
        {registration_joins_sql("found")}
        ORDER BY found.run_id DESC, found.position DESC
    """


LAST_EXAMINED = f"""
SELECT run_id, position FROM log_lines
WHERE {_BEFORE} ORDER BY run_id DESC, position DESC LIMIT 1 OFFSET :examined - 1
"""
"""Key of the last line that `logs_sql` examines. No row if fewer lines are left."""
