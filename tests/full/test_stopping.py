"""The ends of the process: asked for, asked for twice, and held up by a thread that hangs."""

import re
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from hassette_core.cli.process import EXIT_LIMIT_S

pytestmark = pytest.mark.timeout(180)

HANGING = """
import threading, time
from hassette_core import App, AppConfig

class Listener(App[AppConfig]):
    async def on_initialize(self) -> None:
        self.bus.on_state_change(self.hang, "sensor.load_1", mode="single", timeout=0.2)
        threading.Thread(target=time.sleep, args=(600,), name="a thread of its own").start()

    def hang(self) -> None:
        self.logger.warning("it hangs")
        time.sleep(600)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_under_load_loses_nothing_and_the_session_is_clean(
    start: Any, house: Path, history: Any, number: signal.Signals
) -> None:
    process = start(
        *["demo", "--config", house, "--data-dir", history.file.parent, "--port", 0],
        *["--events-per-second", 200, "--speed", 0, "--seconds", 60],
    )
    process.wait_for("Home Assistant connected")
    _wait_for_runs(history, 400)
    process.signal(number)
    began = time.monotonic()
    assert process.end() == 0, process.output
    assert time.monotonic() - began < 9
    found = re.search(r"runs +(\d+), of which (\d+) kept", process.output)
    assert found is not None
    assert found[1] == found[2]
    assert int(found[1]) == len(history.run_ids())
    (session,) = history.sessions()
    assert (session["outcome"], session["reason"]) == ("clean", number.name)
    assert (session["runs"], session["lost_runs"], session["lost_details"]) == (int(found[1]), 0, 0)


def test_a_second_signal_ends_the_process_at_once(start: Any, house: Path, tmp_path: Path) -> None:
    (tmp_path / "apps" / "listener.py").write_text(
        "import asyncio\nfrom hassette_core import App, AppConfig\n"
        "class Listener(App[AppConfig]):\n"
        "    async def on_shutdown(self) -> None:\n"
        "        self.logger.warning('it lingers')\n"
        "        await asyncio.sleep(600)\n",
        encoding="utf-8",
    )
    process = start("demo", "--config", house, "--data-dir", tmp_path / "data", "--port", 0, "--speed", 0)
    process.wait_for("Page: ")
    process.wait_for("Home Assistant connected")
    process.signal(signal.SIGTERM)
    process.wait_for("it lingers")
    process.signal(signal.SIGTERM)
    began = time.monotonic()
    assert process.end() == 128 + signal.SIGTERM
    assert time.monotonic() - began < 1
    assert "ended immediately after a second SIGTERM" in process.output


def test_threads_that_hang_do_not_hang_the_exit(start: Any, house: Path, history: Any, tmp_path: Path) -> None:
    (tmp_path / "apps" / "listener.py").write_text(HANGING, encoding="utf-8")
    process = start(
        *["demo", "--config", house, "--data-dir", history.file.parent, "--port", 0],
        *["--speed", 0, "--events-per-second", 20],
    )
    process.wait_for("it hangs")
    process.signal(signal.SIGTERM)
    began = time.monotonic()
    assert process.end() == 0, process.output
    assert time.monotonic() - began < 9 + EXIT_LIMIT_S + 1
    assert "ended without waiting for hung threads: a thread of its own" in process.output
    assert [session["outcome"] for session in history.sessions()] == ["clean"]


def _wait_for_runs(history: Any, count: int) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        if history.file.exists() and len(history.run_ids()) >= count:
            return
        time.sleep(0.05)
    pytest.fail(f"there were never {count} runs in the database")
