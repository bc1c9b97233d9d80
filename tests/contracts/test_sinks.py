"""Every record sink keeps the promises of `RecordSink`."""

import gzip
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from hassette_core.redaction import MASK, Redaction
from hassette_executor import (
    Batch,
    CommandExecutor,
    DueTrigger,
    ExecuteJob,
    InvokeHandler,
    MemorySink,
    NullSink,
    Record,
    RecordSink,
    Status,
)
from hassette_executor.otel.settings import OpenTelemetrySettings
from hassette_executor.otel.sink import OpenTelemetrySink
from hassette_store import DatabaseService
from support.records import HALL, T0_US, TIDY, TRIGGER, batch, record

SECRET = "hunter2hunter2"


@dataclass(frozen=True)
class Case:
    """A sink and a way to look at what it stored.

    Attributes:
        sink: A started sink.
        run_ids: Returns the ids of the stored runs, in ascending order.
        everything: Returns all stored data as text.
        stores: Whether the sink stores anything.
    """

    sink: RecordSink
    run_ids: Callable[[], list[int]]
    everything: Callable[[], str]
    stores: bool = True

    def expected(self, *records: Record) -> list[int]:
        return [record.id for record in records] if self.stores else []


def run(number: int, *, failed: bool = False) -> Record:
    """Return the record of a handler's run; the number determines its id and time."""
    return record(number, Status.ERROR if failed else Status.SUCCESS)


def job_run(number: int) -> Record:
    return record(number, registration=TIDY)


# ---- the sinks --------------------------------------------------------------------------------------------------


@contextmanager
def null_case() -> Generator[Case]:
    yield Case(NullSink(), list, str, stores=False)


@contextmanager
def memory_case() -> Generator[Case]:
    sink = MemorySink()
    yield Case(sink, lambda: [record.id for record in sink.records], lambda: repr(sink.batches))


@contextmanager
def sqlite_case(file: Path) -> Generator[Case]:
    def run_ids() -> list[int]:
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as db:
            return [id_ for (id_,) in db.execute("SELECT id FROM runs ORDER BY id")]

    def everything() -> str:
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as db:
            return "\n".join(db.iterdump())

    yield Case(DatabaseService(file), run_ids, everything)


@contextmanager
def opentelemetry_case() -> Generator[Case]:
    requests: list[Any] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == "/v1/traces":
                requests.append(ExportTraceServiceRequest.FromString(gzip.decompress(body)))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the name in the base class
            """Keep the test's output clean."""

    def run_ids() -> list[int]:
        spans = [
            span
            for request in requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]
        attributes = [item for span in spans for item in span.attributes if item.key == "hassette.record.id"]
        return sorted(int(item.value.string_value or item.value.int_value) for item in attributes)

    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        sink = OpenTelemetrySink(OpenTelemetrySettings(endpoint=f"http://127.0.0.1:{server.server_port}"))
        try:
            yield Case(sink, run_ids, lambda: repr(requests))
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(params=["null", "memory", "sqlite", "opentelemetry"])
async def case(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Case]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    make: dict[str, Callable[[], Any]] = {
        "null": null_case,
        "memory": memory_case,
        "sqlite": lambda: sqlite_case(tmp_path / "hassette.db"),
        "opentelemetry": opentelemetry_case,
    }
    with make[request.param]() as case:
        if isinstance(case.sink, DatabaseService | OpenTelemetrySink):
            async with case.sink:
                yield case
        else:
            yield case


# ---- the contract -----------------------------------------------------------------------------------------------


def test_sink_has_the_shape_of_the_protocol(case: Case) -> None:
    assert isinstance(case.sink, RecordSink)


async def test_both_kinds_of_runs_are_stored(case: Case) -> None:
    records = [run(1), job_run(2), run(3, failed=True)]
    await case.sink.write(batch(1, *records))
    assert case.run_ids() == case.expected(*records)


async def test_batch_with_the_same_sequence_number_is_stored_once(case: Case) -> None:
    await case.sink.write(batch(1, run(1)))
    await case.sink.write(batch(1, run(1)))
    await case.sink.write(batch(2, run(2)))
    await case.sink.write(batch(2, run(2)))
    await case.sink.write(batch(1, run(1)))
    assert case.run_ids() == case.expected(run(1), run(2))


async def test_sequence_numbers_may_have_gaps(case: Case) -> None:
    await case.sink.write(batch(3, run(1)))
    await case.sink.write(batch(7, run(2)))
    assert case.run_ids() == case.expected(run(1), run(2))


async def test_last_id_is_the_highest_stored_id(case: Case) -> None:
    assert await case.sink.last_id() == 0
    await case.sink.write(batch(1, run(7), job_run(9)))
    await case.sink.write(batch(2))
    assert await case.sink.last_id() == (job_run(9).id if case.stores else 0)


async def test_empty_batch_is_accepted(case: Case) -> None:
    await case.sink.write(Batch(1, T0_US))
    assert case.run_ids() == []


async def test_executor_delivers_every_run(case: Case) -> None:
    async with CommandExecutor(case.sink) as executor:
        records = [await executor.execute(command(number, succeeds)) for number in range(20)]
    assert executor.accounting().persisted == 20
    assert case.run_ids() == case.expected(*records)


async def test_redacted_secret_does_not_reach_the_sink(case: Case) -> None:
    async with CommandExecutor(case.sink, redact=Redaction({SECRET})) as executor:
        record = await executor.execute(command(1, fails_with_the_secret))
    assert case.run_ids() == case.expected(record)
    assert SECRET not in case.everything()
    if case.stores:
        # repr of a protobuf message escapes every character outside ASCII.
        escaped = "".join(f"\\{byte:o}" for byte in MASK.encode())
        assert f"the password is {MASK}" in case.everything() or f"the password is {escaped}" in case.everything()


def command(number: int, call: Any) -> InvokeHandler | ExecuteJob:
    """Return a command: a handler for odd numbers, a job for even numbers."""
    ready_ns = time.monotonic_ns()
    if number % 2:
        return InvokeHandler(registration=HALL, call=call, trigger=TRIGGER, ready_ns=ready_ns)
    return ExecuteJob(registration=TIDY, call=call, trigger=DueTrigger(T0_US), ready_ns=ready_ns)


async def succeeds() -> None:
    pass


async def fails_with_the_secret() -> None:
    raise ValueError(f"the password is {SECRET}")
