"""`Inbox`: parse each received event, apply it to the states, pass it on, and pass on missed changes."""

import logging
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime
from enum import Enum, auto
from typing import Any, NamedTuple, cast

from hassette_core.clock import SystemClock, TimerClock
from hassette_core.errors import UnreadableEventError, describe_error
from hassette_core.events import Event, State, StateChanged, missed_change, parse_event
from hassette_core.link.messages import name_of_event
from hassette_core.states import Observation, StateCache
from hassette_executor import RepeatedLog

logger = logging.getLogger(__name__)

MARK_INTERVAL_NS = 1_000_000_000
MARKS = 10


class Phase(Enum):
    """Progress of one connection."""

    LOADING = auto()
    """The states have not been fetched yet. Events are buffered, so that handlers find all states."""
    STARTING = auto()
    """Home Assistant is starting. In this phase, a state change only shows that an entity has appeared. The change is
    applied to the states but not passed on. All other events are passed on."""
    RUNNING = auto()
    """All events are passed on."""


class MissedChanges(NamedTuple):
    """The result of comparing the states before and after a time without a connection.

    Attributes:
        different: Number of entities whose state or attributes differ.
        touched: Number of entities that changed at least once, even if only a time differs now. Each of them was passed
            on as a missed change.
        kept: Whether at least one entity did not change at all. If all entities changed, Home Assistant has restarted,
            because a restart gives all states new times.
    """

    different: int = 0
    touched: int = 0
    kept: bool = False


class Inbox:
    """Receives the events of all connections, one connection at a time.

    No method waits, because Home Assistant disconnects a client that has 4096 unread messages.

    Args:
        cache: The states, which this object keeps current. They are updated before an event is passed on.
        on_event: Called with each event that is passed on, on the event loop. It must return at once.
        observation: Receives the time of each event.
        clock: Clock for the `received_ns` of events and for the time of missed changes; the machine's clock by default.

    Attributes:
        received: Number of events so far. While this number grows, the connection works.
        last: The last event that was received.
        missed: The missed changes of the current connection.
    """

    def __init__(
        self,
        cache: StateCache,
        on_event: Callable[[Event], None],
        *,
        observation: Observation | None = None,
        clock: TimerClock | None = None,
    ) -> None:
        self.received = 0
        self.last: Event | None = None
        self.missed = MissedChanges()
        self._cache = cache
        self._on_event = on_event
        self._observation = observation or Observation()
        self._clock = clock = clock or SystemClock()
        self._monotonic_ns = clock.monotonic_ns
        self._phase = Phase.LOADING
        self._buffer: deque[Event] = deque()
        self._marks: deque[tuple[datetime, int]] = deque(maxlen=MARKS)
        self._marked_ns = 0
        self._before: dict[str, State] | None = None
        self._malformed: Collection[str | None] = ()
        self._repeated = RepeatedLog(logger, monotonic_ns=clock.monotonic_ns)

    def begin(self) -> None:
        """Prepare for a new connection. Call it before subscribing."""
        if self._phase is Phase.RUNNING:
            # If the last connection ended before Home Assistant was running, handlers still know only the states from
            # before that connection.
            self._before = self._cache.snapshot()
        self._phase = Phase.LOADING
        self.missed = MissedChanges()
        self._marks.clear()
        self._buffer.clear()
        self._cache.begin_load()

    @property
    def rate(self) -> float:
        """Number of events that Home Assistant has sent per second, over about the last ten seconds of events."""
        if self.last is None or not self._marks:
            return 0.0
        since, received = self._marks[0]
        seconds = (self.last.time_fired - since).total_seconds()
        return (self.received - received) / seconds if seconds > 0 else 0.0

    def load(self, states: Iterable[State], *, running: bool, malformed: Collection[str | None] = ()) -> None:
        """Replace all states. Then pass on missed changes, and the events that have arrived since the subscription.

        Args:
            states: All states, fetched after subscribing.
            running: Whether Home Assistant has completely started. If False, call `home_started` after it has.
            malformed: Entities that exist but are not in ``states``, because their states are malformed. None stands
                for an entity whose id is not known.
        """
        self._malformed = malformed
        self._cache.load(states)
        self._phase = Phase.STARTING
        if running:
            self.home_started()
        while self._buffer:
            # One of these events may be the start of Home Assistant, which calls `home_started`.
            self._pass_on(self._buffer.popleft())

    def home_started(self) -> None:
        """Pass on missed changes, and all events from now on. Call this when Home Assistant has completely started."""
        if self._phase is Phase.STARTING:
            self._phase = Phase.RUNNING
            self._pass_on_missed()

    def receive(self, message: Mapping[str, Any] | StateChanged) -> None:
        """Receive one event: a state change, or the message of any event."""
        if type(message) is StateChanged:
            event: Event | None = message
        else:
            event = self._parse(cast("Mapping[str, Any]", message))
            if event is None:
                return
        self.received += 1
        self.last = event
        self._observation.note(event.time_fired, event.received_ns)
        if event.received_ns - self._marked_ns >= MARK_INTERVAL_NS:
            self._marked_ns = event.received_ns
            self._marks.append((event.time_fired, self.received))
        if type(event) is StateChanged:
            self._cache.apply(event)
        if self._phase is Phase.RUNNING:
            self._deliver(event)
        elif self._phase is Phase.LOADING:
            self._buffer.append(event)
        else:
            self._pass_on(event)

    def _parse(self, message: Mapping[str, Any]) -> Event | None:
        try:
            return parse_event(message["event"], self._monotonic_ns())
        except (UnreadableEventError, LookupError, TypeError) as error:
            self._repeated.log(
                "unreadable",
                logging.WARNING,
                "Event has an unknown shape; the event is ignored",
                extra={"problem": str(error), "event": name_of_event(message.get("event"))},
            )
            return None

    def _pass_on(self, event: Event) -> None:
        if self._phase is Phase.RUNNING or type(event) is not StateChanged:
            self._deliver(event)

    def _pass_on_missed(self) -> None:
        """Pass on the changes between the last connection and this one, except the changes in the buffer.

        The states already contain the buffered changes, which are passed on after the missed changes.
        """
        before, self._before = self._before, None
        if before is None:
            return  # the first connection
        after = self._cache.snapshot()
        for event in reversed(self._buffer):
            if isinstance(event, StateChanged):
                if event.old_state is None:
                    after.pop(event.entity_id, None)
                else:
                    after[event.entity_id] = event.old_state
        now, now_ns = self._clock.now(), self._monotonic_ns()
        changes: list[StateChanged] = []
        kept = False
        for entity_id in before.keys() | after.keys():
            old, new = before.get(entity_id), after.get(entity_id)
            if old == new:
                kept = True
            elif new is not None or not (entity_id in self._malformed or None in self._malformed):
                changes.append(missed_change(old, new, now, now_ns))
        self.missed = MissedChanges(sum(change.differs for change in changes), len(changes), kept)
        for change in sorted(changes, key=lambda change: change.time_fired):
            self._deliver(change)

    def _deliver(self, event: Event) -> None:
        try:
            self._on_event(event)
        except Exception as error:  # noqa: BLE001  a defect in the handling of one event must not end the connection
            self._repeated.log(
                "failed",
                logging.ERROR,
                "Event could not be passed on",
                extra={"event_type": event.event_type, "error": describe_error(error)},
            )
