"""The ``hassette`` command in a process, as a user starts it."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import pytest

from support.waiting import patience

HASSETTE = Path(sys.executable).parent / "hassette"
LIMIT_S = 90.0


class Process:
    """A running process and its output so far (standard output and standard error together)."""

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

    def wait_for(self, text: str, within_s: float = LIMIT_S) -> str:
        """Return the first new line that contains the text."""
        return self.wait_for_all(text, within_s=within_s)[0]

    def wait_for_all(self, *texts: str, within_s: float = LIMIT_S) -> list[str]:
        """Return the first new line that contains each text. The lines may come in any order."""
        deadline = time.monotonic() + patience(within_s)
        found: dict[str, str] = {}
        while missing := [text for text in texts if text not in found]:
            try:
                line = self._lines.get(timeout=max(0.01, deadline - time.monotonic()))
            except queue.Empty:
                pytest.fail(f"no line with {missing} within {patience(within_s):g} s, only:\n{self.output}")
            if line is None:
                pytest.fail(f"the process ended without a line with {missing}:\n{self.output}")
            self.output += line
            found.update({text: line.rstrip("\n") for text in missing if text in line})
        return [found[text] for text in texts]

    def end(self, within_s: float = LIMIT_S) -> int:
        """Wait for the end of the process and return its exit code."""
        try:
            code = self._process.wait(patience(within_s))
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._drain()
            pytest.fail(f"the process did not end within {patience(within_s):g} s:\n{self.output}")
        self._drain()
        return code

    def _drain(self) -> None:
        self._reader.join(patience(LIMIT_S))
        while (line := self._lines.get(timeout=patience(1))) is not None:
            self.output += line
        self._lines.put(None)

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def close(self) -> None:
        """Kill the process if it still runs, and close its pipes."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._reader.join(patience(LIMIT_S))
        assert self._process.stdout is not None
        self._process.stdout.close()


class Start(Protocol):
    """Starts ``hassette ARGUMENTS``, or a Python file, with additional environment variables."""

    def __call__(self, *arguments: object, program: Path = HASSETTE, **environment: str) -> Process: ...


@contextmanager
def starting(folder: Path) -> Generator[Start]:
    """Provide a `Start` whose processes run in a folder, without the user's settings; kill them at the end."""
    running: list[Process] = []

    def start(*arguments: object, program: Path = HASSETTE, **environment: str) -> Process:
        command: list[str | Path] = [program, *(str(argument) for argument in arguments)]
        if program.suffix == ".py":
            command.insert(0, sys.executable)
        process = Process(command, folder, {**_environment(), "PYTHONUNBUFFERED": "1", **environment})
        running.append(process)
        return process

    try:
        yield start
    finally:
        for process in running:
            process.close()


Ask = Callable[..., Any]
"""``ask("sessions", "--db", file)``: the answer of ``hassette telemetry sessions --db FILE --json``."""


def telemetry(*arguments: object) -> Any:
    """Return the answer of ``hassette telemetry … --json``."""
    command = [str(HASSETTE), "telemetry", *(str(argument) for argument in arguments), "--json"]
    limit_s = patience(LIMIT_S)
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True, timeout=limit_s).stdout)


SEVERAL = """
import json, sys
from hassette_core.cli import main

for arguments in json.loads(sys.argv[1]):
    print("COMMAND", *arguments, file=sys.stderr, flush=True)
    try:
        main(arguments)
    except SystemExit as ended:
        print("EXIT CODE", ended.code, file=sys.stderr, flush=True)
"""


def errors_of_each(folder: Path, *commands: list[str], **environment: str) -> Iterator[tuple[list[str], str]]:
    """Run several commands that fail, in one process that must end soon, because the start of a process is slow.

    Args:
        folder: The working directory.
        commands: The arguments of ``hassette`` for each command.
        environment: Additional environment variables.

    Yields:
        Each command and its standard error. The last line is ``EXIT CODE`` and the code.
    """
    ended = subprocess.run(
        [sys.executable, "-c", SEVERAL, json.dumps(commands)],
        cwd=folder, env={**_environment(), **environment},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=patience(LIMIT_S), check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    yield from zip(commands, ended.stderr.split("COMMAND ")[1:], strict=True)


def _environment() -> dict[str, str]:
    """Return the environment of this process without the user's settings."""
    return {name: text for name, text in os.environ.items() if not name.upper().startswith("HASSETTE__")}
