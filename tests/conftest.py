"""``hassette`` as a process of its own, as a person starts it, and what is left on disk after it."""

import json
import os
import queue
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

HASSETTE = Path(sys.executable).parent / "hassette"
DEADLINE_S = 90.0


class Process:
    """A running ``hassette``, and what it has said so far (standard output and error together)."""

    def __init__(self, command: list[str | Path], folder: Path, environment: dict[str, str]) -> None:
        self.began = time.monotonic()
        self.output = ""
        self._process = subprocess.Popen(
            [str(part) for part in command],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def wait_for(self, text: str, deadline_s: float = DEADLINE_S) -> str:
        """Return the first new line that holds the text."""
        until = time.monotonic() + deadline_s
        while True:
            try:
                line = self._lines.get(timeout=max(0.01, until - time.monotonic()))
            except queue.Empty:
                pytest.fail(f"no line with {text!r} within {deadline_s} s, only:\n{self.output}")
            if line is None:
                pytest.fail(f"it ended without a line with {text!r}:\n{self.output}")
            self.output += line
            if text in line:
                return line.rstrip("\n")

    def end(self, deadline_s: float = DEADLINE_S) -> int:
        """Wait for its end and return its exit code."""
        code = self._process.wait(deadline_s)
        self._reader.join(deadline_s)
        while (line := self._lines.get(timeout=1)) is not None:
            self.output += line
        return code

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def close(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._reader.join(DEADLINE_S)
        assert self._process.stdout is not None
        self._process.stdout.close()


Start = Callable[..., Process]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start ``hassette`` with arguments, in the test's own folder and without the person's environment."""
    running: list[Process] = []

    def start(*arguments: object, program: Path = HASSETTE, **environment: str) -> Process:
        clean = {name: text for name, text in os.environ.items() if not name.upper().startswith("HASSETTE__")}
        command: list[str | Path] = [program, *(str(argument) for argument in arguments)]
        if program.suffix == ".py":
            command.insert(0, sys.executable)
        process = Process(command, tmp_path, {**clean, "PYTHONUNBUFFERED": "1", **environment})
        running.append(process)
        return process

    yield start
    for process in running:
        process.close()


class History:
    """What a database holds, read as another program would."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def rows(self, query: str, *arguments: object) -> list[sqlite3.Row]:
        with closing(sqlite3.connect(f"file:{self.file}?mode=ro", uri=True)) as connection:
            connection.row_factory = sqlite3.Row
            return connection.execute(query, arguments).fetchall()

    def sessions(self) -> list[sqlite3.Row]:
        return self.rows("SELECT * FROM sessions ORDER BY id")

    def run_ids(self) -> set[int]:
        query = "SELECT id FROM handler_invocations UNION ALL SELECT id FROM job_executions"
        return {row["id"] for row in self.rows(query)}


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path / "data" / "hassette.db")


def telemetry(*arguments: object) -> Any:
    """Return what ``hassette telemetry … --json`` answers."""
    command = [str(HASSETTE), "telemetry", *(str(argument) for argument in arguments), "--json"]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True, timeout=DEADLINE_S).stdout)


@pytest.fixture
def ask() -> Callable[..., Any]:
    return telemetry
