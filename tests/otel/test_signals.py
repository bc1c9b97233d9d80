"""Each signal has a separate switch and address. A receiver need not accept all signals."""

import logging
import time
from contextlib import AsyncExitStack

import pytest

from hassette_executor import (
    Batch,
    CommandExecutor,
    Effects,
    ExecutorSettings,
    Failure,
    Frame,
    HandlerInvocation,
    ListenerRegistration,
    LogLine,
    RecordsRefusedError,
    Status,
)
from hassette_executor.otel import OpenTelemetrySettings, OpenTelemetrySink, create_sink
from hassette_executor.otel.errors import ExportFailedError, ExportRefusedError, ExportRejectedError
from hassette_executor.otel.signals import PROBE_S, Signal
from support.records import TRIGGER, invoke, nothing
from support.waiting import eventually, patience

AT_US = 1_790_000_000_000_000
LISTENER = ListenerRegistration(app="light", instance="hall", name="on_motion", topic="state_changed.*", handler="on")
REFUSAL = "Receiver refuses a signal; this is logged once"
SIGNALS = ("traces", "metrics", "logs")


def sink_of(receiver, **further) -> OpenTelemetrySink:
    values = {"endpoint": receiver.endpoint, "metrics_interval_s": 3_600, **further}
    return OpenTelemetrySink(OpenTelemetrySettings(**values))


def batch(sequence: int, *numbers: int, **further) -> Batch:
    runs = (
        HandlerInvocation(number, LISTENER, TRIGGER, AT_US, 1_500, 0, further.get("status", Status.SUCCESS), *more)
        for number in numbers
        for more in [(further.get("failure"), further.get("effects"))]
    )
    return Batch(sequence, AT_US, invocations=tuple(runs))


def with_line(sequence: int, *numbers: int) -> Batch:
    return batch(sequence, *numbers, effects=Effects((LogLine(AT_US + 7, 30, "motion_light", "dark: \ud83d half"),)))


def signals_of(receiver) -> set[str]:
    return {request["signal"] for request in receiver.requests}


def messages(caplog) -> list[str]:
    return [line.getMessage() for line in caplog.records if line.levelno >= logging.WARNING]


@pytest.mark.parametrize("enabled", SIGNALS)
async def test_only_the_signals_that_are_switched_on_are_sent(receiver, enabled):
    async with sink_of(receiver, **{signal: signal == enabled for signal in SIGNALS}) as sink:
        await sink.write(with_line(1, 5))
    assert signals_of(receiver) == {enabled}


async def test_each_signal_can_have_its_own_address(receiver):
    addresses = {f"{signal}_endpoint": f"{receiver.endpoint}/to/{signal}" for signal in SIGNALS}
    async with sink_of(receiver, **{"endpoint": "", "logs": True, **addresses}) as sink:
        await sink.write(with_line(1, 5))
    assert {request["path"] for request in receiver.requests} == {"/to/traces", "/to/metrics", "/to/logs"}
    async with sink_of(receiver, metrics_endpoint=addresses["metrics_endpoint"]) as sink:
        await sink.write(batch(1, 5))
    assert [request["path"] for request in receiver.requests][-2:] == ["/v1/traces", "/to/metrics"]


async def test_log_lines_and_exceptions_are_logs_with_the_ids_of_their_run(receiver):
    failure = Failure("exception", "ValueError", "no light", (Frame("/srv/apps/a.py", 9, "A.on"),))
    one = with_line(1, 5).invocations[0]._replace(status=Status.ERROR, failure=failure)
    async with sink_of(receiver, logs=True, instance_id="cabin") as sink:
        await sink.write(Batch(1, AT_US, invocations=(one,)))
    (span,) = receiver.spans
    assert span["events"] == []
    line, exception = sorted(receiver.logs, key=lambda log: log["at_ns"])
    for log in (line, exception):
        assert (log["trace"], log["span"]) == (span["trace"], span["id"])
        assert log["attributes"]["hassette.app"] == "light"
        assert log["attributes"]["hassette.record.id"] == "5"
        assert log["resource"]["service.instance.id"] == "cabin"
    assert (line["at_ns"], line["body"]) == ((AT_US + 7) * 1000, "dark: ? half")
    assert (line["severity"], line["scope"]) == ([13, "WARNING"], "motion_light")
    assert (exception["at_ns"], exception["body"]) == ((AT_US + 1_500) * 1000, "ValueError: no light")
    assert (exception["severity"], exception["event"]) == ([17, "ERROR"], "exception")
    assert exception["attributes"]["exception.type"] == "ValueError"
    assert exception["attributes"]["exception.message"] == "no light"
    assert exception["attributes"]["exception.stacktrace"] == failure.traceback


@pytest.mark.parametrize(
    ("level", "number"), [(5, 1), (10, 5), (20, 9), (25, 9), (30, 13), (40, 17), (50, 21), (60, 21)]
)
async def test_level_of_a_line_becomes_its_severity(receiver, level, number):
    effects = Effects((LogLine(AT_US, level, "a", "b"),))
    async with sink_of(receiver, logs=True) as sink:
        await sink.write(batch(1, 5, effects=effects))
    assert receiver.logs[0]["severity"][0] == number


@pytest.mark.parametrize("status", [302, 404, 405, 410, 415, 501])
@pytest.mark.parametrize("accepted", SIGNALS)
async def test_receiver_of_one_signal_gets_it_and_delays_no_stop(receiver, caplog, accepted, status):
    receiver.behave(always={signal: status for signal in SIGNALS if signal != accepted})
    # A stop that waits for the receiver would exceed the time limit of the test.
    sink = sink_of(receiver, logs=True, metrics_interval_s=0.05, timeout_s=300)
    sink.stop_limit_s = 600
    settings = ExecutorSettings(flush_interval_s=0.05, stop_timeout_s=600)
    async with sink, CommandExecutor(sink, settings=settings) as executor:

        async def log() -> None:
            logging.getLogger("app").warning("dark")

        for _ in range(5):
            await executor.execute(invoke(log))
            assert await executor.force_flush(patience(10))
        await eventually(lambda: signals_of(receiver) == set(SIGNALS))
    account = executor.accounting()
    assert (account.persisted, account.waiting, sum(account.shed.values())) == (5, 0, 0)
    assert messages(caplog).count(REFUSAL) == 2
    assert set(messages(caplog)) == {REFUSAL, "dark"}
    received = {"traces": len(receiver.spans), "logs": len(receiver.logs)}
    assert received.get(accepted, 5) == 5
    if accepted == "metrics":
        (point,) = receiver.metric("hassette.executions")["points"]
        assert int(point["asInt"]) == 5
    refused = [request["signal"] for request in receiver.requests if request["signal"] != accepted]
    assert sorted(refused) == sorted(set(SIGNALS) - {accepted}), "a refused signal is tried once"


@pytest.mark.parametrize("status", [401, 402, 403, 407])
async def test_refused_token_is_logged_once_and_delays_no_stop(receiver, caplog, status):
    receiver.behave(always=dict.fromkeys(SIGNALS, status))
    # A stop that waits for the receiver would exceed the time limit of the test.
    sink = sink_of(receiver, metrics_interval_s=0.05, timeout_s=300)
    sink.stop_limit_s = 600
    settings = ExecutorSettings(flush_interval_s=0.05, retry_min_s=0.01, log_interval_s=0.01, stop_timeout_s=600)
    async with sink, CommandExecutor(sink, settings=settings) as executor:
        await executor.execute(invoke(nothing))
        await eventually(lambda: [r["signal"] for r in receiver.requests].count("traces") > 2)
        assert executor.accounting().waiting == 1
    assert sum(executor.accounting().shed.values()) == 1
    lines = [line for line in messages(caplog) if line == REFUSAL or "could not be" in line]
    assert set(lines) == {REFUSAL}
    assert len(lines) <= 2  # traces, and metrics if a batch was counted


async def test_refused_metrics_are_logged_once_and_not_again_at_the_stop(receiver, caplog):
    receiver.behave(always={"metrics": 403})
    async with sink_of(receiver, metrics_interval_s=0.02) as sink:
        await sink.write(batch(1, 5))
        await eventually(lambda: [r["signal"] for r in receiver.requests].count("metrics") > 2)
    assert messages(caplog) == [REFUSAL]


async def test_records_that_waited_for_a_correct_token_are_sent(receiver, caplog):
    receiver.behave(always={"traces": 401})
    settings = ExecutorSettings(flush_interval_s=0.05, retry_min_s=0.01, retry_max_s=0.05)
    sink = sink_of(receiver)
    async with sink, CommandExecutor(sink, settings=settings) as executor:
        await executor.execute(invoke(nothing))
        await eventually(lambda: len(receiver.requests) > 2)
        receiver.behave(always={})
        await eventually(lambda: executor.accounting().persisted == 1)
    assert len(receiver.spans) == 1
    assert messages(caplog)[-1] == "Sink stores records again"
    assert "Receiver accepts a signal again" in messages(caplog)


async def test_receiver_that_once_accepted_a_signal_gets_it_later(receiver):
    """A proxy answers 404 while the receiver behind it restarts."""
    async with sink_of(receiver) as sink:
        await sink.write(batch(1, 5))
        receiver.behave(traces=[404])
        with pytest.raises(ExportRefusedError, match="404") as refused:
            await sink.write(batch(2, 6))
        assert isinstance(refused.value, RecordsRefusedError)
        await sink.write(batch(2, 6))
    assert [int(span["attributes"]["hassette.record.id"]) for span in receiver.spans] == [5, 6]


async def test_spans_are_not_sent_again_when_the_logs_fail(receiver):
    receiver.behave(logs=[403])
    async with sink_of(receiver, logs=True) as sink:
        with pytest.raises(ExportRefusedError):
            await sink.write(with_line(1, 5))
        await sink.write(with_line(1, 5))
    assert (len(receiver.spans), len(receiver.logs)) == (1, 1)
    (point,) = receiver.metric("hassette.executions")["points"]
    assert int(point["asInt"]) == 1


@pytest.mark.parametrize("status", [400, 413])
async def test_rejected_logs_are_a_value_error(receiver, status):
    receiver.behave(logs=[status])
    async with sink_of(receiver, logs=True) as sink:
        with pytest.raises(ExportRejectedError, match=str(status)):
            await sink.write(with_line(1, 5))


async def test_partially_rejected_logs_are_logged(receiver, caplog):
    receiver.behave(partial=1)
    async with sink_of(receiver, traces=False, metrics=False, logs=True) as sink:
        await sink.write(with_line(1, 5))
    (line,) = (line for line in caplog.records if line.name == "hassette_executor.otel.signals")
    assert line.rejected == "1 log records: too many"  # type: ignore[attr-defined]


@pytest.mark.parametrize("hanging", [["traces"], ["metrics"], ["logs"], list(SIGNALS)], ids="+".join)
async def test_receiver_that_never_answers_delays_the_stop_by_its_budget_only(receiver, hanging):
    receiver.behave(hang=hanging)
    sink = sink_of(receiver, logs=True, timeout_s=60, metrics_interval_s=0.05)
    settings = ExecutorSettings(flush_interval_s=0.05, stop_timeout_s=1)
    async with sink:
        executor = CommandExecutor(sink, settings=settings)
        async with executor:

            async def log() -> None:
                logging.getLogger("app").warning("dark")

            await executor.execute(invoke(log))
            await eventually(lambda: hanging[0] in signals_of(receiver))
            began = time.monotonic()
    assert time.monotonic() - began < patience(6)  # 1 s for the executor, 2 s for the last metrics


@pytest.mark.parametrize("hanging", SIGNALS)
async def test_receiver_that_does_not_answer_delays_only_its_own_signal_and_not_the_stop(receiver, tmp_path, hanging):
    receiver.behave(hang=[hanging])
    table = {"endpoint": receiver.endpoint, "logs": True, "timeout_s": 60, "metrics_interval_s": 0.05}
    settings = ExecutorSettings(flush_interval_s=0.05, stop_timeout_s=60)
    async with AsyncExitStack() as stack:
        sinks = [await stack.enter_async_context(sink) for sink in create_sink(data_dir=tmp_path, settings=table)]
        executor = await stack.enter_async_context(CommandExecutor(*sinks, settings=settings))

        async def log() -> None:
            logging.getLogger("app").warning("dark")

        def sent() -> dict[str, int]:
            counts = {"traces": len(receiver.spans), "logs": len(receiver.logs), "metrics": 0}
            if "metrics" in signals_of(receiver) and hanging != "metrics":
                (point,) = receiver.metric("hassette.executions")["points"]
                counts["metrics"] = int(point["asInt"])
            return counts

        for number in (1, 2, 3):
            await executor.execute(invoke(log))
            expected = {**dict.fromkeys(SIGNALS, number), hanging: 0}
            await eventually(lambda expected=expected: sent() == expected)
            await eventually(lambda: hanging in signals_of(receiver))
        began = time.monotonic()
    assert time.monotonic() - began < patience(15)  # 2 s for the executor, 2 s for the last metrics


async def test_password_in_an_address_is_not_logged(receiver, caplog):
    receiver.behave(always={"metrics": 401, "traces": 500})
    endpoint = receiver.endpoint.replace("//", "//eva:hunter22@")
    async with sink_of(receiver, endpoint=endpoint, timeout_s=0.7) as sink:
        with pytest.raises(ExportFailedError) as failed:
            await sink.write(batch(1, 5))
        receiver.behave(always={"metrics": 401})
        await sink.write(batch(1, 5))
    texts = [str(failed.value), *(str(vars(line)) for line in caplog.records)]
    assert len(texts) > 1
    assert not any("hunter22" in text for text in texts)
    assert receiver.endpoint.removeprefix("http://") in str(failed.value)
    with pytest.raises(ValueError, match="got 'ftp://…@host/v1'"):
        OpenTelemetrySettings(endpoint="ftp://eva:hunter22@host/v1")


def test_unknown_signal_is_tried_again_after_a_while(caplog):
    now, answers = 0, [404, 404, 200, 200]
    signal = Signal("traces", "http://a/v1/traces", lambda: now)

    def export() -> str | None:
        if (status := answers.pop(0)) != 200:
            raise ExportRefusedError("traces", "http://a/v1/traces", str(status), knows_signal=False)
        return None

    for _ in range(3):
        signal.send(2, export)
    assert len(answers) == 3
    now = int(PROBE_S * 1e9)
    signal.send(2, export)
    assert (signal.is_off, len(answers)) == (True, 2)
    now *= 2
    signal.send(2, export)
    signal.send(2, export)
    assert (signal.is_off, answers) == (False, [])
    refused, accepted = caplog.records
    assert (refused.getMessage(), refused.signal) == (REFUSAL, "traces")
    assert "set traces = false or another traces_endpoint" in refused.to_fix
    assert (accepted.getMessage(), accepted.not_sent) == ("Receiver accepts a signal again", 8)


def test_other_failures_are_neither_logged_nor_hidden(caplog):
    signal = Signal("traces", "http://a/v1/traces")

    def export() -> str | None:
        raise ExportFailedError("traces", "http://a/v1/traces", "no route")

    with pytest.raises(ExportFailedError, match="no route"):
        signal.send(1, export)
    assert not caplog.records
