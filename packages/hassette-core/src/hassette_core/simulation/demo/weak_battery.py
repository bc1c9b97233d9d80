"""A sensor with a weak battery: now and then it says that it does not know."""

import asyncio
from random import Random

from hassette_core.simulation.home import SimulatedHome

SENSOR = "sensor.bathroom_humidity"
UNKNOWN = "unknown"
BETWEEN_S = (150.0, 420.0)
"""Shortest and longest time between two lapses, in the house's seconds."""


async def weaken(home: SimulatedHome, seed: int, speed: float) -> None:
    """Let the bathroom's humidity lapse now and then, until cancelled; its next reading is a number again.

    Args:
        home: The house.
        seed: The same seed brings the same lapses.
        speed: The house's seconds per second of ours.
    """
    random = Random(f"battery {seed}")  # noqa: S311  a game of chance, no secret
    while True:
        await asyncio.sleep(random.uniform(*BETWEEN_S) / speed)
        home.core.change(SENSOR, UNKNOWN)
