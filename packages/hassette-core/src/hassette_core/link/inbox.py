"""Where events arrive: read, taken over into the states, then handed on."""

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
    """How far one connection has come."""

    GATHERING = auto()
    """The states have not been fetched yet: events wait, so that no handler looks into half a house."""
    STARTING = auto()
    """Home Assistant is starting: its entities appear, which are no changes in the house. They only become known."""
    RUNNING = auto()
    """Everything is handed on."""


class Inbox:
    """Takes the events of all connections, one after another.

    It never waits: Home Assistant cuts a subscriber off that has 4096 messages pending.

    Args:
        cache: Kept current; it is changed before an event is passed on.
        on_event: Where events go. Called on the loop; must return at once.
        monotonic_ns: The clock that stamps events.

    Attributes:
        received: Events read so far. It grows as long as the connection lives and something happens.
        withheld: Changes of state that were not handed on, because Home Assistant was starting.
        unreadable: Messages that could not be read.
    """

    def __init__(
        self,
        cache: StateCache,
        on_event: Callable[[Event], None],
        *,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.received = 0
        self.withheld = 0
        self.unreadable = 0
        self._cache = cache
        self._on_event = on_event
        self._monotonic_ns = monotonic_ns
        self._phase = Phase.GATHERING
        self._waiting: list[Event] = []
        self._repeated = RepeatedLog(logger, LOG_INTERVAL_S)

    def begin(self) -> None:
        """Get ready for a new connection; call it before subscribing."""
        self._phase = Phase.GATHERING
        self._waiting.clear()
        self._cache.begin_load()

    def load(self, states: Iterable[State], *, running: bool) -> None:
        """Take over all states, then hand on what has happened since the subscription.

        Args:
            states: All states, as fetched after subscribing.
            running: Whether Home Assistant has started completely; if not, call `run` once it has.
        """
        self._cache.load(states)
        self._phase = Phase.RUNNING if running else Phase.STARTING
        waiting, self._waiting = self._waiting, []
        for event in waiting:
            self._hand_on(event)

    def run(self) -> None:
        """Hand on everything from now on: Home Assistant has started."""
        if self._phase is Phase.STARTING:
            self._phase = Phase.RUNNING

    def receive(self, message: Mapping[str, Any]) -> None:
        """Take one message of the subscription."""
        try:
            event = parse_event(message["event"], self._monotonic_ns())
        except (UnreadableEventError, LookupError, TypeError) as error:
            self.unreadable += 1
            self._repeated.log(
                "unreadable", logging.WARNING, "Passed over an event of unknown shape", extra={"problem": str(error)}
            )
            return
        self.received += 1
        if type(event) is StateChanged:
            self._cache.apply(event)
        if self._phase is Phase.RUNNING:
            self._on_event(event)
        elif self._phase is Phase.GATHERING:
            self._waiting.append(event)
        else:
            self._hand_on(event)

    def _hand_on(self, event: Event) -> None:
        if self._phase is Phase.STARTING and type(event) is StateChanged:
            self.withheld += 1
        else:
            self._on_event(event)
