"""The verdict on the overview: the gravest finding comes first, and failures that are over are no alarm."""

from types import SimpleNamespace

import pytest

from hassette_sync import DataSyncService, MemoryFeed
from hassette_sync.live import MemorySnapshot
from hassette_sync.verdict import Verdict, framework_state, verdict_of
from support.history import HOUR, MINUTE, SECOND, NewHistory


async def verdict(data: DataSyncService) -> Verdict:
    return verdict_of(await data.overview())


async def test_a_stopped_framework_is_red_and_comes_before_failures(new_history: NewHistory, now_us: int) -> None:
    with new_history() as history:
        session = history.session(now_us - HOUR, now_us - MINUTE, "clean", reason="SIGTERM")
        handler = history.listener("hall", "on_motion", "t")
        history.run(handler, now_us - 2 * MINUTE, session_id=session, status="error")
    async with DataSyncService(history.path) as data:
        found = await verdict(data)
    assert (found.level, found.title) == ("bad", "Hassette is not running")
    assert found.reasons == ("Failing: hall.on_motion", "1 of 1 run failed")


@pytest.mark.parametrize(
    ("outcome", "title"),
    [
        ("crashed", "Hassette is not running: it has crashed"),
        ("open", "Hassette is not running: its heartbeat is overdue"),
        ("failed", "Hassette is not running"),
    ],
)
async def test_each_way_to_end_is_named(new_history: NewHistory, now_us: int, outcome: str, title: str) -> None:
    with new_history() as history:
        if outcome == "open":
            history.session(now_us - HOUR, heartbeat_us=now_us - MINUTE)
        else:
            history.session(now_us - HOUR, now_us - MINUTE, outcome)
    async with DataSyncService(history.path) as data:
        found = await verdict(data)
    assert (found.level, found.title) == ("bad", title)


@pytest.mark.parametrize(
    ("connection", "service", "level", "title"),
    [
        ("connecting", "running", "bad", "Degraded: Hassette is not connected to Home Assistant"),
        ("connected", "exhausted", "bad", "Degraded: store has crashed too often and is paused"),
        ("connected", "crashed", "bad", "Degraded: store has crashed"),
        ("connected", "degraded", "warning", "Degraded: store is degraded"),
        ("connected", "restarting", "warning", "Degraded: store is restarting"),
    ],
)
async def test_a_degraded_framework_comes_before_failures(
    new_history: NewHistory, now_us: int, connection: str, service: str, level: str, title: str
) -> None:
    with new_history() as history:
        history.session(now_us - HOUR)
        history.run(history.listener("hall", "on_motion", "t"), now_us - MINUTE, status="error")
    feed = MemoryFeed()
    feed.state = MemorySnapshot(
        connection=connection, services=[SimpleNamespace(name="store", status=service, detail="")]
    )
    async with DataSyncService(history.path, feed) as data:
        found = await verdict(data)
    assert (found.level, found.title) == (level, title)
    assert "Failing: hall.on_motion" in found.reasons


@pytest.mark.parametrize(
    ("results", "failing"),
    [
        ("F", True),
        ("SF", True),
        ("FS", False),
        ("FSSSSSSSSSS", False),
        ("FFS", True),
        ("FFSSSSSSSS", True),
        ("FFSSSSSSSSS", False),
        ("SSS", False),
    ],
)
async def test_failures_are_over_after_enough_successes(
    new_history: NewHistory, now_us: int, results: str, failing: bool
) -> None:
    with new_history() as history:
        history.session(now_us - HOUR)
        handler = history.listener("hall", "on_motion", "t")
        for n, result in enumerate(results):
            at_us = now_us - MINUTE + n * SECOND
            history.run(handler, at_us, status="error" if result == "F" else "success")
    async with DataSyncService(history.path) as data:
        found = await verdict(data)
    assert found.title == ("Failing: hall.on_motion" if failing else "Healthy")
    if not failing and "F" in results:
        assert found.reasons[0].endswith("failed, but the newest runs succeed again")


async def test_a_retired_handler_does_not_fail_for_ever(new_history: NewHistory, now_us: int) -> None:
    with new_history() as history:
        history.session(now_us - HOUR)
        handler = history.listener("hall", "on_motion", "t", retired_us=now_us - MINUTE)
        history.listener("hall", "on_light", "t", last_registered_us=now_us - HOUR)
        history.run(handler, now_us - 2 * MINUTE, status="error")
        job = history.job("hall", "tidy", "every 5 min")
        history.run(job, now_us - 2 * MINUTE, job=True, status="timed_out")
    async with DataSyncService(history.path) as data:
        overview = await data.overview()
    assert [ref.title for ref in overview.failing_now] == ["hall.tidy"]


async def test_few_failures_are_amber_and_many_are_red(new_history: NewHistory, now_us: int) -> None:
    levels: list[str] = []
    for successes in (99, 9):
        with new_history(f"{successes}.db") as history:
            history.session(now_us - HOUR)
            healthy, failing = history.listener("hall", "on_light", "t"), history.listener("hall", "on_motion", "t")
            for n in range(successes):
                history.run(healthy, now_us - MINUTE + n, status="success")
            history.run(failing, now_us - MINUTE, status="error")
        async with DataSyncService(history.path) as data:
            levels.append((await verdict(data)).level)
    assert levels == ["warning", "bad"]


async def test_a_new_installation_is_no_alarm(new_history: NewHistory) -> None:
    with new_history() as history:
        pass
    async with DataSyncService(history.path) as data, DataSyncService(history.path, MemoryFeed()) as live:
        without_process, in_process = await verdict(data), await verdict(live)
    assert (without_process.level, without_process.title) == ("warning", "Hassette has not run yet")
    assert (in_process.level, in_process.title, in_process.reasons) == ("good", "Healthy, no runs", ())


async def test_warnings_of_a_healthy_framework_are_counted(new_history: NewHistory, now_us: int) -> None:
    with new_history() as history:
        history.session(now_us - HOUR, now_us - 30 * MINUTE, "crashed")
        session = history.session(now_us - 20 * MINUTE)
        history.loss(session, "queue_full_count", "runs", 120, now_us - MINUTE, now_us - MINUTE)
        history.run(history.listener("hall", "on_motion", "t"), now_us - MINUTE, session_id=session)
    async with DataSyncService(history.path) as data:
        found = await verdict(data)
    assert (found.level, found.title) == ("warning", "Healthy, 2 warnings")
    assert found.reasons == ("Hassette crashed once", "120 records lost")


async def test_state_in_the_head_of_each_page_is_that_of_the_framework(new_history: NewHistory, now_us: int) -> None:
    with new_history() as history:
        history.session(now_us - HOUR, now_us - MINUTE, "clean")
    async with DataSyncService(history.path) as data:
        session = await data.newest_session()
    state = framework_state(session, None)
    assert (state.level, state.label) == ("bad", "not running")
    assert framework_state(None, None).label == "never ran"
