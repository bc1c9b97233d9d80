"""No statement scans a large table, as the query plan of SQLite shows."""

import sqlite3
from dataclasses import fields
from pathlib import Path

import pytest

from hassette_sync.queries import errors, failing, registrations, runs, sessions, statistics, waterfall
from hassette_sync.queries.statistics import DAILY, HOURLY
from hassette_sync.search import SQL_FUNCTION, search_form

LARGE = (
    "handler_invocations",
    "job_executions",
    "failures",
    "service_calls",
    "log_lines",
    "lifecycle_events",
    "statistics_hourly",
    "latency_hourly",
    "skips_hourly",
    "statistics_daily",
    "latency_daily",
    "skips_daily",
)
PARAMETERS = {
    "id": 1,
    "cursor": 2**62,
    "first_id": 1,
    "end_id": 2**62,
    "limit": 51,
    "after": 1,
    "registration_id": 1,
    "registrations": "[1]",
    "status_id": 1,
    "statuses": "[1]",
    "session_id": 1,
    "min_duration_us": 1,
    "max_duration_us": 1,
    "kind": "handler",
    "entity": "light.hall",
    "error_group_id": 1,
    "text": "x",
    "context_id": "c",
    "contexts": "[]",
    "ids": "[1]",
    "app": None,
    "first": 1,
    "last": 2,
    "since_us": 1,
    "until_us": 2,
    "as_of": 2**62,
    "last_seen_us": 1,
    "below": 2,
}
PAGES = {name: runs.runs_sql([name]) for name in runs.CONDITIONS}
OTHERS = {
    name: value
    for module in (runs, registrations, errors, failing, sessions, statistics, waterfall)
    for name, value in vars(module).items()
    if name.isupper() and not name.startswith("_") and str(value).lstrip().startswith(("SELECT", "WITH"))
}
STATISTICS = {
    f"{unit} {name}": getattr(statements, name)
    for unit, statements in (("hourly", HOURLY), ("daily", DAILY))
    for name in [field.name for field in fields(HOURLY)]
}


def _plan(path: Path, statement: str) -> list[str]:
    db = sqlite3.connect(path)
    db.create_function(SQL_FUNCTION, 1, search_form, deterministic=True)
    try:
        return [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {statement}", PARAMETERS)]
    finally:
        db.close()


@pytest.mark.parametrize("name", [*PAGES, "no filter", *OTHERS, *STATISTICS])
def test_statement_scans_no_large_table(plausible: Path, name: str) -> None:
    statement = {**PAGES, "no filter": runs.runs_sql([]), **OTHERS, **STATISTICS}[name]
    plan = _plan(plausible, statement)
    scans = [step for step in plan if step.startswith("SCAN") and step.split()[1] in LARGE]
    assert scans == [], plan


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("registration", "handler_invocations_by_listener"),
        ("status", "handler_invocations_unsuccessful"),
    ],
)
def test_selective_filter_uses_its_index(plausible: Path, name: str, index: str) -> None:
    assert any(index in step for step in _plan(plausible, PAGES[name]))


@pytest.mark.parametrize("name", ["no filter", "registration", "status", "success", "session", "kind"])
def test_page_is_read_in_order_without_sorting(plausible: Path, name: str) -> None:
    # The inner statement must read the keys in order. SQLite may sort only the 51 rows of the page at the end.
    inner = {**PAGES, "no filter": runs.runs_sql([])}[name].split("FROM (", 1)[1].split(") AS page")[0]
    assert not any("TEMP B-TREE" in step for step in _plan(plausible, inner))
