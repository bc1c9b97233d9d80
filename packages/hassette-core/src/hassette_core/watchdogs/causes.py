"""`CauseChains`: find listeners that trigger themselves through the changes that they cause."""

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from hassette_core.roster import Origin, current_origin
from hassette_executor import EventTrigger, Registration

WINDOW_NS = 60 * 10**9
MAX_CAUSES = 20_000
"""At most this many contexts are kept. Each takes about 300 bytes."""
MAX_PARENTS = 20
"""Maximum number of contexts of Home Assistant that are followed between two runs."""


class _Cause:
    """A change of the home, or an event of the process, that a run has caused.

    Attributes:
        at_ns: The time of Home Assistant's answer, by the monotonic clock.
        origin: The event that has led to the run, and its listener.
        parent: The cause of the event in ``origin``, if the context of this event does not show it.
        is_first: Whether the chain begins here, although the event has a cause.
        event: The event that an app has emitted. None for a change of the home.
    """

    __slots__ = ("at_ns", "event", "is_first", "origin", "parent")

    def __init__(self, at_ns: int, origin: Origin, parent: "_Cause | None") -> None:
        self.at_ns = at_ns
        self.origin = origin
        self.parent = parent
        self.is_first = False
        self.event: EventTrigger | None = None  # kept, so that no other event gets its id


class CauseLoop(NamedTuple):
    """A listener that triggers itself again and again.

    Attributes:
        registration: The listener whose run made the chain too long.
        chain: The listeners that trigger each other.
        turns: The number of turns within a minute.
        pause_s: The length of the pause, in seconds.
        caused: `CauseChains.caused`.
    """

    registration: Registration
    chain: tuple[Registration, ...]
    turns: int
    pause_s: float
    caused: Callable[[EventTrigger], bool]


class CauseChains:
    """Follows the chains of runs and the events that they cause, and finds loops.

    Home Assistant answers most changes with the id of their context. The events that a change causes have this context,
    or a child of it. An event that an app emits is known by its trigger. A run that such an event triggers, directly or
    through a job, and that causes another event itself, makes the chain one turn longer. If a chain has more than
    ``turns`` turns within a minute, it is a loop.

    A chain begins with an event that no app has caused, such as motion. Many such events are no loop, however many runs
    they lead to.

    Args:
        turns: The allowed number of turns per minute; 0 for no limit.
        pause_s: The length of the pause of a loop's listener, in seconds.
        monotonic_ns: The clock.
    """

    def __init__(
        self, turns: int = 0, pause_s: float = 300.0, *, monotonic_ns: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self._turns = turns
        self._pause_s = pause_s
        self._monotonic_ns = monotonic_ns
        self._causes: OrderedDict[str, _Cause] = OrderedDict()
        self._parents: OrderedDict[str, str] = OrderedDict()
        self._unnamed: _Cause | None = None
        self._users: set[str] = set()

    def add(self, context_id: str | None) -> CauseLoop | None:
        """Add a change that the current run has caused. Return the loop if the chain has become too long.

        Args:
            context_id: The context of the change. None if Home Assistant's answer does not contain it, for example
                after a REST request. Then events with a user and an unknown context, and removals, count as its effect.
        """
        origin = current_origin() if self._turns else None
        if origin is None:
            return None
        # The answer to a write that changes nothing has the context of the state as it was.
        if context_id is not None and (context_id == origin.trigger.context_id or context_id in self._causes):
            return None
        cause = self._new_cause(origin)
        if context_id is None:
            self._unnamed = cause
        else:
            self._causes[context_id] = cause
        return self._find_loop(cause)

    def add_event(self, event: EventTrigger) -> CauseLoop | None:
        """Add an event that the current run emits. Return the loop if the chain has become too long."""
        origin = current_origin() if self._turns else None
        if origin is None:
            return None
        cause = self._causes[event.parent_id or _key_of(event)] = self._new_cause(origin)
        cause.event = event
        return self._find_loop(cause)

    def _new_cause(self, origin: Origin) -> _Cause:
        now_ns = self._monotonic_ns()
        self._forget(now_ns)
        return _Cause(now_ns, origin, None if self._known(origin.trigger) else self._unnamed_cause(origin.trigger))

    def _find_loop(self, cause: _Cause) -> CauseLoop | None:
        chain = self._chain_of(cause)
        if len(chain) <= self._turns + 1:
            return None
        cause.is_first = True  # the next chain is counted from here, because the listener is paused now
        listeners = tuple(dict.fromkeys(each.origin.registration for each in chain))
        return CauseLoop(cause.origin.registration, listeners, len(chain) - 1, self._pause_s, self.caused)

    def link(self, context_id: str, parent_id: str) -> None:
        """Note that a context of Home Assistant, such as that of an automation, is the child of another one."""
        if self._causes and context_id not in self._parents:
            if len(self._parents) >= MAX_CAUSES:
                self._parents.popitem(last=False)
            self._parents[context_id] = parent_id

    def caused(self, trigger: EventTrigger) -> bool:
        """Return whether an app has caused an event, or has probably caused it.

        Home Assistant sends an event before it answers the call that has caused it. So the context may still be
        unknown. Then the user of the event decides: events of service calls of apps have the user of the access token.
        """
        if self._known(trigger) is not None or trigger.user_id in self._users:
            return True
        return self._unnamed_cause(trigger) is not None

    def _known(self, trigger: EventTrigger) -> _Cause | None:
        """Return the cause of an event by its context, or by a context of which this one is a descendant."""
        context_id = trigger.context_id
        if not context_id:
            return self._causes.get(_key_of(trigger))
        for _ in range(MAX_PARENTS):
            if not context_id:
                break
            if (cause := self._causes.get(context_id)) is not None:
                return cause
            context_id = self._parents.get(context_id)
        return self._causes.get(trigger.parent_id or "")

    def _unnamed_cause(self, trigger: EventTrigger) -> _Cause | None:
        cause = self._unnamed
        if cause is None or self._monotonic_ns() - cause.at_ns > WINDOW_NS:
            return None
        # The removal of a state by a client has no user.
        removal = trigger.entity_id is not None and trigger.new_state is None
        return cause if trigger.user_id is not None or removal else None

    def _chain_of(self, last: _Cause) -> list[_Cause]:
        chain: list[_Cause] = []
        cause: _Cause | None = last
        while cause is not None and last.at_ns - cause.at_ns <= WINDOW_NS and len(chain) <= self._turns + 1:
            chain.append(cause)
            trigger = cause.origin.trigger
            found = self._known(trigger)
            if found is not None and trigger.user_id is not None:
                self._users.add(trigger.user_id)
            cause = None if cause.is_first else found or cause.parent
        if cause is not None:
            chain[-1].parent = None  # otherwise, old causes would be kept for ever
        return chain

    def _forget(self, now_ns: int) -> None:
        causes = self._causes
        while causes and (len(causes) >= MAX_CAUSES or now_ns - next(iter(causes.values())).at_ns > WINDOW_NS):
            causes.popitem(last=False)


def _key_of(event: EventTrigger) -> str:
    """Return the key of an event without a context."""
    return f"event {id(event)}"
