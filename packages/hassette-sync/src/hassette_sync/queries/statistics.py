"""Statements about statistics: sums over whole hours or days, never over the rows of runs.

Each statement exists for hours and for days, and `statistics_sql` selects one set. The period comes first in the keys,
so a statement about one registration over time does one index lookup for each period.
"""

# ruff: noqa: S608  the statements contain only text from this package and from the store's tables
from dataclasses import dataclass

from hassette_store.kinds import KINDS
from hassette_store.statuses import FAILED_STATUSES, STATUS_NAMES

PERCENTILES = {"p50": 0.50, "p95": 0.95, "p99": 0.99}
"""Percentiles in the answers: the name and the share of the runs."""

_SUMS = f"""
    {", ".join(f"coalesce(sum({status}), 0) AS {status}" for status in STATUS_NAMES)},
    coalesce(sum(total_us), 0) AS total_us, coalesce(max(max_us), 0) AS max_us
"""

_FAILED = " + ".join(FAILED_STATUSES)
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
        by_registration: Counts and durations of some handlers and jobs.
        registrations: Ids of all handlers and jobs with runs.
        by_app: Counts and durations of each app.
        failing: The handlers and jobs with the most failures, and the number of all handlers and jobs with failures.
        by_period: Counts and durations of all apps, for each period.
        of_one_by_period: Counts and durations of one registration, for each period.
        percentiles_by_registration: Percentiles of some handlers and jobs.
        sketch_by_period: Latency sketch of all apps, for each period.
        percentiles_of_one: Percentiles of one registration.
        sketch_of_one: Latency sketch of one registration, for each period.
        skips: Triggers that did not lead to a run: their number by registration and reason, highest numbers first.
        skips_by_registration: Triggers that did not lead to a run: their number for some handlers and jobs.
        skips_by_period: Triggers that did not lead to a run: their number in all apps, for each period.
        skips_of_one: Triggers of one registration that did not lead to a run: their number by period and reason.
    """

    by_registration: str
    registrations: str
    by_app: str
    failing: str
    by_period: str
    of_one_by_period: str
    percentiles_by_registration: str
    sketch_by_period: str
    percentiles_of_one: str
    sketch_of_one: str
    skips: str
    skips_by_registration: str
    skips_by_period: str
    skips_of_one: str


def _statements(period: str, statistics: str, latency: str, skips: str) -> StatisticsStatements:
    within = f"{period} BETWEEN :first AND :last"

    def of_one(table: str) -> str:
        # CROSS JOIN fixes the order of the join: one lookup by (period, registration) for each period.
        return f"periods CROSS JOIN {table} ON {period} = periods.period WHERE registration_id = :registration_id"

    sketch = f"SELECT {period} AS period, bucket, count FROM {of_one(latency)}"
    buckets = f"bucket, sum(count) AS count FROM {latency} WHERE {within}"
    some = f"{within} AND registration_id IN (SELECT value FROM json_each(:registrations))"
    sums = f"SELECT registration_id, {_SUMS} FROM {statistics} WHERE {within} GROUP BY registration_id"
    return StatisticsStatements(
        by_registration=f"SELECT registration_id, {_SUMS} FROM {statistics} WHERE {some} GROUP BY registration_id",
        registrations=f"SELECT DISTINCT registration_id FROM {statistics} WHERE {within}",
        by_app=f"""
            SELECT coalesce({_APP}, '?') AS app, {_SUMS}
            FROM ({sums}) AS sums {_JOIN_REGISTRATIONS.format("sums")} GROUP BY 1
        """,
        failing=f"""
            SELECT registration_id AS id, count(*) OVER () AS failing_count
            FROM ({sums}) AS sums {_JOIN_REGISTRATIONS.format("sums")}
            WHERE {_FAILED} > 0 AND {_APP} IS NOT NULL ORDER BY {_FAILED} DESC, {_NAME}, id LIMIT :limit
        """,
        by_period=f"SELECT {period} AS period, {_SUMS} FROM {statistics} WHERE {within} GROUP BY {period}",
        of_one_by_period=f"{_PERIODS} SELECT {period} AS period, {_SUMS} FROM {of_one(statistics)} GROUP BY {period}",
        percentiles_by_registration=_percentiles(
            f"SELECT registration_id, bucket, sum(count) AS count FROM {latency} WHERE {some} "
            "GROUP BY registration_id, bucket",
            "registration_id",
        ),
        sketch_by_period=f"SELECT {period} AS period, {buckets} GROUP BY {period}, bucket",
        percentiles_of_one=_PERIODS
        + _percentiles(f"SELECT 0 AS one, bucket, sum(count) AS count FROM ({sketch}) GROUP BY bucket", "one"),
        sketch_of_one=_PERIODS + sketch,
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
