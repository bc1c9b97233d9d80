"""The process stops on a signal, ends immediately on a second signal, and ends even if threads hang."""

import re
import signal
from pathlib import Path

import pytest

from hassette_core.cli.process import EXIT_LIMIT_S
from support.history_file import HistoryFile
from support.processes import Start
from support.waiting import wait_until

pytestmark = [pytest.mark.timeout(180), pytest.mark.heavy]

STOP_BUDGET_S = 9

HANGING = """
import threading, time
from hassette_core import App, AppConfig

class Listener(App[AppConfig]):
    async def on_initialize(self) -> None:
        self.bus.on_state_change(self.hang, "sensor.load_1", mode="single", timeout=0.2)
        threading.Thread(target=time.sleep, args=(600,), name="a thread of the app").start()

    def hang(self) -> None:
        self.logger.warning("it hangs")
        time.sleep(600)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stop_under_load_loses_no_run_and_ends_a_clean_session(
    start: Start, config_file: Path, history: HistoryFile, number: signal.Signals
) -> None:
    process = start(
        *["demo", "--config", config_file, "--data-dir", history.file.parent, "--port", 0],
        *["--events-per-second", 200, "--speed", 0],
    )
    process.wait_for("Home Assistant connected")
    _wait_for_runs(history, 400)
    process.signal(number)
    assert process.end(STOP_BUDGET_S) == 0, process.output
    found = re.search(r"runs +(\d+) \((\d+) recorded\)", process.output)
    assert found is not None, process.output
    assert found[1] == found[2]
    assert int(found[1]) == len(history.run_ids())
    (session,) = history.sessions()
    assert (session["outcome"], session["reason"]) == ("clean", number.name)
    assert (session["runs"], session["lost_runs"], session["lost_details"]) == (int(found[1]), 0, 0)


def test_second_signal_ends_the_process_before_the_apps_have_shut_down(
    start: Start, config_file: Path, tmp_path: Path
) -> None:
    (tmp_path / "apps" / "listener.py").write_text(
        "import asyncio\nfrom hassette_core import App, AppConfig\n"
        "class Listener(App[AppConfig]):\n"
        "    async def on_shutdown(self) -> None:\n"
        "        self.logger.warning('it lingers')\n"
        "        try:\n"
        "            await asyncio.sleep(600)\n"
        "        finally:\n"
        "            self.logger.warning('its time limit is over')\n",
        encoding="utf-8",
    )
    process = start("demo", "--config", config_file, "--data-dir", tmp_path / "data", "--port", 0, "--speed", 0)
    process.wait_for_all("Page: ", "Home Assistant connected")
    process.signal(signal.SIGTERM)
    process.wait_for("it lingers")
    process.signal(signal.SIGTERM)
    # The test measures no time, because a slow machine may deliver the signal only after the stop budget.
    assert process.end() == 128 + signal.SIGTERM
    assert "ended immediately after a second SIGTERM" in process.output
    assert "its time limit is over" not in process.output


def test_hung_threads_do_not_prevent_the_exit(
    start: Start, config_file: Path, history: HistoryFile, tmp_path: Path
) -> None:
    (tmp_path / "apps" / "listener.py").write_text(HANGING, encoding="utf-8")
    process = start(
        *["demo", "--config", config_file, "--data-dir", history.file.parent, "--port", 0],
        *["--speed", 0, "--events-per-second", 20],
    )
    process.wait_for("it hangs")
    process.signal(signal.SIGTERM)
    assert process.end(STOP_BUDGET_S + EXIT_LIMIT_S + 1) == 0, process.output
    assert "ended without waiting for hung threads: a thread of the app" in process.output
    assert [session["outcome"] for session in history.sessions()] == ["clean"]


def _wait_for_runs(history: HistoryFile, count: int) -> None:
    wait_until(lambda: len(history.run_ids()) >= count, 60, f"{count} runs in the history")
