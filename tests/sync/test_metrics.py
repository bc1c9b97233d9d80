"""Figures for Prometheus."""

import asyncio
import shutil
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from hassette_sync import MemoryFeed
from hassette_sync.live import MemoryAccounting, MemorySnapshot
from hassette_sync.settings import WebSettings
from support.patient_data import patient_data
from support.web_clients import app_client

pytest.importorskip("fastapi")
from prometheus_client.parser import text_string_to_metric_families

TOKEN = "a-secret-of-many-letters"
PROMTOOL = shutil.which("promtool")
OPEN_METRICS = {"accept": "application/openmetrics-text; version=1.0.0"}


class ServiceState(NamedTuple):
    name: str
    status: str
    detail: str


def busy_feed() -> MemoryFeed:
    feed = MemoryFeed()
    feed.state = MemorySnapshot(
        ready=True,
        connection="connected",
        services=[ServiceState("bus", "running", ""), ServiceState('odd "name"\n\\', "failed", "")],
        accounting=MemoryAccounting(executed=10, persisted=7, waiting=1, shed={"queue_full_count": 2}),
    )
    return feed


async def scrape(path: Path, feed: MemoryFeed | None = None, **headers: str) -> httpx.Response:
    async with patient_data(path, feed) if feed else patient_data(path) as data, app_client(data) as client:
        return await client.get("/metrics", headers=headers)


def values(answer: httpx.Response) -> dict[str, float]:
    families = text_string_to_metric_families(answer.text)
    return {
        sample.name + "".join(f"[{value}]" for value in sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
    }


async def test_metrics_have_the_state_of_the_framework_and_of_the_history(plausible: Path) -> None:
    found = values(await scrape(plausible, busy_feed()))
    assert found["hassette_ready"] == found["hassette_home_assistant_connected"] == 1
    assert found["hassette_service_running[bus]"] == 1
    assert found['hassette_service_running[odd "name"\n\\]'] == 0
    assert found["hassette_runs_executed_total"] == 10
    assert found["hassette_runs_stored_total"] == 7
    assert found["hassette_runs_without_row_total[queue_full_count]"] == 2
    assert found["hassette_history_readable"] == found["hassette_session_open"] == 1
    assert found["hassette_history_size_bytes"] > 0
    assert found["hassette_session_runs_total"] >= found["hassette_session_failures_total"]


async def test_metrics_outside_the_framework_are_those_of_the_history(plausible: Path) -> None:
    found = values(await scrape(plausible))
    assert "hassette_ready" not in found
    assert found["hassette_history_readable"] == 1


async def test_metrics_are_available_without_a_history(tmp_path: Path) -> None:
    answer = await scrape(tmp_path / "hassette.db", busy_feed())
    assert answer.status_code == 200
    assert values(answer)["hassette_history_readable"] == 0
    assert values(answer)["hassette_ready"] == 1


async def test_names_of_apps_and_entities_are_no_labels(plausible: Path) -> None:
    text = (await scrape(plausible, busy_feed())).text
    assert "motion" not in text
    assert len(text.splitlines()) < 100


@pytest.mark.parametrize(
    ("accept", "kind"), [("", "text/plain"), (OPEN_METRICS["accept"], "application/openmetrics-text")]
)
async def test_client_chooses_the_format(plausible: Path, accept: str, kind: str) -> None:
    answer = await scrape(plausible, accept=accept)
    assert answer.headers["content-type"].startswith(kind)
    assert answer.text.endswith("# EOF\n") is kind.startswith("application/")


async def test_metrics_need_the_token_as_a_bearer(plausible: Path) -> None:
    async with patient_data(plausible) as data, app_client(data, WebSettings(token=TOKEN)) as client:
        refused = await client.get("/metrics")
        assert (refused.status_code, refused.headers["content-type"]) == (401, "application/problem+json")
        assert (await client.get("/metrics", headers={"authorization": f"Bearer {TOKEN}"})).status_code == 200


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed (apt install prometheus)")
async def test_promtool_accepts_the_metrics(plausible: Path) -> None:
    assert PROMTOOL is not None
    text = (await scrape(plausible, busy_feed())).content
    pipe = asyncio.subprocess.PIPE
    tool = await asyncio.create_subprocess_exec(PROMTOOL, "check", "metrics", stdin=pipe, stdout=pipe, stderr=pipe)
    output = b"".join(await tool.communicate(text))
    assert (tool.returncode, output) == (0, b"")
