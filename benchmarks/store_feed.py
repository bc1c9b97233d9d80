"""Values of the shape of the executor's, for the store's benchmarks.

Plain ones: what the executor's own cost, the rendering of a traceback above all, is not the store's.
"""

import itertools
import random
import time
from typing import Any, NamedTuple

from hassette_store.ids import first_id_at


class Registration:
    def __init__(self, name: str, topic: str | None = None) -> None:
        self.app, self.instance, self.name = "bench", "main", name
        if topic is None:
            self.schedule = "every 30 s"
        else:
            self.topic = topic
        self.handler = f"Bench.{name}"
        self.settings: tuple[tuple[str, str], ...] = ()
        self.source = None
        self.runs_in = "async"
        self.timeout_s = None


class Heard(NamedTuple):
    event_type: str
    entity_id: str | None
    old_state: str | None
    new_state: str | None
    context_id: str | None
    parent_id: str | None
    user_id: str | None


class Due(NamedTuple):
    due_us: int
    manual: bool = False


class Frame(NamedTuple):
    file: str
    line: int
    function: str


class Failure(NamedTuple):
    kind: str
    type: str
    message: str
    frames: tuple[Frame, ...]
    traceback: str


class LogLine(NamedTuple):
    at_us: int
    level: int
    logger: str
    message: str


class Call(NamedTuple):
    at_us: int
    domain: str
    service: str
    target: str
    data: str
    duration_us: int
    context_id: str | None
    error: str | None


class Effects(NamedTuple):
    log_lines: tuple[LogLine, ...] = ()
    service_calls: tuple[Call, ...] = ()
    dropped_log_lines: int = 0
    dropped_service_calls: int = 0


class Run(NamedTuple):
    id: int
    registration: Any
    trigger: Any
    started_us: int
    duration_us: int
    waited_us: int
    status: str
    failure: Failure | None = None
    effects: Effects | None = None


class Batch(NamedTuple):
    sequence: int
    at_us: int
    invocations: tuple[Run, ...] = ()
    executions: tuple[Run, ...] = ()
    registered: tuple[Any, ...] = ()
    retired: tuple[Any, ...] = ()
    lifecycle: tuple[Any, ...] = ()
    skipped: tuple[Any, ...] = ()
    summaries: tuple[Any, ...] = ()
    losses: tuple[Any, ...] = ()
    running: tuple[Any, ...] | None = None
    session_facts: tuple[tuple[str, str], ...] = ()


class House:
    """A busy house: so many handlers and entities, most events from sensors, some failures, calls and log lines.

    Args:
        handlers: How many listeners; a tenth as many jobs.
        plain: Only successes without effects.
        seed: Of its chances.
        start_us: Its beginning of time.
    """

    def __init__(self, handlers: int = 50, *, plain: bool = False, seed: int = 1, start_us: int = 0) -> None:
        self.random = random.Random(seed)
        self.plain = plain
        self.listeners = [Registration(f"on_event_{n}", f"state_changed.sensor.s{n}") for n in range(handlers)]
        self.jobs = [Registration(f"job_{n}") for n in range(max(1, handlers // 10))]
        self.now_us = start_us or time.time_ns() // 1000
        self.sequence = 0
        self._ids = itertools.count()
        self._last = 0
        frames = tuple(Frame("/config/apps/bench.py", 10 * n, f"step_{n}") for n in range(5))
        self.failures = [
            Failure("exception", "ValueError", f"sensor.s{n} said {n}", frames, "Traceback …\n" * 20) for n in range(5)
        ]

    def batch(self, runs: int, *, over_us: int = 500_000) -> Batch:
        """The next batch: runs that end one after the other within a time."""
        chance = self.random
        invocations: list[Run] = []
        executions: list[Run] = []
        step = max(1, over_us // max(1, runs))
        for _ in range(runs):
            self.now_us += step
            duration = int(chance.lognormvariate(7.5, 1.0))
            self._last = max(first_id_at(self.now_us), self._last + 1)
            job = not self.plain and chance.random() < 0.1
            status, failure, effects = "success", None, None
            if not self.plain:
                dice = chance.random()
                if dice < 0.02:
                    status, failure = "error", chance.choice(self.failures)
                elif dice < 0.12:
                    context = f"{chance.getrandbits(128):026X}"[:26]
                    effects = Effects(
                        (),
                        (Call(self.now_us, "light", "turn_on", '{"entity_id":"light.hall"}', "", 900, context, None),),
                    )
                elif dice < 0.16:
                    effects = Effects((LogLine(self.now_us, 30, "bench.main", "the lamp took its time"),))
            number = int(chance.paretovariate(0.7)) % len(self.listeners)
            common = (self.now_us - duration, duration, chance.randrange(50, 900), status, failure, effects)
            if job:
                due = Due(self.now_us - duration - 900)
                executions.append(Run(self._last, chance.choice(self.jobs), due, *common))
            else:
                heard = Heard(
                    "state_changed",
                    f"sensor.s{number}",
                    f"{chance.randrange(150, 250) / 10}",
                    f"{chance.randrange(150, 250) / 10}",
                    f"01{chance.getrandbits(120):024X}",
                    None,
                    None if self.plain or chance.random() < 0.9 else "3c2f9a1de8c94a5fb6c27d1d7b7ee0a1",
                )
                invocations.append(Run(self._last, self.listeners[number], heard, *common))
        self.sequence += 1
        return Batch(self.sequence, self.now_us, tuple(invocations), tuple(executions))
