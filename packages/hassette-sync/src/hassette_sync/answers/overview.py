"""Answers about the whole house."""

from hassette_sync.answers.errors import ErrorGroup
from hassette_sync.answers.registrations import AppSummary, Registration, SkipReason
from hassette_sync.answers.runs import Run, RunningNow
from hassette_sync.answers.sessions import LifecycleEvent, Loss, Session, Uptime
from hassette_sync.answers.values import Answer, Counts, Percentiles


class Accounting(Answer):
    """Where this process's runs are: ``executed == persisted + shed + waiting``."""

    executed: int
    persisted: int
    waiting: int
    shed: dict[str, int]


class ServiceState(Answer):
    """One part of the framework and how it is."""

    name: str
    status: str
    detail: str


class Live(Answer):
    """What the framework says of itself at this moment."""

    ready: bool
    connection: str
    services: tuple[ServiceState, ...]
    accounting: Accounting


class Status(Answer):
    """The history file and the framework.

    Attributes:
        path: The file.
        size_bytes: With its write-ahead log.
        schema_revision: Of the file.
        sqlite_version: Of this process's SQLite.
        notices: Sentences that a person should read.
        incidents: What befell the history file in the last 30 days, newest first: a recovery, an upgrade.
        session: The newest session; None in an empty history.
        last_run: The newest run.
        live: None when read from outside the framework's process.
        at_us: When this was asked.
    """

    path: str
    size_bytes: int
    schema_revision: str
    sqlite_version: str
    notices: tuple[str, ...]
    incidents: tuple[LifecycleEvent, ...]
    session: Session | None
    last_run: Run | None
    live: Live | None
    at_us: int


class Upcoming(Answer):
    """A job's next run."""

    app: str
    instance: str
    name: str
    due_us: int


class TimelinePoint(Answer):
    """One whole hour or day."""

    start_us: int
    counts: Counts
    percentiles: Percentiles
    skipped: int


class Timeline(Answer):
    """Throughput, failures and durations over time; every period is there, the empty ones too."""

    period_length_us: int
    points: tuple[TimelinePoint, ...]


class Overview(Answer):
    """Is the house's automation all right?

    Attributes:
        counts: Runs in the time asked about.
        percentiles: Of all runs' durations.
        failing: Handlers and jobs with failures, the worst first; at most 8 of them.
        failing_count: How many handlers and jobs have failures.
        errors: Error groups seen, the newest first.
        upcoming: The jobs' next runs; only known live.
        losses: Gaps, the newest first; at most 6 of them.
        lost: How many details all gaps of the time make together.
    """

    status: Status
    counts: Counts
    percentiles: Percentiles
    timeline: Timeline
    apps: tuple[AppSummary, ...]
    failing: tuple[Registration, ...]
    failing_count: int
    errors: tuple[ErrorGroup, ...]
    running: RunningNow
    upcoming: tuple[Upcoming, ...]
    recent: tuple[Run, ...]
    uptime: Uptime
    skips: tuple[SkipReason, ...]
    lifecycle: tuple[LifecycleEvent, ...]
    losses: tuple[Loss, ...]
    lost: int
    since_us: int
    until_us: int
