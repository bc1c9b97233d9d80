"""SIGKILL: at most the last flush interval is lost, and the next session says what happened to the one before."""

import signal
import time
from pathlib import Path
from typing import Any

import pytest

KILLS = 20
GRACE_US = 1_000_000
"""A run that ended so long before the kill must be there: twice the flush interval."""
HEARTBEAT_US = 5_000_000
PROGRAM = Path(__file__).with_name("busy_house.py")

JOURNALIST = """
import os, time
from hassette_core import App, AppConfig, StateChanged

JOURNAL = os.open({journal!r}, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

class Listener(App[AppConfig]):
    async def on_initialize(self) -> None:
        self.bus.on_state_change(self.hear, "sensor.load_*")

    async def hear(self, event: StateChanged) -> None:
        # A bare write is in the kernel's hands: a SIGKILL does not take it back.
        os.write(JOURNAL, f"{{event.context.id}} {{time.time_ns() // 1000}}\\n".encode())
"""
"""Each line: the context of the event that a run heard, and when the run had come to its last statement."""


@pytest.mark.long
@pytest.mark.timeout(300)
def test_after_sigkill_no_run_older_than_a_second_is_missing_and_the_session_reads_crashed(
    start: Any, house: Path, history: Any, tmp_path: Path
) -> None:
    journal = tmp_path / "journal"
    (tmp_path / "apps" / "listener.py").write_text(JOURNALIST.format(journal=str(journal)), encoding="utf-8")
    kills_us: list[int] = []
    for number in range(KILLS):
        process = start(history.file.parent, program=PROGRAM)
        # Long enough that most runs are older than the grace; not the same moment of the flush interval each time.
        _wait_for_runs(journal, more=400 + number * 7)
        process.signal(signal.SIGKILL)
        kills_us.append(time.time_ns() // 1000)
        assert process.end() == -signal.SIGKILL
        _check(history, journal, kills_us)
    # One more start, whatever becomes of it, closes the last one.
    process = start(history.file.parent, program=PROGRAM)
    _wait_for_runs(journal, more=50)
    process.signal(signal.SIGKILL)
    process.end()
    crashed = history.sessions()[:KILLS]
    assert [session["outcome"] for session in crashed] == ["crashed"] * KILLS
    for session, killed_us in zip(crashed, kills_us, strict=True):
        assert session["ended_us"] == session["heartbeat_us"]
        assert 0 <= killed_us - session["ended_us"] < HEARTBEAT_US + GRACE_US


def _check(history: Any, journal: Path, kills_us: list[int]) -> None:
    kept = {row["context_id"] for row in history.rows("SELECT context_id FROM handler_invocations")}
    ended = [line.split() for line in journal.read_text(encoding="utf-8").splitlines()]
    # What an earlier kill took stays missing; it was checked then.
    earlier_us = kills_us[-2] if len(kills_us) > 1 else 0
    in_question = [context for context, ended_us in ended if earlier_us < int(ended_us) < kills_us[-1] - GRACE_US]
    assert in_question, "or this would prove nothing"
    missing = [context for context in in_question if context not in kept]
    assert missing == [], f"{len(missing)} runs that ended over a second before kill {len(kills_us)} are missing"
    (sessions,) = history.rows("SELECT count(*) AS open FROM sessions WHERE outcome = 'open'")
    assert sessions["open"] == 1, "the killed session is found open until the next start"


def _wait_for_runs(journal: Path, more: int) -> None:
    before = _length(journal)
    until = time.monotonic() + 30
    while _length(journal) < before + more:
        assert time.monotonic() < until, f"there were no {more} more runs within 30 s"
        time.sleep(0.02)


def _length(journal: Path) -> int:
    return journal.read_bytes().count(b"\n") if journal.exists() else 0
