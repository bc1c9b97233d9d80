"""The life in the house: a person walks about, doors are forgotten, rooms warm up and cool down."""

import asyncio
import heapq
from collections.abc import Iterator
from itertools import count
from random import Random

from hassette_core.simulation.home.climate import Climate
from hassette_core.simulation.home.core import HomeCore
from hassette_core.simulation.home.daylight import Daylight

Steps = Iterator[float]
"""Does something at each step, and yields how many of the house's seconds to wait before the next."""

NEIGHBOURS = {
    "hall": ("living_room", "kitchen", "bedroom", "bathroom"),
    "living_room": ("hall", "kitchen"),
    "kitchen": ("hall", "living_room"),
    "bedroom": ("hall", "bathroom"),
    "bathroom": ("hall", "bedroom"),
}


class Life:
    """Everything that happens by itself, in the house's own time.

    The same seed brings the same life, in the same order, as long as nobody interferes; what apps do to lights and
    heating shows in the power and the temperatures.

    Args:
        core: The house's states and events.
        random: Source of all chance.
        speed: Seconds of the house's time per second of ours.
    """

    def __init__(self, core: HomeCore, random: Random, speed: float) -> None:
        self._core = core
        self._random = random
        self._speed = speed
        self._now_s = 0.0
        self._order = count()
        self._due: list[tuple[float, int, Steps]] = []
        for steps in (self._walk(), Climate(core, random).steps(), Daylight(core).steps()):
            self._add(0.0, steps)

    async def live(self) -> None:
        """Live until cancelled."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        while True:
            await asyncio.sleep(began + self._due[0][0] / self._speed - loop.time())
            self.step()

    def step(self) -> float:
        """Do the next thing and return the house's time of it, in seconds from the beginning."""
        self._now_s, _, steps = heapq.heappop(self._due)
        wait_s = next(steps, None)
        if wait_s is not None:
            self._add(wait_s, steps)
        return self._now_s

    def _add(self, after_s: float, steps: Steps) -> None:
        heapq.heappush(self._due, (self._now_s + after_s, next(self._order), steps))

    # ------------------------------------------------------------ the person

    def _walk(self) -> Steps:
        yield from self._come_home()
        room = "hall"
        while True:
            room = self._random.choice(NEIGHBOURS[room])
            self._turn(f"binary_sensor.{room}_motion", "on")
            yield from self._stay_in(room)
            # A motion sensor needs a while to believe that nobody is there any more.
            self._later(20, f"binary_sensor.{room}_motion", "off")
            if room == "hall" and self._random.random() < 0.15:
                yield from self._go_out()

    def _come_home(self) -> Steps:
        """Begin as a demonstration should: the door stays open, the heating fights an open window."""
        yield 15
        self._turn("binary_sensor.front_door", "on")
        self._turn("binary_sensor.hall_motion", "on")
        self._later(450, "binary_sensor.front_door", "off")
        yield 60
        self._later(20, "binary_sensor.hall_motion", "off")
        self._turn("binary_sensor.living_room_motion", "on")
        yield 30
        self._turn("binary_sensor.living_room_window", "on")
        self._later(480, "binary_sensor.living_room_window", "off")
        yield 45
        self._later(20, "binary_sensor.living_room_motion", "off")
        self._turn("binary_sensor.hall_motion", "on")
        yield 60
        self._later(20, "binary_sensor.hall_motion", "off")

    def _stay_in(self, room: str) -> Steps:
        chance = self._random.random()
        window = f"binary_sensor.{room}_window"
        if window in self._core.states and chance < 0.25:
            self._turn(window, "on")
            self._later(self._random.uniform(240, 900), window, "off")
        elif room == "kitchen" and chance < 0.6:
            self._turn("switch.coffee_machine", "on")
            self._later(120, "switch.coffee_machine", "off")
        elif room == "kitchen" and chance < 0.9:
            # Out into the garden; one time in three the door is forgotten.
            self._turn("binary_sensor.back_door", "on")
            forgotten = self._random.random() < 0.33
            self._later(self._random.uniform(400, 900) if forgotten else 20, "binary_sensor.back_door", "off")
        yield self._random.uniform(60, 200)

    def _go_out(self) -> Steps:
        yield from self._through_the_front_door()
        self._turn("person.alex", "not_home")
        self._turn("zone.home", "0")
        yield self._random.uniform(300, 900)
        self._turn("person.alex", "home")
        self._turn("zone.home", "1")
        yield from self._through_the_front_door()

    def _through_the_front_door(self) -> Steps:
        self._turn("binary_sensor.front_door", "on")
        yield 10
        self._turn("binary_sensor.front_door", "off")

    def _turn(self, entity_id: str, state: str) -> None:
        if entity_id in self._core.states:
            self._core.change(entity_id, state)

    def _later(self, after_s: float, entity_id: str, state: str) -> None:
        def once() -> Steps:
            self._turn(entity_id, state)
            yield from ()

        self._add(after_s, once())
