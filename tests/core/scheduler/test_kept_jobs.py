"""Persistent timers and pauses: they survive a restart of the scheduler, and a crash."""
# ruff: noqa: ASYNC240  a test may read its small file in the event loop

import json
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from hassette_core.clock import ManualClock
from hassette_core.errors import RegistrationError
from hassette_core.json_file import JsonFile
from hassette_core.scheduler import AppScheduler
from support.home import NOON
from support.kept_timers import Process, process
from support.records import nothing
from support.waiting import eventually


async def test_timer_survives_a_restart(file: Path, clock: ManualClock) -> None:
    async with process(file, clock) as first:
        job = first.scheduler.run_in(first.app.off, 300, kwargs={"light": "light.hall"}, persist=True)
        first.scheduler.run_once(first.app.turn_off, "12:20", persist=True)
        first.scheduler.run_in(first.app.off, 300, name="not kept")
        registration = job.registration
    clock.stall(100)
    async with process(file, clock) as second:
        assert [kept.next_run for kept in second.scheduler.jobs()] == [
            NOON + timedelta(seconds=300),
            NOON.replace(hour=12, minute=20),
        ]
        again = second.scheduler.jobs()[0].registration
        assert (again.key, again.schedule, again.settings) == (
            registration.key,
            registration.schedule,
            registration.settings,
        )
        clock.advance(200)
        assert await second.calls() == ["light.hall"]
    async with process(file, clock) as third:
        assert [kept.name for kept in third.scheduler.jobs()] == ["turn_off"]
        clock.advance(3 * 3600)
        await eventually(lambda: third.app.calls == ["turn_off"])
    assert json.loads(file.read_text())["timers"] == []


@pytest.mark.parametrize("moment", ["during on_shutdown", "after on_shutdown", "after the scheduler"])
async def test_timer_that_a_running_handler_adds_during_a_stop_survives_it(
    file: Path, clock: ManualClock, moment: str
) -> None:
    first = Process(file, clock)

    def add() -> None:
        first.scheduler.run_in(first.app.off, 300, kwargs={"light": moment}, persist=True)

    async with first.executor:
        async with first.service:
            first.scheduler.suspend()
            if moment == "during on_shutdown":
                add()
            first.scheduler.end()
            if moment == "after on_shutdown":
                add()
            with pytest.raises(RegistrationError, match="has ended, so it cannot register a job"):
                first.scheduler.run_in(first.app.off, 300)
        if moment == "after the scheduler":
            add()
            await eventually(lambda: moment in (file.read_text() if file.exists() else ""))
        assert first.scheduler.jobs() == ()
    async with process(file, clock) as second:
        clock.advance(300)
        assert await second.calls() == [moment]


@pytest.mark.parametrize(
    ("options", "calls", "skipped"),
    [
        ({}, ["all"], {}),
        ({"misfire": "skip"}, [], {"misfire": 1}),
        ({"misfire": "run_late", "misfire_limit": timedelta(seconds=600)}, [], {"misfire": 1}),
        ({"misfire": "run_late", "misfire_limit": 1000}, ["all"], {}),
    ],
)
async def test_timer_that_was_due_during_the_stop_runs_late_once(
    file: Path, clock: ManualClock, options: Any, calls: list[str], skipped: dict[str, int]
) -> None:
    async with process(file, clock) as first:
        first.scheduler.run_in(first.app.off, 60, persist=True, **options)
    clock.step(60 + 700)  # the monotonic clock of the next process has no relation to this one
    async with process(file, clock) as second:
        clock.advance(0)
        assert await second.calls() == calls
        assert await second.skipped() == skipped
    async with process(file, clock) as third:
        clock.advance(10)
        assert await third.calls() == []


async def test_timer_survives_a_crash(file: Path, clock: ManualClock) -> None:
    async with process(file, clock) as crashed:
        crashed.scheduler.run_in(crashed.app.off, 300, kwargs={"light": "light.hall"}, persist=True)
        await eventually(file.exists)
        copy = file.with_name("after the crash.json")
        copy.write_bytes(file.read_bytes())
    async with process(copy, clock) as second:
        clock.advance(300)
        assert await second.calls() == ["light.hall"]


async def test_cancelled_timer_does_not_return(file: Path, clock: ManualClock) -> None:
    async with process(file, clock) as first:
        for delay in range(3):
            first.scheduler.run_in(first.app.off, 60 + delay, kwargs={"light": delay}, persist=True)
        first.scheduler.jobs()[0].cancel()
    async with process(file, clock) as second:
        assert len(second.scheduler.jobs()) == 2
        second.scheduler.cancel_all()
    async with process(file, clock) as third:
        assert third.scheduler.jobs() == ()


async def test_timer_of_another_app_waits_for_its_app(file: Path, clock: ManualClock) -> None:
    async with process(file, clock) as first:
        first.scheduler.run_in(first.app.off, 60, persist=True)
    async with process(file, clock, restore=False) as second:
        other = AppScheduler(second.service, "other", "one")
        other.restore(second.app)
        assert other.jobs() == ()
    async with process(file, clock) as third:
        assert len(third.scheduler.jobs()) == 1


async def test_app_that_registers_the_timer_again_keeps_its_own(file: Path, clock: ManualClock) -> None:
    async with process(file, clock) as first:
        first.scheduler.run_in(first.app.off, 60, persist=True)
    async with process(file, clock, restore=False) as second:
        second.scheduler.run_in(second.app.off, 500, persist=True)
        second.scheduler.restore(second.app)
        assert [job.next_run for job in second.scheduler.jobs()] == [NOON + timedelta(seconds=500)]
    async with process(file, clock) as third:
        assert [job.next_run for job in third.scheduler.jobs()] == [NOON + timedelta(seconds=500)]


async def test_failed_start_does_not_keep_its_timers(file: Path, clock: ManualClock) -> None:
    async with process(file, clock) as first:
        first.scheduler.run_in(first.app.off, 60, kwargs={"light": "kept"}, persist=True)
    async with process(file, clock, restore=False) as failed:
        failed.scheduler.run_in(failed.app.off, 90, kwargs={"light": "failed start"}, persist=True)
        failed.scheduler.end()
    async with process(file, clock) as third:
        clock.advance(100)
        assert await third.calls() == ["kept"]


async def test_timer_whose_method_is_gone_is_dropped_with_a_warning(
    file: Path, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with process(file, clock) as first:
        first.scheduler.run_in(first.app.off, 60, persist=True)
    async with process(file, clock, restore=False) as second:
        second.scheduler.restore(object())
        assert second.scheduler.jobs() == ()
    assert "Timer cannot be registered again and is dropped" in caplog.text


@pytest.mark.parametrize(
    ("handler", "options", "text"),
    [
        (nothing, {}, r"handler must be a method of the app for persist, such as self\.turn_off, got nothing"),
        (lambda: None, {}, "handler must be a method"),
        (partial(nothing), {}, "handler must be a method"),
        ("off", {"kwargs": {"light": {1}}}, r"kwargs must contain JSON values for persist, got light=\{1\}"),
        ("off", {"kwargs": {"light": (1, 2)}}, "kwargs must contain JSON values"),
        ("off", {"kwargs": {"light": float("nan")}}, "kwargs must contain JSON values"),
        ("off", {"where": lambda: True}, "where must be left out for persist"),
        ("off", {"on_error": print}, "on_error must be left out for persist"),
    ],
)
async def test_timer_that_the_next_start_could_not_register_is_rejected(
    file: Path, clock: ManualClock, handler: Any, options: Any, text: str
) -> None:
    async with process(file, clock) as first:
        handler = getattr(first.app, handler) if isinstance(handler, str) else handler
        with pytest.raises(RegistrationError, match=text):
            first.scheduler.run_in(handler, 60, persist=True, **options)
        with pytest.raises(RegistrationError, match="for a job at the time of an entity"):
            first.scheduler.run_once(first.app.off, "sensor.alarm", persist=True)
        assert first.scheduler.jobs() == ()
        assert first.service.upcoming() == []


async def test_pause_of_a_job_and_of_a_group_survives_a_restart(file: Path, clock: ManualClock) -> None:
    async with process(file, clock) as first:
        first.scheduler.run_every(first.app.off, 60, name="job").pause()
        first.scheduler.run_every(first.app.off, 60, name="other")
        first.scheduler.group("holiday").pause()
    async with process(file, clock) as second:
        job = second.scheduler.run_every(second.app.off, 60, name="job")
        grouped = second.scheduler.run_every(second.app.off, 60, name="grouped", group="holiday")
        other = second.scheduler.run_every(second.app.off, 60, name="other")
        assert (job.paused, grouped.paused, other.paused) == (True, True, False)
        job.resume()
        second.scheduler.group("holiday").resume()
    async with process(file, clock) as third:
        assert not third.scheduler.run_every(third.app.off, 60, name="job").paused


async def test_file_that_cannot_be_written_is_logged(clock: ManualClock, caplog: pytest.LogCaptureFixture) -> None:
    async with process(Path("/proc/nowhere/scheduler.json"), clock) as started:
        started.scheduler.run_in(started.app.off, 60, persist=True)
        clock.advance(60)
        assert await started.calls() == ["all"]
    assert "File of the scheduler cannot be written" in caplog.text


def test_json_file_is_private_and_keeps_the_old_value_when_a_save_fails(tmp_path: Path) -> None:
    file = JsonFile(tmp_path / "new folder" / "kept.json")
    assert file.load() is None
    file.save({"light": "Küche"})
    with pytest.raises(TypeError):
        file.save({"light": object()})
    assert file.load() == {"light": "Küche"}
    assert (tmp_path / "new folder" / "kept.json").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in (tmp_path / "new folder").iterdir()] == ["kept.json"]
