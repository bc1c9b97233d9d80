"""Summarise a demo on one screen."""

import io
import json
import shutil
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from hassette_core import installed
from hassette_core.simulation.demo.demo import DemoResult

MAX_SESSIONS = 500
"""The largest number of sessions that ``hassette telemetry sessions`` lists at once."""


def _telemetry(arguments: list[str]) -> int:
    point = installed.commands().get("telemetry")
    return point.load()(arguments) if point is not None else 1


def summarise(
    result: DemoResult,
    lasted_s: float,
    *,
    telemetry: Callable[[list[str]], int] = _telemetry,
    program: str | None = None,
    find_program: Callable[[str], str | None] = shutil.which,
) -> str:
    """Return the summary.

    Args:
        result: The result of the demo.
        lasted_s: Duration of the demo, in seconds.
        telemetry: Runs ``hassette telemetry`` and returns its exit code.
        program: The path of this program; None for ``sys.argv[0]``.
        find_program: Returns the path of a program in the search path.
    """
    account = result.accounting
    lines = [f"The demo ended after {lasted_s:.1f} s."]
    if account is None:
        return lines[0]
    file = result.data_dir / "hassette.db"
    lines += [
        f"  sessions      {_sessions(file, telemetry) if result.has_history else 'this one, not recorded'}",
        f"  runs          {account.executed} ({account.persisted if result.has_history else 'none'} recorded)",
        f"  failures      {_failures(result.failures)}",
        f"  lost records  {_lost_records(result)}",
        f"  page          {f'{result.page_url} (stopped)' if result.page_url else 'none'}",
    ]
    lines += [f"  degraded      {change.name}: {change.detail}" for change in result.degraded]
    if not result.has_history:
        lines.append('  history       none; to record it:  pip install "hassette-core[telemetry]"')
    elif account.persisted:
        command = _command(program or sys.argv[0], find_program)
        lines += [
            f"  history       {file}",
            "",
            f"Show the history:  {command} telemetry sessions --db {file}",
            f"                   {command} telemetry errors --db {file}",
        ]
    return "\n".join(lines)


def _failures(failures: Counter[str]) -> str:
    most = ", ".join(f"{name} {times}×" for name, times in failures.most_common(3))
    return f"{failures.total()} ({most})" if most else "0"


def _lost_records(result: DemoResult) -> str:
    account = result.accounting
    if account is None or not result.has_history:
        return "none"
    lost = sum(account.shed.values()) + account.waiting
    reasons = ", ".join(f"{reason} {count}" for reason, count in account.shed.items() if count)
    return f"{lost} ({reasons or 'not written in time'})" if lost else "none"


def _command(program: str, find_program: Callable[[str], str | None]) -> str:
    """Return the command that runs ``hassette``, with its path if the shell would not find it."""
    path = Path(program)
    return str(path) if path.name == "hassette" and find_program("hassette") is None else "hassette"


def _sessions(file: Path, telemetry: Callable[[list[str]], int]) -> str:
    """Count the sessions in the output of ``hassette telemetry sessions``."""
    arguments = ["sessions", "--db", str(file), "--json", "--limit", str(MAX_SESSIONS)]
    output = io.StringIO()
    try:
        with redirect_stdout(output):
            code = telemetry(arguments)
        page: dict[str, Any] = {"sessions": []} if code else json.loads(output.getvalue())
        states: Counter[str] = Counter(session["state"] for session in page["sessions"])
        more = " or more" if page.get("next_cursor") else ""
    except Exception:  # noqa: BLE001  a plugin's command may raise any exception; the rest of the summary is useful
        return "this one"
    by_state = ", ".join(f"{count} {state}" for state, count in states.items())
    return f"{states.total()}{more} recorded ({by_state})" if states else "this one"
