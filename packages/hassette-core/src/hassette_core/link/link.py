"""`HomeAssistantLink`: the service that stays connected to Home Assistant."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from random import random

from hassette_core.clock import SystemClock, TimerClock
from hassette_core.errors import (
    AuthenticationError,
    CallFailedError,
    LinkError,
    NoAnswerError,
    NotConnectedError,
    UnexpectedAnswerError,
    UnreachableError,
)
from hassette_core.events import Event
from hassette_core.lifecycle import AsyncWithService, CancellableWork, wait_while_running
from hassette_core.link.address import parse_address
from hassette_core.link.answers import parse_states
from hassette_core.link.backoff import MAX_REFUSED_S, Backoff
from hassette_core.link.configuration import RUNNING_STATE, HomeConfiguration, parse_configuration
from hassette_core.link.connection import OPEN_TIMEOUT_S, Connection
from hassette_core.link.features import ask_for_lists
from hassette_core.link.home_restarts import HomeRestarts
from hassette_core.link.inbox import Inbox
from hassette_core.link.interruption import CountLoss, Interruption
from hassette_core.link.liveness import LivenessCheck
from hassette_core.link.transport import ConnectionEnd, Transport
from hassette_core.link.web_transport import CLOSE_TIMEOUT_S, MAX_MESSAGE_BYTES, WebTransport
from hassette_core.states import Observation, StateCache
from hassette_core.watchdogs import LoopLag
from hassette_executor import RepeatedLog

logger = logging.getLogger(__name__)

SETUP_TIMEOUT_S = 60.0
LASTING_S = 30.0
"""A connection that lasted for this long resets the wait before the next attempt."""
STARTUP_INTERVAL_S = 2.0
FIRST_OPEN_S = 2.0

Report = Callable[[str, str, str], None]


class HomeAssistantLink(AsyncWithService):
    """Connects to Home Assistant, keeps the states current, passes events on, and reconnects after a loss.

    After a loss, the link connects again, subscribes again and fetches all states again. It waits at most 2 s between
    two attempts, or 30 s if Home Assistant refused a command or answered in an unknown form. An entity that changed
    during the interruption then has its new state, and the link passes on a `StateChanged` whose ``missed`` is True.
    While Home Assistant starts, its entities appear one by one. The link applies these changes to the states, and
    passes on the missed changes when Home Assistant has started. All other events are passed on.

    It is a service (`start`, `serve`, `stop`) and an async context manager.

    Args:
        url: The address of Home Assistant, for example ``http://homeassistant.local:8123``.
        token: A long-lived access token. It is never logged or recorded.
        cache: The states, which this object keeps current.
        on_event: Called with each event that is passed on, on the event loop, after the states have changed. It must
            return at once.
        clock: Wall clock and monotonic clock; the machine's clock by default. Timers use the event loop.
        transport: Opens the connection. None uses the network. Another transport ignores ``max_message_bytes``.
        observation: Informed when the connection begins and ends.
        report: Called with ``connection_lost``, ``connection_restored`` or ``events_lost``, the address and one
            sentence. A failure before the first connection is not reported.
        count_loss: Called with the number of events that Home Assistant discarded, and the time range.
        max_message_bytes: Limit for a received message.
        setup_timeout_s: Limit for the subscription and the first answers of a connection, in seconds.
        open_timeout_s: Limit for opening a connection, in seconds. It doubles with each connection that is not opened
            in time, up to 15 s.
        startup_interval_s: While Home Assistant starts, the link asks at this interval whether it has started.
        lag: Measures the lag of the event loop. By default, the link measures it.
        random: Source of the backoff's jitter. It returns numbers in [0, 1).
        sleep: Waits the given number of seconds between attempts.
        make_liveness_check: Creates the check of one connection.

    Attributes:
        name: ``home assistant link``.
        cache: The states.
        ready: Set while Home Assistant is connected and completely started, and all states are known.
        configuration: Home Assistant's configuration. None before the first connection.
        configuration_changed: Set after `configuration` was fetched or has changed. The reader of the configuration
            clears this event.
        problem: The last failure in one sentence. Empty while Home Assistant is ready.

    Raises:
        UrlError: The address is not valid.
        ValueError: The token is empty.
    """

    name = "home assistant link"

    def __init__(
        self,
        url: str,
        token: str,
        *,
        cache: StateCache,
        on_event: Callable[[Event], None],
        transport: Transport | None = None,
        clock: TimerClock | None = None,
        observation: Observation | None = None,
        report: Report = lambda kind, subject, detail: None,
        count_loss: CountLoss = lambda reason, what, count, first_us, last_us: None,
        max_message_bytes: int = MAX_MESSAGE_BYTES,
        setup_timeout_s: float = SETUP_TIMEOUT_S,
        open_timeout_s: float = FIRST_OPEN_S,
        startup_interval_s: float = STARTUP_INTERVAL_S,
        lag: LoopLag | None = None,
        random: Callable[[], float] = random,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        make_liveness_check: Callable[..., LivenessCheck] = LivenessCheck,
    ) -> None:
        self._address = parse_address(url)
        if not token.strip():
            raise ValueError(f"token must be a non-empty string, got {token!r}")
        self._token = token.strip()
        self.ready = asyncio.Event()
        self.cache = cache
        self.configuration: HomeConfiguration | None = None
        self.configuration_changed = asyncio.Event()
        self.problem = ""
        self._on_event = on_event
        self._clock = clock = clock or SystemClock()
        self._observation = observation or Observation(monotonic_ns=clock.monotonic_ns)
        self._inbox = Inbox(cache, self._receive_event, clock=clock, observation=self._observation)
        self._report = report
        self._count_loss = count_loss
        self._transport = transport or WebTransport(self._address, max_message_bytes=max_message_bytes)
        self._setup_timeout_s = setup_timeout_s
        self._open_timeout_s = self._open_limit_s = open_timeout_s
        self._startup_interval_s = startup_interval_s
        self._backoff = Backoff(random=random)
        self._refused_backoff = Backoff(max_s=MAX_REFUSED_S, random=random)
        self._sleep = sleep
        self._make_liveness_check = make_liveness_check
        self._connection: Connection | None = None
        self._lag = lag or LoopLag()
        self._measures_lag = lag is None and not self._transport.in_process
        self._interruption: Interruption | None = None
        self._work = CancellableWork()
        self._repeated = RepeatedLog(logger, monotonic_ns=clock.monotonic_ns)
        self._restarts = HomeRestarts(on_event, clock)

    @property
    def url(self) -> str:
        """The address of Home Assistant, without a slash or ``/api`` at the end."""
        return self._address.url

    @property
    def connected(self) -> bool:
        """Whether commands can be sent. Home Assistant may still be starting."""
        return self._connection is not None and self._connection.open

    @property
    def connection(self) -> str:
        """State of the connection.

        ``connected``, ``starting`` (connected, but Home Assistant is starting or its states are not loaded) or
        ``connecting``.
        """
        if self.ready.is_set():
            return "connected"
        return "starting" if self.connected else "connecting"

    @property
    def home_assistant_version(self) -> str | None:
        """The version of Home Assistant, for example ``2025.4.4``. None before the first connection."""
        return self.configuration and self.configuration.version

    def require_connection(self, action: str) -> Connection:
        """Return the open connection.

        Args:
            action: The purpose of the connection, for the error message: ``call light.turn_on``.

        Raises:
            NotConnectedError: There is no open connection.
        """
        if self._connection is None or not self._connection.open:
            raise NotConnectedError(action)
        return self._connection

    async def start(self) -> None:
        """Do nothing. The link connects in `serve`, so that the start succeeds without Home Assistant."""

    async def serve(self) -> None:
        """Stay connected until stopped.

        Raises:
            AuthenticationError: Home Assistant refused the token. The link does not try again, because Home Assistant
                can ban a machine after several refused attempts.
        """
        await self._work.run(self._stay_connected(), self.name)

    async def stop(self) -> None:
        """Close the connection, and make `serve` end. May be called twice."""
        await self._work.cancel()

    async def wait_ready(self) -> None:
        """Return once Home Assistant is ready.

        Raises:
            AuthenticationError: Home Assistant refused the token. Only raised if the link is used in ``async with``.
        """
        await wait_while_running(self.ready, self.serve_task)

    async def _stay_connected(self) -> None:
        while True:
            backoff = await self._attempt()
            await self._sleep(backoff.next_s())

    async def _attempt(self) -> Backoff:
        """Connect, stay connected until the connection is lost, and return the backoff for the next attempt."""
        loop = asyncio.get_running_loop()
        began, backoff = loop.time(), self._backoff
        try:
            async with Connection(
                self._transport,
                self.url,
                self._token,
                monotonic_ns=self._clock.monotonic_ns,
                repeated=self._repeated,
                open_timeout_s=self._open_limit_s,
            ) as self._connection:
                self._open_limit_s = self._open_timeout_s
                end = await self._use(self._connection)
        except AuthenticationError:
            raise
        except LinkError as error:
            end = ConnectionEnd(str(error))
            if isinstance(error, UnreachableError) and self._interruption is not None:
                self._interruption = self._interruption.unreachable()
                self._restarts.unreachable()
            if isinstance(error, CallFailedError | UnexpectedAnswerError):
                backoff = self._refused_backoff
            elif isinstance(error, NoAnswerError) and self._connection is None:
                # A starting Home Assistant sometimes leaves a new connection without an answer. Another one succeeds.
                self._open_limit_s = min(2 * self._open_limit_s, OPEN_TIMEOUT_S)
                self._backoff.reset()
        finally:
            self._connection = None
            self.ready.clear()
            self._observation.end()
        if loop.time() - began > LASTING_S:
            self._backoff.reset()
            self._refused_backoff.reset()
        self._report_loss(end)
        return backoff

    async def _use(self, connection: Connection) -> ConnectionEnd:
        """Set up the connection, wait until it is lost, and return the cause."""
        if self._measures_lag:
            self._lag.start()
        liveness = self._make_liveness_check(connection.ping, lambda: self._inbox.received, pause=self._transport.pause)
        lost = asyncio.create_task(connection.wait_until_lost())
        silent = asyncio.create_task(liveness.wait_until_silent())
        setting_up = asyncio.create_task(self._set_up(connection))
        starting = asyncio.create_task(self._watch_startup(connection, setting_up))
        tasks = (setting_up, lost, silent, starting)
        try:
            done, _ = await asyncio.wait(tasks[:3], timeout=self._setup_timeout_s, return_when=asyncio.FIRST_COMPLETED)
            if not done:
                raise NoAnswerError("fetch the states", self._setup_timeout_s)
            if setting_up in done:
                setting_up.result()
                done, _ = await asyncio.wait((lost, silent), return_when=asyncio.FIRST_COMPLETED)
            # If both tasks have ended, return the cause from `lost`. The lost connection is the reason for the silence.
            return lost.result() if lost in done else ConnectionEnd(silent.result())
        except NotConnectedError as error:
            # The failed command does not know why the connection was lost. `lost` returns the cause a little later.
            await asyncio.wait((lost,), timeout=CLOSE_TIMEOUT_S)
            return lost.result() if lost.done() else ConnectionEnd(str(error))
        finally:
            if self._measures_lag:
                self._lag.stop()
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            for task in tasks:
                if not task.cancelled():
                    task.exception()  # if the exception were never read, asyncio would log it

    async def _set_up(self, connection: Connection) -> None:
        self._inbox.begin()
        await ask_for_lists(connection)
        # Subscribe before fetching the states, so that no change between the two is missed.
        await connection.subscribe(self._inbox.receive)
        running = (await self._read_configuration(connection)).state == RUNNING_STATE
        states, malformed = parse_states(await connection.command("fetch the states", "get_states"))
        # Set `ready` before load(), because load() calls listeners, which must see that `ready` is set. There is no
        # await between the two, so that a task that waits for `ready` finds all states.
        if running:
            self.ready.set()
        self._inbox.load(states, running=running, malformed=malformed)
        if running:
            self._report_ready(connection)

    async def _read_configuration(self, connection: Connection) -> HomeConfiguration:
        answer = await connection.command("read the configuration", "get_config")
        self.configuration = configuration = parse_configuration(answer, self.configuration)
        self.configuration_changed.set()
        return configuration

    async def _watch_startup(self, connection: Connection, setting_up: "asyncio.Task[None]") -> None:
        """Ask Home Assistant again and again whether it has started, because its event may be unreadable."""
        await asyncio.wait((setting_up,))
        while not self.ready.is_set():
            await asyncio.sleep(self._startup_interval_s)
            try:
                configuration = await self._read_configuration(connection)
            except (CallFailedError, UnexpectedAnswerError) as error:
                # Ask again. If this task ended here, the link might never become ready on this connection.
                self._repeated.log(
                    "startup",
                    logging.WARNING,
                    "Home Assistant does not report whether it has started; Hassette asks again",
                    extra={"url": self.url, "problem": str(error)},
                )
                continue
            if configuration.state == RUNNING_STATE:
                self._home_started()

    def _receive_event(self, event: Event) -> None:
        if event.event_type == "homeassistant_started":
            self._home_started()
        elif event.event_type == "core_config_updated" and self.configuration is not None:
            self.configuration = self.configuration.updated(event.data)
            self.configuration_changed.set()
        self._restarts.received(event.event_type)
        self._on_event(event)

    def _home_started(self) -> None:
        if self.ready.is_set() or self._connection is None or self.configuration is None:
            return
        self.configuration = self.configuration._replace(state=RUNNING_STATE)
        self.ready.set()  # before the missed changes are passed on, as in _set_up
        self._inbox.home_started()
        self._report_ready(self._connection, started=True)

    def _report_ready(self, connection: Connection, *, started: bool = False) -> None:
        self._observation.begin(connection.ping)
        self.problem = ""
        facts = {"url": self.url, "version": self.home_assistant_version}
        interruption, self._interruption = self._interruption, None
        missed = self._inbox.missed
        self._restarts.ready(self.home_assistant_version, missed, started=started)
        if interruption is None:
            logger.info("Home Assistant connected", extra=facts)
            return
        text = f"Home Assistant {self.home_assistant_version}; {interruption.describe(missed, self._clock)}"
        logger.warning("Connection to Home Assistant restored", extra={**facts, "changed": missed.different})
        self._report("connection_restored", self.url, text)
        if (loss := interruption.loss(missed, self._clock)) is not None:
            logger.warning(
                "Home Assistant disconnected Hassette because its messages were read too slowly; events are lost",
                extra={"at_least": loss.at_least, "seconds": loss.seconds, "problem": loss.text},
            )
            self._report("events_lost", self.url, loss.text)
            self._count_loss("slow_reader", "events", loss.at_least, loss.first_us, loss.last_us)

    def _report_loss(self, end: ConnectionEnd) -> None:
        self.problem = end.cause
        if self._interruption is not None or self.configuration is None:
            # Only the first failure after a connection is a loss. All others are logged but not recorded.
            lost = "Connection to Home Assistant is still lost"
            text = "Home Assistant is not connected yet" if self._interruption is None else lost
            self._repeated.log("no connection", logging.WARNING, text, extra={"url": self.url, "problem": end.cause})
            return
        self._interruption = Interruption.begin(end, self._inbox, self._observation, self._lag.worst_s, self._clock)
        self.problem = self._interruption.cause
        logger.warning("Connection to Home Assistant lost", extra={"url": self.url, "problem": self.problem})
        self._restarts.lost(closed_by_home=end.closed_by_home)
        self._report("connection_lost", self.url, self.problem)
