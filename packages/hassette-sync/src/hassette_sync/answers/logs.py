"""Answers about log lines, events, triggers without a run, noise and versions."""

from hassette_sync.answers.explanations import NotRunEntry
from hassette_sync.answers.kinds import RegistrationRef
from hassette_sync.answers.values import Answer, Counts, Id


class LogEntry(Answer):
    """Log line of a run, of an app outside its runs, or of the framework.

    Attributes:
        at_us: When it was logged.
        level: Name of its level in Python's logging.
        logger: Name of the logger.
        message: The text.
        run_id: Run that logged it; None outside runs.
        registration: Handler or job of the run; None outside runs.
        app: Key of the app; None for the framework itself.
        session_id: Session in which it was logged.
    """

    at_us: int
    level: str
    logger: str
    message: str
    run_id: Id | None
    registration: RegistrationRef | None
    app: str | None
    session_id: Id


class LogsPage(Answer):
    """Log lines, newest first.

    Attributes:
        lines: Log lines on this page.
        next_cursor: Value of ``cursor`` for the next page of older lines; None on the last page. A page may be short
            or even empty and still have a cursor, if a rare text is searched in a long time range.
        since_us: Start of the time range.
        until_us: End of the time range.
    """

    lines: tuple[LogEntry, ...]
    next_cursor: str | None
    since_us: int
    until_us: int


class FrameworkEvent(Answer):
    """Event of the framework: a start, a stop, a lost connection, a new version of an app, or an action of a user.

    Attributes:
        id: Id of the event. Ids increase with time.
        session_id: Session in which it happened.
        at_us: When it happened.
        group: ``lifecycle``, ``deploy``, ``stall``, ``alert`` or ``control``.
        kind: Kind within the group, such as ``connection_lost``.
        subject: The app, service, address or file.
        detail: One sentence; may be empty.
    """

    id: Id
    session_id: Id
    at_us: int
    group: str
    kind: str
    subject: str
    detail: str


class EventsPage(Answer):
    """Events, newest first.

    Attributes:
        events: Events on this page.
        next_cursor: Value of ``cursor`` for the next page of older events; None on the last page.
        since_us: Start of the time range.
        until_us: End of the time range.
    """

    events: tuple[FrameworkEvent, ...]
    next_cursor: str | None
    since_us: int
    until_us: int


class NotRunsPage(Answer):
    """Triggers that led to no run, newest first. The history keeps the newest 20 of each handler and job.

    Attributes:
        samples: Triggers on this page.
        next_cursor: Value of ``cursor`` for the next page of older triggers; None on the last page.
        since_us: Start of the time range.
        until_us: End of the time range.
    """

    samples: tuple[NotRunEntry, ...]
    next_cursor: str | None
    since_us: int
    until_us: int


class AppNoise(Answer):
    """Amount of data that one app writes in the time range.

    Attributes:
        app: Key of the app.
        counts: Numbers of runs by status.
        total_us: Sum of the durations of all runs.
        log_lines: Number of log lines of its runs in the range.
        service_calls: Number of their service calls.
        is_estimate: Whether these two numbers are estimates: those of the newest runs, projected onto all runs.
        bytes: Estimated bytes in the database file: runs, log lines and service calls in the range.
        share: Its share of the estimated bytes of all apps, from 0 to 1.
        rank: Place in the ranking by noise, from 1.
    """

    app: str
    counts: Counts
    total_us: int
    log_lines: int
    service_calls: int
    is_estimate: bool
    bytes: int
    share: float
    rank: int


class Noise(Answer):
    """Apps by noise, the noisiest first.

    Attributes:
        apps: Apps with runs in the time range.
        since_us: Start of the time range.
        until_us: End of the time range.
    """

    apps: tuple[AppNoise, ...]
    since_us: int
    until_us: int


class Version(Answer):
    """A version of an app: its code or its settings differ from the previous version.

    Attributes:
        id: Id of the mark.
        session_id: Session in which it started.
        app: Key of the app.
        version: Short hash over the code and the settings.
        commit: Git commit of the app's folder; None if there is none.
        code_changed: Whether the code differs from the previous version.
        settings_changed: Whether the settings differ from the previous version.
        since_us: When it started.
        until_us: When the next version started; None for the current version.
    """

    id: Id
    session_id: Id
    app: str
    version: str
    commit: str | None
    code_changed: bool
    settings_changed: bool
    since_us: int
    until_us: int | None


class VersionsPage(Answer):
    """Versions of apps, newest first.

    Attributes:
        versions: Versions on this page.
        next_cursor: Value of ``cursor`` for the next page of older versions; None on the last page.
    """

    versions: tuple[Version, ...]
    next_cursor: str | None
