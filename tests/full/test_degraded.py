"""Automations run without the store. When the store comes back, no record is lost."""

import asyncio
import json
from pathlib import Path

import pytest
from pydantic import SecretStr

from hassette_core import Hassette, HassetteConfig, SimulatedHome, load_config
from hassette_core.lifecycle import ServiceStatus
from hassette_sync import AskedTime, DataSyncService
from support.history_file import HistoryFile
from support.unusable_files import make_newer, make_usable
from support.waiting import eventually, patience

pytestmark = [pytest.mark.timeout(180), pytest.mark.heavy]

LIMIT_S = 60


def status_of(hassette: Hassette, name: str) -> ServiceStatus:
    return next(change.status for change in hassette.statuses if change.name == name)


def config_for(config_file: Path, home: SimulatedHome, data_dir: Path) -> HassetteConfig:
    config = load_config(config_file)
    return config.model_copy(
        update={
            "hassette": config.hassette.model_copy(update={"data_dir": data_dir}),
            "home_assistant": config.home_assistant.model_copy(
                update={"url": home.url, "token": SecretStr(home.token)}
            ),
            "plugins": {"sync": {"port": 0}},
        }
    )


async def test_store_that_cannot_start_at_first_receives_every_record_later(
    config_file: Path, tmp_path: Path, history: HistoryFile
) -> None:
    obstacle = tmp_path / "data"
    obstacle.write_text("a file where the directory should be", encoding="utf-8")
    async with SimulatedHome(speed=0) as home, Hassette(config_for(config_file, home, obstacle)) as hassette:
        await eventually(lambda: hassette.apps.statuses[0].status == "running", LIMIT_S)
        assert status_of(hassette, "database") is ServiceStatus.DEGRADED
        for number in range(20):
            home.core.set("sensor.load_1", number)
        await eventually(lambda: hassette.executor.accounting().executed == 20, LIMIT_S)
        account = hassette.executor.accounting()
        assert (account.persisted, account.waiting, sum(account.shed.values())) == (0, 20, 0)
        obstacle.unlink()
        await eventually(lambda: status_of(hassette, "database") is ServiceStatus.RUNNING, LIMIT_S)
        await eventually(lambda: hassette.executor.accounting().persisted == 20, LIMIT_S)
    assert len(history.run_ids()) == 20
    kinds = [row["kind"] for row in history.rows("SELECT kind FROM lifecycle_events ORDER BY id")]
    assert {"service_degraded", "service_restarted"} <= set(kinds)
    assert [session["outcome"] for session in history.sessions()] == ["clean"]


async def change_and_wait(hassette: Hassette, home: SimulatedHome, numbers: range) -> None:
    for number in numbers:
        home.core.set("sensor.load_1", number)
    await eventually(lambda: hassette.executor.accounting().executed == numbers.stop, LIMIT_S)
    await eventually(lambda: hassette.executor.accounting().waiting == 0, LIMIT_S)


async def test_history_that_is_removed_while_running_is_begun_again_and_the_loss_is_counted(
    config_file: Path, tmp_path: Path, history: HistoryFile
) -> None:
    data_dir = tmp_path / "data"
    async with SimulatedHome(speed=0) as home, Hassette(config_for(config_file, home, data_dir)) as hassette:
        await eventually(lambda: hassette.apps.statuses[0].status == "running", LIMIT_S)
        await change_and_wait(hassette, home, range(20))
        assert hassette.executor.accounting().persisted == 20
        (before,) = history.sessions()
        names, deploys = history.rows("SELECT * FROM home_names"), history.rows("SELECT app, version FROM deploys")
        for file in data_dir.glob("hassette.db*"):
            file.unlink()
        # No run is written now, so the heartbeat must notice the change.
        await eventually(lambda: hassette.executor.accounting().persisted == 0, LIMIT_S)
        assert dict(hassette.executor.accounting().shed) == {"file_lost": 20}
        await eventually(lambda: len(history.sessions()) == 1, LIMIT_S)
        await eventually(lambda: status_of(hassette, "database") is ServiceStatus.RUNNING, LIMIT_S)
        await change_and_wait(hassette, home, range(20, 30))
        account = hassette.executor.accounting()
        assert (account.executed, account.persisted, dict(account.shed)) == (30, 10, {"file_lost": 20})
        async with DataSyncService(data_dir / "hassette.db", live=hassette.live) as sync:
            overview = await sync.overview()
            assert overview.lost == 20
            assert any(
                "was removed or moved away; lost runs of this session: 20" in one for one in overview.status.notices
            )
            (loss,) = (await sync.losses()).losses
            assert (loss.reason, loss.what, loss.count) == ("file_lost", "runs", 20)
            session = overview.status.session
            assert session is not None
            assert session.started_us == before["started_us"], "the uptime is that of the process"
            known = json.loads(before["facts"])
            assert {"user", "connected", "home_assistant", "time_zone"} <= known.keys()
            assert {**session.facts, **known, "file": ""} == {**session.facts, "file": ""}
            why = await sync.why(entity="sensor.load_1", at=AskedTime.moment(before["started_us"] + 1))
            assert any(one.startswith("The history before ") for one in why.missing), why.missing
            assert not any("not running" in one for one in why.missing)
    assert (names, deploys) != ([], [])
    assert history.rows("SELECT * FROM home_names") == names
    assert history.rows("SELECT app, version FROM deploys") == deploys
    assert len(history.run_ids()) == 10
    assert {"database_replaced", "service_crashed", "service_restarted"} <= {
        row["kind"] for row in history.rows("SELECT kind FROM lifecycle_events")
    }
    assert [row["name"] for row in history.rows("SELECT name FROM listeners WHERE retired_us IS NULL")] != []
    assert [session["outcome"] for session in history.sessions()] == ["clean"]


async def test_newer_history_is_unchanged_and_no_run_of_the_process_is_lost(
    config_file: Path, tmp_path: Path, history: HistoryFile
) -> None:
    data_dir = tmp_path / "data"
    async with SimulatedHome(speed=0) as home:
        async with Hassette(config_for(config_file, home, data_dir)) as hassette:
            await eventually(lambda: hassette.apps.statuses[0].status == "running", LIMIT_S)
            await change_and_wait(hassette, home, range(10))
        make_newer(history.file)
        before = history.file.read_bytes()
        async with Hassette(config_for(config_file, home, data_dir)) as hassette:
            await eventually(lambda: status_of(hassette, "database") is ServiceStatus.DEGRADED, LIMIT_S)
            detail = next(report.detail for report in hassette.statuses if report.name == "database")
            assert "schema revision 9999" in detail
            assert "new runs are recorded in hassette-degraded-" in detail
            await eventually(lambda: hassette.apps.statuses[0].status == "running", LIMIT_S)
            await change_and_wait(hassette, home, range(17))
            assert hassette.executor.accounting().persisted == 17
        assert history.file.read_bytes() == before
        make_usable(history.file)
        async with Hassette(config_for(config_file, home, data_dir)) as hassette:
            await eventually(lambda: status_of(hassette, "database") is ServiceStatus.RUNNING, LIMIT_S)
    assert len(history.run_ids()) == 27
    assert [session["outcome"] for session in history.sessions()] == ["clean", "clean", "clean"]


async def test_live_feed_shows_a_run_at_once(config_file: Path, tmp_path: Path) -> None:
    async with SimulatedHome(speed=0) as home, Hassette(config_for(config_file, home, tmp_path / "data")) as hassette:
        await eventually(lambda: hassette.apps.statuses[0].status == "running", LIMIT_S)
        async with hassette.live.subscribe(0) as rows:
            home.core.set("sensor.load_3", "7")
            async with asyncio.timeout(patience(LIMIT_S)):
                (row,) = await anext(aiter(rows))
        assert (row.status, row.trigger.entity_id, row.trigger.new_state) == ("success", "sensor.load_3", "7")
        snapshot = hassette.live.snapshot()
        assert snapshot.ready
        assert snapshot.connection == "connected"
        assert {part.status for part in snapshot.services} == {ServiceStatus.RUNNING}
        assert snapshot.accounting.executed == 1
