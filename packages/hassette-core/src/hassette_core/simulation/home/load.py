"""Load: as many changes a second as are wanted, evenly."""

import asyncio
from itertools import count

from hassette_core.simulation.home.core import HomeCore

SENSORS = 10
TICK_S = 0.02


class Load:
    """Changes ``sensor.load_1`` … ``sensor.load_10`` in turn; each change counts up by one.

    Args:
        core: The house's states and events.
        events_per_second: How many changes.

    Attributes:
        sent: How many changes there have been.
    """

    def __init__(self, core: HomeCore, events_per_second: float) -> None:
        self.sent = 0
        self._core = core
        self._rate = events_per_second

    async def press(self) -> None:
        """Go on until cancelled; a loop that was blocked for a while is not made up for in one burst."""
        loop = asyncio.get_running_loop()
        owed, before = 0.0, loop.time()
        numbers = count(1)
        while True:
            await asyncio.sleep(TICK_S)
            now = loop.time()
            owed += min(now - before, 1.0) * self._rate
            before = now
            for _ in range(int(owed)):
                number = next(numbers)
                self._core.set(f"sensor.load_{number % SENSORS + 1}", number, {"state_class": "total_increasing"})
                self.sent = number
            owed %= 1
