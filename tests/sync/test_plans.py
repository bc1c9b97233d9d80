"""No statement scans a large table, as the query plan of SQLite shows."""

import re
import sqlite3
from dataclasses import fields
from pathlib import Path

import pytest

from hassette_store.file.owner_note import add_heartbeat_function
from hassette_store.kinds import HANDLER, JOB, KINDS
from hassette_store.search_form import SQL_FUNCTION, search_form
from hassette_sync.queries import (
    errors,
    failing,
    household,
    registrations,
    run_search,
    runs,
    search_index,
    sessions,
    silences,
    statistics,
    timeline,
    trends,
    waterfall,
)
from hassette_sync.queries.statistics import DAILY, HOURLY

pytestmark = pytest.mark.heavy

LARGE = (
    "handler_invocations",
    "job_executions",
    "failures",
    "service_calls",
    "log_lines",
    "lifecycle_events",
    "counted_hourly",
    "skips_hourly",
    "counted_daily",
    "skips_daily",
    "search_minutes",
    "search_hours",
)
PARAMETERS = {
    "id": 1,
    "ids": "[1]",
    "ids_per_point": 60_000 << 21,
    "cursor": 2**62,
    "below": 2**62,
    "names": "[1]",
    "entities": "[1]",
    "own_message": 0,
    "first_id": 1,
    "end_id": 2**62,
    "limit": 51,
    "after": 1,
    "registration_id": 1,
    "registrations": "[1]",
    "disabled": "[1]",
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
    "examined": 1,
    "app": None,
    "first": 1,
    "last": 2,
    "period": 1,
    "since_us": 1,
    "until_us": 2,
    "as_of": 2**62,
    "last_seen_us": 1,
    "groups": "[1]",
    "parts": "[[1, 2]]",
    "silenced": "[1]",
    "apps": "[]",
    "left_out": "[]",
    "newest": 20,
    "at_us": 1,
    "ranges": "[[1, 2]]",
    "terms": "[1]",
    "places": "[[1, 1]]",
    "hours": "[1]",
    "term0": 1,
    "term1": 2,
    "term2": 3,
}
# A walk along the primary key is bounded only if most runs on its way meet the conditions.
DENSE: tuple[list[str], ...] = ([], ["success"], ["session"])
SEARCHES = {
    **{
        f"newest {kind.name} {names}": run_search.newest_sql(kind, names)
        for kind in KINDS
        for names in (*DENSE, ["statuses"], ["statuses", "session"])
    },
    **{
        f"{each.__name__} {kind.name} {names}": each(kind, names)
        for each in (run_search.of_registration_sql, run_search.newest_of_each_sql)
        for kind in KINDS
        for names in (*DENSE, ["statuses"], ["min_duration"])
    },
    "failures of a group": run_search.failures_sql(KINDS, ["registrations"], run_search.OF_GROUP),
    "failures with the message of a group": run_search.failures_sql(KINDS, [], run_search.WITH_MESSAGE_OF_GROUP),
}
OTHERS = {
    name: value
    for module in (
        runs,
        run_search,
        registrations,
        errors,
        failing,
        household,
        timeline,
        trends,
        sessions,
        silences,
        statistics,
        waterfall,
    )
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
    add_heartbeat_function(db, path)
    try:
        return [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {statement}", PARAMETERS)]
    finally:
        db.close()


STATEMENTS = {**SEARCHES, **OTHERS, **STATISTICS}
RUN_TABLES = "|".join(kind.runs_table for kind in KINDS)
# SQLite calls a walk along a range of the primary key a search.
WALK = re.compile(rf"SEARCH ({RUN_TABLES}|run)\b.* USING INTEGER PRIMARY KEY \(rowid[<>].*")


@pytest.mark.parametrize("name", [name for name in STATEMENTS if name != "ROW_OF_EACH_TABLE"])  # it stops at one row
def test_statement_scans_no_large_table(plausible: Path, name: str) -> None:
    plan = _plan(plausible, STATEMENTS[name])
    scans = [step for step in plan if step.startswith("SCAN") and step.split()[1] in (*LARGE, "run")]
    assert scans == [], plan


# These statements stop at their limit, or at the first row, and every row on their way counts. For BY_POINT, the
# statistics first show that the range has few runs.
BOUNDED = ("RUNS_AFTER", "NEWEST_ID", "BY_POINT")


@pytest.mark.parametrize("name", [name for name in STATEMENTS if name not in BOUNDED])
def test_statement_walks_along_the_primary_key_only_if_most_runs_meet_its_conditions(
    plausible: Path, name: str
) -> None:
    plan = _plan(plausible, STATEMENTS[name])
    walks = [step for step in plan if WALK.match(step)]
    if "uncounted_runs" in STATEMENTS[name]:
        # The view reads from the first uncounted id on. The store counts the rows when about 2,000 of them wait.
        walks = [step for step in walks if "(rowid>?)" not in step]
    assert walks == [] or any(name.startswith("newest ") and name.endswith(str(dense)) for dense in DENSE), plan


@pytest.mark.parametrize("name", [*SEARCHES, "FAILURES_BY_PART", "RECENT_COUNTS"])
def test_index_is_read_in_order_without_sorting(plausible: Path, name: str) -> None:
    assert not any("TEMP B-TREE" in step for step in _plan(plausible, STATEMENTS[name]))


@pytest.mark.parametrize(
    ("statement", "index"),
    [
        (run_search.newest_sql(HANDLER, ["statuses"]), "handler_invocations_unsuccessful"),
        (run_search.of_registration_sql(HANDLER, []), "handler_invocations_by_listener"),
        (run_search.of_registration_sql(JOB, ["statuses"]), "job_executions_unsuccessful_by_job"),
        (run_search.failures_sql(KINDS, [], run_search.OF_GROUP), "failures_by_group"),
    ],
)
def test_selective_filter_uses_its_index(plausible: Path, statement: str, index: str) -> None:
    assert any(index in step for step in _plan(plausible, statement))


# By the number of look-ups in the index or in a range of minutes that the plan must have.
THROUGH_INDEX = {
    "hours of any": (search_index.HOURS_OF_ANY, 1),
    "minutes of any": (search_index.MINUTES_OF_ANY, 1),
    **{f"hours of {count}": (search_index.hours_of_all_sql(count), count) for count in (1, 2, 3)},
    **{f"minutes of {count}": (search_index.minutes_of_all_sql(count), count) for count in (1, 2, 3)},
    **{
        f"runs {kind.name} {names}": (run_search.newest_in_ranges_sql(kind, names), 1)
        for kind in KINDS
        for names in ([], ["success"], ["statuses"], ["registrations"], ["session", "min_duration"])
    },
    "runs with an entity": (run_search.newest_in_ranges_sql(HANDLER, ["entities"]), 1),
    "runs with a state": (run_search.newest_in_ranges_sql(HANDLER, ["state", "statuses"]), 1),
    "runs with a name": (run_search.newest_in_ranges_sql(HANDLER, ["names", "statuses"]), 1),
    **{
        f"{find.__name__} {names}": (find(KINDS, names, in_ranges=True), 1)
        for find in (run_search.log_lines_sql, run_search.service_calls_sql)
        for names in ([], ["registrations"], ["statuses"])
    },
    "failures": (run_search.failures_sql(KINDS, [], run_search.WITH_TEXT, in_ranges=True), 1),
}
IN_MEMORY = ("span", "days", "wanted", "place", "CONSTANT", "json_each")
LOOK_UP = re.compile(
    r"SEARCH \w+ USING ((INTEGER )?PRIMARY KEY|(COVERING )?INDEX \w+_unsuccessful) "
    r"\(((rowid|id|run_id)>\? AND (rowid|id|run_id)<\?|(day|hour)=\? AND term=\?)\)"
)


@pytest.mark.parametrize("name", THROUGH_INDEX)
def test_search_through_the_index_reads_single_terms_and_ranges_of_minutes(plausible: Path, name: str) -> None:
    statement, look_ups = THROUGH_INDEX[name]
    plan = _plan(plausible, statement)
    tables = [step for step in plan if step.startswith(("SCAN", "SEARCH")) and step.split()[1] not in IN_MEMORY]
    first = [step for step in tables if LOOK_UP.fullmatch(step)]
    assert len(first) == look_ups, plan
    # The others are look-ups of the runs of the details that were found.
    others = [step for step in tables if step not in first]
    assert [step for step in others if not step.endswith("USING INTEGER PRIMARY KEY (rowid=?)")] == [], plan
