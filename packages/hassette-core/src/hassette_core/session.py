"""Facts about the session: versions, the home, status changes and the reason for the end."""

import asyncio
import logging
import platform
from collections.abc import Callable, Sequence
from datetime import tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from hassette_core.errors import FatalError
from hassette_core.installed import installed_versions
from hassette_core.lifecycle import Resource, ServiceStatus, StatusBoard, StatusChange
from hassette_core.link import HomeAssistantLink, HomeConfiguration
from hassette_core.redaction import Redaction
from hassette_core.scheduler import SchedulerService
from hassette_executor import CommandExecutor

logger = logging.getLogger(__name__)

CUT_OFF = "the program ended without a request to stop, for example by sys.exit() in a handler (see its run)"

_MESSAGES = {
    "service_degraded": (logging.WARNING, "Service failed to start; retrying, all other services keep running"),
    "service_crashed": (logging.WARNING, "Service crashed; restarting"),
    "service_exhausted": (logging.ERROR, "Service crashed too often"),
    "service_restarted": (logging.WARNING, "Service is running again"),
}
_OTHER_MESSAGE = (logging.DEBUG, "Service status changed")


def session_facts() -> dict[str, str]:
    """Return the facts that are known before the start: versions of the packages, Python and SQLite, the platform."""
    facts = {package.replace("-", "_"): number for package, number in installed_versions().items()}
    facts["python"] = platform.python_version()
    facts["platform"] = platform.platform(terse=True)
    try:
        import sqlite3  # some Pythons are built without it, and core does not need it
    except ImportError:
        return facts
    facts["sqlite"] = sqlite3.sqlite_version
    return facts


class SessionReporter:
    """Logs the supervisor's events and records them with the session.

    Args:
        executor: Records events and session facts.
        board: Shows the status of each service.
        services: Services of plugins; one with an attribute ``url`` serves a page.
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
        """Address of the page, once it is served; None without one."""
        for service in self._services:
            if self._board.status_of(service.name) is ServiceStatus.RUNNING and (url := _url_of(service)):
                return url
        return None

    def stop_requested(self, reason: str) -> None:
        """Record a clean end and its reason."""
        self._executor.set_session_facts(reason=reason, outcome="clean")

    def status_changed(self, change: StatusChange) -> None:
        """Log and record the change."""
        level, message = _MESSAGES.get(change.kind, _OTHER_MESSAGE)
        problem = {"problem": change.detail} if change.detail else {}
        logger.log(level, message, extra={"service": change.name, "status": change.status.value, **problem})
        if change.status is ServiceStatus.RUNNING:
            for service in self._services:
                if service.name == change.name and (url := _url_of(service)):
                    logger.info("Page is available", extra={"url": url})
        # Nothing can be recorded once the executor has stopped; its sinks stop after it.
        if self._board.status_of(self._executor.name) is not ServiceStatus.STOPPED:
            self._executor.report(change.kind, change.name, self._redact(change.detail))

    def failed(self, cause: FatalError) -> None:
        """Record a failed end and its cause."""
        self._executor.set_session_facts(reason=self._redact(str(cause)), outcome="failed")

    def cut_off(self) -> None:
        """Log and record an end without a request to stop."""
        # A SystemExit that leaves the event loop reaches us only as the cancellation of all tasks.
        logger.error("Program ended without a request to stop", extra={"problem": CUT_OFF})
        self._executor.set_session_facts(reason=CUT_OFF, outcome="failed")


class HomeFacts:
    """Service that records Home Assistant's version and gives the home's place and time zone to the scheduler.

    Args:
        link: Connection to Home Assistant.
        executor: Records the facts.
        scheduler: Plans jobs by the place and the time zone.
        time_zone: Configured time zone, which takes precedence; None for Home Assistant's.
        interval_s: Seconds between two checks for a new version or place. They change only when Home Assistant
            restarts or a person edits them.
        find_zone: Finds a time zone by its name.
    """

    name = "home facts"

    def __init__(
        self,
        link: HomeAssistantLink,
        executor: CommandExecutor,
        scheduler: SchedulerService,
        *,
        time_zone: str | None = None,
        interval_s: float = 30.0,
        find_zone: Callable[[str], tzinfo] = ZoneInfo,
    ) -> None:
        self._link = link
        self._executor = executor
        self._scheduler = scheduler
        self._time_zone = time_zone
        self._interval_s = interval_s
        self._find_zone = find_zone
        self._stopped = asyncio.Event()

    async def start(self) -> None:
        """Get ready to serve."""
        self._stopped.clear()

    async def serve(self) -> None:
        """Record the facts after each change, until stopped."""
        known: HomeConfiguration | None = None
        while not self._stopped.is_set():
            await self._link.ready.wait()
            home = self._link.configuration
            if home is not None and home != known:
                known = home
                self._record(home)
            try:
                async with asyncio.timeout(self._interval_s):
                    await self._stopped.wait()
            except TimeoutError:
                continue

    async def stop(self) -> None:
        """Make `serve` end."""
        self._stopped.set()

    def _record(self, home: HomeConfiguration) -> None:
        self._executor.set_session_facts(home_assistant=home.version, time_zone=self._time_zone or home.time_zone)
        zone = None if self._time_zone else self._zone_of(home)
        self._scheduler.set_place(time_zone=zone, latitude=home.latitude, longitude=home.longitude)

    def _zone_of(self, home: HomeConfiguration) -> tzinfo | None:
        try:
            return self._find_zone(home.time_zone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            # Home Assistant may know newer time zones than this machine; jobs keep the zone that they have.
            kept = str(self._scheduler.place.zone)
            logger.warning(
                "Home Assistant's time zone is unknown on this machine; jobs keep the current one",
                extra={"time_zone": home.time_zone, "kept": kept, "error": str(error)},
            )
            return None


def _url_of(service: Resource) -> str | None:
    return getattr(service, "url", None)
