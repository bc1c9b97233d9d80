"""Facts that are recorded with the session, and the classes that record them.

`session_facts` returns the versions and the platform. `SessionReporter` records status changes of services and the
reason for the end of the session. `HomeFacts` records Home Assistant's version and time zone.
"""

import asyncio
import logging
import platform
from collections.abc import Callable, Sequence
from datetime import tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from hassette_core.errors import MAX_DESCRIPTION, FatalError
from hassette_core.installed import installed_versions
from hassette_core.lifecycle import AsyncWithService, Resource, ServiceStatus, StatusBoard, StatusReport, first_set
from hassette_core.link import HomeAssistantLink, HomeConfiguration
from hassette_core.redaction import Redaction
from hassette_core.scheduler import SchedulerService
from hassette_executor import CommandExecutor, redact_and_cut

logger = logging.getLogger(__name__)

UNREQUESTED_END = "the program ended without a request to stop: it cancelled the task that runs Hassette"

_MESSAGES = {
    "service_degraded": (logging.WARNING, "Service failed to start; retrying, all other services keep running"),
    "service_partly_started": (logging.WARNING, "Service works only in part; all other services keep running"),
    "service_crashed": (logging.WARNING, "Service crashed; restarting"),
    "service_exhausted": (logging.ERROR, "Service crashed too often"),
    "service_restarted": (logging.WARNING, "Service is running again"),
}
_OTHER_MESSAGE = (logging.DEBUG, "Service status changed")


def session_facts() -> dict[str, str]:
    """Return the facts that are known before the start: the platform, and versions of packages, Python and SQLite."""
    facts = {package.replace("-", "_"): number for package, number in installed_versions().items()}
    facts["python"] = platform.python_version()
    facts["platform"] = platform.platform(terse=True)
    try:
        import sqlite3  # imported here, because some builds of Python lack it, and core does not need it
    except ImportError:
        return facts
    facts["sqlite"] = sqlite3.sqlite_version
    return facts


class SessionReporter:
    """Logs the supervisor's events and records them with the session. The supervisor calls it.

    Args:
        executor: Records events and session facts.
        board: Provides the status of each service.
        services: Services of plugins. A service with an attribute ``url`` serves a page.
        redact: Masks secrets.
    """

    def __init__(
        self, executor: CommandExecutor, board: StatusBoard, services: Sequence[Resource], redact: Redaction
    ) -> None:
        self._executor = executor
        self._board = board
        self._services = services
        self._redact = redact

    @property
    def page_url(self) -> str | None:
        """Address of the page. None if there is no page, or the page is not available yet."""
        for service in self._services:
            if self._board.status_of(service.name) is ServiceStatus.RUNNING and (url := _url_of(service)):
                return url
        return None

    def stop_requested(self, reason: str) -> None:
        """Record that the session ends normally, with the reason for the stop."""
        self._executor.set_session_facts(reason=reason, outcome="clean")

    def status_changed(self, report: StatusReport) -> None:
        """Log and record a new status."""
        level, message = _MESSAGES.get(report.kind, _OTHER_MESSAGE)
        problem = {"problem": report.detail} if report.detail else {}
        logger.log(level, message, extra={"service": report.name, "status": report.status.value, **problem})
        if report.status is ServiceStatus.RUNNING:
            for service in self._services:
                if service.name == report.name and (url := _url_of(service)):
                    logger.info("Page is available", extra={"url": url})
        # After the executor has stopped, nothing can be recorded. The sinks stop after the executor, so their last
        # status changes are only logged.
        if self._board.status_of(self._executor.name) is not ServiceStatus.STOPPED:
            detail = redact_and_cut(report.detail, MAX_DESCRIPTION, self._redact)
            self._executor.report(report.kind, report.name, detail)

    def failed(self, cause: FatalError) -> None:
        """Record that a failure ends the session, with the cause of the failure."""
        reason = redact_and_cut(str(cause), MAX_DESCRIPTION, self._redact)
        self._executor.set_session_facts(reason=reason, outcome="failed")

    def cancelled(self) -> None:
        """Log and record that the session ends without a request to stop."""
        logger.error("Program ended without a request to stop", extra={"problem": UNREQUESTED_END})
        self._executor.set_session_facts(reason=UNREQUESTED_END, outcome="failed")


class HomeFacts(AsyncWithService):
    """Service that records Home Assistant's version, and passes the home's location and time zone to the scheduler.

    Args:
        link: Connection to Home Assistant.
        executor: Records the facts.
        scheduler: Plans jobs by the location and the time zone.
        time_zone: The configured time zone, which takes precedence. None uses Home Assistant's time zone.
        find_zone: Finds a time zone by its name.
    """

    name = "home settings"

    def __init__(
        self,
        link: HomeAssistantLink,
        executor: CommandExecutor,
        scheduler: SchedulerService,
        *,
        time_zone: str | None = None,
        find_zone: Callable[[str], tzinfo] = ZoneInfo,
    ) -> None:
        self._link = link
        self._executor = executor
        self._scheduler = scheduler
        self._time_zone = time_zone
        self._find_zone = find_zone
        self._stopped = asyncio.Event()

    async def start(self) -> None:
        """Forget an earlier call of `stop`, so that `serve` does not end at once."""
        self._stopped.clear()

    async def serve(self) -> None:
        """Record the facts after each change, until stopped."""
        known: HomeConfiguration | None = None
        while await first_set(self._stopped, self._link.ready) is self._link.ready:
            self._link.configuration_changed.clear()
            home = self._link.configuration
            if home is not None and home != known:
                known = home
                self._record(home)
            await first_set(self._stopped, self._link.configuration_changed)

    async def stop(self) -> None:
        """Make `serve` end."""
        self._stopped.set()

    def _record(self, home: HomeConfiguration) -> None:
        self._executor.set_session_facts(home_assistant=home.version, time_zone=self._time_zone or home.time_zone)
        zone = None if self._time_zone else self._zone_of(home)
        self._scheduler.set_place(
            time_zone=zone, latitude=home.latitude, longitude=home.longitude, elevation=home.elevation
        )

    def _zone_of(self, home: HomeConfiguration) -> tzinfo | None:
        try:
            return self._find_zone(home.time_zone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            # Home Assistant may know a time zone that is too new for this machine. Jobs keep their current zone.
            kept = str(self._scheduler.place.zone)
            logger.warning(
                "Home Assistant's time zone is unknown on this machine; jobs keep the current one",
                extra={"time_zone": home.time_zone, "kept": kept, "error": str(error)},
            )
            return None


def _url_of(service: Resource) -> str | None:
    return getattr(service, "url", None)
