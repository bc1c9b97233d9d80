"""Pyright accepts a generated home with many entities, and finds a misspelt entity, service and field."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hassette_core.checks import HomeSnapshot
from hassette_core.typed_home import write_typed_home

GOOD = """
from hassette_core import App, AppConfig
from home import areas, light, light_attributes, services


class Hall(App[AppConfig]):
    async def on_initialize(self) -> None:
        self.bus.on_state_change(self.act, [light.hall, light.class_])
        self.home.area(areas.kitchen)

    async def act(self) -> None:
        await services.light.turn_on(self.api, target=light.hall, brightness=100, flash="short", expect="on")
        await self.api.turn_on(light.hall)
        brightness: float | None = light_attributes(self.states[light.hall]).get("brightness")
        self.logger.info("Light", extra={"brightness": brightness})
"""
BAD = """
from hassette_core import Api, App, AppConfig
from home import light, services


async def act(api: Api) -> None:
    entity: str = light.hal
    await services.light.turn_on(api, target=entity, brihgtness=100)
    await services.light.turn_on(api, target=entity, flash="fast")
    await services.light.trun_on(api)


def misspell(app: App[AppConfig]) -> None:
    app.bus.on_state_chang
    app.scheduler.run_dayly
    app.states.domian
    app.storage.count = 3
"""

pytestmark = [pytest.mark.timeout(180), pytest.mark.long]


def test_pyright_finds_misspelt_names_and_accepts_right_ones(tmp_path: Path) -> None:
    states = {f"sensor.number_{number}": {"attributes": {"unit": "W"}} for number in range(1_000)}
    states |= {"light.hall": {"attributes": {"brightness": 100}}, "light.class": {"attributes": {"brightness": None}}}
    flash = {"selector": {"select": {"options": ["long", "short"]}}}
    fields: dict[str, Any] = {"brightness": {"selector": {"number": {}}}, "flash": flash}
    texts: dict[str, Any] = {"required": True, "selector": {"text": {"multiple": True}}}
    odd = dict.fromkeys(("list", "str", "self", "api", "class", "None", "Literal", "Any", "zone", "x²"), texts)
    scripts = {name: {"fields": fields} for name in ("night_1", "night1", "night__1", "class", "1st", "käse", 'a"b')}
    domains = ("list", "str", "state", "any", "light_attributes", "1st", "class", "none", "cast")
    states |= {f"{domain}.{name}": {"attributes": {"a": [None]}} for domain in domains for name in ("x", "1", "class")}
    services = {"light": {"turn_on": {"fields": fields}}, "odd": {"call": {"fields": odd}}, "script": scripts}
    home = HomeSnapshot("", "2026.11", states, services, {"kitchen": "Kitchen", "1": "One"})
    write_typed_home(home, tmp_path / "home.py")
    (tmp_path / "good.py").write_text(GOOD, encoding="utf-8")
    (tmp_path / "bad.py").write_text(BAD, encoding="utf-8")
    settings = {"typeCheckingMode": "strict", "include": ["."]}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings), encoding="utf-8")
    command = [sys.executable, "-m", "pyright", "-p", str(tmp_path), "--pythonpath", sys.executable, "--outputjson"]
    answer = json.loads(subprocess.run(command, capture_output=True, text=True, check=False).stdout)
    found = {(Path(each["file"]).name, each["range"]["start"]["line"]) for each in answer["generalDiagnostics"]}
    assert found == {("bad.py", line) for line in (6, 7, 8, 9, 13, 14, 15, 16)}
