"""Write the history of the days before the start of a demo, so that each question has an answer at once.

The framework runs the apps of the demo in the simulated home, on a clock that jumps from one timer to the next. So
sixteen days take a few seconds, and each run, log line and call in the history has really happened in the simulated
home. The same seed and the same end lead to the same history.
"""

import asyncio
import contextlib
import itertools
import logging
import random
import shutil
import tempfile
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from random import Random
from typing import Any, NamedTuple, Protocol
from zoneinfo import ZoneInfo

from pydantic import SecretStr

from hassette_core.config import HassetteConfig
from hassette_core.config.model import AppEntry
from hassette_core.framework import Hassette
from hassette_core.installed import SINK_GROUP, find_entry_points
from hassette_core.plugins import SinkService
from hassette_core.simulation.demo.past_days import Milestones, PastDays
from hassette_core.simulation.home import SimulatedHome
from hassette_core.simulation.home.model.model import TIME_ZONE
from hassette_core.simulation.memory_transport import MemoryTransport
from hassette_core.simulation.turns import TurnThreads
from hassette_core.simulation.virtual_loop import VirtualClock, VirtualLoop
from hassette_executor import Batch, RepeatedLog, ThreadPool

DAYS = 15
"""Complete days in the history: two weeks to compare, and the day before them."""
HISTORY = "hassette.db"
STORE = "store"
"""The name of the entry point of the sink that writes the past."""
ADDRESS = "http://home.demo:8123"
APP_LOGGER = "hassette.apps"
WORK_US = (20, 180)
"""Time that passes between two readings of the clock, in microseconds. A run without a pause needs this time."""
FLUSH_S = 600.0
UNTIL_BOOT_S = 1_000_000_000.0
"""The monotonic clock of the past begins this many seconds after 1970."""


class PastSinkFactory(Protocol):
    """The factory of the store's sink, with its clocks. They are options of the entry point ``store``."""

    def __call__(
        self,
        *,
        data_dir: Path,
        settings: Mapping[str, object],
        now_us: Callable[[], int],
        monotonic: Callable[[], float],
    ) -> SinkService:
        """Create the sink."""
        ...


class TimedBatch(NamedTuple):
    """A batch, and the time at which it was written, in microseconds since the Unix epoch."""

    at_us: int
    batch: Batch


@dataclass(slots=True)
class PastSession:
    """A session of the framework in the past. It is the sink of its executor.

    Attributes:
        now_us: The wall clock.
        started_us: Its start.
        ended_us: Its end. Later batches are lost.
        crashed: Whether the session ended without a stop.
        batches: The batches, in order.
    """

    now_us: Callable[[], int]
    started_us: int
    ended_us: int | None = None
    crashed: bool = False
    batches: list[TimedBatch] = field(default_factory=list[TimedBatch])

    async def write(self, batch: Batch) -> None:
        """Keep a batch."""
        if self.ended_us is None:
            self.batches.append(TimedBatch(self.now_us(), batch))

    async def last_id(self) -> int:
        """Return 0: the ids of later sessions are higher, because they contain the time."""
        return 0


def find_store() -> PastSinkFactory | None:
    """Return the factory of the store's sink. None if the store is not installed."""
    point = next((point for point in find_entry_points(SINK_GROUP) if point.name == STORE), None)
    return None if point is None else point.load()


def has_history(data_dir: Path) -> bool:
    """Return whether a directory contains a history, or files of one. A directory that cannot be read may have one."""
    try:
        return any(path.name.startswith(HISTORY) for path in data_dir.iterdir())
    except FileNotFoundError:
        return False
    except OSError:  # the start of the framework reports it
        return True


def write_past(
    config: HassetteConfig,
    data_dir: Path,
    create: PastSinkFactory,
    *,
    end: datetime | None = None,
    seed: int = 1,
    at_end: Callable[[Hassette], None] = lambda _: None,
) -> None:
    """Write the history of the past days into a directory that has none. This blocks for some seconds.

    Args:
        config: The configuration of the demo.
        data_dir: The directory of the history. The history appears there when it is complete.
        create: Creates the sink.
        end: The end of the history (aware); now by default.
        seed: The same seed leads to the same history.
        at_end: Called with the framework at the end of the past, before it stops.

    Raises:
        OSError: The directory cannot be written.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    end = (end or datetime.now(UTC)).astimezone(ZoneInfo(TIME_ZONE))
    with tempfile.TemporaryDirectory(dir=data_dir, prefix="past-") as folder, _quiet_log():
        written = Path(folder) / "written"
        sessions = PastSimulation(config, Path(folder) / "framework", end, seed).run(at_end)
        asyncio.run(_write(sessions, written, create, config.plugins.get(STORE, {})))
        for path in written.iterdir():
            path.rename(data_dir / path.name)


class PastSimulation:
    """Runs the framework and the simulated home through the past days. It runs once.

    Args:
        config: The configuration of the demo.
        data_dir: Directory for files of the framework and the apps.
        end: The end, in the time zone of the home.
        seed: The same seed leads to the same sessions.
    """

    def __init__(self, config: HassetteConfig, data_dir: Path, end: datetime, seed: int) -> None:
        self._config = config
        self._data_dir = data_dir
        self._end = end
        self._seed = seed
        self._start = datetime.combine(end.date() - timedelta(days=DAYS), time(), end.tzinfo)
        self._sessions: list[PastSession] = []
        self._time = _PastTime()
        self._loop = self._time.loop
        self._clock = VirtualClock(self._loop, self._start)
        self._work = WorkingClock(self._loop, self._start, Random(f"work {seed}"))  # noqa: S311  not used for secrets

    def run(self, at_end: Callable[[Hassette], None] = lambda _: None) -> list[PastSession]:
        """Return the sessions of the framework, in order.

        Args:
            at_end: Called with the framework before the end of the last session.
        """
        before = random.getstate()
        random.seed(self._seed)
        try:
            with _dated_log(self._clock), asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._run(at_end))
        finally:
            random.setstate(before)
        return self._sessions

    async def _run(self, at_end: Callable[[Hassette], None]) -> None:
        assert self._end.tzinfo is not None  # the caller has made it aware
        home = SimulatedHome(port=None, speed=0, seed=self._seed, clock=self._clock)
        milestones = Milestones.before(self._end)
        days = PastDays(home, self._end.tzinfo, milestones, self._seed)
        await home.start()
        living = asyncio.create_task(self._live(home, days))
        try:
            await self._session(home, self._start, milestones.edited, edited=False)
            await self._session(home, milestones.edited, milestones.power_cut, crashes=True)
            await self._session(home, milestones.power_back, self._end, at_end=at_end)
        finally:
            living.cancel()
            await home.stop()

    async def _live(self, home: SimulatedHome, days: PastDays) -> None:
        """Make the changes in the home."""
        for step in days.steps(self._start.date(), self._end.date()):
            if (wait_s := (step.at - self._clock.now()).total_seconds()) > 0:
                await home.core.sleep(wait_s)
            step.act()

    async def _session(
        self,
        home: SimulatedHome,
        start: datetime,
        end: datetime,
        *,
        edited: bool = True,
        crashes: bool = False,
        at_end: Callable[[Hassette], None] = lambda _: None,
    ) -> None:
        """Run the framework from a time to another."""
        await self._sleep_until(home, start)
        session = PastSession(lambda: self._clock.wall_ns() // 1_000, self._clock.wall_ns() // 1_000, crashed=crashes)
        self._sessions.append(session)
        hassette = Hassette(
            self._past_config(home, edited=edited),
            sinks=(session,),
            plugins=False,
            clock=self._work,
            make_threads=self._make_threads,
            transport=MemoryTransport(home),
        )
        async with hassette:
            await hassette.wait_ready()
            await self._sleep_until(home, end)
            at_end(hassette)
            if crashes:
                await hassette.executor.force_flush()
                session.ended_us = session.now_us()
            else:
                hassette.request_stop("SIGTERM")
        session.ended_us = session.ended_us or session.now_us()

    async def _sleep_until(self, home: SimulatedHome, at: datetime) -> None:
        await home.core.sleep((at - self._clock.now()).total_seconds())

    def _past_config(self, home: SimulatedHome, *, edited: bool) -> HassetteConfig:
        config = self._config
        # In the demo, a minute passes each second, so that a reminder comes after two seconds. Here, time is real.
        apps = _with_settings(config.apps, "door_reminder", remind_after_s=300)
        if not edited:
            apps = _with_settings(apps, "night_round", night_temperature=16)
        return config.model_copy(
            update={
                "hassette": config.hassette.model_copy(update={"data_dir": self._data_dir}),
                "home_assistant": config.home_assistant.model_copy(
                    update={"url": ADDRESS, "token": SecretStr(home.token)}
                ),
                "executor": replace(config.executor, flush_interval_s=FLUSH_S),
                "apps": apps,
            }
        )

    def _make_threads(self, limit: int, kind: str, log: RepeatedLog | None) -> ThreadPool:
        del limit  # each call begins at once, see TurnThreads
        return TurnThreads(self._loop.turns, kind, log)


class _PastTime:
    """Moves the time of a loop to its next timer whenever the loop has nothing to do."""

    def __init__(self) -> None:
        self.loop = VirtualLoop(self)

    def takes_call(self, call: Callable[[], object]) -> bool:
        """Return False: no thread of a test calls the loop."""
        del call
        return False

    def loop_is_idle(self, next_timer_us: int | None) -> bool:
        """Move the time. Without a timer, wait for a thread."""
        if next_timer_us is None:
            return False
        self.loop.move(next_timer_us)
        return True


class WorkingClock(VirtualClock):
    """A clock that moves a little with each reading of the monotonic time, because code needs time, too.

    Args:
        loop: The event loop.
        now: The wall clock's time now (aware).
        random: Source of the durations.
    """

    def __init__(self, loop: VirtualLoop, now: datetime, random: Random) -> None:
        super().__init__(loop, now)
        self._virtual = loop
        # A random number for each reading would take longer than the rest of the reading.
        self._work_us = itertools.cycle([random.randint(*WORK_US) for _ in range(997)])

    def monotonic_ns(self) -> int:
        """Return the loop's time in nanoseconds, after some work."""
        self._virtual.move(next(self._work_us))
        return super().monotonic_ns()


class _WriterClock:
    """The clocks of the store while it writes the past."""

    def __init__(self) -> None:
        self.at_us = 0

    def now_us(self) -> int:
        return self.at_us

    def monotonic(self) -> float:
        return self.at_us / 1e6 - UNTIL_BOOT_S


async def _write(
    sessions: Sequence[PastSession], folder: Path, create: PastSinkFactory, settings: Mapping[str, object]
) -> None:
    """Write the sessions to a new history."""
    clock = _WriterClock()
    for session in sessions:
        clock.at_us = session.started_us
        sink = create(data_dir=folder, settings=settings, now_us=clock.now_us, monotonic=clock.monotonic)
        await sink.start()
        crashed = folder.with_name("crashed")
        try:
            for clock.at_us, batch in session.batches:
                await sink.write(batch)
            if session.crashed:
                shutil.copytree(folder, crashed)
            else:
                clock.at_us = session.ended_us or clock.at_us
        finally:
            await sink.stop()
        if session.crashed:
            # A crash leaves the files as they are. The next start finds an open session, and closes it.
            shutil.rmtree(folder)
            crashed.rename(folder)


def _with_settings(apps: Mapping[str, AppEntry], key: str, **settings: object) -> dict[str, AppEntry]:
    """Return the apps, with other settings of one of them."""
    entry = apps[key]
    instances = [{**instance, **settings} for instance in entry.instances]
    config = entry.config if instances else {**entry.config, **settings}
    return {**apps, key: entry.model_copy(update={"config": config, "instances": instances})}


@contextlib.contextmanager
def _dated_log(clock: VirtualClock) -> Generator[None]:
    """Give log records the time of a clock."""
    make = logging.getLogRecordFactory()

    def make_dated(*args: Any, **options: Any) -> logging.LogRecord:
        record = make(*args, **options)
        record.created = clock.wall_ns() / 1e9
        return record

    logging.setLogRecordFactory(make_dated)
    try:
        yield
    finally:
        logging.setLogRecordFactory(make)


@contextlib.contextmanager
def _quiet_log() -> Generator[None]:
    """Keep log lines of the past away from the console. The history contains them."""
    root, apps = logging.getLogger(), logging.getLogger(APP_LOGGER)
    handlers, level, app_level = root.handlers[:], root.level, apps.level
    root.handlers[:] = [logging.NullHandler()]
    apps.setLevel(logging.INFO)
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        apps.setLevel(app_level)
