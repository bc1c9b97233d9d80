"""What a demonstration says at its end, on one screen."""

import io
import json
import shutil
import sys
from collections import Counter
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from hassette_core import installed
from hassette_core.simulation.demo.demo import Demo

MOST_SESSIONS = 500
"""As many as the command tells at once."""


def summarise(demo: Demo, lasted_s: float) -> str:
    """Return the summary.

    Args:
        demo: A demonstration that has ended.
        lasted_s: How long it took, in seconds.
    """
    account = demo.accounting
    lines = [f"The demonstration has ended after {lasted_s:.1f} s."]
    if account is None:
        return lines[0]
    failed = sum(demo.tally.failures.values())
    worst = ", ".join(f"{name} {times}×" for name, times in demo.tally.failures.most_common(3))
    worst = f" ({worst})" if worst else ""
    lost = sum(account.shed.values()) + account.waiting
    losses = ", ".join(f"{reason} {count}" for reason, count in account.shed.items() if count)
    file = demo.options.data_dir / "hassette.db"
    kept = account.persisted if demo.keeps else "none"
    loss = f"{lost} ({losses or 'not written in time'})" if demo.keeps and lost else "none"
    lines += [
        f"  sessions  {_sessions(file) if demo.keeps else 'this one, not kept'}",
        f"  runs      {account.executed}, of which {kept} kept",
        f"  failures  {failed}{worst}",
        f"  losses    {loss}",
        f"  page      {f'was at {demo.page_url}' if demo.page_url else 'none'}",
    ]
    lines += [f"  degraded  {part.name}: {part.detail}" for part in demo.degraded]
    if not demo.keeps:
        lines.append('  history   nothing is kept without a store:  pip install "hassette-core[telemetry]"')
    elif account.persisted:
        lines += [
            f"  history   {file}",
            "",
            f"Look at it with:  {_hassette()} telemetry sessions --db {file}",
            f"                  {_hassette()} telemetry errors --db {file}",
        ]
    return "\n".join(lines)


def _hassette() -> str:
    """Return what one has to type here: in an environment that is not activated the command has only its path."""
    called = Path(sys.argv[0])
    return str(called) if called.name == "hassette" and shutil.which("hassette") is None else "hassette"


def _sessions(file: Path) -> str:
    """Count the sessions in the history, as ``hassette telemetry sessions`` tells them to any program."""
    point = installed.commands().get("telemetry")
    asked = ["sessions", "--db", str(file), "--json", "--limit", str(MOST_SESSIONS)]
    told = io.StringIO()
    try:
        with redirect_stdout(told):
            code = point.load()(asked) if point is not None else 1
        page: dict[str, Any] = {"sessions": []} if code else json.loads(told.getvalue())
        states: Counter[str] = Counter(session["state"] for session in page["sessions"])
        more = " or more" if page.get("next_cursor") else ""
    except Exception:  # noqa: BLE001  a plugin's command: whatever it does, the rest of the summary is worth having
        return "this one"
    words = ", ".join(f"{count} {state}" for state, count in states.items())
    return f"{states.total()}{more} in the history ({words})" if states else "this one"
