"""How things are now: what pages show beside the history. It has the shape that ``hassette_sync.live`` asks for."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hassette_core.lifecycle import StatusChange
from hassette_core.logs import Redaction
from hassette_core.redacted import RedactedSubscription, redacted_running
from hassette_core.scheduler import UpcomingJob
from hassette_executor import Accounting, CommandExecutor, RunningExecution


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveSnapshot:
    """How things are at one moment.

    Attributes:
        ready: Connected to Home Assistant, apps started.
        connection: ``connected``, ``starting`` (Home Assistant is) or ``connecting``.
        services: Every part of the framework and how it is.
        running: Runs that have begun and not ended.
        upcoming: Each job's next run.
        accounting: Where this process's runs went.
    """

    ready: bool
    connection: str
    services: Sequence[StatusChange]
    running: Sequence[RunningExecution]
    upcoming: Sequence[UpcomingJob]
    accounting: Accounting


class LiveView:
    """The framework's side of "now".

    Args:
        executor: Knows what runs and what has just ended.
        upcoming: Lists each job's next run.
        connection: Says how the connection to Home Assistant is.
        services: Lists every part's status.
        redact: Takes the secrets out of what is shown.
    """

    def __init__(
        self,
        executor: CommandExecutor,
        *,
        upcoming: Callable[[], Sequence[UpcomingJob]],
        connection: Callable[[], str],
        services: Callable[[], Sequence[StatusChange]],
        redact: Redaction | None = None,
    ) -> None:
        self._executor = executor
        self._upcoming = upcoming
        self._connection = connection
        self._services = services
        self._redact = redact or Redaction(())

    def subscribe(self, after: int) -> RedactedSubscription:
        """Follow the runs that end from now on, those still retained with an id above ``after`` first.

        The iteration raises `SubscriberTooSlowError` when the follower has fallen too far behind.
        """
        return RedactedSubscription(self._executor.feed.subscribe(after), self._redact)

    def snapshot(self) -> LiveSnapshot:
        """Return how things are now."""
        connection = self._connection()
        services = tuple([part._replace(detail=self._redact(part.detail)) for part in self._services()])
        return LiveSnapshot(
            ready=connection == "connected" and not any(part.status == "waiting" for part in services),
            connection=connection,
            services=services,
            running=redacted_running(self._executor.running(), self._redact),
            upcoming=tuple(self._upcoming()),
            accounting=self._executor.accounting(),
        )
