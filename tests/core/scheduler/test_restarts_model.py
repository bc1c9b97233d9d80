"""Persistent timers over random restarts and kills: they end exactly as a model of them does."""

import asyncio
import contextlib
import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from hassette_core.clock import ManualClock
from support.home import NOON
from support.kept_timers import Process, process
from support.waiting import eventually


@dataclass(frozen=True)
class Timer:
    """A waiting timer of the model. ``due`` is in seconds after noon."""

    light: int
    due: int
    persist: bool
    group: str | None


@dataclass
class Model:
    """The waiting timers in the order of their registration, the pauses, and the lights of the runs."""

    now: int = 0
    timers: list[Timer] = field(default_factory=list[Timer])
    paused: frozenset[str] = frozenset()
    calls: list[int] = field(default_factory=list[int])

    def set_timer(self, timer: Timer, *, ends_others: bool) -> None:
        self.timers = [each for each in self.timers if not (ends_others and each.light == timer.light)] + [timer]

    def is_paused(self, timer: Timer) -> bool:
        return "off" in self.paused or timer.group in self.paused

    def run_until(self, now: int) -> None:
        self.now = now
        due = [timer for timer in self.timers if timer.due <= now]
        self.timers = [timer for timer in self.timers if timer.due > now]
        self.calls += [timer.light for timer in sorted(due, key=lambda timer: timer.due) if not self.is_paused(timer)]

    def next_start(self) -> "Model":
        return replace(self, timers=[timer for timer in self.timers if timer.persist], calls=[])

    def in_file(self) -> object:
        due = [(timer.light, timer.due) for timer in self.timers if timer.persist]
        return due, sorted(self.paused)


def content_of(file: Path) -> object:
    """Return the content of the file in the form of `Model.in_file`."""
    content = json.loads(file.read_text()) if file.exists() else {"timers": [], "paused": []}
    noon_us = round(NOON.timestamp() * 1e6)
    due = [(each["options"]["kwargs"]["light"], (each["due_us"] - noon_us) // 1_000_000) for each in content["timers"]]
    return due, sorted(name for *_, name in content["paused"])


class Run:
    """Does the same with a process and with the model, and compares them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "0.json"
        self.clock = ManualClock(NOON)
        self.model = Model()
        self.possible = [Model()]  # the contents that the file may have
        self.starts = 0

    async def begin(self) -> None:
        self.stack = contextlib.AsyncExitStack()
        self.process: Process = await self.stack.enter_async_context(process(self.file, self.clock, restore=False))
        self.starts += 1

    async def check(self) -> None:
        self.possible.append(replace(self.model))
        assert await self.process.calls() == self.model.calls
        jobs = self.process.scheduler.jobs()
        found = [None if job.next_run is None else (job.next_run - NOON) // timedelta(seconds=1) for job in jobs]
        assert found == [None if self.model.is_paused(timer) else timer.due for timer in self.model.timers]

    async def settle(self) -> None:
        """Wait until the file has all changes."""
        await eventually(lambda: content_of(self.file) == self.model.in_file())
        self.possible = [replace(self.model)]

    def set_timer(self, light: int, delay: int, options: Any, replaces: bool) -> None:
        scheduler, app = self.process.scheduler, self.process.app
        scheduler.run_in(app.off, delay, kwargs={"light": light}, replace=replaces, **options)
        self.model.set_timer(Timer(light, self.model.now + delay, **options), ends_others=replaces)

    def cancel(self, number: int) -> None:
        if self.model.timers:
            number %= len(self.model.timers)
            self.process.scheduler.jobs()[number].cancel()
            self.model.timers = self.model.timers[:number] + self.model.timers[number + 1 :]

    def pause(self, name: str, paused: bool) -> None:
        kind = "job" if name == "off" else "group"
        self.process.service.set_paused("app", "one", kind, name, paused)
        self.model.paused = self.model.paused | {name} if paused else self.model.paused - {name}

    def pass_time(self, seconds: int) -> None:
        self.clock.advance(seconds)
        self.model.run_until(self.model.now + seconds)

    async def restart(self, how: str, offline: int, first: Sequence[Any]) -> None:
        """Stop or kill the process, and start the next one, which registers timers before the others return."""
        if how == "killed later":
            await self.settle()
        copy = self.folder / f"{self.starts}.json"
        if how == "stopped":
            await self.stack.aclose()
            assert content_of(self.file) == self.model.in_file()
        if self.file.exists():
            shutil.copy(self.file, copy)
        if how != "stopped":
            found = content_of(copy)
            assert found in [model.in_file() for model in self.possible]
            self.model = next(model for model in self.possible if model.in_file() == found)
            self.model = replace(self.model, now=round((self.clock.now() - NOON).total_seconds()))
            await self.stack.aclose()
        self.file = copy
        self.clock.step(offline)
        returned = self.model.next_start()
        returned.now += offline
        await self.begin()
        self.model = replace(returned, timers=[])
        for action in first:
            self.set_timer(*action)
        new, ended = self.model.timers, {light for light, _, _, replaces in first if replaces}
        self.model.timers = new + [timer for timer in returned.timers if timer.light not in ended]
        self.process.scheduler.restore(self.process.app)
        self.possible = [returned, replace(self.model)]
        self.pass_time(0)


delays = st.integers(1, 120)
new_timers = st.tuples(
    st.integers(0, 1),
    delays,
    st.fixed_dictionaries({"persist": st.booleans(), "group": st.sampled_from([None, "group"])}),
    st.booleans(),
)
restarts = st.tuples(
    st.just("restart"),
    st.tuples(
        st.sampled_from(["stopped", "killed", "killed later"]),
        st.integers(0, 120),
        st.lists(new_timers, max_size=2),
    ),
)
actions = st.one_of(
    st.tuples(st.just("set_timer"), new_timers),
    st.tuples(st.just("set_timer"), new_timers),
    st.tuples(st.just("cancel"), st.tuples(st.integers(0, 9))),
    st.tuples(st.just("pause"), st.tuples(st.sampled_from(["off", "group"]), st.booleans())),
    st.tuples(st.just("pass_time"), st.tuples(delays)),
    st.tuples(st.just("settle"), st.just(())),
    restarts,
    restarts,
)


@settings(max_examples=40)
@given(st.lists(actions, min_size=3, max_size=15))
def test_timers_end_as_the_model_does_over_restarts_and_kills(chosen: list[tuple[str, Any]]) -> None:
    async def run_all() -> None:
        with tempfile.TemporaryDirectory() as folder:
            run = Run(Path(folder))
            await run.begin()
            for name, arguments in chosen:
                result = getattr(run, name)(*arguments)
                if result is not None:
                    await result
                await run.check()
            await run.restart("stopped", 0, ())
            run.pass_time(1_000)
            await run.check()
            await run.stack.aclose()

    asyncio.run(run_all())
