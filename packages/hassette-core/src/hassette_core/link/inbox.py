"""`Inbox`: parse each received event, apply it to the states, and pass it on."""

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from enum import Enum, auto
from typing import Any

from hassette_core.errors import UnreadableEventError
from hassette_core.events import Event, State, StateChanged, parse_event
from hassette_core.states import StateCache
from hassette_executor import RepeatedLog

logger = logging.getLogger(__name__)

LOG_INTERVAL_S = 60.0


class Phase(Enum):
    """Progress of one connection."""

    LOADING = auto()
    """The states have not been fetched yet. Events are buffered, so that handlers find all states."""
    STARTING = auto()
    """Home Assistant is starting. In this phase, a state change only shows that an entity has appeared. The change is
    applied to the states but not passed on. All other events are passed on."""
    RUNNING = auto()
    """All events are passed on."""


class Inbox:
    """Receives the events of all connections, one connection at a time.

    No method waits, because Home Assistant disconnects a client that has 4096 unread messages.

    Args:
        cache: The states, which this object keeps current. They are updated before an event is passed on.
        on_event: Called with each event that is passed on, on the event loop. It must return at once.
        monotonic_ns: Clock for the `received_ns` of events.

    Attributes:
        received: Number of events so far. While it grows, the connection works.
    """

    def __init__(
        self,
        cache: StateCache,
        on_event: Callable[[Event], None],
        *,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.received = 0
        self._cache = cache
        self._on_event = on_event
        self._monotonic_ns = monotonic_ns
        self._phase = Phase.LOADING
        self._buffer: list[Event] = []
        self._repeated = RepeatedLog(logger, LOG_INTERVAL_S)

    def begin(self) -> None:
        """Prepare for a new connection. Call it before subscribing."""
        self._phase = Phase.LOADING
        self._buffer.clear()
        self._cache.begin_load()

    def load(self, states: Iterable[State], *, running: bool) -> None:
        """Replace all states, and then pass on the events that have arrived since the subscription.

        Args:
            states: All states, fetched after subscribing.
            running: Whether Home Assistant has completely started. If False, call `home_started` later, once it has.
        """
        self._cache.load(states)
        self._phase = Phase.RUNNING if running else Phase.STARTING
        buffered, self._buffer = self._buffer, []
        for event in buffered:
            self._pass_on(event)

    def home_started(self) -> None:
        """Pass on all events from now on. Call this when Home Assistant has completely started."""
        if self._phase is Phase.STARTING:
            self._phase = Phase.RUNNING

    def receive(self, message: Mapping[str, Any]) -> None:
        """Receive one message of the subscription."""
        try:
            event = parse_event(message["event"], self._monotonic_ns())
        except (UnreadableEventError, LookupError, TypeError) as error:
            self._repeated.log(
                "unreadable",
                logging.WARNING,
                "Event has an unknown shape; the event is ignored",
                extra={"problem": str(error)},
            )
            return
        self.received += 1
        if type(event) is StateChanged:
            self._cache.apply(event)
        if self._phase is Phase.RUNNING:
            self._on_event(event)
        elif self._phase is Phase.LOADING:
            self._buffer.append(event)
        else:
            self._pass_on(event)

    def _pass_on(self, event: Event) -> None:
        if self._phase is Phase.RUNNING or type(event) is not StateChanged:
            self._on_event(event)
