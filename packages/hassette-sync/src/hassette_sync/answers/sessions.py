"""Answers about the framework itself: sessions, uptime, lifecycle events, lost records."""

from hassette_store.kinds import LEFT_OUT
from hassette_sync.answers.values import Answer, Id


class Session(Answer):
    """Time from a start of the framework to its end.

    Attributes:
        state: ``running``, ``silent`` (open, but the heartbeat is overdue), ``clean``, ``crashed``, or the outcome that
            the framework recorded.
        ended_us: End, or the last heartbeat before a crash; None for an open session.
        facts: Versions and similar facts.
        runs: Number of runs that ended in the session.
        failures: Number of failed runs. A run that a crash interrupted counts only while its row exists.
        lost_runs: Number of runs without a row. ``runs`` and ``failures`` include them.
        lost_details: Number of lost log lines, service calls and other details.
    """

    id: Id
    state: str
    started_us: int
    heartbeat_us: int
    ended_us: int | None
    reason: str | None
    pid: int
    host: str
    facts: dict[str, str]
    runs: int
    failures: int
    lost_runs: int
    lost_details: int

    @property
    def until_us(self) -> int:
        """End, or the last heartbeat."""
        return self.heartbeat_us if self.ended_us is None else self.ended_us


class SessionsPage(Answer):
    """Sessions, newest first."""

    sessions: tuple[Session, ...]
    next_cursor: str | None
    since_us: int
    until_us: int

    @property
    def has_only_neighbours(self) -> bool:
        """Whether no session overlaps the time range, so that these are the sessions before and after it."""
        return bool(self.sessions) and all(
            one.until_us < self.since_us or one.started_us >= self.until_us for one in self.sessions
        )


class Uptime(Answer):
    """Uptime of the framework in a time range.

    Attributes:
        up_us: Time within the range in which a session was open. Time that two sessions share counts once.
        share: ``up_us`` as a share of the known time, from 0 to 1; None if no time in the range is known. The time
            before the first session is not known.
        starts: Number of sessions that began in the range.
        crashes: Number of sessions that crashed in the range.
        spans: The newest 500 sessions in the range, in ascending order, for a chart.
    """

    up_us: int
    share: float | None
    starts: int
    crashes: int
    spans: tuple[Session, ...]
    since_us: int
    until_us: int


class LifecycleEvent(Answer):
    """Event of the framework itself, such as a lost connection or a failed app."""

    id: Id
    session_id: Id
    at_us: int
    kind: str
    subject: str
    detail: str


class LifecyclePage(Answer):
    """Lifecycle events, newest first."""

    events: tuple[LifecycleEvent, ...]
    next_cursor: str | None


class Loss(Answer):
    """Records that could not be stored, by reason."""

    id: Id
    session_id: Id
    reason: str
    what: str
    count: int
    first_us: int
    last_us: int

    @property
    def is_intended(self) -> bool:
        """Whether the records were left out on purpose: of an entity that changes too often, or repeated warnings."""
        return self.reason == LEFT_OUT


class LossesPage(Answer):
    """Losses, newest first."""

    losses: tuple[Loss, ...]
    next_cursor: str | None
