"""Answers about a plausible day of a small home."""

import asyncio
import json
from pathlib import Path

import pytest

from hassette_sync import DataSyncService, RunFilter, TimeRange
from hassette_sync.answers.kinds import DueTrigger, EventTrigger
from hassette_sync.verdict import verdict_of
from support.history import DAY, HOUR, SECOND, NewHistory


async def test_overview_counts_equal_the_rows(data: DataSyncService) -> None:
    overview = await data.overview(TimeRange.last("3d"))
    rows = []
    cursor = None
    while True:
        page = await data.runs(time_range=TimeRange.last("3d"), cursor=cursor, limit=500)
        rows += page.runs
        if (cursor := page.next_cursor) is None:
            break
    assert overview.counts.total == len(rows)
    assert overview.counts.failed == sum(row.status in ("error", "timed_out", "interrupted") for row in rows)
    assert sum(point.counts.total for point in overview.timeline.points) == len(rows)
    assert sum(app.counts.total for app in overview.apps) == len(rows)
    assert {one.name for one in overview.failing} == {
        "on_temperature",
        "hourly_report",
        "nightly_backup",
        "<script>alert('name')</script>",
    }
    assert [one.counts.failed for one in overview.failing] == sorted(
        (one.counts.failed for one in overview.failing), reverse=True
    )


async def test_parts_of_the_first_page_equal_separate_answers(data: DataSyncService) -> None:
    three_days = await data.covered(TimeRange.last("3d"))
    shown, trends, compared = await data.compared_overview(three_days, limit=8)
    alone = await data.overview(three_days)
    assert (shown.counts, shown.apps, shown.failing) == (alone.counts, alone.apps, alone.failing)
    assert trends == await data.error_trends(alone.errors, three_days)
    differences = [(one.registration, one.sentence) for one in compared.registrations]
    separate = (await data.compare(three_days, limit=8)).registrations
    assert differences == [(one.registration, one.sentence) for one in separate] != []


async def test_ids_are_strings_in_json(data: DataSyncService) -> None:
    def ids(value: object, name: str = "") -> list[object]:
        if isinstance(value, dict):
            return [found for key, inner in value.items() for found in ids(inner, key)]
        if isinstance(value, list):
            return [found for inner in value for found in ids(inner, name)]
        # Ids of Home Assistant are texts anyway.
        return [value] if name == "id" or (name.endswith("_id") and not name.startswith(("context", "parent"))) else []

    answers = [await data.overview(), await data.runs(), await data.sessions(), await data.error_groups()]
    found = [one for answer in answers for one in ids(json.loads(answer.model_dump_json()))]
    assert len(found) > 50
    assert all(one is None or isinstance(one, str) for one in found)


async def test_sessions_have_their_outcome(data: DataSyncService) -> None:
    sessions = (await data.sessions()).sessions
    assert [one.state for one in sessions] == ["running", "clean", "crashed"]
    assert sessions[1].reason == "SIGTERM"
    assert sessions[0].facts["home_assistant"] == "2025.4.4"
    assert await data.session(sessions[1].id) == sessions[1]


async def test_session_with_overdue_heartbeat_is_silent(new_history: NewHistory, now_us: int) -> None:
    with new_history() as history:
        history.session(now_us - HOUR, heartbeat_us=now_us - 60 * SECOND)
    async with DataSyncService(history.path) as data:
        status = await data.status()
    assert status.session is not None
    assert status.session.state == "silent"
    assert "is overdue" in status.notices[0]


async def test_uptime_counts_overlapping_sessions_once_and_starts_with_the_first_session(
    new_history: NewHistory, now_us: int
) -> None:
    with new_history() as history:
        history.session(now_us - 10 * HOUR, now_us - 6 * HOUR, "crashed")
        history.session(now_us - 7 * HOUR, now_us - 5 * HOUR, "clean")  # a clock was set back
        history.session(now_us - 2 * HOUR, heartbeat_us=now_us)
    async with DataSyncService(history.path) as data:
        uptime = await data.uptime()
    assert uptime.share == pytest.approx(0.7, abs=0.001)
    assert uptime.up_us == pytest.approx(7 * HOUR, abs=2 * SECOND)
    assert (uptime.starts, uptime.crashes) == (3, 1)


async def test_uptime_counts_all_sessions_of_a_framework_that_restarts_every_minute(
    new_history: NewHistory, now_us: int
) -> None:
    many = 1_200
    with new_history() as history:
        history.begin()
        for n in range(many, 0, -1):
            history.session(now_us - n * 60 * SECOND, now_us - (n - 1) * 60 * SECOND - 6 * SECOND, "crashed")
        history.commit()
    async with DataSyncService(history.path) as data:
        uptime = await data.uptime()
        earlier = await data.uptime(TimeRange(now_us - many * 60 * SECOND, now_us - 10 * SECOND))
    assert (uptime.starts, uptime.crashes, len(uptime.spans)) == (many, many, 500)
    assert uptime.share == pytest.approx(0.9, abs=0.01)
    assert earlier.crashes == many - 1, "the last crash is after the end of this range"


async def test_failing_handler_is_found_among_thousands_of_registrations(new_history: NewHistory, now_us: int) -> None:
    with new_history() as history:
        history.session(now_us - HOUR)
        for n in range(5_001):
            history.job("alarms", f"alarm_{n}", "once")
        history.run(history.listener("hall", "on_motion", "t"), now_us - 60 * SECOND, status="error")
    async with DataSyncService(history.path) as data:
        overview = await data.overview()
        listed = (await data.registrations()).registrations
        runs = (await data.runs(RunFilter(app="hall"))).runs
    assert [one.name for one in overview.failing] == ["on_motion"]
    assert verdict_of(overview).title == "Failing: hall.on_motion"
    assert (len(listed), [run.registration.name for run in runs]) == (5_000, ["on_motion"])


async def test_overview_counts_include_entries_that_it_does_not_list(new_history: NewHistory, now_us: int) -> None:
    with new_history() as history:
        history.session(now_us - HOUR)
        for n in range(12):
            history.run(history.listener("hall", f"handler_{n}", "t"), now_us - 60 * SECOND, status="error")
            history.loss(1, f"reason_{n}", "runs", 10, now_us - 60 * SECOND, now_us - 50 * SECOND)
    async with DataSyncService(history.path) as data:
        overview = await data.overview()
    assert (len(overview.failing), overview.failing_count, len(overview.losses), overview.lost) == (8, 12, 6, 120)
    verdict = verdict_of(overview)
    assert verdict.title == "Failing: hall.handler_0, hall.handler_1 and 10 more"
    assert (len(overview.failing_now), overview.failing_now_count) == (8, 12)
    assert "120 records lost" in verdict.reasons


async def test_error_group_needs_a_failure_within_the_time_range(new_history: NewHistory, now_us: int) -> None:
    boom = ("exception", "ValueError", "boom")
    with new_history() as history:
        history.session(now_us - 10 * DAY)
        handler = history.listener("hall", "on_motion", "t")
        for age in (5 * DAY, HOUR):
            history.run(handler, now_us - age, status="error", error=boom)
    async with DataSyncService(history.path) as data:
        for since, until, seen in ((6, 4, 1), (4, 3, 0), (3, 0, 1), (6, 0, 2)):
            page = await data.error_groups(TimeRange(now_us - since * DAY, now_us - until * DAY))
            assert [group.recent for group in page.groups] == [seen] * bool(seen)


async def test_run_detail_links_causes_and_effects(new_history: NewHistory, now_us: int) -> None:
    with new_history() as history:
        history.session(now_us - HOUR)
        motion = history.listener("motion_light", "on_motion", "state_changed.binary_sensor.*")
        light = history.listener("presence", "on_light", "state_changed.light.*")
        scene = history.listener("scenes", "on_scene", "state_changed.scene.*")
        cause = history.run(
            motion,
            now_us - 5 * SECOND,
            entity_id="binary_sensor.hall",
            context_id="sensor-1",
            calls=[
                {"service": "light.turn_on", "target": '{"entity_id":"light.hall"}', "context_id": "call-1"},
                {"service": "notify.phone", "error": "The phone is not known"},
            ],
            logs=[(30, "It is dark")],
        )
        effect = history.run(
            light, now_us - 4 * SECOND, entity_id="light.hall", context_id="call-1", user_id="hassette"
        )
        later = history.run(
            scene, now_us - 3 * SECOND, entity_id="scene.evening", context_id="automation-7", parent_id="call-1"
        )
        sibling = history.run(
            scene, now_us - 2 * SECOND, entity_id="light.hall", context_id="call-1", user_id="hassette"
        )
        history.run(light, now_us - SECOND, entity_id="light.hall", context_id="call-2", user_id="user-1")
    async with DataSyncService(history.path) as data:
        cause_detail = await data.run(cause)
        effect_detail = await data.run(effect)
        later_detail = await data.run(later)
    assert cause_detail.caused_by == ()
    assert [run.id for run in cause_detail.service_calls[0].caused] == [effect, later, sibling]
    assert cause_detail.service_calls[1].error == "The phone is not known"
    assert [(line.level, line.message) for line in cause_detail.log_lines] == [("WARNING", "It is dark")]
    assert [run.id for run in effect_detail.caused_by] == [cause]
    assert [run.id for run in effect_detail.heard_by] == [sibling]
    assert [run.id for run in later_detail.caused_by] == [cause]


async def test_run_that_a_crash_ended_is_interrupted(data: DataSyncService) -> None:
    page = await data.runs(RunFilter(status="interrupted"))
    assert [run.registration.name for run in page.runs] == ["nightly_backup"]
    assert page.runs[0].duration_us == 42 * SECOND


async def test_runs_in_progress_come_from_the_last_heartbeat(data: DataSyncService) -> None:
    running = await data.running()
    assert running.source == "heartbeat"
    assert [(one.name, one.kind) for one in running.running] == [("hourly_report", "job")]


async def test_percentiles_are_within_one_percent_of_the_sorted_rows(data: DataSyncService) -> None:
    time_range = TimeRange.last("3d")
    whole = await data.covered(time_range)  # figures cover whole hours, so the rows must, too
    for registration in (await data.registrations(time_range)).registrations:
        durations: list[int] = []
        cursor = None
        while True:
            page = await data.runs(RunFilter(registration_id=registration.id), whole, cursor=cursor, limit=500)
            durations += [run.duration_us for run in page.runs if run.status != "interrupted"]
            if (cursor := page.next_cursor) is None:
                break
        if not durations:
            assert registration.percentiles.p50_us is None
            continue
        durations.sort()
        for share, found in ((0.5, registration.percentiles.p50_us), (0.95, registration.percentiles.p95_us)):
            rank = max(-(-len(durations) * share // 1) - 1, 0)
            true_us = durations[int(rank)]
            assert found == pytest.approx(true_us, abs=0.01 * true_us + 1)  # one µs for rounding
        detail = await data.registration(registration.id, time_range)
        assert detail.registration.percentiles == registration.percentiles
        assert detail.registration.counts == registration.counts
        assert detail.registration.skipped == registration.skipped
        assert detail.registration.mean_us == pytest.approx(sum(durations) / len(durations), abs=1)
        assert sum(cell.count for cell in detail.heat_map.cells) == len(durations)


async def test_cached_sketches_equal_fresh_ones(new_history: NewHistory, now_us: int) -> None:
    with new_history() as history:
        history.session(now_us - 5 * HOUR)
        listener = history.listener("hall", "on_motion", "t")
        for n in range(40):
            history.run(listener, now_us - n * 360 * SECOND, duration_us=1_000 + n)
        async with DataSyncService(history.path) as caching:
            before = await caching.overview()
            # One late run in a past hour and one run in this hour must both appear.
            history.run(listener, now_us - 3 * HOUR, duration_us=9_000_000)
            history.run(listener, now_us, duration_us=8_000_000)
            after = await caching.overview()
            async with DataSyncService(history.path) as fresh:
                expected = await fresh.overview()
    assert after.timeline == expected.timeline
    assert after.percentiles == expected.percentiles
    assert after.percentiles != before.percentiles
    slow = [point for point in after.timeline.points if (point.percentiles.p99_us or 0) > 7_000_000]
    assert len(slow) == 2


async def test_hourly_and_daily_totals_are_equal(data: DataSyncService) -> None:
    hours, days = await data.timeline(TimeRange.last("48h")), await data.timeline(TimeRange.last("30d"))
    assert (hours.period_length_us, days.period_length_us) == (HOUR, 24 * HOUR)
    totals = [sum(point.counts.total for point in timeline.points) for timeline in (hours, days)]
    assert totals[0] == totals[1] > 1000
    assert sum(point.skipped for point in hours.points) == sum(point.skipped for point in days.points) > 0


async def test_skips_lifecycle_events_and_losses_are_listed(data: DataSyncService) -> None:
    assert ("check_windows", "overlap", 3) in [
        (skip.registration.name, skip.reason, skip.count) for skip in await data.skips()
    ]
    lifecycle = (await data.lifecycle()).events
    assert lifecycle[0].kind == "connection_restored"
    assert [one.id for one in lifecycle] == sorted((one.id for one in lifecycle), reverse=True)
    assert [(loss.reason, loss.what, loss.count) for loss in (await data.losses()).losses] == [
        ("queue_full_count", "runs", 120)
    ]


async def test_registration_shows_the_newest_triggers_that_led_to_no_run(new_history: NewHistory, now_us: int) -> None:
    with new_history() as history:
        history.session(now_us - HOUR)
        on_motion, nightly = history.listener("hall", "on_motion", "t"), history.job("hall", "nightly", "daily")
        detail = "sensor.lux is below 50: it was 80"
        history.not_run(on_motion, now_us - 9, "rate_limited")
        history.not_run(
            on_motion,
            now_us - 5,
            "condition",
            detail,
            event_type_id="state_changed",
            entity_id="light.a",
            new_state="on",
        )
        history.not_run(nightly, now_us - 7, "overlap", due_us=now_us - 8, manual=0)
    async with DataSyncService(history.path) as data:
        first, second = [(await data.registration(one)).not_runs for one in (on_motion, nightly)]
    assert [(one.at_us - now_us, one.reason, one.detail) for one in first] == [
        (-5, "condition", detail),
        (-9, "rate_limited", ""),
    ]
    assert (first[1].trigger, first[0].trigger) == (
        None,
        EventTrigger(event_type="state_changed", entity_id="light.a", new_state="on"),
    )
    assert [one.trigger for one in second] == [DueTrigger(due_us=now_us - 8)]


async def test_error_group_names_the_affected_registrations(data: DataSyncService) -> None:
    groups = (await data.error_groups(TimeRange.last("3d"))).groups
    value_error = next(group for group in groups if group.type == "ValueError")
    detail = await data.error_group(value_error.id, TimeRange.last("3d"))
    assert [ref.name for ref in detail.registrations] == ["on_temperature"]
    assert detail.sample_traceback.startswith("Traceback")
    assert {run.failure.error_group_id for run in detail.runs if run.failure} == {value_error.id}
    assert value_error.recent == value_error.count == len((await data.runs(
        RunFilter(error_group_id=value_error.id), TimeRange.last("3d"), limit=500
    )).runs)  # fmt: skip


async def test_retired_registrations_keep_their_history_and_can_be_excluded(
    new_history: NewHistory, now_us: int
) -> None:
    with new_history() as history:
        history.session(now_us - HOUR)
        old = history.listener("hall", "old", "t", retired_us=now_us - 1000)
        history.listener("hall", "new", "t")
        history.run(old, now_us - SECOND)
    async with DataSyncService(history.path) as data:
        everything = (await data.registrations()).registrations
        current = (await data.registrations(retired=False)).registrations
    assert {one.name: one.counts.total for one in everything} == {"old": 1, "new": 0}
    assert [one.name for one in current] == ["new"]


async def test_concurrent_questions_get_equal_answers(data: DataSyncService, plausible: Path) -> None:
    overviews = await asyncio.gather(*(data.overview() for _ in range(8)))
    assert len({overview.counts.total for overview in overviews}) == 1


async def test_service_answers_after_a_cancelled_question(data: DataSyncService) -> None:
    for _ in range(5):
        asking = asyncio.create_task(data.overview())
        await asyncio.sleep(0)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
    assert (await data.overview()).counts.total > 0
