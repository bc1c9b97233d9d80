"""The examples of the pages about writing apps work as they are printed."""

import ast
import asyncio
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

import hassette_core
from hassette_core import Hassette, HassetteConfig, MemorySink, SimulatedHome
from hassette_core.config import AppEntry
from hassette_core.testing import HomeUnderTest
from support.app_examples import examples, parse_example, unknown_members
from support.app_runner import AppDirectory, AppRunner
from support.waiting import eventually, patience

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "writing-apps.md"
PAGES = ROOT / "docs" / "apps"
ALL_PAGES = sorted([ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("packages/*/README.md")])


async def test_example_apps_of_the_documentation_run_with_its_settings(app_dir: AppDirectory) -> None:
    apps = {
        found[1]: text for text in examples(PAGE, "python") if (found := re.search(r"^class (\w+)\(App\[", text, re.M))
    }
    tables: dict[str, Any] = {name.lower(): {"module": name.lower(), "class": name} for name in apps}
    for name, text in apps.items():
        (app_dir.path / f"{name.lower()}.py").write_text(text, encoding="utf-8")
    (table,) = tomllib.loads(examples(PAGE, "toml")[0])["apps"].values()
    tables["nightwatch"]["config"] = table["config"]
    sink = MemorySink()
    async with SimulatedHome(speed=0) as home:
        home_assistant = {"url": home.url, "token": home.token}
        config = HassetteConfig.model_validate(
            {"hassette": {"app_dir": app_dir.path}, "home_assistant": home_assistant, "apps": tables}
        )
        async with asyncio.timeout(patience(30)), Hassette(config, sinks=[sink], plugins=False) as hassette:
            await hassette.wait_ready()
            assert [status.detail for status in hassette.apps.statuses] == [""] * len(apps)
            home.core.change("sun.sun", "below_horizon")
            home.core.change("binary_sensor.front_door", "on")
            for job in hassette.scheduler.roster.entries_of("nightwatch", "nightwatch"):
                hassette.scheduler.run_now(job)
            await eventually(lambda: hassette.executor.accounting().executed >= 3)
    runs = {record.registration.name: (record.status, record.failure) for record in sink.records}
    assert runs == dict.fromkeys(("door_opened", "light_changed", "report"), ("success", None))


async def test_script_that_tries_an_app_out_works() -> None:
    (text,) = [each for each in examples(PAGES / "simulated-home.md", "python") if "MemorySink" in each]
    # The script runs in a thread, because it calls asyncio.run, which fails while this thread runs an event loop.
    await asyncio.to_thread(exec, compile(text, "simulated-home.md", "exec"), {"__name__": "__main__"})


@pytest.mark.parametrize("page", ["several-apps"])
async def test_apps_of_a_page_about_apps_start_with_its_settings(
    apps: AppRunner, app_dir: AppDirectory, page: str
) -> None:
    text = (PAGES / f"{page}.md").read_text(encoding="utf-8")
    files = re.findall(r"`apps/(\w+\.py)`:\n\n```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    for name, code in files:
        (app_dir.path / name).write_text(code, encoding="utf-8")
    table = "".join(examples(PAGES / f"{page}.md", "toml"))
    entries = {key: AppEntry.model_validate(value) for key, value in tomllib.loads(table)["apps"].items()}
    assert {f"{entry.module}.py" for entry in entries.values()} == {name for name, _ in files}
    service = await apps.start(entries)
    assert [(status.status, status.detail) for status in service.statuses] == [("running", "")] * len(entries)


@pytest.mark.parametrize("page", ALL_PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_python_examples_use_names_that_exist(page: Path) -> None:
    problems: list[str] = []
    for text in examples(page, "python"):
        tree = parse_example(text)
        problems += unknown_members(tree)
        for node in ast.walk(tree):
            match node:
                case ast.Attribute(value=ast.Name(id="home"), attr=name):
                    if "HomeUnderTest" in text and not hasattr(HomeUnderTest, name):
                        problems.append(f"home.{name}")
                case ast.ImportFrom(module="hassette_core", names=names):
                    problems += [each.name for each in names if not hasattr(hassette_core, each.name)]
                case _:
                    pass
    assert problems == []
