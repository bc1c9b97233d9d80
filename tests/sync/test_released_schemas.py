"""Every question can be answered from a history of every released schema, without an upgrade of the file."""

import inspect
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from hassette_sync import DataSyncService, TimeRange
from support.released import RELEASED, create_as_released
from support.rows import T0_US

HOUR_US = 3_600_000_000
QUESTIONS = [
    name
    for name, method in vars(DataSyncService).items()
    if not name.startswith("_") and inspect.iscoroutinefunction(method) and name not in ("act", "close")
]
ID_OF = {
    "registration_id": "SELECT id FROM listeners",
    "run_id": "SELECT run_id FROM failures",
    "session_id": "SELECT id FROM sessions",
    "group_id": "SELECT id FROM error_groups",
    "of": "SELECT app FROM listeners",
    "entity": "SELECT 'light.hall'",
    "words": "SELECT 'why did light.hall turn on?'",
}


def value_of(path: Path, query: str) -> Any:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        return db.execute(query).fetchone()[0]


async def deployed_app(data: DataSyncService) -> str:
    return (await data.versions()).versions[0].app


@pytest.mark.parametrize("script", RELEASED, ids=lambda script: script.stem)
@pytest.mark.parametrize("name", QUESTIONS)
async def test_question_reads_a_history_of_each_released_schema(tmp_path: Path, script: Path, name: str) -> None:
    path = tmp_path / "hassette.db"
    create_as_released(script, path)
    before = path.read_bytes()
    async with DataSyncService(path) as data:
        method = getattr(data, name)
        parameters = inspect.signature(method).parameters
        needed: dict[str, Any] = {one: value_of(path, ID_OF[one]) for one in parameters if one in ID_OF}
        ranged = {"time_range": TimeRange(T0_US - HOUR_US, T0_US + HOUR_US)} if "time_range" in parameters else {}
        if "groups" in parameters:
            needed["groups"] = (await data.error_groups(ranged["time_range"])).groups
        if name == "app":
            needed["app"] = await deployed_app(data)
        if name == "registration_named":
            needed["of"] = value_of(path, "SELECT app || '.' || instance || '.' || name FROM listeners")
        if name == "asked_time":
            needed["text"] = "03:12 to sunset"
        answer = await method(**needed, **ranged)
    assert (answer is None) == (name == "check_readable")
    assert path.read_bytes() == before


@pytest.mark.parametrize("script", RELEASED, ids=lambda script: script.stem)
async def test_runs_of_each_released_schema_are_shown_with_their_details(tmp_path: Path, script: Path) -> None:
    path = tmp_path / "hassette.db"
    create_as_released(script, path)
    async with DataSyncService(path) as data:
        page = await data.runs(time_range=TimeRange(T0_US - HOUR_US, T0_US + HOUR_US), limit=500)
        details = [await data.run(run.id) for run in page.runs]
        status = await data.status()
    assert len(page.runs) == value_of(path, "SELECT count(*) FROM runs")
    assert any(one.log_lines and one.service_calls for one in details)
    assert any(one.failure_kind for one in details)
    assert status.schema_revision == script.stem
