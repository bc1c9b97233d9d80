"""`KeptEvents`: the events that arrive while an app instance is replaced by a newer version."""

import logging
from collections import deque

from hassette_core.events import Event

logger = logging.getLogger(__name__)

MAX_KEPT = 20_000
"""Maximum number of kept events. A replacement takes milliseconds, but an ``on_initialize`` may take 30 s."""


class KeptEvents:
    """The events that arrive while an app instance is replaced, in order. The oldest events are dropped if needed.

    Args:
        size: Maximum number of kept events.
    """

    def __init__(self, size: int = MAX_KEPT) -> None:
        self.events: deque[Event] = deque(maxlen=size)
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
