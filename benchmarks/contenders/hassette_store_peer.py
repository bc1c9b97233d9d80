"""The database service of hassette 0.60.0 from PyPI, which stores batches of plain successes with a bare `submit`.

Each line of standard input has a size of the batches and a number of records. For each line, it stores this many
records and prints the CPU time of the process per record, in microseconds. It prints to standard error, because
hassette logs to standard output.
"""

import asyncio
import itertools
import os
import random
import sys
import tempfile
import time
from pathlib import Path

from hassette import Hassette, HassetteConfig
from hassette.core.execution_record import ExecutionRecord
from hassette.core.telemetry.repository import TelemetryRepository

SETTINGS = """
[hassette]
base_url = "http://127.0.0.1:9"
data_dir = "{folder}/data"

[hassette.apps]
directory = "{folder}/apps"
"""
LISTENER = (
    "INSERT INTO listeners (app_key, instance_index, name, handler_method, topic, source_location) "
    "VALUES ('bench', 0, ?, 'bench.on_event', ?, 'bench.py:1')"
)
SESSION = "INSERT INTO sessions (started_at, last_heartbeat_at, status) VALUES (1, 1, 'running')"


class Records:
    """Records of runs that succeed.

    Args:
        handlers: Number of handlers, with ids from 1.
    """

    def __init__(self, handlers: int) -> None:
        self.random = random.Random(1)
        self.handlers = handlers
        self.numbers = itertools.count(1)

    def batch(self, size: int) -> list[ExecutionRecord]:
        """Return a batch of records."""
        return [self._record() for _ in range(size)]

    def _record(self) -> ExecutionRecord:
        return ExecutionRecord(
            kind="handler",
            session_id=1,
            execution_start_ts=time.time(),
            duration_ms=self.random.lognormvariate(0.6, 1.0),
            status="success",
            listener_id=1 + int(self.random.paretovariate(0.7)) % self.handlers,
            app_key="bench",
            execution_id=f"{time.time_ns() // 1_000_000:012x}-{next(self.numbers):020x}",
            trigger_context_id=f"01{self.random.getrandbits(120):024X}",
            trigger_origin="LOCAL",
        )


async def main(handlers: int, before: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "apps").mkdir()
        (folder / "hassette.toml").write_text(SETTINGS.format(folder=folder))
        os.environ["HASSETTE__TOKEN"] = "unused"
        os.environ["HASSETTE__CONFIG_DIR"] = name
        os.chdir(folder)
        hassette = Hassette(HassetteConfig())
        hassette.wire_services()
        service = hassette.database_service
        await service.on_initialize()
        await service.db.execute(SESSION)
        await service.db.executemany(LISTENER, [(f"on_event_{n}", f"state_changed.s{n}") for n in range(handlers)])
        await service.db.commit()
        repository, records = TelemetryRepository(service), Records(handlers)
        for _ in range(before // 500):
            await service.submit(repository.persist_execution_batch(records.batch(500)))
        print("ready", file=sys.stderr, flush=True)
        for line in sys.stdin:
            size, count = map(int, line.split())
            batches = [records.batch(size) for _ in range(count // size)]
            began = time.process_time()
            for batch in batches:
                await service.submit(repository.persist_execution_batch(batch))
            print((time.process_time() - began) * 1e6 / count, file=sys.stderr, flush=True)
        await service.on_shutdown()


if __name__ == "__main__":
    asyncio.run(main(*map(int, sys.argv[1:])))
