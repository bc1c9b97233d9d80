"""Write a large history through the store: 30 days of a home with 15 apps, for `benchmarks/questions.py`.

The home has 225 handlers and 25 jobs. A few handlers have most of the runs (Zipf's law), and durations are lognormal.
There are 24 sessions, 25 error groups, service calls on 9 % of the runs, log lines, triggers without a run, lifecycle
events and a loss. Half a million runs take about 20 s.
"""

import itertools
import random
import sys
import time
from pathlib import Path

from hassette_store import DatabaseService, StoreSettings
from hassette_store.ids import first_id_at
from support.rows import (
    Batch,
    Due,
    Effects,
    Event,
    Failure,
    Frame,
    HomeCause,
    HomeChange,
    HomeName,
    Job,
    LifecycleEvent,
    Listener,
    LogLine,
    Loss,
    NotRun,
    Run,
    ServiceCall,
    Skip,
)

DAYS = 30
SESSIONS = 24
HANDLERS = 225
JOBS = 25
DAY_US = 86_400_000_000
_HOUR_US = 3_600_000_000
_BATCH = 2_000
APPS = (
    *("motion_light", "climate_guard", "irrigation", "presence", "door_reminder", "energy", "blinds", "vacation"),
    *("media", "alarm", "laundry", "air_quality", "garage", "night_mode", "backup"),
)
ROOMS = ("hall", "kitchen", "living_room", "bedroom", "bath", "office", "attic", "cellar", "garden", "garage")
_KINDS = ("binary_sensor.{}_motion", "sensor.{}_temperature", "light.{}", "climate.{}", "switch.{}_fan")
_STATES = {"binary_sensor": ("off", "on"), "light": ("off", "on"), "switch": ("off", "on"), "climate": ("heat", "off")}
_SERVICES = ("light.turn_on", "light.turn_off", "climate.set_temperature", "notify.mobile_app", "switch.toggle")
_MESSAGES = (
    *("the lamp did not answer", "brightness set to {n} %", "waiting for {room}", "NoneType has no value in {room}"),
    *("the window in {room} is open", "target temperature is {n}.5 degrees"),
)
_ERRORS = ("ValueError", "TypeError", "TimeoutError", "KeyError", "ServiceCallError")


class LargeHome:
    """Batches of a home with many handlers over thirty days.

    Args:
        runs: Number of runs in total.
        now_us: End of the thirty days.
        seed: Seed of the random numbers.
    """

    def __init__(self, runs: int, now_us: int, seed: int = 11) -> None:
        self.runs = runs
        self.random = random.Random(seed)
        self.start_us = now_us - DAYS * DAY_US
        self.now_us = self.start_us
        self.step_us = DAYS * DAY_US / runs
        self.entities = [kind.format(room) for room in ROOMS for kind in _KINDS]
        self.entities += [f"sensor.meter_{number}" for number in range(150)]
        self.listeners = [
            Listener(f"on_event_{n}", APPS[n % 15], ROOMS[n % 10], topic=f"state_changed.{self.entities[n % 200]}")
            for n in range(HANDLERS)
        ]
        self.jobs = [Job(f"job_{n}", APPS[n % 15], ROOMS[n % 10]) for n in range(JOBS)]
        self.speed = [self.random.uniform(6.5, 9.5) for _ in self.listeners]
        weights = [1 / (n + 1) ** 1.1 for n in range(HANDLERS)]
        self.cumulative = list(itertools.accumulate(weights))
        self.failures = [
            Failure(
                "exception",
                _ERRORS[n % 5],
                f"{_MESSAGES[n % 6].format(n=n, room=ROOMS[n % 10])} (group {chr(97 + n)})",
                tuple(Frame(f"/config/apps/{APPS[n % 15]}.py", 10 * n + step, f"step_{step}") for step in range(3)),
            )
            for n in range(25)
        ]
        self.sequence = 0
        self.made = 0
        self._changes: list[HomeChange] = []
        self._causes: list[HomeCause] = []
        self._last = 0
        self._at = float(self.start_us)

    def batch(self, runs: int) -> Batch:
        """Return a batch of runs, with the other records of its time."""
        invocations: list[Run] = []
        executions: list[Run] = []
        chance = self.random
        picks = chance.choices(range(HANDLERS), cum_weights=self.cumulative, k=runs)
        for pick in picks:
            self._at += self.step_us
            self.now_us = int(self._at)
            self._last = max(first_id_at(self.now_us), self._last + 1)
            draw = chance.random()
            duration = int(chance.lognormvariate(self.speed[pick], 0.6))
            status, failure = self._outcome(draw)
            effects = self._effects(chance.random(), pick)
            self._home(effects, pick)
            if chance.random() < 0.1:
                due = Due(self.now_us - duration - 900)
                values = (self.now_us - duration, duration, 400, status, failure, effects)
                executions.append(Run(self._last, self.jobs[pick % JOBS], due, *values))
            else:
                values = (self.now_us - duration, duration, int(chance.expovariate(1 / 600)), status, failure, effects)
                invocations.append(Run(self._last, self.listeners[pick], self._event(pick), *values))
        self.made += runs
        self.sequence += 1
        changes, causes, self._changes, self._causes = tuple(self._changes), tuple(self._causes), [], []
        return Batch(
            self.sequence,
            self.now_us,
            tuple(invocations),
            tuple(executions),
            registered=(*self.listeners, *self.jobs) if self.sequence == 1 else (),
            home_changes=changes,
            home_causes=causes,
            home_names=self._names() if self.made == runs else (),
            **self._others(),
        )

    def _home(self, effects: Effects | None, pick: int) -> None:
        """Add the change of the home that a service call causes; and sometimes an automation, which causes a change."""
        entity = f"light.{ROOMS[pick % 10]}"
        if effects is not None and effects.service_calls:
            self._last += 1
            context = effects.service_calls[0].context_id or ""
            self._changes.append(HomeChange(self._last, entity, "off", "on", context, None, "robot"))
        elif pick % 40 == 0:
            context = f"01{self.random.getrandbits(120):024X}"
            automation = f"automation.{ROOMS[pick % 10]}"
            self._last += 2
            cause = HomeCause(self._last - 1, "automation", automation, None, "", "time", context, None, None, "1", "2")
            self._causes.append(cause)
            self._changes.append(HomeChange(self._last, entity, "on", "off", context, None, None))

    def _outcome(self, draw: float) -> tuple[str, Failure | None]:
        if draw < 0.006:
            recent = self._at > self.start_us + 28 * DAY_US
            # The last group begins two days before the end.
            return "error", self.failures[24 if recent and draw < 0.001 else int(draw * 4_000) % 24]
        if draw < 0.0062:
            return "timed_out", Failure("timeout", "TimeoutError", "did not end within its deadline of 10 s", ())
        if draw < 0.0065:
            return "cancelled", None
        return "success", None

    def _effects(self, draw: float, pick: int) -> Effects | None:
        if draw > 0.14:
            return None
        chance = self.random
        room = ROOMS[(pick + chance.randrange(3)) % 10]
        if draw > 0.09:
            message = chance.choice(_MESSAGES).format(n=chance.randrange(100), room=room)
            return Effects((LogLine(self.now_us, 30, f"{APPS[pick % 15]}.{room}", message),))
        domain, service = chance.choice(_SERVICES).split(".")
        context = f"01{chance.getrandbits(120):024X}"
        target = f'{{"entity_id":["{domain if domain != "notify" else "light"}.{room}"]}}'
        return Effects((), (ServiceCall(self.now_us, domain, service, target, "", 900, context),))

    def _names(self) -> tuple[HomeName, ...]:
        return tuple(HomeName("entity", entity, entity.replace(".", " ").title(), None) for entity in self.entities)

    def _event(self, pick: int) -> Event:
        chance = self.random
        entity = self.entities[pick % 200]
        states = _STATES.get(entity.split(".")[0])
        old, new = states or (f"{chance.randrange(150, 250) / 10}", f"{chance.randrange(150, 250) / 10}")
        if chance.random() < 0.001:
            new = "unavailable"
        user = None if chance.random() < 0.95 else "3c2f9a1de8c94a5fb6c27d1d7b7ee0a1"
        return Event("state_changed", entity, old, new, f"01{chance.getrandbits(120):024X}", None, user)

    def _others(self) -> dict[str, object]:
        hour, chance = self.now_us // _HOUR_US * _HOUR_US, self.random
        listener = chance.choice(self.listeners)
        values: dict[str, object] = {
            "skipped": tuple(
                Skip(chance.choice(self.listeners), hour, reason, 3) for reason in ("condition", "overlap")
            ),
            "not_runs": (NotRun(listener, self.now_us, "condition", "is_home is off", Event()),),
        }
        if self.sequence % 20 == 1:
            self._last += 1
            event = LifecycleEvent(self._last, self.now_us, "connection_restored", "ws://home:8123", "After 2 minutes.")
            values["lifecycle"] = (event,)
        if self.sequence == 2:
            values["losses"] = (Loss("queue_full_count", "runs", 5, self.now_us - 1_000_000, self.now_us),)
        return values


async def write_large_history(path: Path, runs: int, *, report: bool = False) -> None:
    """Write a history with this number of runs, whose last session has just ended."""
    home = LargeHome(runs, time.time_ns() // 1000)
    settings = StoreSettings(max_size_mb=100_000)
    size = max(1, min(_BATCH, runs // 200))
    for session in range(SESSIONS):
        end = runs * (session + 1) // SESSIONS
        store = DatabaseService(path, settings, now_us=lambda: home.now_us)
        home.sequence = 0
        await store.start()
        try:
            while home.made < end:
                await store.write(home.batch(min(size, end - home.made)))
        finally:
            await store.stop()
        if report:
            print(f"{home.made:>9,} runs written", file=sys.stderr, flush=True)
