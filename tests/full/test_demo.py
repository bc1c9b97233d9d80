"""``hassette demo``: the whole system as a new user runs it."""

import re
import shlex
import signal
import urllib.request
from pathlib import Path

import pytest

from support.history_file import HistoryFile
from support.processes import Ask, Start
from support.waiting import patience, wait_until

pytestmark = [pytest.mark.timeout(300), pytest.mark.heavy]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.mark.long
def test_second_demo_finds_the_runs_of_the_first(start: Start, data: Path, history: HistoryFile, ask: Ask) -> None:
    reported: list[int] = []
    for sessions in (1, 2):
        process = start("demo", "--no-past", "--data-dir", data, "--port", 0, "--speed", 120)
        enough = sum(reported) + 10
        wait_until(lambda enough=enough: len(history.run_ids()) >= enough, within_s=90)
        process.signal(signal.SIGTERM)
        assert process.end() == 0, process.output
        summary = re.search(r"runs +(\d+) \((\d+) recorded\)", process.output)
        assert summary is not None, process.output
        assert summary[1] == summary[2]
        assert re.search(r"lost records +none", process.output)
        assert re.search(rf"sessions +{sessions} recorded \({sessions} clean\)", process.output)
        assert "hassette telemetry sessions --db" in process.output
        assert len(process.output[process.output.index("The demo ended after") :].splitlines()) < 24
        reported.append(int(summary[1]))
    answer = ask("sessions", "--db", history.file)["sessions"]
    assert [session["state"] for session in answer] == ["clean", "clean"]
    assert sorted(session["runs"] for session in answer) == sorted(reported)
    first = history.sessions()[0]
    rows = [run for run in history.run_ids() if first["first_id"] <= run <= first["last_id"]]
    assert len(rows) == reported[0], "all runs of the first session are still there"


@pytest.mark.long
def test_first_demo_begins_with_the_history_of_two_weeks(
    start: Start, data: Path, history: HistoryFile, ask: Ask
) -> None:
    process = start("demo", "--data-dir", data, "--port", 0, "--speed", 0, "--seconds", 0.5)
    assert process.end() == 0, process.output
    sessions = ask("sessions", "--db", history.file)["sessions"]
    assert [session["state"] for session in sessions] == ["clean", "clean", "crashed", "clean"], "the first is the demo"
    assert sum(session["runs"] for session in sessions) > 1_500
    assert len(ask("jobs", "--db", history.file, "--since", "15d")["registrations"]) > 4
    assert [path.name for path in data.glob("past-*")] == []
    process = start("demo", "--data-dir", data, "--port", 0, "--speed", 0, "--seconds", 0.5)
    assert process.end() == 0, process.output
    assert len(history.sessions()) == len(sessions) + 1, "the past is written once"


def test_demo_ends_by_itself_after_the_given_seconds(start: Start, data: Path, history: HistoryFile) -> None:
    process = start("demo", "--no-past", "--data-dir", data, "--port", 0, "--seconds", 0.5)
    assert process.end() == 0
    assert [session["outcome"] for session in history.sessions()] == ["clean"]


def test_times_in_the_log_have_an_offset_and_are_in_the_time_zone_of_the_home(start: Start, data: Path) -> None:
    process = start("demo", "--no-past", "--data-dir", data, "--port", 0, "--speed", 60, TZ="Asia/Kolkata")
    for text in ("Database opened", "Home Assistant connected", "Apps started"):
        line = process.wait_for(text)
        assert re.search(r"^\d\d:\d\d:\d\d\+0[12]:00 ", line), line


def test_page_responds_at_the_printed_address(start: Start, data: Path) -> None:
    process = start("demo", "--no-past", "--data-dir", data, "--port", 0)
    line = process.wait_for("Page: http")
    with urllib.request.urlopen(line.removeprefix("Page: "), timeout=patience(10)) as response:
        assert response.status == 200
        assert b"<html" in response.read()


def test_terminal_asks_the_running_demo_for_the_next_run_of_a_job(start: Start, data: Path) -> None:
    process = start("demo", "--data-dir", data, "--port", 0, "--speed", 1)
    command = process.wait_for("To ask in another terminal: export ").partition(" export ")[2]
    variables = dict(variable.split("=", 1) for variable in shlex.split(command))
    process.wait_for("Page: http")
    job = start("job", "night_round.check", **variables)
    assert job.end() == 0, job.output
    assert re.search(r"^Next run   \d", job.output, re.MULTILINE), job.output


def test_summary_names_the_handler_that_sometimes_fails(start: Start, data: Path, history: HistoryFile) -> None:
    process = start("demo", "--no-past", "--data-dir", data, "--port", 0, "--speed", 200)
    wait_until(lambda: history.rows("SELECT * FROM run_failures"), within_s=90)
    process.signal(signal.SIGTERM)
    assert process.end() == 0
    assert re.search(r"failures +\d+ \(climate_guard\.climate_guard\.watch_humidity \d+×\)", process.output)


def test_service_calls_of_handlers_are_in_the_history(start: Start, data: Path, history: HistoryFile) -> None:
    process = start("demo", "--no-past", "--data-dir", data, "--port", 0, "--speed", 120)
    wait_until(lambda: len(history.rows("SELECT * FROM service_calls")) > 2, within_s=90)
    process.signal(signal.SIGTERM)
    assert process.end() == 0
