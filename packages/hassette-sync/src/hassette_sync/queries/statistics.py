"""Statements about statistics: sums over whole hours or days, never over raw rows.

Each exists for hours and for days; `by_unit` picks one. "One registration over time" seeks once for each period,
because the period comes first in the keys.
"""

# ruff: noqa: S608  every piece of these statements is fixed text of this module
from dataclasses import dataclass

_SUMS = """
    coalesce(sum(success), 0) AS success, coalesce(sum(error), 0) AS error, coalesce(sum(cancelled), 0) AS cancelled,
    coalesce(sum(timed_out), 0) AS timed_out, coalesce(sum(interrupted), 0) AS interrupted,
    coalesce(sum(total_us), 0) AS total_us, coalesce(max(max_us), 0) AS max_us
"""

_PERIODS = """
WITH RECURSIVE periods (period) AS (
    SELECT :first UNION ALL SELECT period + 1 FROM periods WHERE period < :last
)
"""


def _ranks(inner: str, key: str) -> str:
    # A percentile is the first bucket in which the running count reaches that share of all.
    return f"""
        SELECT {key},
               min(CASE WHEN running >= 0.50 * total THEN bucket END) AS p50,
               min(CASE WHEN running >= 0.95 * total THEN bucket END) AS p95,
               min(CASE WHEN running >= 0.99 * total THEN bucket END) AS p99
        FROM (
            SELECT {key}, bucket, sum(count) OVER (PARTITION BY {key} ORDER BY bucket) AS running,
                   sum(count) OVER (PARTITION BY {key}) AS total
            FROM ({inner})
        )
        GROUP BY {key}
    """


@dataclass(frozen=True, slots=True)
class StatisticsStatements:
    """The statements for one length of period.

    Attributes:
        by_registration: Counts and durations of each handler and job.
        by_period: The same of the whole house, for each period.
        of_one_by_period: The same of one registration, for each period.
        percentiles_by_registration: Of each handler and job.
        sketch_by_period: The latency sketch of the whole house, for each period.
        percentiles_of_one: Of one registration.
        sketch_of_one: One registration's latency sketch, for each period: the heat map.
        skips: How often each handler and job did not run, and why.
        skips_by_period: How often something did not run, for each period.
        skips_of_one: How often one registration did not run, and why.
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
        # CROSS JOIN fixes the order: the periods outside, a seek by (period, registration) inside.
        return f"periods CROSS JOIN {table} ON {period} = periods.period WHERE registration_id = :registration_id"

    sketch = f"SELECT {period} AS period, bucket, count FROM {of_one(latency)}"
    buckets = f"bucket, sum(count) AS count FROM {latency} WHERE {within}"
    return StatisticsStatements(
        by_registration=f"SELECT registration_id, {_SUMS} FROM {statistics} WHERE {within} GROUP BY registration_id",
        by_period=f"SELECT {period} AS period, {_SUMS} FROM {statistics} WHERE {within} GROUP BY {period}",
        of_one_by_period=f"{_PERIODS} SELECT {period} AS period, {_SUMS} FROM {of_one(statistics)} GROUP BY {period}",
        percentiles_by_registration=_ranks(
            f"SELECT registration_id, {buckets} GROUP BY registration_id, bucket", "registration_id"
        ),
        sketch_by_period=f"SELECT {period} AS period, {buckets} GROUP BY {period}, bucket",
        percentiles_of_one=_PERIODS
        + _ranks(f"SELECT 0 AS one, bucket, sum(count) AS count FROM ({sketch}) GROUP BY bucket", "one"),
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
"""Statistics by the hour."""

DAILY = _statements("day", "statistics_daily", "latency_daily", "skips_daily")
"""Statistics by the day."""

KEPT_SINCE = """
SELECT (SELECT min(hour) FROM statistics_hourly) AS first_hour, (SELECT min(day) FROM statistics_daily) AS first_day,
       (SELECT started_us FROM sessions ORDER BY id LIMIT 1) AS first_start_us
"""
"""Since when statistics of hours and of days are kept, and when the first known session began."""

ONLY_IN_DAYS = "SELECT day FROM statistics_daily WHERE day >= :first AND day < coalesce(:below, day + 1) LIMIT 1"
"""A day with statistics, of those from a first one to below another."""


def by_unit(unit: str) -> StatisticsStatements:
    """Return the statements for ``hour`` or ``day``."""
    return HOURLY if unit == "hour" else DAILY
