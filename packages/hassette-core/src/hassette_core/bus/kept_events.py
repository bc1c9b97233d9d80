"""`KeptEvents`: the events that arrive while an app instance is replaced by a newer version."""

import logging
from collections import deque
from collections.abc import Mapping
from typing import Protocol

from hassette_core.events import Event, State

logger = logging.getLogger(__name__)

MAX_KEPT = 20_000
"""Maximum number of kept events. A replacement takes milliseconds, but an ``on_initialize`` may take 30 s."""


class ImmediateListener(Protocol):
    """A listener that also runs with the current states."""

    def catch_up(self, passed_on: Mapping[str, State]) -> None:
        """Pass on the current states, except those that the listener has passed on already. Do nothing if ended."""
        ...


class KeptEvents:
    """The events that arrive while an app instance is replaced, in order. The oldest events are dropped if needed.

    Args:
        size: Maximum number of kept events.

    Attributes:
        events: The events.
        immediate: The new listeners that run with the current states after these events. If they ran at their
            registration, the same change could lead to two runs, and a version that cannot start would act.
    """

    def __init__(self, size: int = MAX_KEPT) -> None:
        self.events: deque[Event] = deque(maxlen=size)
        self.immediate: list[ImmediateListener] = []
        self._dropped = 0

    def add(self, event: Event) -> None:
        """Keep an event."""
        self._dropped += len(self.events) == self.events.maxlen
        self.events.append(event)

    def log_dropped(self, app: str, instance: str) -> None:
        """Log how many events were dropped, if there were any."""
        if self._dropped:
            logger.warning(
                "Events were dropped because the reload of an app took too long",
                extra={"app": f"{app}.{instance}", "dropped": self._dropped},
            )
