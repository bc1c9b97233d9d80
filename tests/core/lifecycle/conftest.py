"""A configuration with one small app."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hassette_core import HassetteConfig

APP = """
from hassette_core import App, AppConfig

class Echo(App[AppConfig]):
    async def on_initialize(self):
        self.bus.on_state_change(self.hear, "sensor.power")
        self.scheduler.run_every(self.tick, 3600)

    async def hear(self):
        await self.api.call_service("light", "turn_on", target="light.hall")

    async def tick(self):
        pass
"""


@pytest.fixture
def make_config(tmp_path: Path) -> Callable[..., HassetteConfig]:
    (tmp_path / "echo.py").write_text(APP, encoding="utf-8")

    def make(url: str, token: str = "simulated-home", **framework: Any) -> HassetteConfig:
        return HassetteConfig.model_validate(
            {
                "hassette": {"app_dir": tmp_path, "data_dir": tmp_path / "data", **framework},
                "home_assistant": {"url": url, "token": token},
                "apps": {"echo": {"module": "echo", "class": "Echo"}},
            }
        )

    return make
