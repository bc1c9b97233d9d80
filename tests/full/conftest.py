"""A house for the tests of everything together."""

from pathlib import Path

import pytest

LISTENER = """
from hassette_core import App, AppConfig

class Listener(App[AppConfig]):
    async def on_initialize(self) -> None:
        self.bus.on_state_change(self.hear, "sensor.load_*")

    async def hear(self) -> None:
        pass
"""


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A configuration whose one app hears every change of the simulated home's load."""
    apps = tmp_path / "apps"
    apps.mkdir()
    (apps / "listener.py").write_text(LISTENER, encoding="utf-8")
    file = tmp_path / "hassette.toml"
    file.write_text('[apps.listener]\nmodule = "listener"\nclass = "Listener"\n', encoding="utf-8")
    return file
