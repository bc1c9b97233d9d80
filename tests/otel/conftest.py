"""An OTLP receiver in a separate process, and values to send to it."""

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.waiting import patience

pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="hassette-executor[otel] is not installed")

RECEIVER = Path(__file__).with_name("receiver.py")


class Receiver:
    """The receiver's process, seen from the test."""

    def __init__(self) -> None:
        self.port = 0
        self._process: subprocess.Popen[str] | None = None
        self.start()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start to receive, at the previous port if there was one. Drop earlier requests."""
        self._process = subprocess.Popen(
            [sys.executable, str(RECEIVER), str(self.port)], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(patience(10))
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process = None

    def reset(self) -> None:
        """Reset the receiver, even after it was killed."""
        if self._process is None:
            self.start()
        self._post("forget", {})

    def behave(self, **how: object) -> None:
        """Set the behaviour of the receiver: the body of ``POST /behave`` in `receiver.py`."""
        self._post("behave", how)

    def _post(self, what: str, how: dict[str, object]) -> None:
        request = urllib.request.Request(f"{self.endpoint}/{what}", json.dumps(how).encode(), method="POST")
        urllib.request.urlopen(request, timeout=patience(10)).close()

    def _received(self) -> dict:
        with urllib.request.urlopen(f"{self.endpoint}/received", timeout=patience(10)) as answer:
            return json.load(answer)

    @property
    def requests(self) -> list[dict]:
        return self._received()["requests"]

    @property
    def spans(self) -> list[dict]:
        return self._received()["spans"]

    @property
    def logs(self) -> list[dict]:
        return self._received()["logs"]

    def metric(self, name: str) -> dict:
        """Return the newest export of a metric."""
        return [metric for metric in self._received()["metrics"] if metric["name"] == name][-1]


@pytest.fixture(scope="session")
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.kill()


@pytest.fixture
def receiver(receiving: Receiver, monkeypatch: pytest.MonkeyPatch) -> Receiver:
    for key in [key for key in os.environ if key.lower().endswith("_proxy") or key.startswith("OTEL_")]:
        monkeypatch.delenv(key)
    receiving.reset()
    return receiving
