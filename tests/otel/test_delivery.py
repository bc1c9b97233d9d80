"""Delivery to a receiver that is down, busy, rejects data or does not respond."""

import asyncio
import logging
import re
import socket
import threading
import time
from collections import Counter

import pytest
import requests
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace.export import SpanExportResult

from hassette_executor import (
    Batch,
    CommandExecutor,
    DueTrigger,
    ExecutorSettings,
    JobExecution,
    JobRegistration,
    ListenerRegistration,
    RecordSink,
    ServiceCall,
    Status,
    record_service_call,
)
from hassette_executor.otel import OpenTelemetrySettings, OpenTelemetrySink
from hassette_executor.otel.errors import ExportFailedError, ExportRejectedError
from support.records import invoke, nothing
from support.waiting import eventually, patience

AT_US = 1_790_000_000_000_000
JOB = JobRegistration(app="heating", instance="0", name="night", schedule="every 1 s", handler="heating.Night.run")
LISTENER = ListenerRegistration(app="light", instance="hall", name="on_motion", topic="state_changed.*", handler="on")


def batch(sequence: int, *numbers: int) -> Batch:
    runs = (JobExecution(number, JOB, DueTrigger(AT_US), AT_US, 10, 0, Status.SUCCESS) for number in numbers)
    return Batch(sequence, AT_US, executions=tuple(runs))


def sink_of(receiver, **further) -> OpenTelemetrySink:
    values = {"endpoint": receiver.endpoint, "metrics_interval_s": 3_600, **further}
    return OpenTelemetrySink(OpenTelemetrySettings(**values))


def ids_of(spans: list[dict]) -> list[int]:
    return [int(span["attributes"]["hassette.record.id"]) for span in spans]


async def until_kept(sink: OpenTelemetrySink, what: Batch) -> None:
    """Write and retry, as the queue does: a request with a short timeout may fail on a busy machine."""
    async with asyncio.timeout(patience(20)):
        while True:
            try:
                return await sink.write(what)
            except ExportFailedError:
                await asyncio.sleep(0.1)


def test_sink_is_a_record_sink(receiver):
    assert isinstance(sink_of(receiver), RecordSink)


async def test_batch_is_neither_sent_nor_counted_twice(receiver):
    async with sink_of(receiver) as sink:
        for again in (batch(1, 5), batch(1, 5), batch(2, 6), batch(1, 5)):
            await sink.write(again)
        assert await sink.last_id() == 6

    assert ids_of(receiver.spans) == [5, 6]
    (point,) = receiver.metric("hassette.executions")["points"]
    assert int(point["asInt"]) == 2


async def test_next_export_includes_failed_metrics_and_no_span_is_sent_twice(receiver, caplog):
    receiver.behave(metrics=[425, 425])  # the exporter itself retries a 503, and an older exporter also retries a 500
    async with sink_of(receiver, metrics_interval_s=0.05) as sink:
        await sink.write(batch(1, 5))
        await eventually(lambda: [r["status"] for r in receiver.requests if r["signal"] == "metrics"][-1:] == [200])
        await sink.write(batch(2, 6))

    assert ids_of(receiver.spans) == [5, 6]
    (point,) = receiver.metric("hassette.executions")["points"]
    assert int(point["asInt"]) == 2
    assert [line.getMessage() for line in caplog.records].count(
        "Metrics could not be sent; the next export includes them"
    ) == 1


async def test_metrics_that_cannot_be_sent_at_the_stop_are_logged_as_lost(receiver, caplog):
    receiver.behave(metrics=[425])
    async with sink_of(receiver) as sink:
        await sink.write(batch(1, 5))

    (line,) = [line for line in caplog.records if line.name == "hassette_executor.otel.sink"]
    assert line.getMessage() == "Last metrics could not be sent and are lost"
    assert "425" in line.error  # type: ignore[attr-defined]


@pytest.mark.parametrize("status", [401, 403, 500])
async def test_error_that_the_user_can_fix_is_reported_and_can_be_retried(receiver, status):
    receiver.behave(traces=[status])
    # Older exporters retry after a 500. The timeout of 0.7 s is shorter than the pause before such a retry.
    async with sink_of(receiver, timeout_s=0.7 if status == 500 else 10) as sink:
        with pytest.raises(ExportFailedError, match=str(status)) as failed:
            await sink.write(batch(1, 5))
        assert not isinstance(failed.value, ValueError)
        await until_kept(sink, batch(1, 5))

    assert ids_of(receiver.spans) == [5]


@pytest.mark.parametrize("status", [400, 413])
async def test_rejected_batch_is_a_value_error(receiver, status):
    receiver.behave(traces=[status])
    async with sink_of(receiver) as sink:
        with pytest.raises(ExportRejectedError, match=f"{status} no, thank you") as rejected:
            await sink.write(batch(1, 5))
        assert isinstance(rejected.value, ValueError)


async def test_exporter_retries_a_busy_receiver(receiver):
    receiver.behave(traces=[503])
    async with sink_of(receiver) as sink:
        await sink.write(batch(1, 5))

    assert ids_of(receiver.spans) == [5]


async def test_lost_response_leads_to_the_same_span_again(receiver):
    receiver.behave(lose_answers=2)  # a broken connection is tried twice at once
    async with sink_of(receiver, timeout_s=0.5) as sink:  # too short for a pause and a third attempt
        with pytest.raises(ExportFailedError):
            await sink.write(batch(1, 5))
        await until_kept(sink, batch(1, 5))

    spans = receiver.spans
    assert len(spans) > 1
    assert len({(span["trace"], span["id"]) for span in spans}) == 1
    (point,) = receiver.metric("hassette.executions")["points"]
    assert int(point["asInt"]) == 1


async def test_partially_rejected_spans_are_logged_and_not_sent_again(receiver, caplog):
    receiver.behave(partial=1)
    async with sink_of(receiver) as sink:
        await sink.write(batch(1, 5, 6))

    (line,) = (line for line in caplog.records if line.name == "hassette_executor.otel.signals")
    assert line.rejected == "1 spans: too old"  # type: ignore[attr-defined]
    assert ids_of(receiver.spans) == [5, 6]


async def test_partially_rejected_points_are_logged(receiver, caplog):
    async with sink_of(receiver) as sink:
        await sink.write(batch(1, 5))
        receiver.behave(partial=2)

    (line,) = (line for line in caplog.records if line.name == "hassette_executor.otel.signals")
    assert line.rejected == "2 points: too many"  # type: ignore[attr-defined]


async def test_text_of_a_proxy_does_not_hide_the_status(receiver):
    receiver.behave(words="<html>OK</html>")
    async with sink_of(receiver) as sink:
        await sink.write(batch(1, 5))
        await sink.write(batch(1, 5))

    assert ids_of(receiver.spans) == [5]


@pytest.mark.parametrize(
    "error",
    [
        requests.exceptions.InvalidURL("no host in it"),
        OSError("Could not find a suitable TLS CA certificate bundle"),
        UnicodeEncodeError("latin-1", "Bearer \u201cabc\u201d", 7, 8, "ordinal not in range(256)"),
    ],
)
async def test_invalid_request_options_do_not_reject_a_row(receiver, monkeypatch, error):
    def export(self: object, what: object, **how: object) -> None:
        raise error

    async with sink_of(receiver) as sink:
        with monkeypatch.context() as patch:
            patch.setattr(OTLPSpanExporter, "export", export)
            patch.setattr(OTLPMetricExporter, "export", export)
            with pytest.raises(ExportFailedError, match=re.escape(str(error))) as failed:
                await sink.write(batch(1, 5))
            assert not isinstance(failed.value, ValueError)
            await sink.write(batch(1))  # a batch without spans, which changes the metrics
            await sink.stop()
        await sink.start()
        await sink.write(batch(2, 5))

    assert ids_of(receiver.spans) == [5]


async def test_error_has_the_first_reason_and_not_the_last_attempt(receiver, monkeypatch):
    def export(self: object, spans: object) -> SpanExportResult:
        log = logging.getLogger(OTLPSpanExporter.__module__)
        log.warning("Transient error connection refused, retrying in 1 s")
        log.error("Failed to export spans batch due to timeout, max retries or shutdown.")
        return SpanExportResult.FAILURE

    monkeypatch.setattr(OTLPSpanExporter, "export", export)
    async with sink_of(receiver) as sink:
        with pytest.raises(ExportFailedError, match="connection refused"):
            await sink.write(batch(1, 5))


async def test_serving_without_a_start_sends_nothing(receiver):
    sink = sink_of(receiver, metrics_interval_s=0.01)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(sink.serve(), 0.1)

    assert receiver.requests == []


async def test_exit_without_enter_does_nothing(receiver):
    await sink_of(receiver).__aexit__(None, None, None)

    assert receiver.requests == []


async def test_sink_that_is_not_running_refuses_batches(receiver):
    sink = sink_of(receiver)
    await sink.stop()
    with pytest.raises(ExportFailedError, match="not been started"):
        await sink.write(batch(1, 5))
    await sink.start()
    await sink.start()
    await sink.write(batch(1, 5))
    await sink.stop()
    await sink.stop()
    with pytest.raises(ExportFailedError, match="not been started"):
        await sink.write(batch(2, 6))
    assert ids_of(receiver.spans) == [5]


async def test_log_lines_of_the_exporters_go_into_the_error_and_other_lines_stay(receiver, caplog):
    endpoint = receiver.endpoint
    receiver.kill()
    async with sink_of(receiver, timeout_s=0.5) as sink:
        with pytest.raises(ExportFailedError, match=endpoint):
            await sink.write(batch(1, 5))
        logging.getLogger("opentelemetry.exporter.otlp.proto.http.trace_exporter").warning("of another thread")

    lines = [line.getMessage() for line in caplog.records if line.name.startswith("opentelemetry")]
    assert lines == ["of another thread"]


async def test_log_lines_of_other_threads_are_written_during_an_export(receiver, caplog, monkeypatch):
    name = OTLPSpanExporter.__module__
    export = OTLPSpanExporter.export

    def meanwhile(self, spans):
        other = threading.Thread(target=lambda: logging.getLogger(name).warning("of another thread"))
        other.start()
        other.join()
        logging.getLogger(name).warning("of this one")
        return export(self, spans)

    monkeypatch.setattr(OTLPSpanExporter, "export", meanwhile)
    async with sink_of(receiver) as sink:
        await sink.write(batch(1, 5))

    assert [line.getMessage() for line in caplog.records if line.name == name] == ["of another thread"]


async def test_headers_and_compression_are_as_set(receiver):
    async with sink_of(receiver, headers={"authorization": "Bearer abc"}) as sink:
        await sink.write(batch(1, 5))
    async with sink_of(receiver, compression="none") as sink:
        await sink.write(batch(1, 5))

    zipped, plain = (request["headers"] for request in receiver.requests if request["signal"] == "traces")
    assert (zipped["authorization"], zipped["content-encoding"]) == ("Bearer abc", "gzip")
    assert "content-encoding" not in plain


async def test_slow_receiver_does_not_block_the_event_loop():
    # The socket listens but accepts no connection. So the client is connected but never gets a response.
    with socket.create_server(("127.0.0.1", 0)) as mute:
        endpoint = f"http://127.0.0.1:{mute.getsockname()[1]}"
        sink = OpenTelemetrySink(OpenTelemetrySettings(endpoint=endpoint, timeout_s=patience(10)))
        await sink.start()
        writing = asyncio.create_task(sink.write(batch(1, 5)))
        began = time.monotonic()
        for _ in range(20):
            await asyncio.sleep(0.005)
        assert time.monotonic() - began < patience(5)  # half of the timeout of the write, which still waits
        assert not writing.done()
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing
        await sink.stop()
        assert time.monotonic() - began < patience(9.5)


async def test_no_request_is_made_on_the_event_loop(receiver, monkeypatch):
    threads: set[str] = set()
    send = requests.Session.send

    def noted(*args, **kwargs):
        threads.add(threading.current_thread().name)
        return send(*args, **kwargs)

    monkeypatch.setattr(requests.Session, "send", noted)
    async with sink_of(receiver) as sink:
        await sink.write(batch(1, 5))

    assert threads
    assert threading.current_thread().name not in threads


async def test_all_runs_of_the_executor_arrive(receiver):
    async def works() -> None:
        call = ServiceCall(time.time_ns() // 1000, "light", "turn_on", "", "", 10, "ctx-2", None)
        record_service_call(call)

    async def fails() -> None:
        logging.getLogger("apps.light").info("before the fall")
        raise KeyError("lux")

    async def hangs() -> None:
        await asyncio.Event().wait()

    hanging = ListenerRegistration(
        app="light", instance="hall", name="hangs", topic="t", handler="hangs", timeout_s=0.05
    )
    logging.getLogger("apps.light").setLevel(logging.INFO)
    async with sink_of(receiver, timeout_s=5) as sink:
        async with CommandExecutor(sink) as executor:
            executor.set_session_facts(home_assistant="2026.11.1")
            good = await executor.execute(invoke(works, LISTENER))
            bad = await executor.execute(invoke(fails, LISTENER))
            late = await executor.execute(invoke(hangs, hanging))
            executor.count_skip(LISTENER, "rate_limited", 4)
        account = executor.accounting()

    assert (account.executed, account.persisted, account.waiting) == (3, 3, 0)
    spans = {span["attributes"].get("hassette.record.id", span["name"]): span for span in receiver.spans}
    assert set(spans) == {str(good.id), str(bad.id), str(late.id), "light.turn_on"}
    assert spans["light.turn_on"]["parent"] == spans[str(good.id)]["id"]
    log, exception = spans[str(bad.id)]["events"]
    assert log["attributes"]["hassette.log.message"] == "before the fall"
    assert exception["attributes"]["exception.type"] == "KeyError"
    assert "in test_all_runs_of_the_executor_arrive.<locals>.fails" in exception["attributes"]["exception.stacktrace"]
    assert spans[str(late.id)]["attributes"]["hassette.execution.status"] == "timed_out"
    assert {span["resource"]["hassette.session.home_assistant"] for span in spans.values()} == {"2026.11.1"}
    counted = receiver.metric("hassette.executions")["points"]
    assert Counter(
        {point["attributes"]["hassette.execution.status"]: int(point["asInt"]) for point in counted}
    ) == Counter(success=1, error=1, timed_out=1)
    (skipped,) = receiver.metric("hassette.executions.skipped")["points"]
    assert int(skipped["asInt"]) == 4


async def test_receiver_that_was_down_gets_everything_once_and_in_order(receiver):
    settings = ExecutorSettings(flush_interval_s=0.05, retry_min_s=0.05, retry_max_s=0.1, batch_records=40)
    async with sink_of(receiver, timeout_s=5) as sink, CommandExecutor(sink, settings=settings) as executor:
        before = [(await executor.execute(invoke(nothing, LISTENER))).id for _ in range(50)]
        assert await executor.force_flush()
        assert ids_of(receiver.spans) == before
        receiver.kill()
        during: list[int] = []
        for _ in range(10):
            during += [(await executor.execute(invoke(nothing, LISTENER))).id for _ in range(30)]
            await asyncio.sleep(0.02)
        account = executor.accounting()
        assert (account.persisted, account.waiting) == (50, 300)
        receiver.start()
        await eventually(lambda: executor.accounting().waiting == 0)

    assert ids_of(receiver.spans) == during
    assert executor.accounting().persisted == 350
    (point,) = receiver.metric("hassette.executions")["points"]
    assert int(point["asInt"]) == 350


async def test_batch_that_is_too_large_arrives_in_pieces(receiver):
    receiver.behave(traces=[413, 413])
    async with sink_of(receiver) as sink:
        async with CommandExecutor(sink) as executor:
            ids = [(await executor.execute(invoke(nothing, LISTENER))).id for _ in range(8)]
        account = executor.accounting()

    assert (account.persisted, account.shed) == (8, {})
    assert ids_of(receiver.spans) == ids
    (point,) = receiver.metric("hassette.executions")["points"]
    assert int(point["asInt"]) == 8
