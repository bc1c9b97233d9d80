"""After SIGKILL at most the last flush interval is lost, and the next start marks the session as crashed."""

import signal
import time
from pathlib import Path

import pytest

from support.history_file import HistoryFile
from support.processes import Start
from support.waiting import patience, wait_until

KILLS = 10
GRACE_US = 1_000_000
"""A run that ended at least this long before the kill must be in the history. The time is twice the flush interval.

The product promises this time, so it does not grow with the patience of the tests.
"""
TICK_US = 100_000
MAX_STARVED_US = int(patience(4) * 1_000_000)
"""The grace grows by the measured delay of the process, up to this limit. Without a limit, the test would accept that
the product blocks the event loop."""
MARGIN_US = 500_000
HEARTBEAT_US = 5_000_000
PROGRAM = Path(__file__).with_name("busy_home.py")

WITNESS = """
import asyncio, os, time
from hassette_core import App, AppConfig, StateChanged

JOURNAL = os.open({journal!r}, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

class Listener(App[AppConfig]):
    async def on_initialize(self) -> None:
        self.bus.on_state_change(self.note, "sensor.load_*")
        self.ticks = asyncio.create_task(self.measure_delay())

    async def note(self, event: StateChanged) -> None:
        # After os.write, the kernel has the line, so the line survives a SIGKILL.
        os.write(JOURNAL, f"{{event.context.id}} {{time.time_ns() // 1000}}\\n".encode())

    async def measure_delay(self) -> None:
        while True:
            due = time.monotonic() + 0.1
            await asyncio.sleep(0.1)
            os.write(JOURNAL, f"late {{int((time.monotonic() - due) * 1e6)}} {{time.time_ns() // 1000}}\\n".encode())
"""
"""App that writes two kinds of lines to the journal. One has the context of an event and the time at which its run
ended. The other has ``late``, the delay of a timer, and the time at which the timer ended."""


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("config_file")
def test_sigkill_loses_no_run_older_than_a_second_and_the_session_is_marked_as_crashed(
    start: Start, history: HistoryFile, tmp_path: Path
) -> None:
    journal = tmp_path / "journal"
    (tmp_path / "apps" / "listener.py").write_text(WITNESS.format(journal=str(journal)), encoding="utf-8")
    kills_us: list[int] = []
    graces_us: list[int] = []
    for number in range(KILLS):
        process = start(history.file.parent, program=PROGRAM)
        # Wait for so many runs that most are older than the grace. The number differs for each kill, so that the kills
        # come at different moments of the flush interval.
        _wait_for_runs(journal, more=400 + number * 7)
        process.signal(signal.SIGKILL)
        kills_us.append(time.time_ns() // 1000)
        assert process.end() == -signal.SIGKILL
        graces_us.append(_grace_us(journal, kills_us[-1]))
        _check(history, journal, kills_us, graces_us[-1])
    # The last killed session is marked as crashed by one more start.
    process = start(history.file.parent, program=PROGRAM)
    _wait_for_runs(journal, more=50)
    process.signal(signal.SIGKILL)
    process.end()
    crashed = history.sessions()[:KILLS]
    assert [session["outcome"] for session in crashed] == ["crashed"] * KILLS
    for session, killed_us, grace_us in zip(crashed, kills_us, graces_us, strict=True):
        assert session["ended_us"] == session["heartbeat_us"]
        assert 0 <= killed_us - session["ended_us"] < HEARTBEAT_US + grace_us


def _check(history: HistoryFile, journal: Path, kills_us: list[int], grace_us: int) -> None:
    stored = {row["context_id"] for row in history.rows("SELECT context_id FROM handler_invocations")}
    # Check only the runs since the previous kill. The earlier runs were checked after that kill, and some were lost.
    previous_us = kills_us[-2] if len(kills_us) > 1 else 0
    latest_us = kills_us[-1] - grace_us
    expected = [context for context, ended_us in _runs(journal) if previous_us < ended_us < latest_us]
    assert expected, "without such runs the test would prove nothing"
    missing = [context for context in expected if context not in stored]
    assert missing == [], f"{len(missing)} runs are missing that ended {grace_us} us or more before the kill"
    (sessions,) = history.rows("SELECT count(*) AS open FROM sessions WHERE outcome = 'open'")
    assert sessions["open"] == 1, "the killed session stays open until the next start"


def _grace_us(journal: Path, at_us: int) -> int:
    """Return the grace plus the delay before the given time, in which a busy machine did not let the process run."""
    ticks = [(int(line[1]), int(line[2])) for line in _lines(journal) if line[0] == "late"][-20:]
    if not ticks:
        return GRACE_US
    still_late_us = max(0, at_us - ticks[-1][1] - TICK_US)
    return GRACE_US + min(sum(delay_us for delay_us, _ in ticks) + still_late_us, MAX_STARVED_US)


def _wait_for_runs(journal: Path, more: int) -> None:
    """Wait until there are this many new runs, and at least one of them is older than the grace."""
    before = len(_runs(journal))

    def enough() -> bool:
        new = _runs(journal)[before:]
        now_us = time.time_ns() // 1000
        return len(new) >= more and new[0][1] < now_us - _grace_us(journal, now_us) - MARGIN_US

    wait_until(enough, within_s=60, what=f"{more} more runs")


def _runs(journal: Path) -> list[tuple[str, int]]:
    """Return the context of each run, and the time at which the run ended, in microseconds."""
    return [(line[0], int(line[1])) for line in _lines(journal) if line[0] != "late"]


def _lines(journal: Path) -> list[list[str]]:
    if not journal.exists():
        return []
    # The last line is left out, because it may be incomplete.
    return [line.split() for line in journal.read_text(encoding="utf-8").split("\n")[:-1]]
