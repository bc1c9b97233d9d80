"""The file of the scheduler: failed writes, damaged files, and entries that cannot be read."""
# ruff: noqa: ASYNC240  a test may read its small file in the event loop

import json
import re
from pathlib import Path
from typing import Any

import pytest

from hassette_core.clock import ManualClock
from hassette_core.errors import RegistrationError
from hassette_core.scheduler import AppScheduler
from hassette_core.scheduler.kept_jobs import MAX_KEPT
from support.kept_timers import process
from support.waiting import eventually


async def test_failed_write_is_repeated_and_recorded(file: Path, clock: ManualClock) -> None:
    file.parent.write_text("a file is in the place of the directory")
    async with process(file, clock) as first:
        first.scheduler.run_in(first.app.off, 300, persist=True)
        await eventually(lambda: clock.waiting == 2)  # the timer, and the next attempt to write
        file.parent.unlink()
        clock.advance(1)
        await eventually(file.exists)
        assert len(json.loads(file.read_text())["timers"]) == 1
        ((kind, subject, detail),) = await first.lifecycle()
    assert (kind, subject) == ("scheduler_file_failed", "scheduler")
    assert f"cannot write {file}: File exists; the write is repeated" in detail


async def test_folder_that_is_removed_is_made_again(file: Path, clock: ManualClock) -> None:
    async with process(file, clock) as first:
        first.scheduler.run_in(first.app.off, 300, persist=True)
        await eventually(file.exists)
        file.unlink()
        file.parent.rmdir()
        first.scheduler.run_in(first.app.turn_off, 300, persist=True)
    async with process(file, clock) as second:
        assert [job.name for job in second.scheduler.jobs()] == ["off", "turn_off"]


GOOD = {"app": "app", "instance": "one", "method": "off", "due_us": 1_780_315_200_000_000, "schedule": "once"}


@pytest.mark.parametrize(
    ("bad", "subject", "named"),
    [
        ({"app": "app", "instance": "one", "method": "turn_off"}, "app.one", "'turn_off': schedule must be a text"),
        (GOOD | {"options": {"name": "x", "where": 1}}, "app.one", "the timer 'x': options must be a table with keys"),
        (GOOD | {"due_us": 1e30}, "app.one", "'off': due_us must be the microseconds"),
        (GOOD | {"due_us": 10**30}, "app.one", "due_us must be the microseconds"),
        (GOOD | {"due_us": True}, "app.one", "due_us must be the microseconds"),
        (GOOD | {"options": [1]}, "app.one", r"options must be a table, got \[1\]"),
        (GOOD | {"options": {"name": 5}}, "app.one", "name must be a text, got 5"),
        (GOOD | {"local": "soon"}, "app.one", "local must be a local date and time, or empty, got 'soon'"),
        (GOOD | {"app": 7}, "scheduler", "app must be a text, got 7"),
        ("off", "scheduler", "a timer must be a table, got 'off'"),
        (None, "scheduler", "a timer must be a table, got None"),
    ],
)
async def test_bad_entry_of_the_file_is_recorded_and_the_others_count(
    file: Path, clock: ManualClock, bad: Any, subject: str, named: str
) -> None:
    file.parent.mkdir()
    file.write_text(json.dumps({"paused": [["app", "one", "job", "p"], ["x"]], "timers": [GOOD, bad, GOOD]}))
    original = file.read_bytes()
    async with process(file, clock) as first:
        assert [job.name for job in first.scheduler.jobs()] == ["off", "off"]
        assert first.scheduler.run_every(first.app.turn_off, 60, name="p").paused
        events = [event for event in await first.lifecycle() if event[0] == "scheduler_file_damaged"]
    assert {event[1] for event in events} == {subject, "scheduler"}
    assert any(re.search(named, event[2]) for event in events)
    (copy,) = file.parent.glob("scheduler.damaged-*.json")
    assert copy.read_bytes() == original
    assert str(copy) in events[0][2]
    assert len(json.loads(file.read_text())["timers"]) == 2


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b"[" * 100_000, b"[1]", b"", b'{"timers": 1, "paused": {}}'])
async def test_file_that_cannot_be_read_is_kept_under_another_name_and_recorded(
    file: Path, clock: ManualClock, content: bytes
) -> None:
    for _ in range(2):
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(content)
        async with process(file, clock) as first:
            assert "scheduler_file_damaged" in {event[0] for event in await first.lifecycle()}
        assert json.loads(file.read_text()) == {"paused": [], "timers": []}
    copies = list(file.parent.glob("scheduler.damaged-*.json"))
    assert [copy.read_bytes() for copy in copies] == [content] * 2


async def test_directory_in_the_place_of_the_file_is_moved_aside(file: Path, clock: ManualClock) -> None:
    file.mkdir(parents=True)
    async with process(file, clock) as first:
        first.scheduler.run_in(first.app.off, 60, persist=True)
    assert len(json.loads(file.read_text())["timers"]) == 1
    (moved,) = file.parent.glob("scheduler.damaged-*.json")
    assert moved.is_dir()


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ({"method": "gone"}, "has no attribute 'gone'"),
        ({"method": "calls"}, "handler must be callable"),
        ({"method": "failing"}, "failing at its read"),
        ({"options": {"kwargs": {"lamp": 1}}}, "kwargs must contain only parameters of the handler, got 'lamp'"),
        ({"options": {"mode": "often"}}, "mode must be one of"),
    ],
)
async def test_timer_that_cannot_be_registered_again_is_recorded_and_the_app_starts(
    file: Path, clock: ManualClock, entry: Any, problem: str
) -> None:
    file.parent.mkdir()
    file.write_text(json.dumps({"timers": [GOOD | entry, GOOD | {"method": "turn_off"}]}))
    async with process(file, clock) as first:
        assert [job.name for job in first.scheduler.jobs()] == ["turn_off"]
        ((kind, subject, detail),) = await first.lifecycle()
    assert (kind, subject) == ("timer_dropped", "app.one")
    assert problem in detail


async def test_app_with_too_many_timers_or_pauses_gets_an_error_and_other_apps_do_not(
    file: Path, clock: ManualClock
) -> None:
    file.parent.mkdir()
    timers = [GOOD | {"method": "any"}] * MAX_KEPT
    pauses = [["app", "one", "job", str(number)] for number in range(MAX_KEPT)]
    file.write_text(json.dumps({"timers": timers, "paused": pauses}))
    async with process(file, clock, restore=False) as first:
        with pytest.raises(RegistrationError, match="must have at most 10000 waiting timers with persist"):
            first.scheduler.run_in(first.app.off, 60, persist=True)
        job = first.scheduler.run_every(first.app.off, 60)
        with pytest.raises(RegistrationError, match="must have at most 10000 pauses"):
            job.pause()
        first.scheduler.run_every(first.app.turn_off, 60, name="5").pause()  # it is paused already
        other = AppScheduler(first.service, "other", "one")
        other.run_in(first.app.off, 60, persist=True).pause()
