"""What stands between a matching event and the run: a duration to hold, a quiet time, a least interval.

Each is a gate: `offer` takes a delivery and passes it on at once, later, or never; `close` drops what is held back.
"""

from collections.abc import Callable
from typing import NamedTuple, Protocol

from hassette_core.clock import Clock, Timer
from hassette_core.events import Event, StateChanged
from hassette_executor import EventTrigger


class Delivery(NamedTuple):
    """An event on its way to a handler.

    Attributes:
        event: The event.
        trigger: The same for the record; one is made per event and shared by all listeners.
        ready_ns: When the run could begin, by the monotonic clock: the receipt, or the moment a gate opened. What a
            listener is made to wait on purpose is not counted as waiting time.
    """

    event: Event
    trigger: EventTrigger
    ready_ns: int


Release = Callable[[Delivery], None]
Skipped = Callable[[str, int], None]


class Gate(Protocol):
    """See the module."""

    def offer(self, delivery: Delivery) -> None:
        """Take a delivery."""
        ...

    def close(self) -> None:
        """Drop what is held back, and count it."""
        ...


class Debounce:
    """Passes the last event on when none has come for a while. What it replaces is counted as ``rate_limited``.

    Args:
        quiet_s: How long none must come, in seconds.
        clock: Time.
        release: Takes what passes.
        skipped: Told what does not.
    """

    def __init__(self, quiet_s: float, clock: Clock, release: Release, skipped: Skipped) -> None:
        self._quiet_ns = round(quiet_s * 1e9)
        self._clock = clock
        self._release = release
        self._skipped = skipped
        self._held: Delivery | None = None
        self._open_ns = 0
        self._timer: Timer | None = None

    def offer(self, delivery: Delivery) -> None:
        """Hold the event; drop the one held before."""
        if self._held is not None:
            self._skipped("rate_limited", 1)
        self._held = delivery
        self._open_ns = self._clock.monotonic_ns() + self._quiet_ns
        # A timer that is already running is not moved: when it rings too early it sets itself anew. A burst of a
        # thousand events costs a thousand assignments, not a thousand timers.
        if self._timer is None:
            self._timer = self._clock.call_later(self._quiet_ns / 1e9, self._ring)

    def close(self) -> None:
        """Drop the event held back."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._held is not None:
            self._held = None
            self._skipped("rate_limited", 1)

    def _ring(self) -> None:
        self._timer = None
        held, now_ns = self._held, self._clock.monotonic_ns()
        if held is None:
            return
        if now_ns < self._open_ns:
            self._timer = self._clock.call_later((self._open_ns - now_ns) / 1e9, self._ring)
            return
        self._held = None
        self._release(held._replace(ready_ns=now_ns))


class Throttle:
    """Passes an event on at once, and then none for a while. What comes in between is counted as ``rate_limited``.

    Args:
        interval_s: How long none passes, in seconds.
        clock: Time.
        release: Takes what passes.
        skipped: Told what does not.
    """

    def __init__(self, interval_s: float, clock: Clock, release: Release, skipped: Skipped) -> None:
        self._interval_ns = round(interval_s * 1e9)
        self._clock = clock
        self._release = release
        self._skipped = skipped
        self._open_ns: int | None = None

    def offer(self, delivery: Delivery) -> None:
        """Pass the event on, or drop it."""
        now_ns = self._clock.monotonic_ns()
        if self._open_ns is not None and now_ns < self._open_ns:
            self._skipped("rate_limited", 1)
            return
        self._open_ns = now_ns + self._interval_ns
        self._release(delivery)

    def close(self) -> None:
        """Nothing is ever held back."""


class Hold:
    """Passes a change on when the entity has stayed so for a while; each entity for itself.

    A change that does not last is not counted as skipped: it never was what the listener waits for.

    Args:
        duration_s: How long it must last, in seconds.
        clock: Time.
        lasts: Asked, when the time is up, whether an entity still is as the delivery left it.
        release: Takes what passes.
    """

    def __init__(self, duration_s: float, clock: Clock, lasts: Callable[[Delivery], bool], release: Release) -> None:
        self._duration_s = duration_s
        self._clock = clock
        self._lasts = lasts
        self._release = release
        self._held: dict[str, tuple[Delivery, Timer]] = {}

    def holding(self, entity_id: str) -> Delivery | None:
        """Return what is held back for an entity."""
        held = self._held.get(entity_id)
        return None if held is None else held[0]

    def offer(self, delivery: Delivery) -> None:
        """Hold the change back; the time begins anew."""
        assert isinstance(delivery.event, StateChanged)  # only listeners to changes have a duration
        entity_id = delivery.event.entity_id
        self.drop(entity_id)
        timer = self._clock.call_later(self._duration_s, lambda: self._ring(entity_id))
        self._held[entity_id] = (delivery, timer)

    def drop(self, entity_id: str) -> None:
        """Forget what is held back for an entity: it did not last."""
        if (held := self._held.pop(entity_id, None)) is not None:
            held[1].cancel()

    def close(self) -> None:
        """Forget everything."""
        for entity_id in list(self._held):
            self.drop(entity_id)

    def _ring(self, entity_id: str) -> None:
        delivery, _ = self._held.pop(entity_id)
        if self._lasts(delivery):
            self._release(delivery._replace(ready_ns=self._clock.monotonic_ns()))
