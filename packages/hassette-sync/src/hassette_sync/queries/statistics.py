"""Statements about statistics: sums over whole hours or days, never over the rows of runs.

Each statement exists for hours and for days, and `statistics_sql` selects one set. The period comes first in the keys,
so a statement about one registration over time does one index lookup for each period.
"""

# ruff: noqa: S608  the statements contain only text from this package and from the store's tables
from dataclasses import dataclass

from hassette_store.statuses import STATUS_NAMES

PERCENTILES = {"p50": 0.50, "p95": 0.95, "p99": 0.99}
"""Percentiles in the answers: the name and the share of the runs."""

_SUMS = f"""
    {", ".join(f"coalesce(sum({status}), 0) AS {status}" for status in STATUS_NAMES)},
    coalesce(sum(total_us), 0) AS total_us, coalesce(max(max_us), 0) AS max_us
"""

_PERIODS = """
WITH RECURSIVE periods (period) AS (
    SELECT :first UNION ALL SELECT period + 1 FROM periods WHERE period < :last
)
"""


def _percentiles(inner: str, key: str) -> str:
    """Return a statement for the bucket of each percentile.

    It computes the nearest rank, like `hassette_store.sketch.quantiles`: the first bucket at which the cumulative count
    reaches the share. Counts are whole numbers, so this is the bucket of the ``ceil(share * total)``-th shortest run.

    Args:
        inner: Statement for the sketch, with the columns ``key``, ``bucket`` and ``count``.
        key: Column that separates the sketches.
    """
    columns = ", ".join(
        f"min(CASE WHEN running >= {share} * total THEN bucket END) AS {name}" for name, share in PERCENTILES.items()
    )
    return f"""
        SELECT {key}, {columns}
        FROM (
            SELECT {key}, bucket, sum(count) OVER (PARTITION BY {key} ORDER BY bucket) AS running,
                   sum(count) OVER (PARTITION BY {key}) AS total
            FROM ({inner})
        )
        GROUP BY {key}
    """


@dataclass(frozen=True, slots=True)
class StatisticsStatements:
    """Statements for one unit of periods.

    Attributes:
        by_registration: Counts and durations of each handler and job.
        by_period: Counts and durations of all apps, for each period.
        of_one_by_period: Counts and durations of one registration, for each period.
        percentiles_by_registration: Percentiles of each handler and job.
        sketch_by_period: Latency sketch of all apps, for each period.
        percentiles_of_one: Percentiles of one registration.
        sketch_of_one: Latency sketch of one registration, for each period.
        skips: Triggers that did not lead to a run: their number for each registration and reason.
        skips_by_period: Triggers that did not lead to a run: their number in all apps, for each period.
        skips_of_one: Triggers of one registration that did not lead to a run: their number by period and reason.
    """

    by_registration: str
    by_period: str
    of_one_by_period: str
    percentiles_by_registration: str
    sketch_by_period: str
    percentiles_of_one: str
    sketch_of_one: str
    skips: str
    skips_by_period: str
    skips_of_one: str


def _statements(period: str, statistics: str, latency: str, skips: str) -> StatisticsStatements:
    within = f"{period} BETWEEN :first AND :last"

    def of_one(table: str) -> str:
        # CROSS JOIN fixes the order of the join: one lookup by (period, registration) for each period.
        return f"periods CROSS JOIN {table} ON {period} = periods.period WHERE registration_id = :registration_id"

    sketch = f"SELECT {period} AS period, bucket, count FROM {of_one(latency)}"
    buckets = f"bucket, sum(count) AS count FROM {latency} WHERE {within}"
    return StatisticsStatements(
        by_registration=f"SELECT registration_id, {_SUMS} FROM {statistics} WHERE {within} GROUP BY registration_id",
        by_period=f"SELECT {period} AS period, {_SUMS} FROM {statistics} WHERE {within} GROUP BY {period}",
        of_one_by_period=f"{_PERIODS} SELECT {period} AS period, {_SUMS} FROM {of_one(statistics)} GROUP BY {period}",
        percentiles_by_registration=_percentiles(
            f"SELECT registration_id, {buckets} GROUP BY registration_id, bucket", "registration_id"
        ),
        sketch_by_period=f"SELECT {period} AS period, {buckets} GROUP BY {period}, bucket",
        percentiles_of_one=_PERIODS
        + _percentiles(f"SELECT 0 AS one, bucket, sum(count) AS count FROM ({sketch}) GROUP BY bucket", "one"),
        sketch_of_one=_PERIODS + sketch,
        skips=f"""
            SELECT registration_id, names.name AS reason, sum(count) AS count
            FROM {skips} JOIN names ON names.id = reason_id
            WHERE {within} GROUP BY registration_id, reason_id ORDER BY 3 DESC
        """,
        skips_by_period=f"SELECT {period} AS period, sum(count) AS count FROM {skips} WHERE {within} GROUP BY {period}",
        skips_of_one=f"""
            {_PERIODS} SELECT {period} AS period, (SELECT name FROM names WHERE names.id = reason_id) AS reason,
                              sum(count) AS count
            FROM {of_one(skips)} GROUP BY {period}, reason_id
        """,
    )


HOURLY = _statements("hour", "statistics_hourly", "latency_hourly", "skips_hourly")
"""Statements about hourly statistics."""

DAILY = _statements("day", "statistics_daily", "latency_daily", "skips_daily")
"""Statements about daily statistics."""

KEPT_SINCE = """
SELECT (SELECT min(hour) FROM statistics_hourly) AS first_hour, (SELECT min(day) FROM statistics_daily) AS first_day,
       (SELECT started_us FROM sessions ORDER BY id LIMIT 1) AS first_start_us
"""
"""First hour and first day with statistics, and the start of the oldest known session."""

ONLY_IN_DAYS = "SELECT day FROM statistics_daily WHERE day >= :first AND day < coalesce(:below, day + 1) LIMIT 1"
"""Any one day with daily statistics, from ``:first`` (included) to ``:below`` (excluded; NULL for no end)."""


def statistics_sql(unit: str) -> StatisticsStatements:
    """Return the statements for ``hour`` or ``day``."""
    return HOURLY if unit == "hour" else DAILY
