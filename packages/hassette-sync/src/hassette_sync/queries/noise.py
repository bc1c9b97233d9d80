"""Statements about what apps write into the history."""

# ruff: noqa: S608  the statements contain only text from this package and from the store's table of kinds

from hassette_store.kinds import RunKind
from hassette_sync.queries.kinds import union_sql


def _newest_runs(kind: RunKind) -> str:
    return f"""
        SELECT value AS registration_id, runs.id AS run_id FROM json_each(:registrations)
        CROSS JOIN {kind.runs_table} AS runs ON runs.id IN (
            SELECT id FROM {kind.runs_table} WHERE {kind.registration_column} = value ORDER BY id DESC LIMIT :newest)
    """


SAMPLES = f"""
SELECT registration_id, count(*) AS runs,
       sum((SELECT count(*) FROM log_lines WHERE log_lines.run_id = newest.run_id)) AS log_lines,
       sum((SELECT coalesce(sum(length(message) + 24), 0) FROM log_lines
            WHERE log_lines.run_id = newest.run_id)) AS log_bytes,
       sum((SELECT count(*) FROM service_calls WHERE service_calls.run_id = newest.run_id)) AS service_calls,
       sum((SELECT coalesce(sum(coalesce(length(target), 0) + coalesce(length(data), 0) + 60), 0) FROM service_calls
            WHERE service_calls.run_id = newest.run_id)) AS call_bytes
FROM ({union_sql(_newest_runs)}) AS newest
GROUP BY registration_id
"""
"""Log lines and service calls of the newest ``:newest`` runs of each of some handlers and jobs, with their bytes.

A log line has about 24 bytes in addition to its text: keys, time, level and logger. A service call has about 60.
"""

APPS_OF_REGISTRATIONS = "SELECT id, app FROM registrations WHERE id IN (SELECT value FROM json_each(:registrations))"
"""Apps of some handlers and jobs."""
