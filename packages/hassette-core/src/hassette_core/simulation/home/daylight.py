"""The sun over the house."""

from collections.abc import Iterator
from math import pi, sin

from hassette_core.simulation.home.core import HomeCore

DAY_S = 86_400.0
STEP_S = 300.0
BEGIN_S = 17 * 3_600.0 + 55 * 60
"""The time of day at which the house wakes up: five minutes before the sun sets."""
HIGHEST = 40.0
"""Elevation at noon, in degrees."""


class Daylight:
    """Moves ``sun.sun``; it rises at six and sets at six.

    Args:
        core: The house's states and events.
    """

    def __init__(self, core: HomeCore) -> None:
        self._core = core

    def steps(self) -> Iterator[float]:
        """Go on by five minutes of the house's time at each step."""
        time_of_day_s = BEGIN_S
        while True:
            elevation = HIGHEST * sin((time_of_day_s - DAY_S / 4) / DAY_S * 2 * pi)
            # At noon and midnight it turns.
            rising = time_of_day_s < DAY_S / 2
            state = "above_horizon" if elevation > 0 else "below_horizon"
            if "sun.sun" in self._core.states:
                self._core.change("sun.sun", state, elevation=round(elevation, 1), rising=rising)
            yield STEP_S
            time_of_day_s = (time_of_day_s + STEP_S) % DAY_S
