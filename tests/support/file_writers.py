"""Real processes that write runs to a history, as the framework does, and that note each run in a ledger."""

import os
import select
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from support.run_ledger import Ledger

_TESTS = str(Path(__file__).parents[1])
_LONGEST_SILENCE_S = 180.0

# This process imports everything once and then forks one writer for each line of its input.
_WRITER = """
import asyncio, concurrent.futures.thread, itertools, json.decoder, os, random, shutil, signal, sqlite3, sys, time
from pathlib import Path
from hassette_store import DatabaseService, RejectedBatchError, StoreError, StoreSettings
from hassette_store.ids import first_id_at, time_of
from hassette_store.retention.retention import RetentionSchedule
from support import rows

# The framework would retry for ever.
LONGEST_FAILURE_S = 60

def report(line):
    os.write(1, f"{line}\\n".encode())

def next_id(last, now_us):
    # As the executor does: after a step back of more than ten seconds, ids are lower, but contain another number.
    stepped_back = now_us < time_of(last) - 10_000_000
    first = first_id_at(now_us) | (((last >> 16) + stepped_back) % 32) << 16
    return first if stepped_back else max(first, last + 1)

async def write(path, ledger, app, size, offset_s, step_s):
    stop, offset = asyncio.Event(), [offset_s]
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    # A copy in this process drops the locks of its connections on the file.
    loop.add_signal_handler(signal.SIGUSR1, lambda: shutil.copyfile(path, path.with_name("copy-in-process.db")))
    loop.add_signal_handler(signal.SIGUSR2, lambda: offset.__setitem__(0, offset[0] + step_s))
    # Each writer runs after another boot. Otherwise, a correction also moves the rows of the writers before it.
    booted_s = random.uniform(1e3, 1e6)
    now_us = lambda: time.time_ns() // 1000 + offset[0] * 1_000_000
    store = DatabaseService(path, StoreSettings(heartbeat_s=0.1), now_us=now_us,
                            monotonic=lambda: time.monotonic() + booted_s,
                            retention_schedule=RetentionSchedule(first_pass_s=0.05))
    listeners = [rows.Listener(f"on_{app}_{n}", app) for n in range(3)]
    log = os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    sequence, number = 0, 0

    async def serve():
        while not stop.is_set():
            try:
                await store.serve()
            except StoreError:
                await store.stop()
                while not stop.is_set():
                    try:
                        await store.start()
                        break
                    except StoreError:
                        await asyncio.sleep(0.01)

    await store.start()
    serving = asyncio.create_task(serve())
    last = await store.last_id()
    report("open")
    while not stop.is_set():
        runs, lines = [], []
        for _ in range(size):
            now = now_us()
            last = next_id(last, now)
            # The number of a run is its true time, so each run of all processes has another number.
            number = max(number + 1, time.time_ns())
            listener, entity = listeners[number % 3], f"sensor.{app}_{number % 7}"
            trigger = rows.Event(entity_id=entity, new_state=f"run-{number}")
            runs.append(rows.invocation(registration=listener, trigger=trigger, id=last, started_us=now - 3_000))
            lines.append(f"{number} {app} {listener.name} {entity} {offset_s or step_s}")
        # A killed writer may have left an incomplete line.
        os.write(log, "".join(f"\\ntry {line}\\n" for line in lines).encode())
        os.fsync(log)
        sequence += 1
        running = (rows.Running(1, listeners[0], rows.Event(), runs[0].started_us),)
        batch = rows.Batch(sequence, registered=tuple(listeners), invocations=tuple(runs), running=running)
        ends = time.monotonic() + LONGEST_FAILURE_S
        while not stop.is_set():
            try:
                await store.write(batch)
            except RejectedBatchError:
                raise
            except StoreError:
                if time.monotonic() > ends or serving.done():
                    raise
                await asyncio.sleep(0.005)
                continue
            os.write(log, "".join(f"ack {line}\\n" for line in lines).encode())
            os.fsync(log)
            break
        report("batch")
        await asyncio.sleep(0)
    serving.cancel()
    await asyncio.wait([serving])
    await store.stop()

for line in sys.stdin:
    path, ledger, app, *numbers = line.split()
    child = os.fork()
    if not child:
        random.seed()
        try:
            asyncio.run(write(Path(path), ledger, app, *map(int, numbers)))
        except BaseException as error:
            report(f"failed with {error!r}, caused by {error.__cause__!r}".replace("\\n", " "))
        os._exit(0)
    report(f"pid {child}")
    os.waitpid(child, 0)
    report("gone")
"""


class Writers:
    """The process that forks writers, and the running writer.

    Args:
        ledger: The ledger of all writers.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._process = subprocess.Popen(
            [sys.executable, "-c", _WRITER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": _TESTS},
        )
        self._lines: list[str] = []
        self._rest = b""
        self._pid = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._pid:
            os.kill(self._pid, 9)
        self._process.kill()
        self._process.communicate()

    def start(self, path: Path, app: str = "hall", size: int = 5, offset_s: int = 0, step_s: int = 0) -> None:
        """Start a writer, and wait until it has opened the history.

        Args:
            path: The history.
            app: Name of the app of all runs.
            size: Number of runs of a batch.
            offset_s: Error of the writer's clock at its start, in seconds.
            step_s: Step of its clock at the signal SIGUSR2, in seconds.
        """
        assert self._process.stdin is not None
        self._process.stdin.write(f"{path} {self._ledger.file} {app} {size} {offset_s} {step_s}\n".encode())
        self._process.stdin.flush()
        self._pid = int(self._line().split()[1])
        self._expect("open")

    def wait_for_batches(self, count: int) -> None:
        for _ in range(count):
            self._expect("batch")

    def signal(self, number: int) -> None:
        os.kill(self._pid, number)

    def end(self, number: int) -> None:
        """End the writer with a signal, wait for its end, and read the ledger."""
        os.kill(self._pid, number)
        while (line := self._line()) != "gone":
            assert line == "batch", f"the writer {line}"
        self._pid = 0
        self._ledger.read()

    def _expect(self, expected: str) -> None:
        line = self._line()
        assert line == expected, f"the writer {line}"

    def _line(self) -> str:
        assert self._process.stdout is not None
        while not self._lines:
            ready, _, _ = select.select([self._process.stdout], [], [], _LONGEST_SILENCE_S)
            assert ready, "the writer wrote nothing for three minutes"
            new = os.read(self._process.stdout.fileno(), 65_536)
            assert new, "the process that forks writers has ended"
            *lines, self._rest = (self._rest + new).split(b"\n")
            self._lines = [line.decode() for line in lines]
        return self._lines.pop(0)
