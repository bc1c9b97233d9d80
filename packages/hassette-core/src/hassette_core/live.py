"""`LiveView`: the current status of the framework, which pages show next to the history.

``hassette_sync.live`` declares the protocols that these classes satisfy, so that neither package imports the other.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from hassette_core.bus import HomeTriggers, TriggerReport
from hassette_core.errors import MAX_DESCRIPTION
from hassette_core.lifecycle import StatusBoard, StatusReport
from hassette_core.link import HomeAssistantLink
from hassette_core.redaction import Redaction
from hassette_core.scheduler import SchedulerService, UpcomingJob
from hassette_executor import Accounting, CommandExecutor, FeedSubscription, RunningExecution, redact_and_cut


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveSnapshot:
    """The status of the framework at one moment.

    Attributes:
        ready: Whether Home Assistant is connected, and every app is running or has failed to start.
        connection: The value of `HomeAssistantLink.connection`: ``connected``, ``starting`` or ``connecting``.
        services: Status of every service of the framework.
        running: Runs in progress.
        upcoming: The next runs of jobs, soonest first, at most 50.
        triggers: Status of the triggers of each listener to triggers of Home Assistant.
        accounting: Number of the executed runs of this process, and numbers of their records that are stored, shed and
            waiting.
    """

    ready: bool
    connection: str
    services: Sequence[StatusReport]
    running: Sequence[RunningExecution]
    upcoming: Sequence[UpcomingJob]
    triggers: Sequence[TriggerReport]
    accounting: Accounting


class LiveView:
    """Provides the current status of the framework.

    Args:
        executor: Provides the runs in progress, the new records and the accounting.
        scheduler: Provides the next run of each job.
        triggers: Provides the status of triggers.
        link: Provides the state of the connection.
        board: Provides the status of every service.
        apps_started: Set when every app is running or has failed to start.
        redact: Masks secrets in error messages of services.
    """

    def __init__(
        self,
        executor: CommandExecutor,
        scheduler: SchedulerService,
        triggers: HomeTriggers,
        link: HomeAssistantLink,
        board: StatusBoard,
        *,
        apps_started: asyncio.Event,
        redact: Redaction,
    ) -> None:
        self._executor = executor
        self._scheduler = scheduler
        self._triggers = triggers
        self._link = link
        self._board = board
        self._apps_started = apps_started
        self._redact = redact

    def subscribe(self, after: int) -> FeedSubscription:
        """Follow new records. The iteration begins with those records in memory whose ids are above ``after``.

        The iteration raises `SubscriberTooSlowError` when the subscriber reads too slowly.
        """
        return self._executor.feed.subscribe(after)

    def next_run_us(self, app: str, instance: str, name: str) -> int | None:
        """Return the time of the next run of one job; None if no run is planned."""
        return self._scheduler.next_run_us(app, instance, name)

    def snapshot(self) -> LiveSnapshot:
        """Return the current status."""
        connection = self._link.connection
        services = tuple(
            [
                one._replace(detail=redact_and_cut(one.detail, MAX_DESCRIPTION, self._redact))
                for one in self._board.statuses
            ]
        )
        return LiveSnapshot(
            ready=connection == "connected" and self._apps_started.is_set(),
            connection=connection,
            services=services,
            running=self._executor.running(),
            upcoming=tuple(self._scheduler.upcoming()),
            triggers=tuple(
                [
                    one._replace(detail=redact_and_cut(one.detail, MAX_DESCRIPTION, self._redact))
                    for one in self._triggers.reports()
                ]
            ),
            accounting=self._executor.accounting(),
        )
