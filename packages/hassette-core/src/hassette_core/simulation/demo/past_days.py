"""The activity in the home of the demo before its start: what happens on each day, and which devices have problems."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from random import Random
from typing import Any, NamedTuple

from hassette_core.simulation.home import SimulatedHome
from hassette_core.simulation.home.model import HomeUser

PERSON = "Alex"
NIGHT_WALK = time(3, 12)
"""The time of the walk to the kitchen in each night."""
CHATTER_S = 12.0
"""A motion sensor reports an empty room with this delay."""
BRIGHT = (time(6, 0), time(18, 0))
"""The times of sunrise and sunset, as in the activity of the running demo."""


class PastStep(NamedTuple):
    """A change in the home.

    Attributes:
        at: The time.
        act: Makes the change.
    """

    at: datetime
    act: Callable[[], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Milestones:
    """The moments that make one day differ from another.

    Attributes:
        slow_from: From now on, the valve of the radiator needs seconds for each command.
        edited: The owner edits an app, and restarts the framework.
        weak_from: From now on, the humidity sensor sometimes has no value.
        power_cut: The machine of the framework loses its power.
        power_back: The framework starts again.
    """

    slow_from: datetime
    edited: datetime
    weak_from: datetime
    power_cut: datetime
    power_back: datetime

    @classmethod
    def before(cls, end: datetime) -> "Milestones":
        """Return the milestones before a time. The power cut is in the last complete night."""
        morning = end if end.time() >= time(7, 30) else end - timedelta(days=1)
        night = datetime.combine(morning.date(), time(), end.tzinfo)
        return cls(
            slow_from=_days_before(night, 6),
            edited=_days_before(night, 4).replace(hour=2, minute=4),
            weak_from=_days_before(night, 1).replace(hour=21),
            power_cut=night.replace(hour=2, minute=21, second=9),
            power_back=night.replace(hour=2, minute=52, second=40),
        )


class PastDays:
    """Returns the steps of each day. The same seed leads to the same steps.

    Args:
        home: The simulated home.
        zone: The time zone of the home.
        milestones: The moments that make one day differ from another.
        seed: Seed of all random decisions.
    """

    def __init__(self, home: SimulatedHome, zone: tzinfo, milestones: Milestones, seed: int) -> None:
        self._home = home
        self._zone = zone
        self._milestones = milestones
        self._seed = seed
        self._person: HomeUser = home.add_user(PERSON)

    def steps(self, first: date, last: date) -> Iterator[PastStep]:
        """Return the steps of the days, in the order of their times."""
        day = first
        while day <= last:
            yield from sorted(_Day(self._home, self._person, self._milestones, self._seed, day, self._zone).steps())
            day += timedelta(days=1)


class _Day:
    """The steps of one day, in any order."""

    def __init__(
        self, home: SimulatedHome, person: HomeUser, milestones: Milestones, seed: int, day: date, zone: tzinfo
    ) -> None:
        self._home = home
        self._person = person
        self._milestones = milestones
        self._day = day
        self._zone = zone
        self._random = Random(f"past {seed} {day.toordinal() - milestones.edited.toordinal()}")  # noqa: S311  not used for secrets

    def steps(self) -> Iterator[PastStep]:
        """Return the steps."""
        yield from self._sun()
        yield from self._devices()
        yield from self._night()
        yield from self._morning()
        yield from self._absence()
        yield from self._evening()
        yield from self._humidity()

    def _sun(self) -> Iterator[PastStep]:
        for at, state, rising in ((BRIGHT[0], "above_horizon", True), (BRIGHT[1], "below_horizon", False)):
            yield self._at(at, lambda state=state, rising=rising: self._turn("sun.sun", state, rising=rising))

    def _devices(self) -> Iterator[PastStep]:
        """Let each service need its own time, which differs from hour to hour."""
        for hour in range(24):
            yield self._at(time(hour, 0, 1), self._choose_delays)

    def _choose_delays(self) -> None:
        failures, random = self._home.failures, self._random
        failures.clear()
        failures.slow("light.*", round(random.uniform(0.018, 0.06), 6))
        failures.slow("notify.*", round(random.uniform(0.12, 0.4), 6))
        failures.slow("climate.set_temperature", round(random.uniform(0.05, 0.12), 6))
        is_slow = self._home.core.clock.now() >= self._milestones.slow_from
        valve_s = random.uniform(2.1, 3.4) if is_slow else random.uniform(0.2, 0.34)
        failures.slow("climate.set_hvac_mode", round(valve_s, 6))

    def _night(self) -> Iterator[PastStep]:
        yield from self._motion("hall", NIGHT_WALK, 25)
        yield from self._motion("kitchen", _later(NIGHT_WALK, 35), 70)
        yield from self._motion("hall", _later(NIGHT_WALK, 130), 20)
        # This is the last run before the power cut, so that the history knows the time of the cut to the second.
        yield from self._motion("hall", time(2, 20, 20), 15)

    def _morning(self) -> Iterator[PastStep]:
        yield self._call(self._random_time(6, 31, 4), "light.turn_on", "light.bedroom")
        yield self._call(self._random_time(6, 50, 6), "light.turn_off", "light.bedroom")
        yield from self._motion("hall", time(6, 40), 30)
        for minute in range(42, 60, 5):
            yield from self._motion("kitchen", self._random_time(6, minute, 3), 90)
        yield from self._motion("living_room", time(7, 5), 600)
        yield from self._open("binary_sensor.living_room_window", time(7, 10), 480)
        yield from self._motion("hall", self._random_time(7, 25, 4), 40)

    def _absence(self) -> Iterator[PastStep]:
        leaves, returns = self._random_time(8, 35, 10), self._random_time(17, 20, 30)
        for at, state in ((leaves, "not_home"), (returns, "home")):
            yield from self._motion("hall", at, 30)
            yield from self._open("binary_sensor.front_door", _later(at, 20), 6)
            yield self._at(_later(at, 40), lambda state=state: self._turn("person.alex", state))

    def _evening(self) -> Iterator[PastStep]:
        random = self._random
        for _ in range(10):
            room = random.choice(("hall", "kitchen", "living_room"))
            yield from self._motion(room, self._random_time(random.randint(18, 21), 0, 58), random.randint(30, 400))
        for hour in (18, 20, 21):
            yield from self._open("binary_sensor.living_room_window", self._random_time(hour, 5, 40), 600)
        forgotten = random.random() < 0.5
        yield from self._open("binary_sensor.back_door", time(19, 40), 1_500 if forgotten else 30)
        if random.random() < 0.4:
            yield self._call(time(19, 5), "input_boolean.turn_on", "input_boolean.guests")
            yield self._call(time(22, 10), "input_boolean.turn_off", "input_boolean.guests")
        if random.random() < 0.4 or self._day >= _days_before(self._milestones.power_cut, 2).date():
            yield self._call(self._random_time(23, 20, 10), "light.turn_on", "light.living_room")
        yield self._call(self._random_time(22, 40, 10), "light.turn_on", "light.bedroom")
        yield self._call(self._random_time(23, 5, 10), "light.turn_off", "light.bedroom")

    def _humidity(self) -> Iterator[PastStep]:
        for half in range(2 * 24):
            at = time(half // 2, half % 2 * 30, 30)
            shower = at.hour == 7 and at.minute < 40
            percent = self._random.randint(66, 73) if shower else self._random.randint(49, 56)
            weak = datetime.combine(self._day, at, self._zone) >= self._milestones.weak_from
            missing = weak and self._random.random() < 0.25
            yield self._at(
                at,
                lambda state="unknown" if missing else str(percent): self._turn("sensor.bathroom_humidity", state),
            )

    def _motion(self, room: str, at: time, seconds: float) -> Iterator[PastStep]:
        yield from self._open(f"binary_sensor.{room}_motion", at, seconds + CHATTER_S)

    def _open(self, entity_id: str, at: time, seconds: float) -> Iterator[PastStep]:
        yield self._at(at, lambda: self._turn(entity_id, "on"))
        yield self._at(_later(at, seconds), lambda: self._turn(entity_id, "off"))

    def _call(self, at: time, service: str, entity_id: str) -> PastStep:
        return self._at(at, lambda: self._home.call(service, entity_id, user=self._person))

    def _turn(self, entity_id: str, state: str, **attributes: Any) -> None:
        self._home.core.change(entity_id, state, **attributes)

    def _random_time(self, hour: int, minute: int, minutes: int) -> time:
        return _later(time(hour, minute), self._random.randint(0, minutes * 60))

    def _at(self, at: time, act: Callable[[], object]) -> PastStep:
        # Sensors do not report at full seconds.
        return PastStep(
            datetime.combine(self._day, at, self._zone) + timedelta(microseconds=self._random.randint(0, 900_000)), act
        )


def _later(at: time, seconds: float) -> time:
    return (datetime.combine(date.min, at) + timedelta(seconds=seconds)).time()


def _days_before(night: datetime, days: int) -> datetime:
    return night - timedelta(days=days)
