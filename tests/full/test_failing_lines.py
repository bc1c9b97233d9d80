"""Each run of an error group shows its own message and failing line, and samples are labelled."""

import html
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from hassette_executor import CommandExecutor
from hassette_store import DatabaseService
from hassette_sync import DataSyncService
from hassette_sync.cli import main
from hassette_sync.settings import WebSettings
from hassette_sync.web.application import create_app
from support.records import invoke, listener
from support.web_clients import without_breaks

APP = """
async def on_light(attributes):
    if attributes.get("kind") == "white":
        return attributes["color_temp"]
    return attributes["brightness"]
"""


@pytest.fixture
async def failed(tmp_path: Path) -> tuple[Path, int, int]:
    """A history in which one handler failed with two different KeyErrors. Return its path and the two runs."""
    source = tmp_path / "lights.py"
    source.write_text(APP)
    module: dict[str, Any] = {}
    exec(compile(APP, source, "exec"), module)
    path = tmp_path / "hassette.db"

    def call(attributes: Mapping[str, str]) -> Any:
        return lambda: module["on_light"](attributes)

    async with DatabaseService(path) as store, CommandExecutor(store) as executor:
        registration = listener("on_light")
        first = await executor.execute(invoke(call({}), registration))
        second = await executor.execute(invoke(call({"kind": "white"}), registration))
    return path, first.id, second.id


async def test_run_has_its_message_and_line_and_names_the_run_of_the_sample(failed: tuple[Path, int, int]) -> None:
    path, first, second = failed
    async with DataSyncService(path) as data:
        one, other = await data.run(first), await data.run(second)
        (group,) = (await data.error_groups()).groups
        detail = await data.error_group(group.id)
    assert group.count == 2, "both failures belong to one error group"
    for run, message, line, code in (
        (one, "'brightness'", 5, 'return attributes["brightness"]'),
        (other, "'color_temp'", 4, 'return attributes["color_temp"]'),
    ):
        assert run.run.failure is not None
        assert run.run.failure.message == message
        assert run.failing_line is not None
        assert Path(run.failing_line.file).name == "lights.py"
        assert (run.failing_line.line, run.failing_line.function, run.failing_line.code) == (line, "on_light", code)
        assert run.sample_run_id == first
        assert "KeyError: 'brightness'" in run.sample_traceback
    assert (one.is_sample, other.is_sample) == (True, False)
    assert (group.sample_message, group.sample_run_id) == ("'brightness'", first)
    assert detail.sample_line is not None
    assert detail.sample_line.line == 5
    assert "'brightness'" in detail.sample_traceback


async def test_pages_label_samples_and_show_the_failing_line(failed: tuple[Path, int, int]) -> None:
    path, first, second = failed
    async with DataSyncService(path) as data:
        transport = httpx.ASGITransport(app=create_app(data, WebSettings()))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8765") as client:

            async def text_of(page: str) -> str:
                return html.unescape(without_breaks((await client.get(page)).text))

            one, other = await text_of(f"/runs/{first}"), await text_of(f"/runs/{second}")
            lists = [await text_of(page) for page in ("/", "/errors", "/errors/1")]
            run = (await client.get(f"/api/v1/runs/{second}")).json()
    assert "line 4, in <code>on_light</code>" in other
    assert 'return attributes["color_temp"]' in other.split("Sample traceback")[0]
    assert "'brightness'" not in other.split("Sample traceback")[0]
    assert "From the first failure of this error, in <a class=" in other
    assert "Sample traceback" not in one
    assert "line 5, in <code>on_light</code>" in one
    for page in lists:
        assert "e.g.</span> 'brightness'" in page
    assert "Sample traceback" in lists[-1]
    assert run["sample_run_id"] == str(first)
    assert run["failing_line"]["code"] == 'return attributes["color_temp"]'


def test_terminal_labels_samples_and_shows_the_failing_line(
    failed: tuple[Path, int, int], capsys: pytest.CaptureFixture[str]
) -> None:
    path, first, second = failed
    assert main(["show", str(second), "--db", str(path)]) == 0
    own, sample = capsys.readouterr().out.split("Sample traceback: the first failure of this error, in run ")
    assert "KeyError: 'color_temp'" in own
    assert 'return attributes["color_temp"]' in own
    assert "brightness" not in own
    assert sample.startswith(str(first))
    assert main(["show", str(first), "--db", str(path)]) == 0
    assert "Sample" not in capsys.readouterr().out
    assert main(["errors", "--db", str(path)]) == 0
    output = capsys.readouterr().out
    assert "Error, sample message" in output
    assert "KeyError, e.g. 'brightness'" in output
    assert main(["errors", "--json", "--db", str(path)]) == 0
    assert json.loads(capsys.readouterr().out)["groups"][0]["sample_message"] == "'brightness'"
