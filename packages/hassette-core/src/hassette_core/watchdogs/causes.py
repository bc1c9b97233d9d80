"""`CauseChains`: find listeners that trigger themselves through the changes that they cause."""

import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from hassette_executor import EventTrigger, Registration, ServiceCall, current_execution, record_service_call

logger = logging.getLogger(__name__)

WINDOW_NS = 60 * 10**9
MAX_CAUSES = 20_000
"""At most this many contexts are kept. Each takes about 300 bytes."""


class _Cause(NamedTuple):
    """A change of the home that a run has caused.

    Attributes:
        at_ns: The time of Home Assistant's answer, by the monotonic clock.
        trigger: The event that triggered the run.
        registration: The listener of the run.
    """

    at_ns: int
    trigger: EventTrigger
    registration: Registration


class CauseLoop(NamedTuple):
    """A listener that triggers itself again and again.

    Attributes:
        registration: The listener whose run made the chain too long.
        chain: The listeners that trigger each other.
        turns: The number of turns within a minute.
        caused: `CauseChains.caused`.
    """

    registration: Registration
    chain: tuple[Registration, ...]
    turns: int
    caused: Callable[[EventTrigger], bool]


class CauseChains:
    """Follows the chains of runs and the events that they cause, and finds loops.

    Home Assistant answers each service call with the id of its context. The events that the call causes have this
    context, or a child of it. A run that such an event triggers, and that calls a service itself, makes the chain one
    turn longer. If a chain has more than ``turns`` turns within a minute, ``pause`` is called with the listener.

    A chain begins with an event that no app has caused, such as motion. Many such events are no loop, however many runs
    they lead to.

    Args:
        turns: The allowed number of turns per minute; 0 for no limit.
        monotonic_ns: The clock.
        pause: Pauses the listener of a loop.
    """

    def __init__(
        self,
        turns: int,
        *,
        pause: Callable[[CauseLoop], None],
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._turns = turns
        self._pause = pause
        self._monotonic_ns = monotonic_ns
        self._causes: OrderedDict[str, _Cause] = OrderedDict()
        self._users: set[str] = set()

    def record(self, call: ServiceCall) -> None:
        """Add a call to the record of its run, and to the chain of its cause."""
        record_service_call(call)
        execution = current_execution()
        if not self._turns or execution is None or call.context_id is None or call.rehearsed:
            return
        trigger = execution.command.trigger
        if not isinstance(trigger, EventTrigger):
            return
        now_ns, registration = self._monotonic_ns(), execution.command.registration
        self._forget(now_ns)
        self._causes[call.context_id] = _Cause(now_ns, trigger, registration)
        chain = self._chain_of(call.context_id, now_ns)
        if len(chain) > self._turns + 1:
            # The next chain is counted from the beginning, because the listener is paused now.
            self._causes.clear()
            listeners = tuple(dict.fromkeys(each.registration for each in chain))
            self._pause(CauseLoop(registration, listeners, len(chain) - 1, self.caused))

    def caused(self, trigger: EventTrigger) -> bool:
        """Return whether an app has caused an event, or has probably caused it.

        Home Assistant sends an event before it answers the call that has caused it. So the context may still be
        unknown. Then the user of the event decides: events of service calls of apps have the user of the access token.
        """
        return self._cause_of(trigger) is not None or trigger.user_id in self._users

    def _cause_of(self, trigger: EventTrigger) -> _Cause | None:
        return self._causes.get(trigger.context_id or "") or self._causes.get(trigger.parent_id or "")

    def _chain_of(self, context_id: str, now_ns: int) -> list[_Cause]:
        chain: list[_Cause] = []
        cause = self._causes.get(context_id)
        while cause is not None and now_ns - cause.at_ns <= WINDOW_NS and len(chain) <= self._turns + 1:
            chain.append(cause)
            found = self._cause_of(cause.trigger)
            if found is not None and cause.trigger.user_id is not None:
                self._users.add(cause.trigger.user_id)
            cause = found
        return chain

    def _forget(self, now_ns: int) -> None:
        causes = self._causes
        while causes and (len(causes) >= MAX_CAUSES or now_ns - next(iter(causes.values())).at_ns > WINDOW_NS):
            causes.popitem(last=False)
