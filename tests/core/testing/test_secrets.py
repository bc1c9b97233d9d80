"""The timeline and the errors of a test show no secrets of the apps."""

from pathlib import Path

import pytest

from hassette_core import App, AppConfig
from hassette_core.testing import HomeTestError, HomeUnderTest

APP = """
from hassette_core import App, AppConfig

class Config(AppConfig):
    account: str
    port: int = 1

class Speaker(App[Config]):
    async def on_initialize(self):
        self.bus.on_event(self.speak, "go")

    async def speak(self):
        self.logger.warning("account %s", self.config.account)
        await self.api.call_service("notify", "notify", message=f"account {self.config.account}")
        raise ValueError(self.config.account)
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "apps").mkdir()
    (tmp_path / "apps/speaker.py").write_text(APP)
    (tmp_path / "secrets.toml").write_text("account = 'hunter22'")
    file = tmp_path / "hassette.toml"
    file.write_text("[apps.speaker]\nmodule = 'speaker'\nclass = 'Speaker'\nconfig = { account = '!secret account' }\n")
    return file


def test_timeline_masks_secrets_also_after_a_restart(home: HomeUnderTest, file: Path) -> None:
    home.add_apps(file)
    home.fire("go")
    home.restart()
    home.fire("go")
    text = str(home.timeline())
    assert "hunter22" not in text
    assert text.count("account •••") == 4, "two log lines and two calls"
    assert [run.error for run in home.runs()] == ["ValueError: •••"] * 2
    assert [call.data["message"] for call in home.calls("notify.notify")] == ["account hunter22"] * 2


def test_error_of_wrong_settings_masks_secrets(home: HomeUnderTest, file: Path) -> None:
    file.write_text(file.read_text().replace("config = {", "config = { port = '!secret account',"))
    with pytest.raises(HomeTestError) as caught:
        home.add_apps(file)
    assert "port must be a whole number, got '•••'" in str(caught.value)


class DoorConfig(AppConfig):
    """A secret by the name of its key."""

    alarm_code: str


class Alarm(App[DoorConfig]):
    """Logs its code."""

    async def on_initialize(self) -> None:
        self.logger.warning("code %s", self.config.alarm_code)


def test_timeline_masks_secret_settings_of_an_app_in_the_test(home: HomeUnderTest) -> None:
    home.add_app(Alarm, alarm_code="hunter22")
    assert "code •••" in str(home.timeline())
