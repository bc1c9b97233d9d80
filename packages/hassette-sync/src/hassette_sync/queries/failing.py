"""Statement about the newest runs of handlers and jobs that failed."""

# ruff: noqa: S608  the statement contains only text from this package and from the store's tables

from hassette_store.kinds import KINDS
from hassette_store.statuses import FAILED_STATUSES, STATUS_NUMBERS
from hassette_sync.queries.registrations import RETIRED_US

NEWEST = 10
"""Number of runs of each handler or job in `NEWEST_RESULTS`."""

_FAILED = ", ".join(str(STATUS_NUMBERS[status]) for status in FAILED_STATUSES)

# One index look-up for each registration reads only its newest runs.
NEWEST_RESULTS = " UNION ALL ".join(
    f"""
    SELECT asked.value AS registration_id, newest.id AS run_id, newest.status IN ({_FAILED}) AS failed
    FROM json_each(:registrations) AS asked
    JOIN {kind.registrations_table} AS current ON current.id = asked.value AND {RETIRED_US} IS NULL
    JOIN {kind.runs_table} AS newest ON newest.id IN (
        SELECT id FROM {kind.runs_table} WHERE {kind.registration_column} = asked.value ORDER BY id DESC LIMIT {NEWEST})
    """
    for kind in KINDS
)
"""Newest runs of each of some handlers and jobs that are not retired, with whether each run failed."""
