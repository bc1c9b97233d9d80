"""A configuration with one app, for tests of all packages together."""

from pathlib import Path

import pytest

LISTENER = """
from hassette_core import App, AppConfig

class Listener(App[AppConfig]):
    async def on_initialize(self) -> None:
        self.bus.on_state_change(self.count, "sensor.load_*")

    async def count(self) -> None:
        pass
"""


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    """A configuration with one app, which handles every change of the simulated load."""
    apps = tmp_path / "apps"
    apps.mkdir()
    (apps / "listener.py").write_text(LISTENER, encoding="utf-8")
    file = tmp_path / "hassette.toml"
    file.write_text('[apps.listener]\nmodule = "listener"\nclass = "Listener"\n', encoding="utf-8")
    return file
