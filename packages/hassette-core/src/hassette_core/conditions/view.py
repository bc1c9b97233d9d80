"""`ConditionView`: the data that a condition can read, and `ConditionContext`, which provides it."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from hassette_core.clock import TimerClock
from hassette_core.events import Event, State
from hassette_core.moments import Place


class ConditionView(NamedTuple):
    """The states, the time, the place and the event that a condition can read.

    Attributes:
        states: The current states of all entities, by entity id.
        now: The time (aware, UTC).
        place: The time zone and location of the home; None while they are unknown.
        event: The event that triggered a listener. None for a job.
    """

    states: Mapping[str, State]
    now: datetime
    place: Place | None = None
    event: Event | None = None


class ConditionContext:
    """Provides the view of conditions. Bus and scheduler share one object.

    Args:
        states: The current states of all entities.
        clock: Provides the time.

    Attributes:
        place: The time zone and location of the home. The scheduler sets it.
    """

    def __init__(self, states: Mapping[str, State], clock: TimerClock) -> None:
        self._states = states
        self._clock = clock
        self.place: Place | None = None

    def view(self, event: Event | None = None) -> ConditionView:
        """Return the view at this moment.

        Args:
            event: The event that triggered a listener. None for a job.
        """
        return ConditionView(self._states, self._clock.now(), self.place, event)
