"""Errors of the API: all have the shape of RFC 9457."""

import logging
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import pytest

from hassette_sync import DataSyncService, TimeRange
from hassette_sync.answers.overview import Overview, SystemStatus
from hassette_sync.control import MemoryControl
from hassette_sync.live import MemoryFeed, MemorySnapshot
from hassette_sync.settings import WebSettings
from support.patient_data import patient_data
from support.web_clients import app_client

pytest.importorskip("fastapi")
TOKEN = "a-secret-of-many-letters"


class FailingService(DataSyncService):
    """Has an error in one of its answers."""

    async def status(self) -> SystemStatus:
        raise ZeroDivisionError("secret of the code")

    async def overview(self, time_range: TimeRange | None = None) -> Overview:
        raise ZeroDivisionError("secret of the code")


def assert_is_problem(answer: Any, status: int, kind: str) -> str:
    """Return the sentence of a problem after checks of its other members."""
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert (answer.status_code, body["status"], body["type"]) == (status, status, f"urn:hassette:problem:{kind}")
    assert body["title"]
    assert body["detail"].endswith((".", "?"))
    assert answer.headers["x-content-type-options"] == "nosniff"
    return body["detail"]


@pytest.mark.parametrize(
    ("method", "path", "headers", "status", "kind"),
    [
        ("GET", "/api/v1/status", {"authorization": ""}, 401, "unauthorized"),
        ("GET", "/api/v1/runs/1", {}, 404, "not_found"),
        ("GET", "/api/v1/nothing", {}, 404, "not_found"),
        ("GET", "/api/status", {}, 404, "not_found"),
        ("GET", "/api", {}, 404, "not_found"),
        ("GET", "/static/nothing.js", {}, 404, "not_found"),
        ("GET", "/elsewhere/api/v1/status", {"authorization": ""}, 404, "not_found"),
        ("POST", "/api/v1/status", {}, 405, "method_not_allowed"),
        ("DELETE", "/api/v1/runs/1", {}, 405, "method_not_allowed"),
        ("TRACE", "/health/live", {}, 405, "method_not_allowed"),
        ("GET", "/api/v1/status", {"host": "evil.example"}, 421, "misdirected_request"),
        ("GET", "/api/v1/live", {}, 426, "upgrade_required"),
        ("GET", "/api/v1/runs?limit=0", {}, 400, "bad_question"),
        ("GET", "/api/v1/runs?cursor=x", {}, 400, "bad_question"),
    ],
)
async def test_every_error_of_the_api_is_a_problem(
    data: DataSyncService, method: str, path: str, headers: dict[str, str], status: int, kind: str
) -> None:
    async with app_client(data, WebSettings(token=TOKEN)) as client:
        answer = await client.request(method, path, headers={"authorization": f"Bearer {TOKEN}", **headers})
    assert_is_problem(answer, status, kind)


@pytest.mark.parametrize("path", ["/api/v1/status", "/health/ready"])
async def test_missing_history_is_a_problem_that_asks_to_come_back(tmp_path: Path, path: str) -> None:
    async with patient_data(tmp_path / "hassette.db") as data, app_client(data) as client:
        answer = await client.get(path)
    assert "There is no history at" in assert_is_problem(answer, 503, "database_missing")
    assert answer.headers["retry-after"] == "5"


async def test_readiness_of_a_history_does_not_ask_for_the_overview(plausible: Path) -> None:
    async with FailingService(plausible) as data, app_client(data) as client:
        answer = await client.get("/health/ready")
    assert (answer.status_code, answer.json()) == (200, {"ready": True})


async def test_framework_that_is_not_ready_is_a_problem_with_the_state_of_its_connection(plausible: Path) -> None:
    feed = MemoryFeed()
    feed.state = MemorySnapshot(ready=False, connection="reconnecting")
    async with patient_data(plausible, feed) as data, app_client(data) as client:
        sentence = assert_is_problem(await client.get("/health/ready"), 503, "not_ready")
    assert "reconnecting" in sentence


async def test_error_in_the_code_is_a_problem_and_is_logged(plausible: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with FailingService(plausible) as data, app_client(data) as client:
        with caplog.at_level(logging.ERROR):
            answer = await client.get("/api/v1/status")
    sentence = assert_is_problem(answer, 500, "internal_server_error")
    assert "secret of the code" not in sentence
    (record,) = [record for record in caplog.records if "error in Hassette" in record.message]
    assert record.exc_info is not None
    assert record.exc_info[0] is ZeroDivisionError


async def test_each_invalid_parameter_is_named(data: DataSyncService) -> None:
    async with app_client(data) as client:
        body = (await client.get("/api/v1/registrations?limit=0&retired=perhaps")).json()
    assert {one["parameter"] for one in body["invalid_parameters"]} == {"limit", "retired"}
    assert all(one["detail"].endswith(".") for one in body["invalid_parameters"])


@pytest.mark.parametrize(
    ("address", "parameter", "hint"),
    [
        ("/api/v1/runs?sicne=7d", "sicne", "Did you mean since?"),
        ("/api/v1/why?entity=light.hall&entty=light.hall", "entty", "Did you mean entity?"),
        ("/api/v1/compare?since=7d&x=", "x", "The parameters here: against,"),
        ("/api/v1/status?since=7d", "since", "The parameters here: none."),
        ("/api/v1/logs?level=error&level=info", "level", "one value, and got several."),
        ("/api/v1/why?entity=light.hall&entity=light.porch", "entity", "one value, and got several."),
    ],
)
async def test_unknown_or_repeated_parameter_is_named(
    data: DataSyncService, address: str, parameter: str, hint: str
) -> None:
    async with app_client(data) as client:
        answer = await client.get(address)
    sentence = assert_is_problem(answer, 400, "bad_question")
    assert hint in sentence
    assert [one["parameter"] for one in answer.json()["invalid_parameters"]] == [parameter]


async def test_at_most_ten_invalid_parameters_are_named(plausible: Path) -> None:
    names = [f"name{number}" for number in range(500)]
    data = DataSyncService(plausible, MemoryFeed(), MemoryControl({"motion_light": []}))
    async with data, app_client(data, WebSettings(control_without_token=True)) as client:
        for answer in (
            await client.get("/api/v1/runs", params=dict.fromkeys(names, "1")),
            await client.post("/api/v1/jobs/run", json={"job": "a.b", **dict.fromkeys(names, 1)}),
        ):
            assert_is_problem(answer, 400, "bad_question")
            assert [one["parameter"] for one in answer.json()["invalid_parameters"]] == names[:10]


async def test_unknown_parameter_of_a_control_changes_nothing(plausible: Path) -> None:
    control = MemoryControl({"motion_light": []})
    data = DataSyncService(plausible, MemoryFeed(), control)
    async with data, app_client(data, WebSettings(control_without_token=True)) as client:
        answer = await client.post("/api/v1/apps/motion_light/disable?at=08:00")
    assert_is_problem(answer, 400, "bad_question")
    assert control.apps()[0].enabled


async def test_error_of_the_api_names_the_allowed_method(data: DataSyncService) -> None:
    async with app_client(data) as client:
        answer = await client.put("/api/v1/runs")
    assert answer.headers["allow"] == "GET"
    assert "must be GET, got 'PUT'" in answer.json()["detail"]


async def test_error_on_a_page_has_the_header_fields_of_its_status(data: DataSyncService, tmp_path: Path) -> None:
    async with app_client(data) as client:
        assert (await client.put("/runs")).headers["allow"] == "GET"
        assert (await client.get("/logout")).headers["allow"] == "POST"
    async with patient_data(tmp_path / "missing.db") as missing, app_client(missing) as client:
        assert (await client.get("/runs")).headers["retry-after"] == "5"


@pytest.mark.parametrize("words", ["before ", "after ", "-", ".", "9", "sunset ", "1:"])
async def test_long_text_in_place_of_a_time_is_refused(data: DataSyncService, words: str) -> None:
    text = quote_plus((words * 7_000)[:7_000])
    async with app_client(data) as client:
        for path in ("why?entity=light.hall&at", "why-not?of=motion_light&at", "runs?since", "logs?until"):
            assert_is_problem(await client.get(f"/api/v1/{path}={text}"), 400, "bad_question")


async def test_time_has_at_most_200_characters(data: DataSyncService) -> None:
    async with app_client(data) as client:
        for length, status in ((200, 200), (201, 400)):
            answer = await client.get("/api/v1/why", params={"entity": "light.hall", "at": "03:12".ljust(length)})
            assert answer.status_code == status
