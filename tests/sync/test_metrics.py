"""Figures for Prometheus."""

import asyncio
import contextlib
import shutil
import socket
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from hassette_sync import MemoryFeed
from hassette_sync.live import MemoryAccounting, MemorySnapshot
from hassette_sync.plugin import create_web_service
from hassette_sync.settings import WebSettings
from support.patient_data import patient_data
from support.waiting import patience
from support.web_clients import app_client, http_client

pytest.importorskip("fastapi")
from prometheus_client.parser import text_string_to_metric_families

TOKEN = "a-secret-of-many-letters"
PROMTOOL, PROMETHEUS = shutil.which("promtool"), shutil.which("prometheus")
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


@pytest.mark.skipif(PROMETHEUS is None, reason="Prometheus is not installed (apt install prometheus)")
async def test_prometheus_reads_the_metrics_with_the_token(plausible: Path, tmp_path: Path) -> None:
    assert PROMETHEUS is not None
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        own = f"127.0.0.1:{probe.getsockname()[1]}"
    async with (
        create_web_service(patient_data(plausible, busy_feed()), WebSettings(token=TOKEN, port=0)) as service,
        http_client() as client,
    ):
        target = str(service.url).removeprefix("http://").removesuffix("/")
        (tmp_path / "prometheus.yml").write_text(
            "scrape_configs:\n- job_name: hassette\n  scrape_interval: 1s\n"
            f"  authorization: {{credentials: {TOKEN}}}\n  static_configs: [{{targets: ['{target}']}}]\n"
        )
        options = (f"--web.listen-address={own}", f"--storage.tsdb.path={tmp_path}/data")
        process = await asyncio.create_subprocess_exec(
            PROMETHEUS, f"--config.file={tmp_path}/prometheus.yml", *options, stderr=asyncio.subprocess.DEVNULL
        )

        async def executed() -> str | None:
            with contextlib.suppress(httpx.TransportError):  # Prometheus may not listen yet
                answer = await client.get(f"http://{own}/api/v1/query?query=hassette_runs_executed_total")
                if answer.status_code == 200 and (found := answer.json()["data"]["result"]):
                    return found[0]["value"][1]
            return None

        try:
            value = None
            for _ in range(int(patience(150))):
                if (value := await executed()) is not None:
                    break
                await asyncio.sleep(0.2)
            assert value == "10"
        finally:
            process.terminate()
            await process.wait()
