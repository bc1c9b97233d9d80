"""Answers about the framework itself: when it was up, what befell it, what is missing."""

from hassette_sync.answers.values import Answer, Id


class Session(Answer):
    """From start to stop.

    Attributes:
        state: ``running``, ``silent`` (open, but its heartbeat is overdue), ``clean``, ``crashed``, or what the
            framework said at its end.
        ended_us: When it ended, its last heartbeat if it crashed; None while it is open.
        facts: Versions and the like.
        runs: How many runs ended in it.
        failures: How many of them failed; those that a crash interrupted as far as their rows are kept.
        lost_runs: How many have no row; their counts are kept.
        lost_details: How many log lines, service calls and the like were not kept.
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
        """Its end, or its last sign of life."""
        return self.heartbeat_us if self.ended_us is None else self.ended_us


class SessionsPage(Answer):
    """Sessions, newest first."""

    sessions: tuple[Session, ...]
    next_cursor: str | None
    since_us: int
    until_us: int


class Uptime(Answer):
    """How much of a time the framework was up.

    Attributes:
        up_us: Sum of the sessions' times in it.
        share: ``up_us`` per known time, from 0 to 1; None when nothing is known of the time. What lies before the
            very first session is not known and does not count.
        starts: How many sessions began in it.
        crashes: How many ended in it by a crash.
        spans: The sessions, oldest first, for a strip; at most 500, the newest.
    """

    up_us: int
    share: float | None
    starts: int
    crashes: int
    spans: tuple[Session, ...]
    since_us: int
    until_us: int


class LifecycleEvent(Answer):
    """Something that happened to the framework: a connection lost or restored, an app failed."""

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
    """Detail that was not kept: a gap."""

    id: Id
    session_id: Id
    reason: str
    what: str
    count: int
    first_us: int
    last_us: int


class LossesPage(Answer):
    """Gaps, newest first."""

    losses: tuple[Loss, ...]
    next_cursor: str | None
