"""Columns of the lists that can be sorted."""

from collections.abc import Mapping, Sequence

from hassette_sync.answers.comparison import GRAVITY, ComparedRegistration
from hassette_sync.answers.errors import ErrorGroup
from hassette_sync.answers.kinds import KindLabels
from hassette_sync.answers.logs import AppNoise
from hassette_sync.answers.registrations import AppSummary, Registration
from hassette_sync.answers.trends import ErrorTrend
from hassette_sync.web.lists import ListColumn


def registration_columns(
    kind: KindLabels, upcoming: Mapping[tuple[str, str, str], int]
) -> Sequence[ListColumn[Registration]]:
    """Return the columns of the list of handlers or jobs.

    Args:
        kind: Kind of the registrations.
        upcoming: Time of the next run of each job, by app, instance and name.
    """
    next_run: ListColumn[Registration] = ListColumn(
        key="next", title="Next run", value=lambda one: upcoming.get((one.app, one.instance, one.name))
    )
    return (
        ListColumn(key="name", title="Name", value=lambda one: f"{one.app}.{one.instance}.{one.name}"),
        ListColumn(key="source", title=kind.source, value=lambda one: one.listens_to),
        *((next_run,) if kind.is_scheduled else ()),
        ListColumn(key="runs", title="Runs", value=lambda one: one.counts.total, is_number=True),
        ListColumn(key="failures", title="Failures", value=lambda one: one.counts.failed, is_number=True),
        ListColumn(
            key="p50",
            title="p50",
            value=lambda one: one.percentiles.p50_us,
            is_number=True,
            hint="Half of the runs took at most this long",
        ),
        ListColumn(
            key="p95",
            title="p95",
            value=lambda one: one.percentiles.p95_us,
            is_number=True,
            hint="95 % of the runs took at most this long",
        ),
        ListColumn(
            key="not_run",
            title="Not run",
            value=lambda one: one.skipped,
            is_number=True,
            hint="Triggers that led to no run",
        ),
        ListColumn(key="last", title="Last result", value=lambda one: one.last_status),
    )


COMPARED_COLUMNS: Sequence[ListColumn[ComparedRegistration]] = (
    ListColumn(key="name", title="Name", value=lambda one: one.registration.title),
    ListColumn(
        key="difference",
        title="Difference",
        value=lambda one: GRAVITY.index(one.findings[0]),
        hint="The gravest difference comes first",
    ),
    ListColumn(key="runs", title="Runs", value=lambda one: one.now.counts.total, is_number=True),
    ListColumn(
        key="failures",
        title="Failures",
        value=lambda one: one.fails_more_by,
        is_number=True,
        hint="The order is by the increase of the share of failed runs",
    ),
    ListColumn(
        key="p95",
        title="p95",
        value=lambda one: one.slower_by,
        is_number=True,
        hint="95 % of the runs took at most this long; the order is by the ratio to the previous period or version",
    ),
    ListColumn(
        key="silent",
        title="Silent for",
        value=lambda one: one.silent_for_us,
        is_number=True,
        hint="Time without a run, if it is longer than usual",
    ),
    ListColumn(key="last", title="Last run", value=lambda one: one.last_run_us),
)
"""Columns of the list of differences."""

ErrorRow = tuple[ErrorGroup, ErrorTrend]

ERROR_COLUMNS: Sequence[ListColumn[ErrorRow]] = (
    ListColumn(
        key="type",
        title="Error, sample message",
        value=lambda row: row[0].type,
        hint="Type of the error, and the message of its first failure",
    ),
    ListColumn(key="apps", title="Apps", value=lambda row: ", ".join(row[1].apps)),
    ListColumn(
        key="trend",
        title="Trend",
        value=lambda row: sum(row[1].points[len(row[1].points) // 2 :]),
        hint="Failures over the time range; the order is by the failures in its second half",
    ),
    ListColumn(
        key="failures",
        title="Failures",
        value=lambda row: row[0].recent,
        is_number=True,
        hint="Failures in the selected time range",
    ),
    ListColumn(
        key="total",
        title="Total",
        value=lambda row: row[0].count,
        is_number=True,
        hint="Failures since the error was first seen",
    ),
    ListColumn(key="first", title="First seen", value=lambda row: row[0].first_seen_us),
    ListColumn(key="last", title="Last seen", value=lambda row: row[0].last_seen_us),
)
"""Columns of the list of errors."""

AppRow = tuple[AppSummary, AppNoise | None]

APP_COLUMNS: Sequence[ListColumn[AppRow]] = (
    ListColumn(key="app", title="App", value=lambda row: row[0].app),
    ListColumn(key="instances", title="Instances", value=lambda row: len(row[0].instances), is_number=True),
    ListColumn(key="handlers", title="Handlers", value=lambda row: row[0].handlers, is_number=True),
    ListColumn(key="jobs", title="Jobs", value=lambda row: row[0].jobs, is_number=True),
    ListColumn(key="runs", title="Runs", value=lambda row: row[0].counts.total, is_number=True),
    ListColumn(key="failures", title="Failures", value=lambda row: row[0].counts.failed, is_number=True),
    ListColumn(
        key="time",
        title="Time",
        value=lambda row: row[0].total_us,
        is_number=True,
        hint="Sum of the durations of all runs",
    ),
    ListColumn(
        key="log_lines",
        title="Log lines",
        value=lambda row: row[1] and row[1].log_lines,
        is_number=True,
        hint="Log lines of all runs. The sign ≈ marks estimates from the newest runs",
    ),
    ListColumn(
        key="calls",
        title="Calls",
        value=lambda row: row[1] and row[1].service_calls,
        is_number=True,
        hint="Service calls of all runs. The sign ≈ marks estimates from the newest runs",
    ),
    ListColumn(
        key="database",
        title="Database",
        value=lambda row: row[1] and row[1].bytes,
        is_number=True,
        hint="Size of the runs, log lines and service calls in the file, estimated from the newest runs",
    ),
)
"""Columns of the list of apps."""
