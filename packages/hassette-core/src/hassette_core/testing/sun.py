"""`MovingSun`: the entity ``sun.sun`` of the home under test, which follows the home's clock."""

from itertools import islice
from typing import Any

from hassette_core.clock import Timer
from hassette_core.moments.sun import crossings, is_up
from hassette_core.simulation.home import SimulatedHome

ENTITY = "sun.sun"


class MovingSun:
    """Changes ``sun.sun`` at each sunrise and sunset. A test may set another state, which lasts until then.

    Args:
        simulated: The simulated home. Its configuration contains the location.
    """

    def __init__(self, simulated: SimulatedHome) -> None:
        self._simulated = simulated
        self._timer: Timer | None = None

    def update(self) -> None:
        """Set the state for the current time, and the timer for the next change."""
        if self._timer is not None:
            self._timer.cancel()
        core, configuration = self._simulated.core, self._simulated.model.configuration()
        place = (configuration["latitude"], configuration["longitude"], configuration["elevation"])
        now = core.clock.now()
        coming = list(islice(crossings(now, *place), 2))
        attributes: dict[str, Any] = {
            "friendly_name": "Sun",
            **{f"next_{'rising' if each.rising else 'setting'}": each.at.isoformat() for each in coming},
        }
        core.set(ENTITY, "above_horizon" if is_up(now, *place) else "below_horizon", attributes)
        # A second later, so that the new state is certain.
        if coming:
            self._timer = core.clock.call_later((coming[0].at - now).total_seconds() + 1, self.update)
