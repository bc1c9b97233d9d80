"""Statements about log lines. Each examines a limited number of lines, so its time does not depend on the text."""

# ruff: noqa: S608  the statements contain only text from this package and from the store's table of kinds

from collections.abc import Collection

from hassette_store.ids import time_sql
from hassette_store.kinds import KINDS
from hassette_sync.queries.kinds import registration_columns_sql, registration_joins_sql
from hassette_sync.queries.texts import contains_sql

_RANGE = "{id} >= :first_id AND {id} <= :cursor"
# The lines of runs and the other lines together, newest first. SQLite merges both tables in the order of their keys.
_EXAMINED = f"""
    SELECT {{columns}} FROM log_lines
    WHERE {_RANGE.format(id="run_id")} AND (run_id, position) < (:cursor, :position)
    UNION ALL
    SELECT {{other_columns}} FROM framework_log
    WHERE {_RANGE.format(id="id")} AND (id, 0) < (:cursor, :position)
    ORDER BY 1 DESC, 2 DESC LIMIT :examined
"""
_LINES = _EXAMINED.format(
    columns="run_id AS id, position, at_us, level, logger_id, message, NULL AS app, NULL AS session_id, 1 AS of_run",
    other_columns=f"id, 0, {time_sql('id')}, level, logger_id, message, app, session_id, 0",
)
_KEYS = _EXAMINED.format(columns="run_id AS id, position", other_columns="id, 0")

# A join with the view `runs` would read the whole tables.
_JOIN_RUNS = " ".join(
    f"LEFT JOIN {kind.runs_table} ON {kind.runs_table}.id = lines.id AND lines.of_run" for kind in KINDS
)
_KINDS = " ".join(f"WHEN {kind.runs_table}.id IS NOT NULL THEN '{kind.name}'" for kind in KINDS)
_REGISTRATION_ID = f"coalesce({', '.join(f'{kind.runs_table}.{kind.registration_column}' for kind in KINDS)})"
_SESSION_ID = f"coalesce(lines.session_id, {', '.join(f'{kind.runs_table}.session_id' for kind in KINDS)})"


CONDITIONS = {
    "level": "lines.level >= :level",
    "run": "lines.id = :run_id AND lines.of_run",
    "registrations": f"{_REGISTRATION_ID} IN (SELECT value FROM json_each(:registrations))",
    "app": f"(lines.app = :app OR {_REGISTRATION_ID} IN (SELECT value FROM json_each(:of_app)))",
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
        SELECT found.id, found.position, found.at_us, found.level, found.message, loggers.name AS logger, found.of_run,
               found.session_id, found.kind, found.registration_id, found.app AS logged_by,
               {registration_columns_sql("app", "instance", "name")}
        FROM (
            SELECT lines.id, lines.position, lines.at_us, lines.level, lines.logger_id, lines.message, lines.of_run,
                   lines.app, {_SESSION_ID} AS session_id,
                   CASE {_KINDS} END AS kind, {_REGISTRATION_ID} AS registration_id
            FROM ({_LINES}) AS lines {_JOIN_RUNS}
            WHERE {where} ORDER BY lines.id DESC, lines.position DESC LIMIT :limit
        ) AS found
        LEFT JOIN names AS loggers ON loggers.id = found.logger_id
        {registration_joins_sql("found")}
        ORDER BY found.id DESC, found.position DESC
    """


LAST_EXAMINED = f"SELECT id, position, count(*) OVER () AS count FROM ({_KEYS}) ORDER BY id, position LIMIT 1"
"""Key of the oldest line that `logs_sql` examines, and the number of lines that it examines."""
