"""No statement about causes, logs, events or not-runs scans a large table, as the query plan of SQLite shows."""

import re
import sqlite3
from pathlib import Path

import pytest

from hassette_store.file.owner_note import add_heartbeat_function
from hassette_store.kinds import KINDS
from hassette_store.search_form import SQL_FUNCTION, search_form
from hassette_sync.queries import causes, changes, comparison, events, logs, noise, not_runs, versions, why_not

LARGE = (
    *("handler_invocations", "job_executions", "failures", "service_calls", "log_lines", "lifecycle_events"),
    *("home_changes", "home_causes", "framework_log"),
)
TEXTS = {"entity", "context_id", "text", "service", "name", "part", "reason", "kind", "key", "app"}
LISTS = {"prefixes", "routine", "registrations", "of_app", "subjects", "kinds", "groups"}
STATEMENTS = {
    **{
        f"{module.__name__} {name}": make([name])
        for module, make in ((logs, logs.logs_sql), (events, events.events_sql), (not_runs, not_runs.not_runs_sql))
        for name in module.CONDITIONS
    },
    **{
        f"{module.__name__} {name}": value
        for module in (causes, changes, comparison, logs, noise, versions, why_not)
        for name, value in vars(module).items()
        if name.isupper() and not name.startswith("_") and str(value).lstrip().startswith(("SELECT", "WITH"))
    },
}


class Parameters(dict[str, object]):
    """A value for each parameter, of the right type."""

    def __missing__(self, name: str) -> object:
        return "x" if name in TEXTS else "[]" if name in LISTS else 1


def _plan(path: Path, statement: str) -> list[str]:
    db = sqlite3.connect(path)
    db.create_function(SQL_FUNCTION, 1, search_form, deterministic=True)
    add_heartbeat_function(db, path)
    try:
        return [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {statement}", Parameters())]
    finally:
        db.close()


@pytest.mark.parametrize("name", STATEMENTS)
def test_statement_scans_no_large_table(plausible: Path, name: str) -> None:
    plan = _plan(plausible, STATEMENTS[name])

    assert [step for step in plan if step.startswith("SCAN") and step.split()[1] in LARGE] == [], plan


# SQLite calls a walk along a range of the primary key a search.
WALK = re.compile(rf"SEARCH ({'|'.join(kind.runs_table for kind in KINDS)}) USING INTEGER PRIMARY KEY \(rowid[<>].*")
BOUNDED_WALKS = (
    *(f"{causes.__name__} {name}" for name in ("RUNS_OF_ENTITY", "RUNS_OF_CONTEXT", "LAST_TRIGGERS")),
    f"{changes.__name__} TRIGGERING_CHANGES",
)
"""These read each run in a range, up to ``:examined`` runs."""


@pytest.mark.parametrize("name", [name for name in STATEMENTS if name not in BOUNDED_WALKS])
def test_statement_does_not_walk_along_the_runs(plausible: Path, name: str) -> None:
    plan = _plan(plausible, STATEMENTS[name])

    assert [step for step in plan if WALK.match(step)] == [], plan


@pytest.mark.parametrize("name", BOUNDED_WALKS)
def test_statement_walks_along_a_limited_number_of_runs(plausible: Path, name: str) -> None:
    plan = _plan(plausible, STATEMENTS[name])

    assert any(WALK.match(step) for step in plan), "no walk: remove the name from BOUNDED_WALKS"
    assert "ORDER BY id DESC LIMIT :examined" in STATEMENTS[name]


def test_triggers_without_a_run_are_sorted_by_their_ids_only(plausible: Path) -> None:
    plan = _plan(plausible, not_runs.not_runs_sql([]))

    # The whole rows are looked up afterwards, only for the page.
    assert "SEARCH not_runs USING INTEGER PRIMARY KEY (rowid=?)" in plan, plan


@pytest.mark.parametrize("statement", [noise.SAMPLES, noise.ALL, comparison.NEWEST_OF_EACH, comparison.LAST_RUNS])
def test_ids_of_the_newest_runs_are_read_without_the_rows_of_the_runs(plausible: Path, statement: str) -> None:
    searches = [step for step in _plan(plausible, statement) if re.match("SEARCH (handler_inv|job_exec|runs)", step)]

    assert len(searches) >= 2
    assert [step for step in searches if "USING COVERING INDEX" not in step] == []


def test_service_calls_of_home_assistant_are_read_without_the_runs_of_its_automations(plausible: Path) -> None:
    plan = _plan(plausible, causes.CALLS_BY_HOME)

    assert any("home_causes_service_calls" in step for step in plan), plan
