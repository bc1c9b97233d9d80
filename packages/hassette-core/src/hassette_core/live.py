"""Current status, which pages show next to the history. It has the shape that ``hassette_sync.live`` expects."""

from collections.abc import Sequence
from dataclasses import dataclass

from hassette_core.lifecycle import StatusBoard, StatusChange
from hassette_core.link import HomeAssistantLink
from hassette_core.redaction import Redaction
from hassette_core.scheduler import SchedulerService, UpcomingJob
from hassette_executor import Accounting, CommandExecutor, FeedSubscription, RunningExecution


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveSnapshot:
    """Status at one moment.

    Attributes:
        ready: Whether Home Assistant is connected and the apps have started.
        connection: ``connected``, ``starting`` (Home Assistant is starting) or ``connecting``.
        services: Status of every service of the framework.
        running: Runs in progress.
        upcoming: Next run of each job.
        accounting: Counts of this process's runs and records.
    """

    ready: bool
    connection: str
    services: Sequence[StatusChange]
    running: Sequence[RunningExecution]
    upcoming: Sequence[UpcomingJob]
    accounting: Accounting


class LiveView:
    """Gives pages the current status of the framework.

    Args:
        executor: Runs in progress, new records and accounting.
        scheduler: Next run of each job.
        link: Connection to Home Assistant.
        board: Status of every service.
        redact: Masks secrets in the services' problems.
    """

    def __init__(
        self,
        executor: CommandExecutor,
        scheduler: SchedulerService,
        link: HomeAssistantLink,
        board: StatusBoard,
        *,
        redact: Redaction,
    ) -> None:
        self._executor = executor
        self._scheduler = scheduler
        self._link = link
        self._board = board
        self._redact = redact

    def subscribe(self, after: int) -> FeedSubscription:
        """Follow new records, beginning with the retained ones whose id is above ``after``.

        The iteration raises `SubscriberTooSlowError` when the subscriber has fallen too far behind.
        """
        return self._executor.feed.subscribe(after)

    def snapshot(self) -> LiveSnapshot:
        """Return the current status."""
        connection = self._link.connection
        services = tuple([one._replace(detail=self._redact(one.detail)) for one in self._board.statuses])
        return LiveSnapshot(
            ready=connection == "connected" and not any(one.status == "waiting" for one in services),
            connection=connection,
            services=services,
            running=self._executor.running(),
            upcoming=tuple(self._scheduler.upcoming()),
            accounting=self._executor.accounting(),
        )
