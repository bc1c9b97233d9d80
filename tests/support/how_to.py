"""The history of the demo at a fixed time, and the commands of the pages in ``docs/how-to``, with their real outputs.

The same seed and the same end give the same history, so the outputs in the pages need no masks. The script
``scripts/write_how_to.py`` writes the outputs into the pages.
"""

import asyncio
import contextlib
import io
import re
import shlex
import threading
import time
from collections.abc import Callable, Generator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

from hassette_core import Hassette
from hassette_core.config import load_config
from hassette_core.scheduler import UpcomingJob
from hassette_core.simulation.demo.demo import EXAMPLES
from hassette_core.simulation.demo.past import write_past
from hassette_store.plugin import create_sink
from hassette_sync import DataSyncService, MemoryFeed
from hassette_sync.cli.main import main
from hassette_sync.live import MemorySnapshot
from hassette_sync.plugin import create_web_service
from hassette_sync.settings import WebSettings

PAGES = Path(__file__).resolve().parents[2] / "docs" / "how-to"
END = datetime(2026, 6, 11, 8, 30, tzinfo=ZoneInfo("Europe/Amsterdam"))
"""The start of the demo: a Thursday morning."""
NOW = END + timedelta(minutes=1)
BLOCK = re.compile(r"(```console\n\$ hassette (?P<command>[^\n]+)\n)(?P<output>.*?)(```)", re.DOTALL)
PRIVATE = re.compile(r"/\S*/simulation/demo/examples/|, commit \w+")
"""Parts of outputs that depend on the machine: the folder of the apps, and its Git commit."""


class DemoHistory:
    """The history of the demo, and the plan of its jobs.

    Args:
        folder: The directory of the history.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.upcoming: Sequence[UpcomingJob] = ()
        write_past(load_config(EXAMPLES / "hassette.toml"), folder, create_sink, end=END, at_end=self._note)

    def _note(self, hassette: Hassette) -> None:
        self.upcoming = hassette.scheduler.upcoming(10)

    @contextlib.contextmanager
    def served(self) -> Generator[str]:
        """Serve the pages as the demo does, one minute after its start. Return their address."""
        loop, address, stop = asyncio.new_event_loop(), list[str](), asyncio.Event()
        started = threading.Event()

        async def serve() -> None:
            sink = create_sink(data_dir=self.folder, settings={}, now_us=time_us, monotonic=time.monotonic)
            await sink.start()
            feed = MemoryFeed()
            feed.state = MemorySnapshot(ready=True, connection="connected", upcoming=self.upcoming)
            data = DataSyncService(self.folder / "hassette.db", feed)
            try:
                async with create_web_service(data, WebSettings(port=0)) as service:
                    address.append(str(service.url))
                    started.set()
                    await stop.wait()
            finally:
                started.set()
                await sink.stop()

        thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), daemon=True)
        thread.start()
        started.wait()
        try:
            yield address[0].rstrip("/")
        finally:
            loop.call_soon_threadsafe(stop.set)
            thread.join()
            loop.close()


def time_us() -> int:
    """Return the time of the demo in microseconds since the Unix epoch."""
    return round(NOW.timestamp()) * 1_000_000


@contextlib.contextmanager
def time_of_the_demo() -> Generator[None]:
    """Let the wall clock of this process stand at `NOW`. No command has an option for the present time."""
    real: Callable[[], int] = time.time_ns
    time.time_ns = lambda: time_us() * 1_000
    try:
        yield
    finally:
        time.time_ns = real


def answer(command: str, folder: Path, url: str) -> str:
    """Return the output of a command of the terminal.

    Args:
        command: The command without ``hassette``.
        folder: The directory of the history.
        url: The address of the pages, for commands that ask the running framework.
    """
    words = shlex.split(command)
    target = ["--url", url] if words[0] == "upcoming" else ["--db", str(folder)]
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        code = main([*words, *target])
    assert code == 0, f"{command}: exit code {code}"
    return PRIVATE.sub("", output.getvalue())


def with_outputs(text: str, folder: Path, url: str) -> str:
    """Return the text of a page with the real output of each of its commands."""
    return BLOCK.sub(lambda found: f"{found[1]}{answer(found['command'], folder, url)}{found[4]}", text)


def pages() -> list[Path]:
    """Return the pages with a question."""
    return sorted(path for path in PAGES.glob("*.md") if path.name != "index.md")


def refresh() -> None:
    """Write the outputs into the pages."""
    with TemporaryDirectory() as directory, time_of_the_demo():
        history = DemoHistory(Path(directory) / "history")
        with history.served() as url:
            for path in pages():
                path.write_text(with_outputs(path.read_text("utf-8"), history.folder, url), encoding="utf-8")
