"""``hassette demo``: the whole system, as somebody meets it first."""

import re
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def test_the_demo_runs_twice_and_the_second_one_finds_the_first_ones_runs(
    start: Any, data: Path, history: Any, ask: Callable[..., Any]
) -> None:
    told: list[int] = []
    for _ in range(2):
        process = start("demo", "--data-dir", data, "--seconds", 5, "--port", 0, "--speed", 120)
        assert process.end() == 0, process.output
        summary = re.search(r"runs +(\d+) \((\d+) recorded\)", process.output)
        assert summary is not None, process.output
        assert summary[1] == summary[2]
        assert re.search(r"lost records +none", process.output)
        sessions = len(told) + 1
        assert re.search(rf"sessions +{sessions} recorded \({sessions} clean\)", process.output)
        assert "hassette telemetry sessions --db" in process.output
        assert len(process.output[process.output.index("The demo ended after") :].splitlines()) < 24
        told.append(int(summary[1]))
    assert min(told) > 5
    sessions = ask("sessions", "--db", history.file)["sessions"]
    assert [session["state"] for session in sessions] == ["clean", "clean"]
    assert sorted(session["runs"] for session in sessions) == sorted(told)
    first = history.sessions()[0]
    rows = [run for run in history.run_ids() if first["first_id"] <= run <= first["last_id"]]
    assert len(rows) == told[0], "every run of the first session is still there"


def test_the_page_answers_at_the_address_that_was_printed(start: Any, data: Path) -> None:
    process = start("demo", "--data-dir", data, "--port", 0)
    line = process.wait_for("Page: http")
    with urllib.request.urlopen(line.removeprefix("Page: "), timeout=10) as answer:
        assert answer.status == 200
        assert b"<html" in answer.read()


def test_one_handler_of_the_demo_fails_now_and_then_and_the_summary_says_which(start: Any, data: Path) -> None:
    process = start("demo", "--data-dir", data, "--port", 0, "--seconds", 6, "--speed", 200)
    assert process.end() == 0
    assert re.search(r"failures +\d+ \(climate_guard\.climate_guard\.watch_humidity \d+×\)", process.output)


def test_what_a_handler_did_can_be_seen_in_the_house(start: Any, data: Path, history: Any) -> None:
    process = start("demo", "--data-dir", data, "--port", 0, "--seconds", 5, "--speed", 120)
    assert process.end() == 0
    calls = history.rows("SELECT * FROM service_calls")
    assert len(calls) > 2
