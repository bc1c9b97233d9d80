"""Persistent timers after a restart: replaced timers, corrected clocks, and kills."""
# ruff: noqa: ASYNC240  a test may read its small file in the event loop

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from hassette_core.clock import ManualClock
from hassette_core.events import Event
from support.home import NOON
from support.kept_timers import Lights, process
from support.waiting import eventually

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("persist", [True, False])
@pytest.mark.parametrize("ended", ["waiting", "cancelled", "run"])
async def test_timer_of_an_earlier_start_ends_when_the_app_replaces_it(
    file: Path, clock: ManualClock, persist: bool, ended: str
) -> None:
    hall: Any = {"kwargs": {"light": "hall"}, "persist": True}
    async with process(file, clock) as first:
        first.scheduler.run_in(first.app.off, 60, **hall)
        first.scheduler.run_in(first.app.off, 61, **hall)
        first.scheduler.run_in(first.app.off, 62, kwargs={"light": "stairs"}, persist=True)
    async with process(file, clock, restore=False) as second:
        delay = 0 if ended == "run" else 500
        job = second.scheduler.run_in(second.app.off, delay, **{**hall, "persist": persist}, replace=True)
        if ended == "cancelled":
            job.cancel()
        if ended == "run":
            clock.advance(0)
        second.scheduler.restore(second.app)
        second.scheduler.restore(second.app)  # a second call changes nothing
        clock.advance(1000)
        expected = ["stairs"] if ended == "cancelled" else ["hall", "stairs"]
        assert sorted(await second.calls()) == expected
        assert await second.lifecycle() == []


async def test_timer_of_an_earlier_start_and_a_new_timer_with_equal_arguments_both_run_without_replace(
    file: Path, clock: ManualClock
) -> None:
    async with process(file, clock) as first:
        first.scheduler.run_in(first.app.off, 60, kwargs={"light": "hall"}, persist=True)
    async with process(file, clock, restore=False) as second:
        second.scheduler.run_in(second.app.off, 90, kwargs={"light": "hall"}, persist=True)
        second.scheduler.restore(second.app)
        clock.advance(100)
        assert await second.calls() == ["hall", "hall"]


async def test_failed_start_that_replaces_a_timer_keeps_the_earlier_one(file: Path, clock: ManualClock) -> None:
    async with process(file, clock) as first:
        first.scheduler.run_in(first.app.off, 60, kwargs={"light": 1}, persist=True)
    async with process(file, clock, restore=False) as failed:
        failed.scheduler.run_in(failed.app.off, 90, kwargs={"light": 1}, persist=True, replace=True)
        failed.scheduler.end()
    async with process(file, clock) as third:
        assert [job.next_run for job in third.scheduler.jobs()] == [NOON + timedelta(seconds=60)]


async def test_replace_ends_a_timer_whose_handler_also_takes_an_event(file: Path, clock: ManualClock) -> None:
    class Hall(Lights):
        async def on_motion(self, light: str, event: Event | None) -> None:
            self.calls.append((light, event))

    async with process(file, clock) as first:
        app = Hall()
        for delay in (60, 70):
            first.scheduler.run_in(app.on_motion, delay, kwargs={"light": "hall"}, replace=True)
        clock.advance(100)
        await first.calls()
        assert app.calls == [("hall", None)]


async def test_arguments_that_cannot_be_compared_are_different(file: Path, clock: ManualClock) -> None:
    class Array:
        def __eq__(self, other: object) -> bool:
            raise ValueError("ambiguous")

        __hash__ = None  # type: ignore[assignment]

    async with process(file, clock) as first:
        for _ in range(2):
            first.scheduler.run_in(first.app.off, 60, kwargs={"light": Array()}, replace=True)
        assert len(first.scheduler.jobs()) == 2


@pytest.mark.parametrize(
    ("step_s", "before", "run_at_s"),
    [
        (7200, "after the restart", 60),  # the time has passed: the run is late, at the next check of the clock
        (-7200, "after the restart", 7800),
        (7200, "before the restart", 600),  # the delay continues, by the new clock
        (-7200, "before the restart", 600),
    ],
)
async def test_restored_timer_is_a_point_in_time_of_the_corrected_clock(
    file: Path, clock: ManualClock, step_s: int, before: str, run_at_s: int
) -> None:
    async with process(file, clock) as first:
        first.scheduler.run_in(first.app.off, 600, persist=True)
        if before == "before the restart":
            clock.step(step_s)
    async with process(file, clock) as second:
        if before == "after the restart":
            clock.step(step_s)
        clock.advance(60 if run_at_s == 60 else run_at_s - 1)
        assert await second.calls() == (["all"] if run_at_s == 60 else [])
        clock.advance(1)
        assert await second.calls() == ["all"]


async def test_killed_process_has_written_the_time_by_the_corrected_clock(file: Path, clock: ManualClock) -> None:
    async with process(file, clock) as first:
        first.scheduler.run_in(first.app.off, 600, persist=True)
        clock.step(7200)
        clock.advance(60)  # the next check of the clock
        due_us = (NOON + timedelta(seconds=7800) - EPOCH) // timedelta(microseconds=1)
        await eventually(lambda: file.exists() and str(due_us) in file.read_text())


@pytest.mark.parametrize(
    ("schedule", "hours"),
    [
        ("run_once", -7),  # 22:30 in Tokyo is seven hours earlier than in Berlin
        ("run_in", 0),
    ],
)
async def test_restored_timer_at_a_time_of_day_follows_the_time_zone(
    file: Path, clock: ManualClock, schedule: str, hours: int
) -> None:
    async with process(file, clock) as first:
        first.service.set_place(time_zone=ZoneInfo("Europe/Berlin"))
        run = first.scheduler.run_once if schedule == "run_once" else first.scheduler.run_in
        run(first.app.off, "22:30" if schedule == "run_once" else 36_000, persist=True)  # type: ignore[arg-type]
    for _ in range(2):
        async with process(file, clock, restore=False) as second:
            second.service.set_place(time_zone=ZoneInfo("Europe/Berlin"))
            second.scheduler.restore(second.app)
            (job,) = second.scheduler.jobs()
            before = job.next_run
            second.service.set_place(time_zone=ZoneInfo("Asia/Tokyo"))
            assert before is not None
            assert job.next_run == before + timedelta(hours=hours)
            second.service.set_place(time_zone=ZoneInfo("Europe/Berlin"))


async def test_jitter_of_a_restored_timer_is_not_drawn_again(file: Path, clock: ManualClock) -> None:
    async with process(file, clock) as first:
        job = first.scheduler.run_in(first.app.off, 600, persist=True, jitter=(-60, timedelta(minutes=5)))
        expected = job.next_run
    for _ in range(2):
        async with process(file, clock) as second:
            (again,) = second.scheduler.jobs()
            assert again.registration.settings == job.registration.settings
            assert expected is not None
            assert again.next_run is not None
            assert abs(again.next_run - expected) < timedelta(microseconds=2)


async def test_timer_is_in_the_file_until_its_run_has_begun(file: Path, clock: ManualClock) -> None:
    class Slow(Lights):
        async def off(self, light: str = "all") -> None:
            self.calls.append(len(json.loads(file.read_text())["timers"]))
            await asyncio.Event().wait()

    async with process(file, clock) as first:
        first.app = Slow()
        first.scheduler.run_in(first.app.off, 60, persist=True)
        await eventually(file.exists)
        clock.advance(60)
        await eventually(lambda: first.app.calls == [1])
        # The run goes on, and a process that is killed now does not repeat it.
        await eventually(lambda: json.loads(file.read_text())["timers"] == [])


async def test_run_that_a_process_has_begun_directly_before_it_is_killed_is_repeated(
    file: Path, clock: ManualClock
) -> None:
    async with process(file, clock) as first:
        first.scheduler.run_in(first.app.off, 60, persist=True)
        await eventually(file.exists)
        killed = file.with_name("killed.json")
        killed.write_bytes(file.read_bytes())
        clock.advance(60)
        assert await first.calls() == ["all"]
    async with process(killed, clock) as second:
        clock.advance(0)
        assert await second.calls() == ["all"]


async def test_timer_that_runs_while_its_app_starts_is_not_registered_again(file: Path, clock: ManualClock) -> None:
    async with process(file, clock, restore=False) as first:
        first.scheduler.run_in(first.app.off, 0, kwargs={"light": 1}, persist=True)
        clock.advance(0)
        first.scheduler.restore(first.app)
        clock.advance(10)
        assert await first.calls() == [1]
