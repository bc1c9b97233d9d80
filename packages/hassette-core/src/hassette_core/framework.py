"""`Hassette`: create the services, connect them, and run them."""

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import UTC, tzinfo
from types import TracebackType
from typing import Self
from zoneinfo import ZoneInfo

from hassette_core.api import Api
from hassette_core.apps import AppService, HotReload
from hassette_core.bus import BusService, OwnEvents
from hassette_core.clock import SystemClock, TimerClock
from hassette_core.conditions import ConditionContext
from hassette_core.config import HassetteConfig
from hassette_core.containment import (
    ACTOR,
    FRAMEWORK,
    ContextThreads,
    GuardedTask,
    containing_tasks,
    rehearsals,
    threads_with_actors,
)
from hassette_core.control import FrameworkControl
from hassette_core.errors import CoreError
from hassette_core.home import HomeData, HomeRegistry, HomeService
from hassette_core.lifecycle import Resource, ServiceSpec, StatusBoard, StatusReport, Supervisor, wait_while_running
from hassette_core.link import HomeAssistantLink, Transport, WebTransport
from hassette_core.live import LiveView
from hassette_core.plugins import load_services, load_sinks
from hassette_core.recording import Recording
from hassette_core.redaction import Redaction, redacted_logging
from hassette_core.scheduler import SchedulerService
from hassette_core.session import HomeFacts, SessionReporter, session_facts
from hassette_core.states import Observation, StateCache
from hassette_core.triggers import TriggerService
from hassette_core.unawaited import unawaited_coroutines
from hassette_core.watchdogs import CauseChains, LoopWatch, report_ignored_cancellations
from hassette_executor import Clock, CommandExecutor, MakeThreads, RecordSink, SinkWithStopLimit, ThreadPool

logger = logging.getLogger(__name__)

SINK_RESERVE_S = 1.0
"""Seconds of the stop budget that are reserved for each sink without a stop limit."""


class Hassette:
    """The framework. It creates all services, connects them, and runs them under a supervisor.

    The link passes events to the bus. The executor writes records to the installed sinks, such as the store.

    Example:
        >>> hassette = Hassette(load_config(Path("hassette.toml")))
        >>> await hassette.run()

    Args:
        config: The configuration.
        sinks: Sinks for records, in addition to the installed ones.
        plugins: False leaves out the sinks and services of other packages, such as the store and the pages.
        clock: Wall clock, monotonic clock and timers; the machine's clock by default. Timeouts and pauses use the event
            loop, so a clock of a test belongs to an event loop of the test.
        make_threads: Creates the threads of plain ``def`` handlers; those of the executor by default.
        make_executor: Creates the executor, with the arguments of `CommandExecutor`.
        transport: Opens the connection to Home Assistant. None uses the network.
        reload: Loads the configuration again. With it, the framework watches the files of the apps and the
            configuration, and reloads changed apps. None reloads nothing.

    Attributes:
        config: The configuration.
        executor: Runs commands and records the results.
        states: The current states of all entities.
        link: Connection to Home Assistant.
        home: The areas, floors, devices, labels and users of the home.
        api: Requests to Home Assistant.
        bus: Passes events to listeners.
        scheduler: Runs jobs when they are due.
        apps: Starts and stops the apps.
        live: Current status, for pages.
        control: Actions on jobs, apps and error groups, for pages and commands.

    Raises:
        ConfigError: The configuration has no token, or a plugin rejected its table.
        UrlError: The address of Home Assistant is not valid.
    """

    def __init__(
        self,
        config: HassetteConfig,
        *,
        sinks: Sequence[RecordSink] = (),
        plugins: bool = True,
        clock: TimerClock | None = None,
        make_threads: MakeThreads = ThreadPool,
        make_executor: Callable[..., CommandExecutor] = CommandExecutor,
        transport: Transport | None = None,
        reload: Callable[[], HassetteConfig] | None = None,
    ) -> None:
        clock = clock or SystemClock()
        token = config.require_token()
        grace_s = config.hassette.grace_s
        zone = config.hassette.time_zone
        redact = Redaction.for_records(config.secrets)
        board = StatusBoard()
        all_sinks = (*(load_sinks(config, board) if plugins else ()), *sinks)

        self.config = config
        settings = config.executor_settings
        self.executor = make_executor(
            *all_sinks,
            # A read costs a run some microseconds, and without a sink it is not stored.
            settings=settings if all_sinks else replace(settings, state_reads=0),
            redact=redact,
            clock=Clock(wall_ns=clock.wall_ns, monotonic_ns=clock.monotonic_ns),
            make_threads=make_threads,
        )
        report_ignored_cancellations(self.executor)
        cache = StateCache()
        self.states = cache.states
        # A test that moves the clock also stops the loop, for example in a debugger.
        blocked_s = config.watchdogs.blocked_s if isinstance(clock, SystemClock) else 0
        self._loop_watch = LoopWatch(self.executor, blocked_s=blocked_s)
        observation = Observation(monotonic_ns=clock.monotonic_ns)
        conditions = ConditionContext(self.states, clock)
        self.bus = BusService(
            self.executor,
            states=self.states,
            clock=clock,
            observation=observation,
            conditions=conditions,
            grace_s=grace_s,
            redact=redact,
            causes=CauseChains(
                config.watchdogs.loop_turns, config.watchdogs.loop_pause_s, monotonic_ns=clock.monotonic_ns
            ),
        )
        self.executor.hooks.observer = OwnEvents(self.bus)
        self._recording = Recording(
            config.recording, self.executor, self.bus, self.states, clock, redact, records=bool(all_sinks)
        )
        self.link = HomeAssistantLink(
            config.home_assistant.url,
            token,
            cache=cache,
            on_event=self._recording.receive,
            clock=clock,
            transport=transport or WebTransport.for_settings(config.home_assistant),
            observation=observation,
            lag=self._loop_watch.lag if blocked_s else None,
            report=self.executor.report,
            count_loss=self.executor.count_loss,
        )
        home_data = HomeData(cache.by_entity)
        self.home = HomeRegistry(home_data)
        self._home_service = HomeService(self.link, home_data, clock, self._recording)
        self._trigger_service = TriggerService(self.link, self.bus.triggers, self.bus.dispatch, clock)
        recording = self._recording
        self.api = Api(self.link, clock=clock, begin=recording.begin_call, record=recording.record_call, redact=redact)
        self.scheduler = SchedulerService(
            self.executor,
            clock=clock,
            conditions=conditions,
            watch=self.bus.watch,
            kept_in=config.data_dir / "scheduler.json",
            time_zone=ZoneInfo(zone) if zone else UTC,
            grace_s=grace_s,
            redact=redact,
        )
        self.apps = AppService(
            config.apps,
            config.app_dir,
            data_dir=config.data_dir,
            executor=self.executor,
            bus=self.bus,
            scheduler=self.scheduler,
            api=self.api,
            states=self.states,
            home=self.home,
            ready=self.link.ready,
            stop_timeout_s=grace_s,
            make_threads=make_threads,
            redact=redact,
        )
        self.live = LiveView(
            self.executor,
            self.scheduler,
            self.bus.triggers,
            self.link,
            board,
            apps_started=self.apps.started,
            redact=redact,
        )
        self.control = FrameworkControl(
            self.apps,
            self.scheduler,
            self.executor,
            board,
            records=bool(all_sinks),
            redact=redact,
            wall_ns=clock.wall_ns,
        )
        services = load_services(config, self.live, self.control, board) if plugins else ()

        self._has_sinks = bool(all_sinks)
        self._redact = Redaction(config.secrets)
        self._redactions = [redact, self._redact]
        self.hot_reload = (
            None
            if reload is None
            else HotReload(self.apps, config, reload, self.executor.report, lambda newer: self.mask(newer.secrets))
        )
        self._reporter = SessionReporter(self.executor, board, services, self._redact)
        self._supervisor = Supervisor(
            self._service_specs([sink for sink in all_sinks if isinstance(sink, Resource)], services),
            stop_budget_s=config.hassette.stop_budget_s,
            monotonic=lambda: clock.monotonic_ns() / 1e9,
            board=board,
            observer=self._reporter,
        )
        self._task: asyncio.Task[None] | None = None

    def _service_specs(self, sinks: Sequence[Resource], services: Sequence[Resource]) -> list[ServiceSpec]:
        home_facts = HomeFacts(self.link, self.executor, self.scheduler, time_zone=self.config.hassette.time_zone)
        sink_names = tuple(sink.name for sink in sinks)
        return [
            # A sink with a stop limit has no reserve: several such sinks would use up the time of the apps.
            *(
                ServiceSpec(sink)
                if isinstance(sink, SinkWithStopLimit)
                else ServiceSpec(sink, reserve_s=SINK_RESERVE_S)
                for sink in sinks
            ),
            ServiceSpec(self.executor, after=sink_names, required=True, reserve_s=self.config.hassette.executor_stop_s),
            ServiceSpec(self._loop_watch, after=(self.executor.name,)),
            # The link stops after bus and scheduler, because handlers that finish in their grace period still need the
            # link to call services.
            ServiceSpec(self.link, after=(self.executor.name,), required=True),
            # It stops after the bus: a call whose run is cancelled then still gets the context of its event.
            ServiceSpec(self._home_service, after=(self.link.name,)),
            ServiceSpec(self.bus, after=(self._home_service.name,), required=True),
            ServiceSpec(self._trigger_service, after=(self.bus.name,)),
            ServiceSpec(self.scheduler, after=(self.bus.name,), required=True),
            ServiceSpec(home_facts, after=(self.scheduler.name,)),
            ServiceSpec(self.apps, after=(home_facts.name,), required=True),
            *([] if self.hot_reload is None else [ServiceSpec(self.hot_reload, after=(self.apps.name,))]),
            *(ServiceSpec(service, after=(self.apps.name,)) for service in services),
        ]

    def also_mask(self, redact: Redaction) -> None:
        """Mask the secrets of reloaded configurations also in the texts that another object masks."""
        self._redactions.append(redact)

    def mask(self, secrets: Collection[str]) -> None:
        """Mask more secrets from now on, in logs, records and pages."""
        for redact in self._redactions:
            redact.add(secrets)

    @property
    def statuses(self) -> tuple[StatusReport, ...]:
        """Status of every service, including plugins that could not be loaded."""
        return self._supervisor.board.statuses

    @property
    def time_zone(self) -> tzinfo | None:
        """The home's time zone: the configured one, or that of Home Assistant. None until it is known."""
        place = self.scheduler.place
        # HomeFacts passes the time zone and the location to the scheduler together.
        return place.zone if self.config.hassette.time_zone or place.latitude is not None else None

    @property
    def page_url(self) -> str | None:
        """Address of the page. None if there is no page, or the page is not available yet."""
        return self._reporter.page_url

    @property
    def has_sinks(self) -> bool:
        """True if there is at least one sink. Without a sink, runs are not recorded."""
        return self._has_sinks

    async def run(self) -> None:
        """Run until `request_stop` is called, then stop all services in order.

        While this method runs, the event loop has the task factory `hassette_core.containment.ContainedTasks`: if a
        task of an app calls ``sys.exit()``, only that task ends.

        Raises:
            FatalError: A failure ended the run. All services have been stopped.
            CancelledError: The call was cancelled. All services have been stopped, and the outcome of the session is
                ``failed``.
        """
        asyncio.get_running_loop().set_default_executor(ContextThreads(thread_name_prefix="asyncio"))
        with (
            redacted_logging(self._redact),
            self._recording.logging(),
            containing_tasks(self.executor.report),
            threads_with_actors(),
            rehearsals(),
            unawaited_coroutines(),
        ):
            self.executor.set_session_facts(**session_facts(), home_assistant_url=self.link.url)
            if self.config.hassette.time_zone:
                # Without the setting, the time zone is known only after the connection to Home Assistant.
                self.executor.set_session_facts(time_zone=self.config.hassette.time_zone)
            for warning in self.config.warnings:
                logger.warning("Configuration has a warning", extra={"problem": warning})
            if not self._has_sinks:
                logger.warning(
                    "Runs are not recorded: there is no sink",
                    extra={"to_record_them": 'pip install "hassette-core[telemetry]"'},
                )
            await self._supervisor.run()

    async def wait_stopping(self) -> None:
        """Wait until the stop begins."""
        await self._supervisor.wait_stopping()

    async def wait_started(self) -> None:
        """Wait until every required service has started, and every optional service has started or failed to start."""
        await self._supervisor.started.wait()

    async def wait_ready(self) -> None:
        """Return once Home Assistant is connected, and every app is running or has failed to start.

        In a test of an app, call this before the first event. `apps.statuses` has the status of each app.

        Example:
            ::

                async with Hassette(config, plugins=False) as hassette:
                    await hassette.wait_ready()
                    home.core.change("binary_sensor.hall_motion", "on")

        Raises:
            FatalError: A failure ended `run`.
            CoreError: Hassette was stopped before the apps had started.
        """
        await self._wait_for(self.apps.started)
        if not self.apps.started.is_set():
            raise CoreError("Hassette was stopped before its apps had started")

    def request_stop(self, reason: str) -> None:
        """Make `run` stop all services and return. Only the first call has an effect.

        Args:
            reason: The reason that the history shows, such as ``SIGTERM`` or ``stopped by the program``.
        """
        if not self._supervisor.stopping:
            logger.info("Hassette is stopping", extra={"reason": reason})
            self._reporter.stop_requested(reason)
            self._supervisor.request_stop()

    async def __aenter__(self) -> Self:
        """Call `run` in a task, and wait as `wait_started` does.

        Raises:
            FatalError: A required service could not start.
        """
        self._task = GuardedTask(self.run(), loop=asyncio.get_running_loop(), name="hassette")
        # The code of the program is not code of an app, so it may change the home while an app rehearses.
        if ACTOR.get() is None:
            ACTOR.set(FRAMEWORK)
        try:
            await self._wait_for(self._supervisor.started)
        except asyncio.CancelledError:
            self.request_stop("cancelled during startup")
            await self._task
            raise
        return self

    async def _wait_for(self, event: asyncio.Event) -> None:
        """Wait for the event. Inside ``async with``, wait at most until `run` ends. If `run` fails, raise its error."""
        await wait_while_running(event, self._task)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop all services.

        Raises:
            FatalError: A failure had already ended the run.
        """
        assert self._task is not None  # __aenter__ has set it
        self.request_stop("stopped by the program" if error is None else f"ended by {type(error).__name__}")
        await self._task
