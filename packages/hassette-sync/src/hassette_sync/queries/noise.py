"""Statements about what apps write into the history."""

# ruff: noqa: S608  the statements contain only text from this package and from the store's table of kinds

from hassette_store.kinds import KINDS, RunKind
from hassette_sync.queries.kinds import union_sql


def _runs_sql(kind: RunKind, condition: str) -> str:
    # The index contains the ids. A join with the table of runs would also read the row of each run.
    return f"""
        SELECT asked.value AS registration_id, found.value AS run_id FROM json_each(:registrations) AS asked
        CROSS JOIN json_each((SELECT json_group_array(id) FROM (
            SELECT id FROM {kind.runs_table} WHERE {kind.registration_column} = asked.value {condition}))) AS found
    """


def _sums_sql(condition: str) -> str:
    # Each part reads the log lines or the calls of a run once. A subquery for each sum would read them once for each
    # sum.
    return f"""
WITH newest AS MATERIALIZED ({union_sql(lambda kind: _runs_sql(kind, condition))})
SELECT registration_id, sum(runs) AS runs, sum(log_lines) AS log_lines, sum(log_bytes) AS log_bytes,
       sum(service_calls) AS service_calls, sum(call_bytes) AS call_bytes
FROM (
    SELECT registration_id, 1 AS runs, 0 AS log_lines, 0 AS log_bytes, 0 AS service_calls, 0 AS call_bytes FROM newest
    UNION ALL
    SELECT registration_id, 0, 1, length(message) + 24, 0, 0
    FROM newest CROSS JOIN log_lines ON log_lines.run_id = newest.run_id
    UNION ALL
    SELECT registration_id, 0, 0, 0, 1, coalesce(length(target), 0) + coalesce(length(data), 0) + 60
    FROM newest CROSS JOIN service_calls ON service_calls.run_id = newest.run_id
) GROUP BY registration_id
"""


SAMPLES = _sums_sql("ORDER BY id DESC LIMIT :newest")
"""Log lines and service calls of the newest ``:newest`` runs of each of some handlers and jobs, with their bytes.

A log line has about 24 bytes in addition to its text: keys, time, level and logger. A service call has about 60.
"""

ALL = _sums_sql("AND id >= :first_id AND id < :end_id")
"""Log lines and service calls of all runs of some handlers and jobs in a range of ids, with their bytes."""

_REGISTRATION_ID = f"coalesce({', '.join(f'{kind.runs_table}.{kind.registration_column}' for kind in KINDS)})"


def _known_sql(table: str) -> str:
    joins = " ".join(f"LEFT JOIN {kind.runs_table} ON {kind.runs_table}.id = newest.run_id" for kind in KINDS)
    return f"""
        SELECT {_REGISTRATION_ID} AS registration_id, count(*) AS known
        FROM (SELECT run_id FROM {table} WHERE run_id >= :first_id AND run_id < :end_id
              ORDER BY run_id DESC LIMIT :examined) AS newest {joins}
        GROUP BY 1
    """


KNOWN_LOG_LINES = _known_sql("log_lines")
"""Number of log lines of each handler and job, among the newest ``:examined`` ones of a range of ids."""

KNOWN_CALLS = _known_sql("service_calls")
"""Number of service calls of each handler and job, among the newest ``:examined`` ones of a range of ids."""

APPS_OF_REGISTRATIONS = "SELECT id, app FROM registrations WHERE id IN (SELECT value FROM json_each(:registrations))"
"""Apps of some handlers and jobs."""
