"""The summary of ``hassette demo``, and the directory of its history."""

import json
import os
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from hassette_core.cli.demo import default_data_dir
from hassette_core.lifecycle import ServiceStatus, StatusReport
from hassette_core.simulation.demo import DemoResult
from hassette_core.simulation.demo.summary import MAX_SESSIONS, summarise
from hassette_executor import CommandExecutor


@pytest.mark.parametrize("error", [KeyError("uid not found: 4711"), OSError("No username set"), ImportError("pwd")])
def test_user_without_a_name_has_a_data_directory(error: Exception) -> None:
    def get_user() -> str:
        raise error

    assert default_data_dir(get_user) == Path(tempfile.gettempdir()) / f"hassette-demo-{os.getuid()}"


@pytest.fixture
def result(tmp_path: Path) -> DemoResult:
    """A demo that has ended, with one recorded run."""
    return DemoResult(
        data_dir=tmp_path,
        accounting=replace(CommandExecutor().accounting(), executed=1, persisted=1),
        failures=Counter(),
        has_history=True,
        page_url=None,
        degraded=(),
    )


@pytest.mark.parametrize(("cursor", "count"), [(None, "500 recorded"), ("7", "500 or more recorded")])
def test_sessions_are_counted_up_to_the_limit_of_the_command(
    cursor: str | None, count: str, result: DemoResult
) -> None:
    def telemetry(arguments: list[str]) -> int:
        limit = int(arguments[arguments.index("--limit") + 1])
        print(json.dumps({"sessions": [{"state": "clean"}] * limit, "next_cursor": cursor}))
        return 0

    assert MAX_SESSIONS == 500
    assert f"  sessions      {count} (500 clean)" in summarise(result, 1.0, telemetry=telemetry).splitlines()


@pytest.mark.parametrize("outcome", [1, RuntimeError("broken plugin")])
def test_without_a_list_of_sessions_the_summary_names_this_one(outcome: int | Exception, result: DemoResult) -> None:
    def telemetry(_arguments: list[str]) -> int:
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    assert "  sessions      this one" in summarise(result, 1.0, telemetry=telemetry).splitlines()


def test_failures_lost_records_and_degraded_services_are_named(result: DemoResult) -> None:
    account = replace(CommandExecutor().accounting(), executed=9, persisted=6, waiting=1, shed={"queue_full": 2})
    degraded = StatusReport("sync", ServiceStatus.DEGRADED, "service_degraded", "the port is taken")
    result = replace(result, accounting=account, failures=Counter({"a.one.hear": 2}), degraded=(degraded,))
    lines = summarise(result, 1.0, telemetry=lambda _: 1).splitlines()
    assert "  failures      2 (a.one.hear 2×)" in lines
    assert "  lost records  3 (queue_full 2)" in lines
    assert "  degraded      sync: the port is taken" in lines


@pytest.mark.parametrize(
    ("program", "in_search_path", "command"),
    [
        (".venv/bin/hassette", None, ".venv/bin/hassette"),
        ("/home/me/.venv/bin/hassette", "/home/me/.venv/bin/hassette", "hassette"),
        ("/usr/lib/python3/pytest/__main__.py", None, "hassette"),
    ],
)
def test_proposed_command_has_a_path_if_it_is_not_on_the_search_path(
    program: str, in_search_path: str | None, command: str, result: DemoResult, tmp_path: Path
) -> None:
    summary = summarise(result, 1.0, telemetry=lambda _: 1, program=program, find_program=lambda _: in_search_path)
    assert f"Show the history:  {command} telemetry sessions --db {tmp_path / 'hassette.db'}" in summary.splitlines()
