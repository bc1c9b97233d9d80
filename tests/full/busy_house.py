"""A framework under load that keeps a journal beside its database: the witness of the SIGKILL test.

    python busy_house.py DATA_DIR JOURNAL

Each line of the journal is the id of a run that has ended and the time of its end in microseconds, written as soon as
the live feed says so, with a bare write: it is in the kernel's hands, and a SIGKILL does not take it back.
"""

import asyncio
import os
import sys
import time
from pathlib import Path

from pydantic import SecretStr

from hassette_core import Hassette, HassetteConfig, SimulatedHome, load_config


async def main(data_dir: Path, journal: Path) -> None:
    config: HassetteConfig = load_config(data_dir.parent / "hassette.toml")
    descriptor = os.open(journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    async with SimulatedHome(speed=0, events_per_second=200) as home:
        address = config.home_assistant.model_copy(update={"url": home.url, "token": SecretStr(home.token)})
        hassette = Hassette(config.model_copy(update={"home_assistant": address, "plugins": {"sync": {"port": 0}}}))
        async with hassette, hassette.executor.feed.subscribe(limit=1_000_000) as ended:
            async for records in ended:
                now_us = time.time_ns() // 1000
                lines = [f"{record.id} {record.started_us + record.duration_us} {now_us}\n" for record in records]
                os.write(descriptor, "".join(lines).encode())


asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2])))
