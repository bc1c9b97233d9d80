"""Statement about the newest runs of handlers and jobs."""

# ruff: noqa: S608  the statement contains only text from this package and from the store's tables

from hassette_store.kinds import RunKind
from hassette_sync.queries.kinds import union_sql
from hassette_sync.queries.registrations import RETIRED_US
from hassette_sync.queries.silences import FAILED_NUMBERS, is_silenced_sql

_NEWEST = 10


def _results_of(kind: RunKind) -> str:
    runs, of_it = kind.runs_table, f"{kind.registration_column} = registration_id"
    silenced = is_silenced_sql(f"{runs}.id")
    newest = f"SELECT id FROM {kind.runs_table} WHERE {kind.registration_column} = asked.value ORDER BY id DESC"
    # The indexes contain the ids of the newest runs and of the unsuccessful ones. So the only rows that are read are
    # those of the newest run and of unsuccessful runs. The rows of successful runs are spread over the whole table.
    # Runs with a silenced failure do not count: neither as failures nor as successes.
    return f"""
        SELECT registration_id,
               (SELECT status IN ({FAILED_NUMBERS}) FROM {runs} WHERE {of_it} AND id >= oldest_id AND NOT {silenced}
                ORDER BY id DESC LIMIT 1) AS newest_failed,
               (SELECT count(*) FROM {runs}
                WHERE {of_it} AND status <> 0 AND status IN ({FAILED_NUMBERS}) AND id >= oldest_id AND NOT {silenced})
                   AS failed
        FROM (
            SELECT asked.value AS registration_id, (SELECT min(id) FROM ({newest} LIMIT {_NEWEST})) AS oldest_id
            FROM json_each(:registrations) AS asked
            JOIN {kind.registrations_table} AS current ON current.id = asked.value AND {RETIRED_US} IS NULL
        )
    """


NEWEST_RESULTS = union_sql(_results_of)
"""For each of some handlers and jobs that are not retired: whether the newest run failed, and the number of failed runs
among the newest ten. Runs with a failure of the error groups ``:silenced`` do not count. Without other runs, the
first is NULL."""
