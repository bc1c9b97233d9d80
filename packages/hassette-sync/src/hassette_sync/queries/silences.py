"""Statements about silenced error groups."""

# ruff: noqa: S608  the statements contain only text from this package and from the store's tables

from hassette_store.kinds import RunKind
from hassette_store.statuses import FAILED_STATUSES, STATUS_NUMBERS
from hassette_sync.queries.kinds import union_sql

FAILED_NUMBERS = ", ".join(str(STATUS_NUMBERS[status]) for status in FAILED_STATUSES)
"""Numbers of the statuses that count as a failure, for ``IN``."""

SILENCED = "SELECT id, silenced_until_us FROM error_groups WHERE silenced_until_us > :at_us ORDER BY silenced_until_us"
"""Error groups that are silenced at a time, and the ends of their silences, soonest first."""


def is_silenced_sql(run_id: str) -> str:
    """Return the condition that the failure of a run belongs to one of the error groups ``:silenced``.

    Args:
        run_id: Expression for the id of the run.
    """
    return (
        f"EXISTS (SELECT 1 FROM failures WHERE failures.run_id = {run_id} "
        "AND error_group_id IN (SELECT value FROM json_each(:silenced)))"
    )


def _newest_failures(kind: RunKind) -> str:
    # The index of the unsuccessful runs contains all values that this statement reads of them.
    failed = f"""
        SELECT id FROM {kind.runs_table}
        WHERE {kind.registration_column} = asked.value AND status <> 0 AND status IN ({FAILED_NUMBERS})
          AND id >= :first_id AND id < :end_id
        ORDER BY id DESC LIMIT :newest
    """
    return f"""
        SELECT asked.value AS registration_id, count(*) AS failed, sum({is_silenced_sql("one.id")}) AS silenced
        FROM json_each(:registrations) AS asked JOIN {kind.runs_table} AS one ON one.id IN ({failed})
        GROUP BY asked.value
    """


SILENCED_REGISTRATIONS = f"""
SELECT registration_id FROM ({union_sql(_newest_failures)}) WHERE silenced = failed
"""
"""Those of some handlers and jobs whose newest ``:newest`` failures in a range of run ids are all silenced."""
