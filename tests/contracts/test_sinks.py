"""The sinks of all packages keep the promises of `RecordSink`.

`tests/executor/test_sinks.py` contains the same tests for `NullSink` and `MemorySink`.
"""

import gzip
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from hassette_core import redaction
from hassette_core.redaction import Redaction
from hassette_executor.otel.settings import OpenTelemetrySettings
from hassette_executor.otel.sink import OpenTelemetrySink
from hassette_store import DatabaseService
from support.sink_contract import MASK, SECRET, SinkCase, SinkContract


@contextmanager
def sqlite_case(file: Path) -> Generator[SinkCase]:
    def run_ids() -> list[int]:
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as db:
            return [id_ for (id_,) in db.execute("SELECT id FROM runs ORDER BY id")]

    def everything() -> str:
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as db:
            return "\n".join(db.iterdump())

    yield SinkCase(DatabaseService(file), run_ids, everything)


@contextmanager
def opentelemetry_case() -> Generator[SinkCase]:
    requests: list[Any] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == "/v1/traces":
                requests.append(ExportTraceServiceRequest.FromString(gzip.decompress(body)))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the base class has this name
            """Do nothing. The base class would print each request."""

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
            yield SinkCase(sink, run_ids, lambda: repr(requests))
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(params=["sqlite", "opentelemetry"])
async def started_case(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[SinkCase]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    make: dict[str, Callable[[], Any]] = {
        "sqlite": lambda: sqlite_case(tmp_path / "hassette.db"),
        "opentelemetry": opentelemetry_case,
    }
    with make[request.param]() as case:
        async with case.sink:
            yield case


class TestStartedSinks(SinkContract):
    @pytest.fixture
    def case(self, started_case: SinkCase) -> SinkCase:
        return started_case

    @pytest.fixture
    def redact(self) -> Callable[[str], str]:
        return Redaction({SECRET})


def test_contract_expects_the_mask_of_the_redaction() -> None:
    assert MASK == redaction.MASK
