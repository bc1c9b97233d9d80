"""The composition root: which parts there are, and how they are joined."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC
from types import TracebackType
from typing import Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from hassette_core.api import Api
from hassette_core.apps import AppService
from hassette_core.bus import BusService
from hassette_core.config import HassetteConfig
from hassette_core.config.problems import missing_token
from hassette_core.errors import CoreError, FatalError
from hassette_core.facts import HomeFacts, session_facts
from hassette_core.lifecycle import Member, Resource, ServiceStatus, StatusChange, Supervisor
from hassette_core.link import HomeAssistantLink, HomeConfiguration
from hassette_core.live import LiveView
from hassette_core.logs import Redaction
from hassette_core.plugins import Loaded, load_services, load_sinks
from hassette_core.redacted import RedactingSink
from hassette_core.scheduler import SchedulerService
from hassette_core.secrets import SHORTEST
from hassette_core.states import StateCache
from hassette_executor import CommandExecutor, RecordSink

logger = logging.getLogger(__name__)

EXECUTOR_SHARE = 0.5
"""Of the stop budget, what the executor may use: for the runs that still go on, and for the final flush."""
GRACE_SHARE = 0.15
"""Of the stop budget, what jobs may use to end by themselves, and then handlers; what runs on is cancelled."""
SINK_RESERVE_S = 1.0
CUT_OFF = "something ended the program without a request to stop, such as sys.exit in a handler (see its run)"

_NEWS = {
    "service_degraded": (logging.WARNING, "A part could not start; it is tried again, and the rest runs without it"),
    "service_crashed": (logging.WARNING, "A part crashed; it is started again"),
    "service_exhausted": (logging.ERROR, "A part crashed too often"),
    "service_restarted": (logging.WARNING, "A part works again"),
}
_NO_NEWS = (logging.DEBUG, "A part changed its status")


class Hassette:
    """The whole framework in one object: give it a configuration and `run` it, or enter it as a context.

    Args:
        config: What to run.
        sinks: Where records go, beside the installed sinks.
        plugins: False leaves out everything that is installed beside core: sinks, pages.

    Attributes:
        config: What it was given.
        executor: Runs everything, and keeps account.
        states: What every entity is now.
        link: The line to Home Assistant.
        api: What apps ask of Home Assistant.
        bus: Brings events to handlers.
        scheduler: Brings jobs to their time.
        apps: The apps.

    Raises:
        ConfigError: The configuration has no token, or a plugin refused its table.
        UrlError: Home Assistant's address is not one.
    """

    def __init__(self, config: HassetteConfig, *, sinks: Sequence[RecordSink] = (), plugins: bool = True) -> None:
        token = config.home_assistant.token
        if token is None or not token.get_secret_value().strip():
            raise missing_token(config.file)
        self.config = config
        self._redact = Redaction(config.secrets)
        installed, broken = load_sinks(config) if plugins else Loaded()
        kept: tuple[RecordSink, ...] = (*installed, *sinks)
        self._broken = list(broken)
        self._keeps = bool(kept)
        executor_s = config.hassette.stop_budget_s * EXECUTOR_SHARE
        stop_timeout_s = min(config.executor.stop_timeout_s, executor_s)
        # Of values that are shorter, a log line is cleared; a record would be full of holes.
        texts = Redaction([secret for secret in config.secrets if len(secret) >= SHORTEST])
        # The sinks themselves are supervised below: nobody but the executor writes, and it writes through these.
        written = [RedactingSink(sink, texts) for sink in kept] if texts else kept
        self.executor = CommandExecutor(*written, settings=replace(config.executor, stop_timeout_s=stop_timeout_s))
        cache = StateCache()
        self.states = cache.states
        grace_s = config.hassette.stop_budget_s * GRACE_SHARE
        self.bus = BusService(self.executor, states=self.states, grace_s=grace_s, redact=texts)
        self.link = HomeAssistantLink(
            config.home_assistant.url,
            token.get_secret_value(),
            cache=cache,
            on_event=self.bus.dispatch,
            report=self._report_connection,
        )
        self.api = Api(self.link)
        zone = config.hassette.time_zone
        self.scheduler = SchedulerService(self.executor, time_zone=ZoneInfo(zone) if zone else UTC, grace_s=grace_s)
        self.apps = AppService(
            config.apps,
            config.app_dir,
            executor=self.executor,
            bus=self.bus,
            scheduler=self.scheduler,
            api=self.api,
            states=self.states,
            ready=self.link.ready,
            stop_timeout_s=grace_s,
        )
        self.live = LiveView(
            self.executor,
            upcoming=self.scheduler.upcoming,
            connection=lambda: self.connection,
            services=lambda: self.statuses,
            redact=texts,
        )
        services, broken = load_services(config, self.live) if plugins else Loaded()
        self._broken += broken
        self._services = services
        lasting = [sink for sink in kept if isinstance(sink, Resource)]
        self._supervisor = Supervisor(
            [
                *(Member(sink, reserve_s=SINK_RESERVE_S) for sink in lasting),
                Member(self.executor, after=tuple(sink.name for sink in lasting), required=True, reserve_s=executor_s),
                # The link outlives bus and scheduler: in their grace, running handlers still call services through it.
                Member(self.link, after=(self.executor.name,), required=True),
                Member(self.bus, after=(self.link.name,), required=True),
                Member(self.scheduler, after=(self.bus.name,), required=True),
                Member(HomeFacts(self.link, self._note_home), after=(self.scheduler.name,)),
                Member(self.apps, after=(HomeFacts.name,), required=True),
                *(Member(service, after=(self.apps.name,)) for service in services),
            ],
            stop_budget_s=config.hassette.stop_budget_s,
            on_change=self._note_change,
            on_fatal=self._note_fatal,
            on_cut_off=self._note_cut_off,
        )
        self._task: asyncio.Task[None] | None = None

    # ---- what others see --------------------------------------------------------------------------------------

    @property
    def statuses(self) -> tuple[StatusChange, ...]:
        """Every part and how it is, plugins that could not be loaded included."""
        return (*self._supervisor.statuses, *self._broken)

    @property
    def connection(self) -> str:
        """How the connection to Home Assistant is: ``connected``, ``starting`` (it is), ``connecting``."""
        if self.link.ready.is_set():
            return "connected"
        return "starting" if self.link.connected else "connecting"

    @property
    def page_url(self) -> str | None:
        """Where the page is, once it answers; None without one."""
        running = {change.name for change in self.statuses if change.status is ServiceStatus.RUNNING}
        urls = (getattr(service, "url", None) for service in self._services if service.name in running)
        return next((url for url in urls if url), None)

    @property
    def keeps(self) -> bool:
        """Whether anything keeps the records."""
        return self._keeps

    # ---- life -------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Run until `request_stop`, then stop everything in order.

        Raises:
            FatalError: What ended it otherwise; everything has been stopped.
            CancelledError: It was cut off: cancelled, or a handler raised ``SystemExit``. Everything has been stopped,
                and the session's outcome is ``failed``.
        """
        with self._redact:
            self.executor.set_session_facts(**session_facts(), home_assistant_url=self.link.url)
            if not self._keeps:
                logger.warning(
                    "Nothing is kept: no store is installed",
                    extra={"to_keep_it": 'pip install "hassette-core[telemetry]"'},
                )
            await self._supervisor.run()

    async def wait_started(self) -> None:
        """Return once every part has been started or, where it is not needed, tried."""
        await self._supervisor.started.wait()

    async def wait_ready(self) -> None:
        """Return once Home Assistant is connected, and every app is running or has failed to start.

        `apps.statuses` has the status of each app. Use it in a test of an app, before the first event:

            async with Hassette(config, plugins=False) as hassette:
                await hassette.wait_ready()
                home.core.change("binary_sensor.hall_motion", "on")

        Raises:
            FatalError: Hassette could not start or go on.
            CoreError: Hassette was stopped before the apps had started.
        """
        if self._task is None:
            await self.apps.started.wait()
            return
        ready = asyncio.create_task(self.apps.started.wait())
        try:
            await asyncio.wait({self._task, ready}, return_when=asyncio.FIRST_COMPLETED)
            if not ready.done():
                self._task.result()
                raise CoreError("Hassette was stopped before its apps had started")
        finally:
            ready.cancel()

    def request_stop(self, reason: str) -> None:
        """Let `run` end. Safe to call twice; the first reason counts.

        Args:
            reason: Why, for the history: ``SIGTERM``, ``stopped by the program``.
        """
        if not self._supervisor.stopping:
            logger.info("Stopping", extra={"reason": reason})
            self.executor.set_session_facts(reason=reason, outcome="clean")
            self._supervisor.request_stop()

    async def __aenter__(self) -> Self:
        """Run in a task of its own, and return once everything has started.

        Raises:
            FatalError: It could not start.
        """
        self._task = asyncio.create_task(self.run(), name="hassette")
        started = asyncio.create_task(self.wait_started())
        try:
            await asyncio.wait({self._task, started}, return_when=asyncio.FIRST_COMPLETED)
        except BaseException:
            self.request_stop("cancelled while starting")
            await self._task
            raise
        finally:
            started.cancel()
        if self._task.done():
            self._task.result()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop everything.

        Raises:
            FatalError: It had ended by itself.
        """
        assert self._task is not None  # entered before
        self.request_stop("stopped by the program" if error is None else f"ended by {type(error).__name__}")
        await self._task

    # ---- what happens -----------------------------------------------------------------------------------------

    def _note_change(self, change: StatusChange) -> None:
        level, message = _NEWS.get(change.kind, _NO_NEWS)
        problem = {"problem": change.detail} if change.detail else {}
        logger.log(level, message, extra={"part": change.name, "status": change.status.value, **problem})
        if change.status is ServiceStatus.RUNNING:
            for service in self._services:
                if service.name == change.name and (url := getattr(service, "url", None)):
                    logger.info("The page answers", extra={"url": url})
        if not self._writes_no_more(change):
            self.executor.report(change.kind, change.name, self._redact(change.detail))

    def _writes_no_more(self, change: StatusChange) -> bool:
        """Whether the executor has stopped: its own end, and that of its sinks after it, nobody can write."""
        changes = (*self.statuses, change)
        return any(one.name == self.executor.name and one.status is ServiceStatus.STOPPED for one in changes)

    def _note_fatal(self, cause: FatalError) -> None:
        self.executor.set_session_facts(reason=self._redact(str(cause)), outcome="failed")

    def _note_cut_off(self) -> None:
        # A SystemExit that leaves the event loop reaches us only as the cancellation of everything.
        logger.error("Cut off without a request to stop", extra={"problem": CUT_OFF})
        self.executor.set_session_facts(reason=CUT_OFF, outcome="failed")

    def _report_connection(self, kind: str, subject: str, detail: str) -> None:
        self.executor.report(kind, subject, self._redact(detail))

    def _note_home(self, home: HomeConfiguration) -> None:
        own_zone = self.config.hassette.time_zone
        self.executor.set_session_facts(home_assistant=home.version, time_zone=own_zone or home.time_zone)
        zone = None
        if not own_zone:
            try:
                zone = ZoneInfo(home.time_zone)
            except (ZoneInfoNotFoundError, ValueError) as error:
                # Home Assistant's list of zones may be newer than this machine's: jobs keep the zone that they have.
                logger.warning(
                    "Home Assistant's time zone is unknown here; jobs keep theirs",
                    extra={"time_zone": home.time_zone, "kept": str(self.scheduler.place.zone), "error": str(error)},
                )
        self.scheduler.set_place(time_zone=zone, latitude=home.latitude, longitude=home.longitude)
