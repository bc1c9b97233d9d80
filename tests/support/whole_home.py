"""`WholeHome`: the whole framework with apps of a test, connected to a simulated home."""

import textwrap
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from hassette_core import Hassette, HassetteConfig, MemorySink, SimulatedHome
from hassette_executor import Record
from support.waiting import eventually

HEAD = "import asyncio, threading, time\nfrom hassette_core import *\n"


class WholeHome:
    """The whole framework with apps of a test.

    Attributes:
        hassette: The framework.
        home: The simulated home.
        sink: The records.
    """

    def __init__(self, hassette: Hassette, home: SimulatedHome, sink: MemorySink) -> None:
        self.hassette = hassette
        self.home = home
        self.sink = sink

    def app(self, number: int = 0) -> Any:
        """Return the object of a running app."""
        running = self.hassette.apps.running
        return [app for app_key in running for app in running.instances(app_key).values()][number]

    async def records(self, count: int) -> list[Record]:
        """Wait until there are this many records, and return them."""
        await eventually(lambda: self.hassette.executor.accounting().executed >= count)
        assert await self.hassette.executor.force_flush()
        return list(self.sink.records)

    async def lifecycle(self, kind: str) -> list[tuple[str, str]]:
        """Return subject and detail of each lifecycle event of one kind."""
        assert await self.hassette.executor.force_flush()
        return [(e.subject, e.detail) for batch in self.sink.batches for e in batch.lifecycle if e.kind == kind]


@asynccontextmanager
async def whole_home(path: Path, source: str, **settings: Mapping[str, object]) -> AsyncGenerator[WholeHome]:
    """Run apps in a simulated home.

    Args:
        path: A directory of the test.
        source: The module. Each app in it is named ``App1``, ``App2`` and so on. All names of `hassette_core` are
            imported.
        settings: Tables of ``hassette.toml``.
    """
    source = HEAD + textwrap.dedent(source)
    (path / "apps.py").write_text(source, encoding="utf-8")
    numbers = [number for number in range(1, 10) if f"class App{number}(" in source]
    async with SimulatedHome(speed=0) as home:
        config = HassetteConfig.model_validate(
            {
                "hassette": {"app_dir": str(path), "data_dir": str(path / "data"), **settings.pop("hassette", {})},
                "home_assistant": {"url": home.url, "token": home.token},
                "apps": {f"app{number}": {"module": "apps", "class": f"App{number}"} for number in numbers},
                **settings,
            }
        )
        sink = MemorySink()
        async with Hassette(config, sinks=[sink], plugins=False) as hassette:
            await hassette.wait_ready()
            yield WholeHome(hassette, home, sink)
