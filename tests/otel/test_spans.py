"""Spans as a receiver decodes them."""

from collections.abc import AsyncIterator

import pytest
from opentelemetry.sdk.resources import Resource

from hassette_executor import (
    Batch,
    DueTrigger,
    Effects,
    EventTrigger,
    Failure,
    Frame,
    HandlerInvocation,
    JobExecution,
    JobRegistration,
    LifecycleEvent,
    ListenerRegistration,
    LogLine,
    ServiceCall,
    SourceLocation,
    Status,
)
from hassette_executor.otel import OpenTelemetrySettings, OpenTelemetrySink
from hassette_executor.otel.spans import SpanMaker

AT_US = 1_790_000_000_000_000
LISTENER = ListenerRegistration(
    app="motion_light",
    instance="hall",
    name="on_motion",
    topic="state_changed.binary_sensor.hall_motion",
    handler="motion_light.MotionLight.on_motion",
    source=SourceLocation(file="/srv/apps/motion_light.py", line=42),
)
JOB = JobRegistration(
    app="heating", instance="0", name="night", schedule="cron 0 22 * * *", handler="heating.Night.run"
)
TRIGGER = EventTrigger("state_changed", "binary_sensor.hall_motion", "off", "on", "ctx-1", "ctx-0", "user-1")


def invocation(number: int, status: Status = Status.SUCCESS, **further: object) -> HandlerInvocation:
    values = {
        "id": number,
        "registration": LISTENER,
        "trigger": TRIGGER,
        "started_us": AT_US,
        "duration_us": 1_500,
        "waited_us": 250,
        "status": status,
        **further,
    }
    return HandlerInvocation(**values)  # type: ignore[arg-type]


@pytest.fixture
async def sink(receiver) -> AsyncIterator[OpenTelemetrySink]:
    settings = OpenTelemetrySettings(endpoint=receiver.endpoint, instance_id="cabin", resource={"home": "lake"})
    async with OpenTelemetrySink(settings) as sink:
        yield sink


async def test_run_of_a_handler_is_a_consumer_span_with_the_times_of_the_record(sink, receiver):
    await sink.write(Batch(1, AT_US, invocations=(invocation(7),)))

    (span,) = receiver.spans
    assert span["name"] == "motion_light.on_motion"
    assert span["kind"] == "SPAN_KIND_CONSUMER"
    assert int(span["startTimeUnixNano"]) == AT_US * 1000
    assert int(span["endTimeUnixNano"]) == (AT_US + 1_500) * 1000
    assert span["parent"] == ""
    assert span.get("status", {}) == {}
    assert span["scope"] == "hassette_executor"
    assert span["attributes"] == {
        "hassette.record.id": "7",
        "hassette.app": "motion_light",
        "hassette.app.instance": "hall",
        "hassette.registration.name": "on_motion",
        "hassette.registration.kind": "listener",
        "hassette.execution.status": "success",
        "hassette.execution.waited": 0.00025,
        "code.function.name": "motion_light.MotionLight.on_motion",
        "code.file.path": "/srv/apps/motion_light.py",
        "code.line.number": 42,
        "messaging.system": "homeassistant",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": "state_changed",
        "messaging.destination.subscription.name": "state_changed.binary_sensor.hall_motion",
        "homeassistant.event.type": "state_changed",
        "homeassistant.entity.id": "binary_sensor.hall_motion",
        "homeassistant.state.old": "off",
        "homeassistant.state.new": "on",
        "homeassistant.context.id": "ctx-1",
        "homeassistant.context.parent_id": "ctx-0",
        "user.id": "user-1",
    }


async def test_run_of_a_job_is_an_internal_span_with_its_due_time(sink, receiver):
    run = JobExecution(8, JOB, DueTrigger(AT_US, manual=True), AT_US, 10, 5, Status.SUCCESS)
    await sink.write(Batch(1, AT_US, executions=(run,)))

    (span,) = receiver.spans
    assert (span["name"], span["kind"]) == ("heating.night", "SPAN_KIND_INTERNAL")
    assert span["attributes"]["hassette.registration.kind"] == "job"
    assert span["attributes"]["hassette.job.schedule"] == "cron 0 22 * * *"
    assert span["attributes"]["hassette.job.due"] == "2026-09-21T14:13:20+00:00"
    assert span["attributes"]["hassette.job.manual"] is True
    assert not [key for key in span["attributes"] if key.startswith(("messaging.", "homeassistant."))]


@pytest.mark.parametrize(("status", "kind"), [(Status.ERROR, "exception"), (Status.TIMED_OUT, "timeout")])
async def test_failure_is_an_exception_event_and_an_error_status(sink, receiver, status, kind):
    cause = Failure("exception", "KeyError", "'lux'", (Frame("/srv/apps/a.py", 3, "lux"),))
    failure = Failure(kind, "ValueError", "no light", (Frame("/srv/apps/a.py", 9, "A.on"),), cause, explicit_cause=True)
    await sink.write(Batch(1, AT_US, invocations=(invocation(7, status, failure=failure),)))

    (span,) = receiver.spans
    assert span["status"] == {"code": "STATUS_CODE_ERROR", "message": "ValueError: no light"}
    assert span["attributes"]["error.type"] == "ValueError"
    assert span["attributes"]["hassette.execution.status"] == status.value
    (event,) = span["events"]
    assert (event["name"], event["at_ns"]) == ("exception", (AT_US + 1_500) * 1000)
    assert event["attributes"] == {
        "exception.type": "ValueError",
        "exception.message": "no light",
        "exception.stacktrace": failure.traceback,
    }
    assert "The above exception was the direct cause" in event["attributes"]["exception.stacktrace"]


async def test_failure_without_frames_has_no_stacktrace(sink, receiver):
    failure = Failure("dependency", "hassette_executor.errors.DependencyError", "light is missing")
    await sink.write(Batch(1, AT_US, invocations=(invocation(7, Status.ERROR, failure=failure),)))

    (event,) = receiver.spans[0]["events"]
    assert "exception.stacktrace" not in event["attributes"]


async def test_cancelled_run_is_no_error(sink, receiver):
    await sink.write(Batch(1, AT_US, invocations=(invocation(7, Status.CANCELLED),)))

    (span,) = receiver.spans
    assert span.get("status", {}) == {}
    assert span["attributes"]["hassette.execution.status"] == "cancelled"


async def test_log_lines_are_events_at_their_time_and_dropped_lines_are_counted(sink, receiver):
    effects = Effects((LogLine(AT_US + 7, 30, "motion_light", "dark: \ud83d half"),), (), 3, 2)
    await sink.write(Batch(1, AT_US, invocations=(invocation(7, effects=effects),)))

    (span,) = receiver.spans
    (event,) = span["events"]
    assert (event["name"], event["at_ns"]) == ("log", (AT_US + 7) * 1000)
    assert event["attributes"] == {
        "hassette.log.level": "WARNING",
        "hassette.log.logger": "motion_light",
        "hassette.log.message": "dark: ? half",
    }
    assert span["attributes"]["hassette.dropped.log_lines"] == 3
    assert span["attributes"]["hassette.dropped.service_calls"] == 2


def call(context_id: str | None = "ctx-2", error: str | None = None) -> ServiceCall:
    return ServiceCall(
        AT_US + 100, "light", "turn_on", '{"entity_id":"light.hall"}', '{"code":1234}', 900, context_id, error
    )


async def test_service_call_is_a_client_span_of_its_run_without_its_data(sink, receiver):
    await sink.write(Batch(1, AT_US, invocations=(invocation(7, effects=Effects((), (call(),))),)))

    run, child = receiver.spans
    assert (child["trace"], child["parent"]) == (run["trace"], run["id"])
    assert child["id"] != run["id"]
    assert (child["name"], child["kind"]) == ("light.turn_on", "SPAN_KIND_CLIENT")
    assert int(child["startTimeUnixNano"]) == (AT_US + 100) * 1000
    assert int(child["endTimeUnixNano"]) == (AT_US + 1_000) * 1000
    assert child["attributes"] == {
        "rpc.method": "light.turn_on",
        "homeassistant.service.target": '{"entity_id":"light.hall"}',
        "homeassistant.context.id": "ctx-2",
    }


async def test_data_of_service_calls_is_sent_if_configured(receiver):
    settings = OpenTelemetrySettings(endpoint=receiver.endpoint, service_data=True)
    async with OpenTelemetrySink(settings) as sink:
        await sink.write(Batch(1, AT_US, invocations=(invocation(7, effects=Effects((), (call(),))),)))

    assert receiver.spans[1]["attributes"]["homeassistant.service.data"] == '{"code":1234}'


async def test_failed_service_call_is_an_error(sink, receiver):
    failed = call(None, "Service light.turn_on not found")
    await sink.write(Batch(1, AT_US, invocations=(invocation(7, effects=Effects((), (failed,))),)))

    child = receiver.spans[1]
    assert child["status"] == {"code": "STATUS_CODE_ERROR", "message": "Service light.turn_on not found"}
    assert child["attributes"]["error.type"] == "_OTHER"


async def test_attempt_confirmation_and_rehearsal_of_a_service_call_are_attributes(sink, receiver):
    repeated = call()._replace(attempt=2, confirmed_us=800_000)
    rehearsed = call(None)._replace(rehearsed=True)
    await sink.write(Batch(1, AT_US, invocations=(invocation(7, effects=Effects((), (repeated, rehearsed))),)))

    first, second = receiver.spans[1]["attributes"], receiver.spans[2]["attributes"]
    assert (first["hassette.call.attempt"], first["hassette.call.confirmed"]) == (2, 0.8)
    assert "hassette.call.rehearsed" not in first
    assert second["hassette.call.rehearsed"] is True


async def test_run_links_to_the_service_call_that_caused_it_even_in_one_batch(sink, receiver):
    # The run that made the call waited for the effects of the call, so it ended last.
    effect = invocation(7, trigger=EventTrigger("state_changed", "light.hall", "off", "on", "ctx-2"))
    cause = invocation(8, effects=Effects((), (call("ctx-2"),)))
    later = invocation(9, trigger=EventTrigger("state_changed", "light.hall", "off", "on", "ctx-3", "ctx-2"))
    await sink.write(Batch(1, AT_US, invocations=(effect, cause)))
    await sink.write(Batch(2, AT_US, invocations=(later,)))

    spans = {span["attributes"].get("hassette.record.id", "call"): span for span in receiver.spans}
    to_the_call = [{"trace": spans["call"]["trace"], "id": spans["call"]["id"]}]
    assert spans["7"]["links"] == to_the_call
    assert spans["8"]["links"] == []
    assert spans["9"]["links"] == to_the_call


def test_number_of_remembered_causes_is_bounded():
    causes = (invocation(1, effects=Effects((), (call("old"),))), invocation(2, effects=Effects((), (call("new"),))))
    effects = [invocation(3, trigger=EventTrigger("e", context_id="old"))]
    effects.append(invocation(4, trigger=EventTrigger("e", context_id="new")))
    maker = SpanMaker("home", service_data=False, max_causes=1)
    made = maker.spans_of(Batch(1, AT_US, invocations=(*causes, *effects)), Resource({}))

    spans = {span.attributes.get("hassette.record.id"): span for span in made}
    assert list(spans["3"].links) == []
    assert len(spans["4"].links) == 1


async def test_lifecycle_event_is_a_span_without_duration_and_with_its_error(sink, receiver):
    lost = LifecycleEvent(1, AT_US, "connection_lost", "ws://home", "no answer")
    back = LifecycleEvent(2, AT_US + 5, "connection_restored", "ws://home", "")
    await sink.write(Batch(1, AT_US, lifecycle=(lost, back)))

    first, second = receiver.spans
    assert first["name"] == "connection_lost"
    assert first["startTimeUnixNano"] == first["endTimeUnixNano"] == str(AT_US * 1000)
    assert first["status"] == {"code": "STATUS_CODE_ERROR", "message": "no answer"}
    assert first["attributes"]["hassette.lifecycle.subject"] == "ws://home"
    assert second.get("status", {}) == {}


async def test_resource_has_the_home_and_the_session_facts(sink, receiver):
    await sink.write(Batch(1, AT_US, invocations=(invocation(1),)))
    await sink.write(Batch(2, AT_US, invocations=(invocation(2),), session_facts=(("home_assistant", "2026.11.1"),)))
    end = (("outcome", "clean"), ("reason", "SIGTERM"))
    await sink.write(Batch(3, AT_US, invocations=(invocation(3),), session_facts=end))

    before, after, last = (span["resource"] for span in receiver.spans)
    assert before["service.name"] == "hassette"
    assert before["service.instance.id"] == "cabin"
    assert before["home"] == "lake"
    assert before["telemetry.sdk.language"] == "python"
    assert after == last == {**before, "hassette.session.home_assistant": "2026.11.1"}


async def test_ids_are_stable_per_record_and_differ_by_home(receiver):
    for instance, sequences in (("cabin", (1, 2)), ("lodge", (1,))):
        async with OpenTelemetrySink(OpenTelemetrySettings(endpoint=receiver.endpoint, instance_id=instance)) as sink:
            for sequence in sequences:
                await sink.write(Batch(sequence, AT_US, invocations=(invocation(7),)))

    first, again, elsewhere = ((span["trace"], span["id"]) for span in receiver.spans)
    assert first == again != elsewhere
