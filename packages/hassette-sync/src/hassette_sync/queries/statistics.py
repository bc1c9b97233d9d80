"""Statements about statistics: sums over whole hours or days, and over the few runs that no period counts yet.

Each statement exists for hours and for days, and `statistics_sql` selects one set. The period comes first in the keys,
so a statement about one registration over time does one index lookup for each period.

The store counts new runs at most once a minute. Until then, they are in the view ``uncounted_runs``, which reads only
the rows from the first uncounted id on. So each answer is exact at each moment.
"""

# ruff: noqa: S608  the statements contain only text from this package and from the store's tables
from dataclasses import dataclass

from hassette_store.kinds import KINDS
from hassette_store.statuses import STATUS_NAMES

PERCENTILES = {"p50": 0.50, "p95": 0.95, "p99": 0.99}
"""Percentiles in the answers: the name and the share of the runs."""

_SUMS = f"""
    {", ".join(f"coalesce(sum({status}), 0) AS {status}" for status in STATUS_NAMES)},
    coalesce(sum(total_us), 0) AS total_us, coalesce(max(max_us), 0) AS max_us
"""

_COUNTED_SUMS = (
    f"count(*) AS rows, {', '.join(f'sum({status})' for status in STATUS_NAMES)}, sum(total_us), max(max_us)"
)
_STATUSES = ", ".join(f"status = {number} AS {name}" for number, name in enumerate(STATUS_NAMES))
_JOIN_REGISTRATIONS = " ".join(
    f"LEFT JOIN {kind.registrations_table} ON {kind.registrations_table}.id = {{0}}.registration_id" for kind in KINDS
)
_APP, _INSTANCE, _NAME = (
    f"coalesce({', '.join(f'{kind.registrations_table}.{column}' for kind in KINDS)})"
    for column in ("app", "instance", "name")
)
_KINDS = " ".join(f"WHEN {kind.registrations_table}.id IS NOT NULL THEN '{kind.name}'" for kind in KINDS)

_PERIODS = """
WITH RECURSIVE periods (period) AS (
    SELECT :first UNION ALL SELECT period + 1 FROM periods WHERE period < :last
)
"""
# Without MATERIALIZED, SQLite would parse the JSON text again for each period.
_WANTED = "wanted (id) AS MATERIALIZED (SELECT value FROM json_each(:registrations))"
FEW = 50
"""For more handlers and jobs, reading the statistics of all is faster than a look-up of each one in each period."""


@dataclass(frozen=True, slots=True)
class StatisticsStatements:
    """Statements for one unit of periods.

    Attributes:
        of_one_by_period: Counts and durations of one registration, for each period.
        counted_by_registration: Sums of the counted runs of each handler and job: number of periods, counts and
            durations.
        counted_of_few: The same of a few handlers and jobs.
        counted_by_period: Sums of the counted runs of all handlers and jobs, for each period: number and sum of their
            ids, counts and durations.
        sketches_by_registration: Latency sketches of some handlers and jobs, one for each period.
        sketches_of_few: The same of a few handlers and jobs.
        sketches_of_period: Latency sketches of all handlers and jobs in one period.
        sketches_of_one: Latency sketches of one registration, one for each period.
        uncounted: Uncounted runs: registration, period, status and duration.
        skips: Triggers that did not lead to a run: their number by registration and reason, highest numbers first.
        skips_by_registration: Triggers that did not lead to a run: their number for some handlers and jobs.
        skips_by_period: Triggers that did not lead to a run: their number in all apps, for each period.
        skips_of_one: Triggers of one registration that did not lead to a run: their number by period and reason.
    """

    of_one_by_period: str
    counted_by_registration: str
    counted_of_few: str
    counted_by_period: str
    sketches_by_registration: str
    sketches_of_few: str
    sketches_of_period: str
    sketches_of_one: str
    uncounted: str
    skips: str
    skips_by_registration: str
    skips_by_period: str
    skips_of_one: str


def _statements(period: str, statistics: str, skips: str) -> StatisticsStatements:
    within = f"{period} BETWEEN :first AND :last"

    def of_one(table: str) -> str:
        # CROSS JOIN fixes the order of the join: one lookup by (period, registration) for each period.
        return f"periods CROSS JOIN {table} ON {period} = periods.period WHERE registration_id = :registration_id"

    def parts(counted: str, condition: str) -> str:
        return (
            f"SELECT {period}, registration_id, {', '.join(STATUS_NAMES)}, total_us, max_us FROM {counted} "
            f"UNION ALL SELECT {period}, registration_id, {_STATUSES}, duration_us, duration_us FROM uncounted_runs "
            f"WHERE {condition}"
        )

    few = (
        f"{_PERIODS}, {_WANTED} SELECT registration_id, {{columns}} FROM periods CROSS JOIN wanted "
        f"CROSS JOIN {statistics} ON {period} = periods.period AND registration_id = wanted.id"
    )
    of_some = "registration_id IN (SELECT value FROM json_each(:registrations))"
    some = f"{within} AND {of_some}"
    one = f"{within} AND registration_id = :registration_id"
    return StatisticsStatements(
        of_one_by_period=f"{_PERIODS} SELECT {period} AS period, {_SUMS} FROM ({parts(of_one(statistics), one)}) "
        f"GROUP BY {period}",
        counted_by_registration=f"""
            SELECT registration_id, {_COUNTED_SUMS} FROM {statistics} WHERE {within} GROUP BY registration_id
        """,
        counted_of_few=f"{few.format(columns=_COUNTED_SUMS)} GROUP BY registration_id",
        sketches_by_registration=f"SELECT registration_id, sketch FROM {statistics} WHERE {some}",
        sketches_of_few=few.format(columns="sketch"),
        counted_by_period=f"""
            SELECT {period} AS period, sum(registration_id) AS ids, {_COUNTED_SUMS}
            FROM {statistics} WHERE {within} GROUP BY {period}
        """,
        sketches_of_period=f"SELECT sketch FROM {statistics} WHERE {period} = :period",
        sketches_of_one=f"{_PERIODS} SELECT {period} AS period, sketch FROM {of_one(statistics)}",
        uncounted=f"""
            SELECT registration_id, {period} AS period, status, duration_us FROM uncounted_runs WHERE {within}
        """,
        skips=f"""
            SELECT found.registration_id AS id, names.name AS reason, found.count AS count,
                   CASE {_KINDS} END AS kind, {_APP} AS app, {_INSTANCE} AS instance, {_NAME} AS name
            FROM (
                SELECT registration_id, reason_id, sum(count) AS count FROM {skips}
                WHERE {within} GROUP BY registration_id, reason_id ORDER BY 3 DESC, 1, 2 LIMIT :limit
            ) AS found
            JOIN names ON names.id = reason_id {_JOIN_REGISTRATIONS.format("found")}
            WHERE {_APP} IS NOT NULL ORDER BY found.count DESC, found.registration_id, names.name
        """,
        skips_by_registration=f"""
            SELECT registration_id, sum(count) AS count FROM {skips} WHERE {some} GROUP BY registration_id
        """,
        skips_by_period=f"SELECT {period} AS period, sum(count) AS count FROM {skips} WHERE {within} GROUP BY {period}",
        skips_of_one=f"""
            {_PERIODS} SELECT {period} AS period, (SELECT name FROM names WHERE names.id = reason_id) AS reason,
                              sum(count) AS count
            FROM {of_one(skips)} GROUP BY {period}, reason_id
        """,
    )


HOURLY = _statements("hour", "counted_hourly", "skips_hourly")
"""Statements about hourly statistics."""

DAILY = _statements("day", "counted_daily", "skips_daily")
"""Statements about daily statistics."""

KEPT_SINCE = """
SELECT (SELECT min(hour) FROM counted_hourly) AS first_hour, (SELECT min(day) FROM counted_daily) AS first_day,
       (SELECT started_us FROM sessions ORDER BY id LIMIT 1) AS first_start_us
"""
"""First hour and first day with statistics, and the start of the oldest known session."""

ONLY_IN_DAYS = "SELECT day FROM counted_daily WHERE day >= :first AND day < coalesce(:below, day + 1) LIMIT 1"
"""Any one day with daily statistics, from ``:first`` (included) to ``:below`` (excluded; NULL for no end)."""


def statistics_sql(unit: str) -> StatisticsStatements:
    """Return the statements for ``hour`` or ``day``."""
    return HOURLY if unit == "hour" else DAILY
