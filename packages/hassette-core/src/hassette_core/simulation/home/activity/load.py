"""`LoadGenerator`: state changes at a fixed rate, as load."""

from itertools import count

from hassette_core.simulation.home.core import HomeCore

SENSORS = 10
TICK_S = 0.02


class LoadGenerator:
    """Changes the ten sensors ``sensor.load_1`` … ``sensor.load_10`` in turn. The n-th change sets the state n.

    Args:
        core: The states and events of the home.
        events_per_second: Changes per second.

    Attributes:
        sent: Number of changes so far.
    """

    def __init__(self, core: HomeCore, events_per_second: float) -> None:
        self.sent = 0
        self._core = core
        self._rate = events_per_second

    async def run(self) -> None:
        """Change states until cancelled. If the event loop was blocked, catch up on at most one second."""
        clock = self._core.clock
        due, before_ns = 0.0, clock.monotonic_ns()
        numbers = count(1)
        while True:
            await self._core.sleep(TICK_S)
            now_ns = clock.monotonic_ns()
            due += min((now_ns - before_ns) / 1e9, 1.0) * self._rate
            before_ns = now_ns
            for _ in range(int(due)):
                number = next(numbers)
                self._core.set(f"sensor.load_{number % SENSORS + 1}", number, {"state_class": "total_increasing"})
                self.sent = number
            due %= 1
