"""`HomeActivity`: a resident walks through the simulated home, doors stay open, rooms warm up, the sun moves."""

import heapq
from collections.abc import Iterator
from itertools import count
from math import pi, sin
from random import Random

from hassette_core.simulation.home.activity.climate import Climate
from hassette_core.simulation.home.core import HomeCore

StepGenerator = Iterator[float]
"""A generator that performs one step at a time, and yields the simulated seconds until its next step."""

DAY_S = 86_400.0
SUN_STEP_S = 300.0
START_OF_DAY_S = 17 * 3_600.0 + 55 * 60
"""The time of day at which the simulation starts: five minutes before sunset."""
ELEVATION_AT_NOON = 40.0
"""Elevation of the sun at noon, in degrees."""

NEIGHBOURS = {
    "hall": ("living_room", "kitchen", "bedroom", "bathroom"),
    "living_room": ("hall", "kitchen"),
    "kitchen": ("hall", "living_room"),
    "bedroom": ("hall", "bathroom"),
    "bathroom": ("hall", "bedroom"),
}


class HomeActivity:
    """Performs all changes that happen without a service call, in simulated time.

    If no app acts, the same seed leads to the same changes in the same order. An app that switches lights or heating
    changes the power and the temperatures.

    Args:
        core: The states and events of the home.
        random: Source of all random decisions.
        speed: Simulated seconds per second.
    """

    def __init__(self, core: HomeCore, random: Random, speed: float) -> None:
        self._core = core
        self._random = random
        self._speed = speed
        self._now_s = 0.0
        self._order = count()
        self._due: list[tuple[float, int, StepGenerator]] = []
        for steps in (self._walk(), Climate(core, random).steps(), Daylight(core).steps()):
            self._add(0.0, steps)

    async def run(self) -> None:
        """Perform each step at its time, until cancelled."""
        clock = self._core.clock
        began_ns = clock.monotonic_ns()
        while True:
            passed_s = (clock.monotonic_ns() - began_ns) / 1e9
            await self._core.sleep(self._due[0][0] / self._speed - passed_s)
            self.step()

    def step(self) -> float:
        """Perform the next step. Return its simulated time, in seconds since the start."""
        self._now_s, _, steps = heapq.heappop(self._due)
        wait_s = next(steps, None)
        if wait_s is not None:
            self._add(wait_s, steps)
        return self._now_s

    def _add(self, after_s: float, steps: StepGenerator) -> None:
        heapq.heappush(self._due, (self._now_s + after_s, next(self._order), steps))

    def _walk(self) -> StepGenerator:
        yield from self._come_home()
        room = "hall"
        while True:
            room = self._random.choice(NEIGHBOURS[room])
            self._turn(f"binary_sensor.{room}_motion", "on")
            yield from self._stay_in(room)
            # A motion sensor reports an empty room with a delay.
            self._later(20, f"binary_sensor.{room}_motion", "off")
            if room == "hall" and self._random.random() < 0.15:
                yield from self._go_out()

    def _come_home(self) -> StepGenerator:
        """Begin with changes for the example apps: a door stays open, and a window is opened in a heated room."""
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

    def _stay_in(self, room: str) -> StepGenerator:
        chance = self._random.random()
        window = f"binary_sensor.{room}_window"
        if window in self._core.entities and chance < 0.25:
            self._turn(window, "on")
            self._later(self._random.uniform(240, 900), window, "off")
        elif room == "kitchen" and chance < 0.6:
            self._turn("switch.coffee_machine", "on")
            self._later(120, "switch.coffee_machine", "off")
        elif room == "kitchen" and chance < 0.9:
            # The resident goes into the garden and leaves the door open one time in three.
            self._turn("binary_sensor.back_door", "on")
            forgotten = self._random.random() < 0.33
            self._later(self._random.uniform(400, 900) if forgotten else 20, "binary_sensor.back_door", "off")
        yield self._random.uniform(60, 200)

    def _go_out(self) -> StepGenerator:
        yield from self._through_the_front_door()
        self._turn("person.alex", "not_home")
        yield self._random.uniform(300, 900)
        self._turn("person.alex", "home")
        yield from self._through_the_front_door()

    def _through_the_front_door(self) -> StepGenerator:
        self._turn("binary_sensor.front_door", "on")
        yield 10
        self._turn("binary_sensor.front_door", "off")

    def _turn(self, entity_id: str, state: str) -> None:
        if entity_id in self._core.entities:
            self._core.change(entity_id, state)

    def _later(self, after_s: float, entity_id: str, state: str) -> None:
        def once() -> StepGenerator:
            self._turn(entity_id, state)
            yield from ()

        self._add(after_s, once())


class Daylight:
    """Updates ``sun.sun``. The sun rises at 6:00 and sets at 18:00.

    Args:
        core: The states and events of the home.
    """

    def __init__(self, core: HomeCore) -> None:
        self._core = core

    def steps(self) -> StepGenerator:
        """Advance by five minutes of simulated time per step."""
        time_of_day_s = START_OF_DAY_S
        while True:
            elevation = ELEVATION_AT_NOON * sin((time_of_day_s - DAY_S / 4) / DAY_S * 2 * pi)
            rising = time_of_day_s < DAY_S / 2
            state = "above_horizon" if elevation > 0 else "below_horizon"
            if "sun.sun" in self._core.entities:
                self._core.change("sun.sun", state, elevation=round(elevation, 1), rising=rising)
            yield SUN_STEP_S
            time_of_day_s = (time_of_day_s + SUN_STEP_S) % DAY_S
