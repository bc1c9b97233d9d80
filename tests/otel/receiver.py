"""A small OTLP/HTTP receiver for a separate process: ``python receiver.py PORT`` (0 picks a port and prints it).

It decodes requests with OpenTelemetry's protobuf classes and returns their content as JSON:

    POST /v1/traces, …             receive spans, metrics or logs, as a collector does; the last part of the path names
                                   the signal
    GET  /received                 {"requests": [...], "spans": [...], "metrics": [...], "logs": [...]}
    POST /behave                   {"traces": [503, 200, ...], "metrics": [...]}: status codes of the next answers;
                                   "always": {"traces": 404}: status code of every answer;
                                   "hang": ["traces"]: read the requests of these signals, and never answer;
                                   "partial": n: report that n spans, or points, were rejected;
                                   "lose_answers": n: take the next n requests, and hang up instead of answering;
                                   "words": text to answer in place of protobuf
    POST /forget                   forget all received data and behaviour
"""

import gzip
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
from typing import Any

from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)


class Received:
    def __init__(self) -> None:
        self.lock = Lock()
        self.forget()

    def forget(self) -> None:
        self.requests: list[dict] = []
        self.spans: list[dict] = []
        self.metrics: list[dict] = []
        self.logs: list[dict] = []
        self.answers: dict[str, list[int]] = {"traces": [], "metrics": [], "logs": []}
        self.always: dict[str, int] = {}
        self.hang: list[str] = []
        self.partial = 0
        self.lose_answers = 0
        self.words = ""


RECEIVED = Received()


def plain(attributes) -> dict:
    """Return attributes as a dictionary."""
    return {item.key: getattr(item.value, item.value.WhichOneof("value")) for item in attributes}


def answer_of(response: Any, rejected: str, message: str) -> bytes:
    """Return an answer that reports the planned number of rejected items, once."""
    if RECEIVED.partial:
        setattr(response.partial_success, rejected, RECEIVED.partial)
        response.partial_success.error_message = message
        RECEIVED.partial = 0
    return response.SerializeToString()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        with RECEIVED.lock:
            received = {"requests": RECEIVED.requests, "spans": RECEIVED.spans, "metrics": RECEIVED.metrics}
            received["logs"] = RECEIVED.logs
            self.answer(200, json.dumps(received).encode(), "application/json")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        if self.path == "/forget":
            with RECEIVED.lock:
                RECEIVED.forget()
            self.answer(200, b"{}", "application/json")
            return
        if self.path == "/behave":
            with RECEIVED.lock:
                for key, value in json.loads(body).items():
                    target = RECEIVED.answers if key in RECEIVED.answers else vars(RECEIVED)
                    target[key] = value
            self.answer(200, b"{}", "application/json")
            return
        signal = self.path.rpartition("/")[2]
        with RECEIVED.lock:
            planned = RECEIVED.answers[signal]
            status = planned.pop(0) if planned else RECEIVED.always.get(signal, 200)
            headers = {key.lower(): value for key, value in self.headers.items()}
            RECEIVED.requests.append({"signal": signal, "path": self.path, "status": status, "headers": headers})
            hangs = signal in RECEIVED.hang
        if hangs:
            self.rfile.read()  # until the client hangs up
            return
        with RECEIVED.lock:
            if status != 200:
                self.answer(status, b"no, thank you", "text/plain")
                return
            answer = getattr(self, f"take_{signal}")(body)
            if RECEIVED.lose_answers:
                RECEIVED.lose_answers -= 1
                self.close_connection = True
                return
            self.answer(200, RECEIVED.words.encode() or answer, "application/x-protobuf")

    def take_traces(self, body: bytes) -> bytes:
        request = ExportTraceServiceRequest.FromString(body)
        for of_resource in request.resource_spans:
            resource = plain(of_resource.resource.attributes)
            for of_scope in of_resource.scope_spans:
                for span in of_scope.spans:
                    RECEIVED.spans.append(
                        {
                            **MessageToDict(span),
                            "attributes": plain(span.attributes),
                            "events": [
                                {"name": e.name, "at_ns": e.time_unix_nano, "attributes": plain(e.attributes)}
                                for e in span.events
                            ],
                            "trace": span.trace_id.hex(),
                            "id": span.span_id.hex(),
                            "parent": span.parent_span_id.hex(),
                            "links": [{"trace": link.trace_id.hex(), "id": link.span_id.hex()} for link in span.links],
                            "resource": resource,
                            "scope": of_scope.scope.name,
                        }
                    )
        return answer_of(ExportTraceServiceResponse(), "rejected_spans", "too old")

    def take_metrics(self, body: bytes) -> bytes:
        request = ExportMetricsServiceRequest.FromString(body)
        for of_resource in request.resource_metrics:
            resource = plain(of_resource.resource.attributes)
            for of_scope in of_resource.scope_metrics:
                for metric in of_scope.metrics:
                    data = getattr(metric, metric.WhichOneof("data"))
                    points = [{**MessageToDict(p), "attributes": plain(p.attributes)} for p in data.data_points]
                    RECEIVED.metrics.append(
                        {
                            "name": metric.name,
                            "unit": metric.unit,
                            "kind": metric.WhichOneof("data"),
                            "temporality": data.aggregation_temporality,
                            "points": points,
                            "resource": resource,
                        }
                    )
        return answer_of(ExportMetricsServiceResponse(), "rejected_data_points", "too many")

    def take_logs(self, body: bytes) -> bytes:
        request = ExportLogsServiceRequest.FromString(body)
        for of_resource in request.resource_logs:
            resource = plain(of_resource.resource.attributes)
            for of_scope in of_resource.scope_logs:
                for log in of_scope.log_records:
                    RECEIVED.logs.append(
                        {
                            "at_ns": log.time_unix_nano,
                            "severity": (log.severity_number, log.severity_text),
                            "body": log.body.string_value,
                            "event": log.event_name,
                            "attributes": plain(log.attributes),
                            "trace": log.trace_id.hex(),
                            "span": log.span_id.hex(),
                            "scope": of_scope.scope.name,
                            "resource": resource,
                        }
                    )
        return answer_of(ExportLogsServiceResponse(), "rejected_log_records", "too many")

    def answer(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Write no log."""


if __name__ == "__main__":
    ThreadingHTTPServer.allow_reuse_address = True
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
    server.daemon_threads = True
    print(server.server_port, flush=True)
    server.serve_forever()
