"""The service that holds the line to Home Assistant."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from random import random
from typing import Any

from hassette_core.errors import AuthenticationError, LinkError, NoAnswerError, NotConnectedError, UnexpectedAnswerError
from hassette_core.events import Event, State, parse_state
from hassette_core.lifecycle import ServiceContext
from hassette_core.link.address import parse_address
from hassette_core.link.backoff import MOST_S, Backoff
from hassette_core.link.configuration import RUNNING, HomeConfiguration, parse_configuration
from hassette_core.link.connection import CLOSE_TIMEOUT_S, MAX_MESSAGE_BYTES, Connection, quieten_hass_client
from hassette_core.link.inbox import Inbox
from hassette_core.link.pulse import Pulse
from hassette_core.states import StateCache
from hassette_executor import RepeatedLog

logger = logging.getLogger(__name__)

SETUP_TIMEOUT_S = 60.0
LOG_INTERVAL_S = 60.0

Report = Callable[[str, str, str], None]


class HomeAssistantLink(ServiceContext):
    """Connects to Home Assistant, keeps the states current, hands events on, and comes back when the line breaks.

    After a loss it connects again (exponential backoff with jitter), subscribes again and fetches all states again.
    Nothing is made up for the time in between: an entity that changed meanwhile is simply found changed; no event
    is invented for it. While Home Assistant itself is starting, its entities appear one by one: those changes only
    enter the states, and other events are handed on.

    It is a service by shape (``start``, ``serve``, ``stop``), and works by itself as an async context manager.

    Args:
        url: Home Assistant's address, such as ``http://homeassistant.local:8123``.
        token: A long-lived access token. It appears in no log, record or error.
        cache: Kept current.
        on_event: Called on the loop with every event, after the states have been changed; must return at once.
        report: Told ``connection_lost`` and ``connection_restored``, with the address and one sentence. What has
            not been connected yet is not lost.
        max_message_bytes: Largest message taken.
        random: Source of the backoff's jitter.
        sleep: Waits between attempts, in seconds.
        make_pulse: Makes the watch over one connection.

    Attributes:
        name: ``home assistant link``.
        ready: Set while Home Assistant is connected, completely started and all states are known.
        configuration: What Home Assistant says about itself; None before the first connection.
        problem: What went wrong last, in one sentence; empty while all is well.

    Raises:
        UrlError: The address is not one.
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
        report: Report = lambda kind, subject, detail: None,
        max_message_bytes: int = MAX_MESSAGE_BYTES,
        random: Callable[[], float] = random,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        make_pulse: Callable[..., Pulse] = Pulse,
    ) -> None:
        self._address = parse_address(url)
        if not token.strip():
            raise ValueError("the access token for Home Assistant is empty")  # hass-client would look for another
        self._token = token.strip()
        self.ready = asyncio.Event()
        self.configuration: HomeConfiguration | None = None
        self.problem = ""
        self._on_event = on_event
        self._inbox = Inbox(cache, self._hear)
        self._report = report
        self._max_message_bytes = max_message_bytes
        self._backoff = Backoff(random=random)
        self._sleep = sleep
        self._make_pulse = make_pulse
        self._connection: Connection | None = None
        self._lost = False
        self._serving: asyncio.Task[None] | None = None
        self._repeated = RepeatedLog(logger, LOG_INTERVAL_S)

    # ------------------------------------------------------------ what others see

    @property
    def url(self) -> str:
        """Home Assistant's address."""
        return self._address.url

    @property
    def connected(self) -> bool:
        """Whether commands can be sent; Home Assistant may still be starting."""
        return self._connection is not None and self._connection.open

    @property
    def connection(self) -> str:
        """State of the connection: ``connected``, ``starting`` (Home Assistant is starting) or ``connecting``."""
        if self.ready.is_set():
            return "connected"
        return "starting" if self.connected else "connecting"

    @property
    def home_assistant_version(self) -> str | None:
        """Such as ``2025.4.4``; None before the first connection."""
        return self.configuration and self.configuration.version

    @property
    def time_zone(self) -> str | None:
        """The home's time zone, such as ``Europe/Amsterdam``; None before the first connection."""
        return self.configuration and self.configuration.time_zone

    @property
    def latitude(self) -> float | None:
        """The home's latitude in degrees; None before the first connection."""
        return self.configuration and self.configuration.latitude

    @property
    def longitude(self) -> float | None:
        """The home's longitude in degrees; None before the first connection."""
        return self.configuration and self.configuration.longitude

    @property
    def inbox(self) -> Inbox:
        """The counts of what has been received, withheld and passed over."""
        return self._inbox

    def require_connection(self, action: str) -> Connection:
        """Return the connection.

        Raises:
            NotConnectedError: There is none.
        """
        if self._connection is None or not self._connection.open:
            raise NotConnectedError(action)
        return self._connection

    # ------------------------------------------------------------ life

    async def start(self) -> None:
        """Do nothing that could fail: an absent Home Assistant makes us not ready, never dead."""
        quieten_hass_client()

    async def serve(self) -> None:
        """Stay connected until stopped.

        Raises:
            AuthenticationError: The token was refused; trying again would only get us banned.
        """
        # A task of its own, so that stop() ends this without cancelling whoever awaits it.
        self._serving = serving = asyncio.create_task(self._stay_connected(), name=self.name)
        try:
            await asyncio.wait((serving,))
        finally:
            serving.cancel()
            await asyncio.wait((serving,))
            self._serving = None
        if not serving.cancelled():
            serving.result()

    async def stop(self) -> None:
        """Close the connection and let `serve` end. Does nothing when it has ended."""
        if (serving := self._serving) is not None:
            serving.cancel()
            await asyncio.wait((serving,))

    async def wait_ready(self) -> None:
        """Return once Home Assistant is ready.

        Raises:
            AuthenticationError: The token was refused (when used as a context manager, whose `serve` nobody watches).
        """
        if self.serve_task is None:
            await self.ready.wait()
            return
        waiting = asyncio.create_task(self.ready.wait())
        try:
            await asyncio.wait((waiting, self.serve_task), return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        if self.serve_task.done():
            self.serve_task.result()

    # ------------------------------------------------------------ one connection after another

    async def _stay_connected(self) -> None:
        while True:
            await self._attempt()
            await self._sleep(self._backoff.next_s())

    async def _attempt(self) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            async with Connection(
                self._address, self._token, max_message_bytes=self._max_message_bytes
            ) as self._connection:
                problem = await self._use(self._connection)
        except AuthenticationError:
            raise
        except LinkError as error:
            problem = str(error)
        finally:
            self._connection = None
            self.ready.clear()
        if loop.time() - began > MOST_S:
            # Only a connection that has lasted earns a quick return; one that breaks as soon as it is made, such as
            # one cut off for being too slow, would otherwise fetch all states twice a second.
            self._backoff.reset()
        self._note_loss(problem)

    async def _use(self, connection: Connection) -> str:
        """Set the connection up, watch over it, and return why it ended."""
        pulse = self._make_pulse(connection.ping, lambda: self._inbox.received)
        lost = asyncio.create_task(connection.until_lost())
        silent = asyncio.create_task(pulse.until_silent())
        setting_up = asyncio.create_task(self._set_up(connection))
        tasks = (setting_up, lost, silent)
        try:
            done, _ = await asyncio.wait(tasks, timeout=SETUP_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED)
            if not done:
                raise NoAnswerError("fetch the states", SETUP_TIMEOUT_S)
            if setting_up in done:
                setting_up.result()
                done, _ = await asyncio.wait((lost, silent), return_when=asyncio.FIRST_COMPLETED)
            # When both have ended, the loss is the cause and the unanswered ping its effect.
            return (lost if lost in done else silent).result()
        except NotConnectedError as error:
            # A command that failed with the connection says only that; why it was lost, the reader knows in a moment.
            await asyncio.wait((lost,), timeout=CLOSE_TIMEOUT_S)
            return lost.result() if lost.done() else str(error)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            for task in tasks:
                if not task.cancelled():
                    task.exception()  # one cause is enough; what else went wrong with it is its effect

    async def _set_up(self, connection: Connection) -> None:
        self._inbox.begin()
        # First subscribe, then fetch: the other way round, what happens in between would be missed.
        await connection.subscribe(self._inbox.receive)
        self.configuration = parse_configuration(await connection.command("read the configuration", "get_config"))
        states = parse_states(await connection.command("fetch the states", "get_states"))
        running = self.configuration.state == RUNNING
        # No await between these two: whoever waits for `ready` runs after both, and a listener finds it set.
        if running:
            self._note_ready()
        self._inbox.load(states, running=running)

    def _hear(self, event: Event) -> None:
        if event.event_type == "homeassistant_started":
            self._inbox.run()
            self._note_ready()
        elif event.event_type == "core_config_updated" and self.configuration is not None:
            self.configuration = self.configuration.updated(event.data)
        self._on_event(event)

    def _note_ready(self) -> None:
        if self.configuration is not None:
            self.configuration = self.configuration._replace(state=RUNNING)
        if self.ready.is_set():
            return
        self.ready.set()
        self.problem = ""
        facts = {"url": self.url, "version": self.home_assistant_version}
        if self._lost:
            self._lost = False
            logger.warning("Connection to Home Assistant restored", extra=facts)
            self._report("connection_restored", self.url, f"Home Assistant {self.home_assistant_version}")
        else:
            logger.info("Connected to Home Assistant", extra=facts)

    def _note_loss(self, problem: str) -> None:
        self.problem = problem
        if self._lost or self.configuration is None:
            # What has never been there is not lost: the first attempts are told as what they are, and reported nowhere.
            self._repeated.log(
                "no connection",
                logging.WARNING,
                "Still no connection to Home Assistant" if self._lost else "No connection to Home Assistant yet",
                extra={"url": self.url, "problem": problem},
            )
            return
        self._lost = True
        logger.warning("Connection to Home Assistant lost", extra={"url": self.url, "problem": problem})
        self._report("connection_lost", self.url, problem)


def parse_states(raw: Any) -> list[State]:
    """Read the answer to ``get_states``; a state of unknown shape fails the whole.

    Raises:
        UnexpectedAnswerError: It has another shape.
    """
    try:
        return [parse_state(state) for state in raw]
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise UnexpectedAnswerError("read the states", repr(error)) from None
