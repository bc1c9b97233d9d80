"""The areas and labels of a real Home Assistant, and the module with the names of its home."""

import asyncio
import importlib.util
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hassette_core.clock import SystemClock
from hassette_core.home import HomeData, HomeRegistry, HomeService
from support.home_assistant import RealHomeAssistant
from support.home_queries import HomeClient, connected
from support.processes import Start
from support.waiting import eventually, patience

pytestmark = [pytest.mark.homeassistant, pytest.mark.timeout(240)]

APP = """
from hassette_core import App, AppConfig
from home import input_boolean, light, light_attributes, services


class Hall(App[AppConfig]):
    async def on_initialize(self) -> None:
        self.bus.on_state_change(self.act, [light.bed_light, input_boolean.night_mode])

    async def act(self) -> None:
        await services.light.turn_on(self.api, target=light.bed_light, brightness=100, expect="on")
        brightness: float | None = light_attributes(self.states[light.bed_light]).get("brightness")
        self.logger.info("Light", extra={"brightness": brightness})
"""


class RealRegistries:
    """The registries of a real Home Assistant, as an app sees them and as a user changes them."""

    def __init__(self, client: HomeClient, home: HomeRegistry, service: HomeService) -> None:
        self.client = client
        self.home = home
        self.service = service

    async def create(self, kind: str, name: str, **fields: Any) -> str:
        """Create an area, a floor or a label, and return its id."""
        created = await self.client.api.command(f"config/{kind}_registry/create", name=name, **fields)
        return str(created[f"{kind}_id"])

    async def update(self, entity_id: str, **fields: Any) -> None:
        await self.client.api.command("config/entity_registry/update", entity_id=entity_id, **fields)

    async def update_device_of(self, entity_id: str, **fields: Any) -> None:
        device_id = self.home.entity(entity_id).device_id
        await self.client.api.command("config/device_registry/update", device_id=device_id, **fields)


@pytest.fixture
async def registries(recording_home_assistant: RealHomeAssistant) -> AsyncIterator[RealRegistries]:
    async with connected(recording_home_assistant.home) as client:
        data = HomeData(client.states)
        async with HomeService(client.link, data, SystemClock()) as service:
            home = HomeRegistry(data)
            await home.wait_known()
            yield RealRegistries(client, home, service)


async def test_selections_have_the_entities_that_home_assistant_would_act_on(registries: RealRegistries) -> None:
    home = registries.home
    floor = await registries.create("floor", "Erdgeschoß")
    area = await registries.create("area", "Küche", floor_id=floor, aliases=["Cooking"])
    label = await registries.create("label", "Night")
    for light in ("light.bed_light", "light.ceiling_lights"):
        await registries.update_device_of(light, area_id=area)
    await registries.update_device_of("light.kitchen_lights", labels=[label])
    await registries.update("input_boolean.night_mode", area_id=area)
    await registries.update("switch.ac", labels=[label])
    await registries.update("input_boolean.test_1", area_id=area, hidden_by="user")
    await eventually(lambda: [each.name for each in home.areas] == ["Küche"], 20)
    expected = {
        home.area("cooking").lights: ["light.bed_light", "light.ceiling_lights"],
        home.area("KÜCHE"): ["input_boolean.night_mode", "light.bed_light", "light.ceiling_lights"],
        home.floor("erdgeschoß").domain("input_boolean"): ["input_boolean.night_mode"],
        home.label("night"): ["light.kitchen_lights", "switch.ac"],
    }
    for selection, entity_ids in expected.items():
        await eventually(
            lambda s=selection, e=entity_ids: s.entities == e, 20, f"{selection.describe()} has its entities"
        )
    assert home.area_of("light.bed_light") == home.area_of("light.ceiling_lights") == home.areas[0]
    assert [each.name for each in home.labels_of("light.kitchen_lights")] == ["Night"]

    await registries.client.api.turn_off(home.area("Küche").lights, expect="off", within=patience(10))
    await registries.client.api.turn_on(home.area("Küche").lights, expect="on", within=patience(10))
    await registries.update_device_of("light.bed_light", area_id=None)
    await eventually(lambda: home.area("Küche").lights.entities == ["light.ceiling_lights"], 20)


@pytest.fixture
def project(tmp_path: Path, recording_home_assistant: RealHomeAssistant) -> Path:
    """Write an app that uses the names of the home, and its configuration."""
    home = recording_home_assistant.home
    (tmp_path / "apps").mkdir()
    (tmp_path / "apps" / "hall.py").write_text(APP, encoding="utf-8")
    (tmp_path / "hassette.toml").write_text(
        f'[home_assistant]\nurl = "{home.url}"\ntoken = "{home.token}"\n[apps.hall]\nmodule = "hall"\nclass = "Hall"\n',
        encoding="utf-8",
    )
    return tmp_path


async def test_generated_home_is_accepted_and_finds_a_misspelt_entity(start: Start, project: Path) -> None:
    async def output_of(*arguments: str, code: int = 0) -> str:
        process = start(*arguments)
        ended = await asyncio.to_thread(process.end)
        assert ended == code, process.output
        return process.output

    module = project / "apps" / "home.py"
    assert "wrote " in await output_of("generate")
    written = module.read_text(encoding="utf-8")
    assert "unchanged " in await output_of("generate")
    module.unlink()
    await output_of("check", "--online", "--write")
    assert module.read_text(encoding="utf-8") == written, "both commands write the same module"
    if importlib.util.find_spec("pyright") is not None:
        assert pyright(project) == []
    app = project / "apps" / "hall.py"
    app.write_text(APP.replace("[light.bed_light", "[light.bad_light"), encoding="utf-8")
    assert "bad_light" in await output_of("check", "--online", code=2)


def pyright(project: Path) -> list[Any]:
    """Return the findings of Pyright's strict mode."""
    settings = {"typeCheckingMode": "strict", "include": ["apps"], "extraPaths": ["apps"]}
    (project / "pyrightconfig.json").write_text(json.dumps(settings), encoding="utf-8")
    command = [sys.executable, "-m", "pyright", "-p", str(project), "--pythonpath", sys.executable, "--outputjson"]
    answer = json.loads(subprocess.run(command, capture_output=True, text=True, check=False).stdout)
    return list(answer["generalDiagnostics"])
