"""Answers about all apps together and about the framework."""

from typing import Literal

from pydantic import Field

from hassette_sync.answers.errors import ErrorGroup, Silenced
from hassette_sync.answers.kinds import RegistrationRef
from hassette_sync.answers.registrations import AppSummary, Registration, SkipReason
from hassette_sync.answers.runs import Run, RunningNow
from hassette_sync.answers.sessions import LifecycleEvent, Loss, Session, Uptime
from hassette_sync.answers.values import Answer, Counts, Percentiles


class Accounting(Answer):
    """Counts of the runs of this process: ``executed == persisted + sum(shed) + waiting``.

    Attributes:
        executed: Runs that have ended.
        persisted: Runs that the history contains.
        waiting: Runs that are not stored yet.
        shed: Runs without a row, by reason. ``executed`` includes them.
    """

    executed: int
    persisted: int
    waiting: int
    shed: dict[str, int]


class ServiceState(Answer):
    """Status of one service of the framework."""

    name: str
    status: str
    detail: str


class Live(Answer):
    """Present state of the framework."""

    ready: bool
    connection: str
    services: tuple[ServiceState, ...]
    accounting: Accounting


class ShownTimeZone(Answer):
    """Time zone in which pages and terminal show times.

    Attributes:
        name: Name such as ``Europe/Berlin``, or a short name such as ``CET`` for the time zone of the reader's machine.
        source: ``home`` for the home's time zone; ``machine`` for the time zone of the reader's machine, if the history
            does not contain a time zone that this machine knows.
        utc_offset_us: Offset from UTC at the time of the question.
    """

    name: str
    source: Literal["home", "machine"]
    utc_offset_us: int


class Restriction(Answer):
    """An app that is disabled or rehearses, or a paused job."""

    kind: Literal["disabled", "rehearsing", "paused"] = Field(
        description="``disabled`` and ``rehearsing`` are about an app, ``paused`` is about a job."
    )
    subject: str = Field(description="The app's key, or the name of the job: ``APP.JOB`` or ``APP.INSTANCE.JOB``.")
    since_us: int | None = Field(
        description="Time of the action, in microseconds since the Unix epoch; null if it is not known."
    )


class SystemStatus(Answer):
    """Status of the database file and of the framework.

    Attributes:
        path: Path of the file.
        size_bytes: Size of the file and its write-ahead log.
        schema_revision: Schema revision of the file.
        sqlite_version: Version of SQLite in this process.
        notices: Sentences about the database file and the clock, for the user.
        incidents: Replacements, recoveries, merges and upgrades of the file in the last 30 days, newest first.
        session: Newest session; None for an empty history.
        last_run: Newest run; None for an empty history.
        silenced: Error groups that are silenced now.
        live: Present state of the framework; None outside of its process.
        restrictions: Disabled and rehearsing apps and paused jobs. Outside of the framework's process, only those of
            recorded actions are known.
        time_zone: Time zone in which pages and terminal show times.
        at_us: Time of the question.
    """

    path: str
    size_bytes: int
    schema_revision: str
    sqlite_version: str
    notices: tuple[str, ...]
    incidents: tuple[LifecycleEvent, ...]
    session: Session | None
    last_run: Run | None
    silenced: Silenced
    live: Live | None
    restrictions: tuple[Restriction, ...]
    time_zone: ShownTimeZone
    at_us: int


class Upcoming(Answer):
    """Next run of a job."""

    app: str
    instance: str
    name: str
    due_us: int


class TriggerState(Answer):
    """Home Assistant's answer to the triggers of one handler.

    Attributes:
        topic: Topic of the handler, such as ``trigger.mqtt.door``.
        status: ``accepted``, ``not attached``, ``refused``, or ``waiting`` for an answer.
        detail: Reason if the triggers cannot fire; otherwise empty.
    """

    app: str
    instance: str
    name: str
    topic: str
    status: str
    detail: str


class TimelinePoint(Answer):
    """Figures of one point in a chart: one or more whole minutes, hours or days."""

    start_us: int = Field(description="Start, in microseconds since the Unix epoch.")
    counts: Counts = Field(description="Numbers of runs by status.")
    percentiles: Percentiles = Field(description="Percentiles of the durations.")
    skipped: int | None = Field(
        description="Number of triggers that led to no run; null for minutes, because it is known only for whole hours."
    )


class Mark(Answer):
    """A moment at which something changed, in a chart."""

    at_us: int = Field(description="The moment, in microseconds since the Unix epoch.")
    kind: Literal["start", "crash", "version"] = Field(
        description="Start or crash of the framework, or a new version of an app."
    )
    title: str = Field(description="The change in words.")


class Timeline(Answer):
    """Throughput, failures and durations over time, including periods without runs."""

    period_length_us: int = Field(description="Length of each point: minutes for a short range, else hours or days.")
    points: tuple[TimelinePoint, ...] = Field(description="The points, oldest first.")
    marks: tuple[Mark, ...] = Field(default=(), description="The newest marks in the time of the points, oldest first.")


class TimeChoices(Answer):
    """Starts of time ranges that have a name."""

    session_us: int | None = Field(description="Start of the newest session; null without sessions.")
    version_us: int | None = Field(description="Start of the newest version of an app; null if no app has changed.")
    version_title: str = Field(description="App and version; empty if no app has changed.")


class Before(Answer):
    """Figures of the period of the same length before a time range.

    Attributes:
        counts: Numbers of runs.
        percentiles: Percentiles of the durations of all runs.
        uptime_share: Uptime as a share of the known time, from 0 to 1; None if no time is known.
    """

    counts: Counts
    percentiles: Percentiles
    uptime_share: float | None
    since_us: int
    until_us: int


class Overview(Answer):
    """All values of the overview page.

    Attributes:
        counts: Numbers of runs in the time range.
        percentiles: Percentiles of the durations of all runs.
        before: Figures of the previous period; None if the history does not reach back to its start.
        failing: Handlers and jobs with failures that are not all silenced, most failures first; at most 8.
        failing_count: Number of all handlers and jobs with failures that are not all silenced.
        failing_now: Handlers and jobs with failures that have not recovered: the newest run failed, or at least two of
            the newest ten; most failures first, at most 8. Runs with a silenced error do not count.
        failing_now_count: Number of all handlers and jobs that have not recovered.
        errors: Error groups that are not silenced, most recently seen first; at most 6.
        silenced_failures: Number of failures in the time range whose error groups are silenced now.
        upcoming: Next runs of the jobs; known only in the framework's process.
        skips: Numbers of triggers that did not lead to a run, most frequent first; at most 6.
        lifecycle: Lifecycle events without routine starts and stops, newest first; at most 6.
        losses: Losses, newest first; at most 6.
        lost: Number of all lost records in the time range.
    """

    status: SystemStatus
    counts: Counts
    percentiles: Percentiles
    before: Before | None
    timeline: Timeline
    apps: tuple[AppSummary, ...]
    failing: tuple[Registration, ...]
    failing_count: int
    failing_now: tuple[RegistrationRef, ...]
    failing_now_count: int
    errors: tuple[ErrorGroup, ...]
    silenced_failures: int
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
