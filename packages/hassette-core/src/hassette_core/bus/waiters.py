"""`Waiter`: wait for one event, or until a condition holds, without a run."""

import asyncio
from typing import Any

from hassette_core.bus.entity_index import EntityIndex
from hassette_core.bus.event_filter import EventFilter
from hassette_core.bus.topics import TopicIndex
from hassette_core.clock import Timer, TimerClock
from hassette_core.conditions import Condition, ConditionContext
from hassette_core.containment import ACTOR, Actor, app_actor
from hassette_core.errors import CoreError, WaitTimeoutError, describe_error
from hassette_core.events import Event
from hassette_core.handlers import describe_duration
from hassette_executor import EventTrigger

RECHECK_S = 1.0
"""A condition on the time may begin to hold without an event, so it is checked again at this interval."""


class Waiter:
    """Receives events until one is accepted. It is in the index of the bus, as a listener is.

    Args:
        actor: The app instance that waits.
        what: The event or the condition, for the error message.
        events: The accepted events; None for all events that the waiter receives.
        condition: Must hold for the event, or at any moment if ``recheck`` is set.
        recheck: Whether the condition may hold without an event.
        order: The place among the receivers of an event.
        context: Provides the view of the condition.
        clock: Measures the timeout.
    """

    def __init__(
        self,
        actor: Actor,
        what: str,
        *,
        events: EventFilter | None,
        condition: Condition | None,
        recheck: bool,
        order: tuple[int, int],
        context: ConditionContext,
        clock: TimerClock,
    ) -> None:
        self.order = order
        self._actor = actor
        self._what = what
        self._events = events
        self._condition = condition
        self._recheck = recheck
        self._context = context
        self._clock = clock
        self._found: asyncio.Future[Event | None] = asyncio.get_running_loop().create_future()
        self._rechecking: Timer | None = None

    @property
    def owner(self) -> tuple[str, ...]:
        """App and instance."""
        return self._actor

    async def wait(self, timeout_s: float | None) -> Event | None:
        """Wait for the event, and return it. Return None if the condition holds without an event.

        Args:
            timeout_s: How long to wait, in seconds; None for any time.

        Raises:
            WaitTimeoutError: Nothing was accepted within the timeout.
        """
        expiring: Timer | None = None
        try:
            if self._recheck:
                self._check_again()
            if timeout_s is not None and not self._found.done():
                expiring = self._clock.call_later(timeout_s, lambda: self._expire(timeout_s))
            return await self._found
        finally:
            for timer in (expiring, self._rechecking):
                if timer is not None:
                    timer.cancel()

    def offer(self, event: Event, trigger: EventTrigger) -> None:
        """Accept an event, or ignore it."""
        del trigger
        if not self._found.done() and (self._events is None or self._events.matches(event)):
            self._accept_if_holds(event)

    def fail(self, error: BaseException, trigger: EventTrigger | None = None) -> None:
        """End the wait with the exception that a condition raised."""
        del trigger
        if not self._found.done():
            # A SystemExit that the waiting task raised would not name the condition.
            ordinary = isinstance(error, Exception) and not isinstance(error, StopIteration)
            self._found.set_exception(
                error if ordinary else CoreError(f"the condition failed: {describe_error(error)}")
            )

    def cancel(self) -> None:
        """Cancel the wait, because the app instance ends."""
        self._found.cancel()

    def _accept_if_holds(self, event: Event | None) -> None:
        token = ACTOR.set(self._actor)
        try:
            holds = self._condition is None or self._condition.is_met(self._context.view(event))
        except BaseException as error:  # noqa: BLE001  the condition is code of the app; the wait raises it
            self.fail(error)
            return
        finally:
            ACTOR.reset(token)
        if holds:
            self._found.set_result(event)

    def _check_again(self) -> None:
        if not self._found.done():
            self._accept_if_holds(None)
        if not self._found.done():
            self._rechecking = self._clock.call_later(RECHECK_S, self._check_again)

    def _expire(self, timeout_s: float) -> None:
        if not self._found.done():
            self._found.set_exception(WaitTimeoutError(self._explain(), describe_duration(timeout_s)))

    def _explain(self) -> str:
        if self._condition is None or not self._recheck:
            return self._what
        try:
            return self._condition.explain(self._context.view())
        except BaseException:  # noqa: BLE001  the error of the timeout matters more than its explanation
            return self._what


class Waits:
    """The waits of one app instance.

    Args:
        app: The app's key.
        instance: The app's instance.

    Attributes:
        actor: The app instance.
    """

    def __init__(self, app: str, instance: str) -> None:
        self.actor: Actor = app_actor((app, instance))
        self._places: dict[Waiter, tuple[TopicIndex[Any] | EntityIndex[Any], Any]] = {}

    def join(self, waiter: Waiter, index: TopicIndex[Any] | EntityIndex[Any], key: Any) -> None:
        """Add a waiter to an index of the bus."""
        index.add(key, waiter)
        self._places[waiter] = (index, key)

    def leave(self, waiter: Waiter) -> None:
        """Remove a waiter whose wait has ended."""
        index, key = self._places.pop(waiter)
        index.remove(key, waiter)

    def cancel_all(self) -> None:
        """Cancel all waits, because the app instance ends."""
        for waiter in self._places:
            waiter.cancel()
