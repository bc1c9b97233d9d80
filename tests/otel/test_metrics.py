"""Metrics as a receiver decodes them."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from hassette_executor import (
    Batch,
    DueTrigger,
    JobExecution,
    JobRegistration,
    LifecycleEvent,
    Loss,
    ShedSummary,
    SkipCount,
    Status,
)
from hassette_executor.otel import OpenTelemetrySettings, OpenTelemetrySink
from hassette_executor.records.sketch import bucket_of

AT_US = 1_790_000_000_000_000
HOUR_US = AT_US - AT_US % 3_600_000_000
JOB = JobRegistration(app="heating", instance="0", name="night", schedule="every 1 s", handler="heating.Night.run")
NAMED = {
    "hassette.app": "heating",
    "hassette.app.instance": "0",
    "hassette.registration.name": "night",
    "hassette.registration.kind": "job",
}


def run(number: int, duration_us: int = 1_000, status: Status = Status.SUCCESS) -> JobExecution:
    return JobExecution(number, JOB, DueTrigger(AT_US), AT_US + number, duration_us, 0, status)


@pytest.fixture
async def sink(receiver) -> AsyncIterator[OpenTelemetrySink]:
    """Provide a sink that sends its metrics only when it stops."""
    settings = OpenTelemetrySettings(endpoint=receiver.endpoint, metrics_interval_s=3_600)
    async with OpenTelemetrySink(settings, now_us=lambda: AT_US + 9_000_000) as sink:
        yield sink


async def test_runs_are_counted_and_timed_by_registration_and_status(sink, receiver):
    await sink.write(Batch(1, AT_US + 99, executions=(run(1, 300), run(2, 700_000))))
    await sink.write(Batch(2, AT_US + 99, executions=(run(3, 20_000), run(4, 5, Status.ERROR))))
    await sink.stop()

    counted = receiver.metric("hassette.executions")
    assert (counted["kind"], counted["unit"], counted["temporality"]) == ("sum", "{execution}", 2)
    by_status = {p["attributes"].pop("hassette.execution.status"): p for p in counted["points"]}
    assert {status: int(point["asInt"]) for status, point in by_status.items()} == {"success": 3, "error": 1}
    assert by_status["success"]["attributes"] == NAMED

    timed = receiver.metric("hassette.execution.duration")
    assert (timed["kind"], timed["unit"], timed["temporality"]) == ("histogram", "s", 2)
    (success,) = (p for p in timed["points"] if p["attributes"]["hassette.execution.status"] == "success")
    assert int(success["count"]) == 3
    assert success["sum"] == pytest.approx(0.7203)
    assert (success["min"], success["max"]) == (0.0003, 0.7)
    buckets = dict(zip([*success["explicitBounds"], "over"], map(int, success["bucketCounts"]), strict=True))
    assert {bound: count for bound, count in buckets.items() if count} == {0.001: 1, 0.025: 1, 1.0: 1}
    assert int(success["startTimeUnixNano"]) == (AT_US + 1) * 1000
    assert int(success["timeUnixNano"]) == (AT_US + 9_000_000) * 1000


async def test_skips_losses_and_lifecycle_events_are_counted(sink, receiver):
    skip, loss = SkipCount(JOB, HOUR_US, "overlap", 3), Loss("queue_full_count", "runs", 40, AT_US, AT_US)
    event = LifecycleEvent(1, AT_US, "app_failed", "heating", "")
    await sink.write(Batch(1, AT_US, skipped=(skip,), losses=(loss,), lifecycle=(event,)))
    await sink.write(Batch(2, AT_US, skipped=(replace(skip, count=2),), losses=(loss,)))
    await sink.stop()

    (skipped,) = receiver.metric("hassette.executions.skipped")["points"]
    assert (int(skipped["asInt"]), skipped["attributes"]) == (5, {**NAMED, "hassette.skip.reason": "overlap"})
    (lost,) = receiver.metric("hassette.losses")["points"]
    assert int(lost["asInt"]) == 80
    assert lost["attributes"] == {"hassette.loss.reason": "queue_full_count", "hassette.loss.what": "runs"}
    (happened,) = receiver.metric("hassette.lifecycle.events")["points"]
    assert (int(happened["asInt"]), happened["attributes"]) == (1, {"hassette.lifecycle.kind": "app_failed"})


async def test_evicted_runs_are_counted_and_timed(sink, receiver):
    buckets = ((bucket_of(2_000), 900), (bucket_of(80_000), 100))
    shed = ShedSummary(JOB, HOUR_US, ((Status.SUCCESS, 1_000),), 9_800_000, 80_000, 0, buckets)
    await sink.write(Batch(1, AT_US, executions=(run(1, 2_000),), summaries=(shed,)))
    await sink.stop()

    assert len(receiver.spans) == 1
    (counted,) = receiver.metric("hassette.executions")["points"]
    assert int(counted["asInt"]) == 1_001
    (timed,) = receiver.metric("hassette.execution.duration")["points"]
    assert int(timed["count"]) == 1_001
    assert timed["sum"] == pytest.approx(9.802)
    assert timed["max"] == 0.08
    assert timed["min"] == pytest.approx(0.002, rel=0.01)
    buckets = dict(zip(timed["explicitBounds"], map(int, timed["bucketCounts"]), strict=False))
    assert (buckets[0.005], buckets[0.1]) == (901, 100)


async def test_summary_of_several_statuses_is_timed_without_status_and_counted_by_status(sink, receiver):
    counts = ((Status.ERROR, 2), (Status.SUCCESS, 8))
    shed = ShedSummary(JOB, HOUR_US, counts, 10_000, 1_000, 0, ((bucket_of(1_000), 10),))
    await sink.write(Batch(1, AT_US, summaries=(shed,)))
    await sink.stop()

    counted = receiver.metric("hassette.executions")["points"]
    by_status = {point["attributes"]["hassette.execution.status"]: int(point["asInt"]) for point in counted}
    assert by_status == {"error": 2, "success": 8}
    (timed,) = receiver.metric("hassette.execution.duration")["points"]
    assert (int(timed["count"]), timed["attributes"]) == (10, NAMED)


async def test_retired_registration_is_sent_once_more_and_then_dropped(receiver):
    settings = OpenTelemetrySettings(endpoint=receiver.endpoint, metrics_interval_s=3_600)
    sink = OpenTelemetrySink(settings)
    await sink.start()
    await sink.write(Batch(1, AT_US, executions=(run(1),), retired=(JOB,)))
    await sink.stop()
    assert len(receiver.metric("hassette.executions")["points"]) == 1

    await sink.start()
    other = JobExecution(2, replace(JOB, name="day"), DueTrigger(AT_US), AT_US, 5, 0, Status.SUCCESS)
    await sink.write(Batch(2, AT_US, executions=(other,)))
    await sink.stop()
    (point,) = receiver.metric("hassette.executions")["points"]
    assert point["attributes"]["hassette.registration.name"] == "day"


async def test_registration_that_returns_continues_its_counts(sink, receiver):
    await sink.write(Batch(1, AT_US, executions=(run(1),), retired=(JOB,)))
    await sink.write(Batch(2, AT_US, executions=(run(2),), registered=(JOB,)))
    await sink.stop()
    await sink.start()
    await sink.write(Batch(3, AT_US, executions=(run(3),)))
    await sink.stop()

    (point,) = receiver.metric("hassette.executions")["points"]
    assert int(point["asInt"]) == 3


async def test_resource_of_metrics_does_not_change_with_the_session(sink, receiver):
    await sink.write(Batch(1, AT_US, executions=(run(1),), session_facts=(("home_assistant", "2026.11.1"),)))
    await sink.stop()

    resource = receiver.metric("hassette.executions")["resource"]
    assert resource["service.name"] == "hassette"
    assert "hassette.session.home_assistant" not in resource


async def test_nothing_is_sent_when_nothing_has_changed(sink, receiver):
    await sink.stop()

    assert receiver.requests == []
