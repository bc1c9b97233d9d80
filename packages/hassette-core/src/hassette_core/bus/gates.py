"""Gates between a matching event and its run: `Hold`, `Debounce` and `Throttle`.

A gate implements an option of a listener: ``duration``, ``debounce`` or ``throttle``. It receives a `Delivery`, which
is an event on its way to one handler. The gate passes the delivery on at once, later, or never.
"""

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple, Protocol

from hassette_core.clock import Timer, TimerClock
from hassette_core.events import Event, StateChanged
from hassette_executor import EventTrigger


class Delivery(NamedTuple):
    """An event on its way to a handler.

    Attributes:
        event: The event.
        trigger: The event in the form that is recorded. All listeners of an event share one trigger.
        ready_ns: When the event was received, or when a gate released it, in nanoseconds of the monotonic clock. The
            waiting time in the record of the run begins here, so it does not include the time in a gate.
    """

    event: Event
    trigger: EventTrigger
    ready_ns: int


class HeldDelivery(NamedTuple):
    """A delivery that a gate holds, for the gate of the listener that replaces this one after a reload.

    Attributes:
        delivery: The delivery.
        waited_s: How long the change has lasted, in seconds, for a ``duration``. None for another gate.
    """

    delivery: Delivery
    waited_s: float | None = None


Release = Callable[[Delivery], None]
"""Takes a delivery that a gate passes on."""
Skip = Callable[[str, Delivery], None]
"""Counts a dropped delivery, with the reason."""


class DeliveryGate(Protocol):
    """A step that passes deliveries on at once, later, or never."""

    @property
    def holds(self) -> bool:
        """Whether a delivery is held."""
        ...

    def offer(self, delivery: Delivery) -> None:
        """Pass a delivery on, hold it, or drop it."""
        ...

    def drop_held(self) -> None:
        """Drop the held deliveries. The gate still accepts new deliveries."""
        ...

    def take_held(self) -> "list[HeldDelivery]":
        """Remove the held deliveries and return them. They are not counted as skipped."""
        ...


class Debounce:
    """Waits for a pause without events, and then passes on the last event.

    Dropped events are counted as ``rate_limited``.

    Args:
        quiet_s: Required pause without events, in seconds.
        clock: Measures the pause.
        release: Called with the event that passes.
        skip: Counts dropped events.
    """

    def __init__(self, quiet_s: float, clock: TimerClock, release: Release, skip: Skip) -> None:
        self._quiet_ns = round(quiet_s * 1e9)
        self._clock = clock
        self._release = release
        self._skip = skip
        self._held: Delivery | None = None
        self._open_ns = 0
        self._timer: Timer | None = None

    @property
    def holds(self) -> bool:
        """Whether an event is held."""
        return self._held is not None

    def offer(self, delivery: Delivery) -> None:
        """Hold the event. If an earlier event is held, drop the earlier event."""
        if self._held is not None:
            self._skip("rate_limited", self._held)
        self._held = delivery
        self._open_ns = self._clock.monotonic_ns() + self._quiet_ns
        # A running timer is not replaced. If it fires too early, it is set again. So a burst of a thousand events costs
        # a thousand assignments and not a thousand timers.
        if self._timer is None:
            self._timer = self._clock.call_later(self._quiet_ns / 1e9, self._fire)

    def drop_held(self) -> None:
        """Drop the held event, and count it as ``rate_limited``."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if (held := self._held) is not None:
            self._held = None
            self._skip("rate_limited", held)

    def take_held(self) -> list[HeldDelivery]:
        """Remove the held event and return it."""
        held, self._held = self._held, None
        self.drop_held()
        return [] if held is None else [HeldDelivery(held)]

    def _fire(self) -> None:
        self._timer = None
        held, now_ns = self._held, self._clock.monotonic_ns()
        if held is None:
            return
        if now_ns < self._open_ns:
            self._timer = self._clock.call_later((self._open_ns - now_ns) / 1e9, self._fire)
            return
        self._held = None
        self._release(held._replace(ready_ns=now_ns))


class Throttle:
    """Passes an event on at once, and then drops events during an interval.

    Dropped events are counted as ``rate_limited``.

    Args:
        interval_s: Minimum time between two events that pass, in seconds.
        clock: Measures the interval.
        release: Called with the event that passes.
        skip: Counts dropped events.
    """

    def __init__(self, interval_s: float, clock: TimerClock, release: Release, skip: Skip) -> None:
        self._interval_ns = round(interval_s * 1e9)
        self._clock = clock
        self._release = release
        self._skip = skip
        self._open_ns: int | None = None

    @property
    def holds(self) -> bool:
        """False, because a throttle holds no event."""
        return False

    def offer(self, delivery: Delivery) -> None:
        """Pass the event on, or drop it."""
        now_ns = self._clock.monotonic_ns()
        if self._open_ns is not None and now_ns < self._open_ns:
            self._skip("rate_limited", delivery)
            return
        self._open_ns = now_ns + self._interval_ns
        self._release(delivery)

    def drop_held(self) -> None:
        """Do nothing, because a throttle holds no event."""

    def take_held(self) -> list[HeldDelivery]:
        """Return nothing, because a throttle holds no event."""
        return []


class HomeObservation(Protocol):
    """Whether all changes have been received, and how old a time of Home Assistant is.

    `hassette_core.states.Observation` observes a connection. `LocalObservation` is for a bus without a connection.
    """

    def when_current(self, callback: Callable[[], None]) -> None:
        """Call a function as soon as all changes up to now have been passed on."""
        ...

    def age_s(self, moment: datetime) -> float:
        """Return how many seconds ago a time of Home Assistant's clock was. The age is never negative or too large."""
        ...

    def elapsed_s(self, moment: datetime, now: datetime) -> float:
        """Return how many seconds ago a time of Home Assistant's clock was, however long ago. It is never negative.

        Args:
            moment: The time, by Home Assistant's clock.
            now: The present time, by this machine's clock. It counts only while Home Assistant's clock is unknown.
        """
        ...


class LocalObservation:
    """The observation of a bus whose changes come from this process, such as in a test.

    Args:
        clock: The clock of the changes.
    """

    def __init__(self, clock: TimerClock) -> None:
        self._clock = clock

    def when_current(self, callback: Callable[[], None]) -> None:
        """Call the function at once."""
        callback()

    def age_s(self, moment: datetime) -> float:
        """Return the seconds since a moment, or 0 for a moment in the future."""
        return self.elapsed_s(moment, self._clock.now())

    def elapsed_s(self, moment: datetime, now: datetime) -> float:
        """Return the seconds since a moment, or 0 for a moment in the future."""
        return max(0.0, (now - moment).total_seconds())


class Hold:
    """Holds a change for the duration, and then passes it on if it still applies. Each entity is timed separately.

    A change that does not last is not counted as skipped, because it does not meet the conditions of the listener.

    At the end of the duration, changes may be unread, or there may be no connection. So the gate first waits until all
    changes up to then have been received.

    Args:
        duration_s: How long the change must last, in seconds.
        clock: Measures the duration.
        observation: Confirms that all changes have been received.
        still_applies: Called with the change at the end of the duration. Returns whether the change still applies.
        release: Called with the change that passes.
    """

    def __init__(
        self,
        duration_s: float,
        clock: TimerClock,
        observation: HomeObservation,
        still_applies: Callable[[Delivery], bool],
        release: Release,
    ) -> None:
        self._duration_s = duration_s
        self._clock = clock
        self._observation = observation
        self._still_applies = still_applies
        self._release = release
        self._held: dict[str, tuple[Delivery, Timer, int]] = {}  # with the end of the duration, by the monotonic clock

    @property
    def holds(self) -> bool:
        """Whether the change of an entity is held."""
        return bool(self._held)

    def held(self, entity_id: str) -> Delivery | None:
        """Return the held change of an entity."""
        held = self._held.get(entity_id)
        return None if held is None else held[0]

    def offer(self, delivery: Delivery) -> None:
        """Hold the change from now on. If an earlier change of this entity is held, drop the earlier change."""
        self._hold(delivery, self._duration_s)

    def offer_since(self, delivery: Delivery, began: datetime) -> None:
        """Hold a missed change as `offer` does, but count the duration from a moment of Home Assistant's clock."""
        self._hold(delivery, max(0.0, self._duration_s - self._observation.age_s(began)))

    def offer_current(self, delivery: Delivery, began: datetime) -> None:
        """Hold the current state as `offer` does, but count the time that has passed since it began.

        The state has lasted since then, because Home Assistant sets its time at each change.
        """
        self._hold(delivery, max(0.0, self._duration_s - self._observation.elapsed_s(began, self._clock.now())))

    def offer_waited(self, delivery: Delivery, waited_s: float) -> None:
        """Hold a change as `offer` does, but count the time for which it has lasted already, in seconds."""
        self._hold(delivery, max(0.0, self._duration_s - waited_s))

    def take_held(self) -> list[HeldDelivery]:
        """Remove all held changes and return them, with the time for which they have lasted."""
        now_ns = self._clock.monotonic_ns()
        taken = [
            HeldDelivery(delivery, max(0.0, self._duration_s - (due_ns - now_ns) / 1e9))
            for delivery, _, due_ns in self._held.values()
        ]
        self.drop_held()
        return taken

    def drop(self, entity_id: str) -> None:
        """Drop the held change of an entity, if there is one."""
        if (held := self._held.pop(entity_id, None)) is not None:
            held[1].cancel()

    def drop_held(self) -> None:
        """Drop all held changes."""
        for entity_id in list(self._held):
            self.drop(entity_id)

    def _hold(self, delivery: Delivery, wait_s: float) -> None:
        assert isinstance(delivery.event, StateChanged)  # only a listener with a change filter has a duration
        entity_id = delivery.event.entity_id
        self.drop(entity_id)
        timer = self._clock.call_later(wait_s, lambda: self._end(entity_id, delivery))
        self._held[entity_id] = (delivery, timer, self._clock.monotonic_ns() + round(wait_s * 1e9))

    def _end(self, entity_id: str, delivery: Delivery) -> None:
        self._observation.when_current(lambda: self._pass_on(entity_id, delivery))

    def _pass_on(self, entity_id: str, delivery: Delivery) -> None:
        if self.held(entity_id) is not delivery:
            return  # a change that was unread at the end of the duration has replaced or dropped this delivery
        del self._held[entity_id]
        if self._still_applies(delivery):
            self._release(delivery._replace(ready_ns=self._clock.monotonic_ns()))
