"""The store is never load-bearing: down at the start, automations run; back again, nothing is lost."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from hassette_core import Hassette, HassetteConfig, SimulatedHome, load_config
from hassette_core.lifecycle import ServiceStatus

pytestmark = pytest.mark.timeout(180)

DEADLINE_S = 90.0


def status_of(hassette: Hassette, name: str) -> ServiceStatus:
    return next(change.status for change in hassette.statuses if change.name == name)


async def until(condition: Any) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():  # noqa: ASYNC110  nobody tells of all that is asked about here
            await asyncio.sleep(0.02)


def config_for(house: Path, home: SimulatedHome, data_dir: Path) -> HassetteConfig:
    config = load_config(house)
    return config.model_copy(
        update={
            "hassette": config.hassette.model_copy(update={"data_dir": data_dir}),
            "home_assistant": config.home_assistant.model_copy(
                update={"url": home.url, "token": SecretStr(home.token)}
            ),
            "plugins": {"sync": {"port": 0}},
        }
    )


async def test_a_store_that_is_down_at_the_start_comes_back_and_nothing_is_lost(
    house: Path, tmp_path: Path, history: Any
) -> None:
    in_the_way = tmp_path / "data"
    in_the_way.write_text("a file where the directory should be", encoding="utf-8")
    async with SimulatedHome(speed=0) as home, Hassette(config_for(house, home, in_the_way)) as hassette:
        await until(lambda: hassette.apps.statuses[0].status == "running")
        assert status_of(hassette, "database") is ServiceStatus.DEGRADED
        for number in range(20):
            home.core.set("sensor.load_1", number)
        await until(lambda: hassette.executor.accounting().executed == 20)
        account = hassette.executor.accounting()
        assert (account.persisted, account.waiting, sum(account.shed.values())) == (0, 20, 0)
        in_the_way.unlink()
        await until(lambda: status_of(hassette, "database") is ServiceStatus.RUNNING)
        await until(lambda: hassette.executor.accounting().persisted == 20)
    assert len(history.run_ids()) == 20
    kinds = [row["kind"] for row in history.rows("SELECT kind FROM lifecycle_events ORDER BY id")]
    assert {"service_degraded", "service_restarted"} <= set(kinds)
    assert [session["outcome"] for session in history.sessions()] == ["clean"]


async def test_what_apps_do_is_there_for_the_page_while_it_happens(house: Path, tmp_path: Path) -> None:
    async with SimulatedHome(speed=0) as home, Hassette(config_for(house, home, tmp_path / "data")) as hassette:
        await until(lambda: hassette.apps.statuses[0].status == "running")
        async with hassette.live.subscribe(0) as rows:
            home.core.set("sensor.load_3", "7")
            async with asyncio.timeout(DEADLINE_S):
                (row,) = await anext(aiter(rows))
        assert (row.status, row.trigger.entity_id, row.trigger.new_state) == ("success", "sensor.load_3", "7")
        snapshot = hassette.live.snapshot()
        assert snapshot.ready
        assert snapshot.connection == "connected"
        assert {part.status for part in snapshot.services} == {ServiceStatus.RUNNING}
        assert snapshot.accounting.executed == 1
