"""Batches of a busy home, for the store's benchmarks.

The records come from support/rows.py, because the executor would add its cost to the figures, such as the cost of
rendering a traceback. The figures should contain only the cost of the store. The folder `support` is a link to
tests/support, so that ``python benchmarks/NAME.py`` finds it.
"""

import itertools
import random
import time

from hassette_store.ids import first_id_at
from support.rows import Batch, Due, Effects, Event, Failure, Frame, Job, Listener, LogLine, Run, ServiceCall

__all__ = ["Batch", "Home"]


class Home:
    """A busy home. Most events come from sensors. Some runs fail, call services or log lines.

    Args:
        handlers: Number of listeners, each for one entity. There is one job for ten listeners.
        plain: Whether all runs succeed and have no effects.
        seed: Seed of the random numbers.
        start_us: Time of the first event.
    """

    def __init__(self, handlers: int = 50, *, plain: bool = False, seed: int = 1, start_us: int = 0) -> None:
        self.random = random.Random(seed)
        self.plain = plain
        self.listeners = [
            Listener(f"on_event_{n}", "bench", topic=f"state_changed.sensor.s{n}", settings=()) for n in range(handlers)
        ]
        self.jobs = [Job(f"job_{n}", "bench") for n in range(max(1, handlers // 10))]
        self.now_us = start_us or time.time_ns() // 1000
        self.sequence = 0
        self._ids = itertools.count()
        self._last = 0
        frames = tuple(Frame("/config/apps/bench.py", 10 * n, f"step_{n}") for n in range(5))
        self.failures = [Failure("exception", "ValueError", f"sensor.s{n} has no value {n}", frames) for n in range(5)]

    def batch(self, runs: int, *, over_us: int = 500_000) -> Batch:
        """Return a batch of runs that end at equal intervals within ``over_us`` microseconds."""
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
                draw = chance.random()
                if draw < 0.02:
                    status, failure = "error", chance.choice(self.failures)
                elif draw < 0.12:
                    context = f"{chance.getrandbits(128):026X}"[:26]
                    call = ServiceCall(self.now_us, data="", duration_us=900, context_id=context)
                    effects = Effects((), (call,))
                elif draw < 0.16:
                    effects = Effects((LogLine(self.now_us, 30, "bench.main", "the lamp took its time"),))
            number = int(chance.paretovariate(0.7)) % len(self.listeners)
            common = (self.now_us - duration, duration, chance.randrange(50, 900), status, failure, effects)
            if job:
                due = Due(self.now_us - duration - 900)
                executions.append(Run(self._last, chance.choice(self.jobs), due, *common))
            else:
                event = Event(
                    "state_changed",
                    f"sensor.s{number}",
                    f"{chance.randrange(150, 250) / 10}",
                    f"{chance.randrange(150, 250) / 10}",
                    f"01{chance.getrandbits(120):024X}",
                    None,
                    None if self.plain or chance.random() < 0.9 else "3c2f9a1de8c94a5fb6c27d1d7b7ee0a1",
                )
                invocations.append(Run(self._last, self.listeners[number], event, *common))
        self.sequence += 1
        return Batch(self.sequence, self.now_us, tuple(invocations), tuple(executions))
