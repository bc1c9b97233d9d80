"""An unknown member of an object of the app, such as ``self.bus``, is an error that names the right one."""

import pytest

from hassette_core import App, AppConfig, SyncApp
from hassette_core.testing import HomeUnderTest

MEMBERS = {
    "bus.listen_state": "use self.bus.on_state_change",
    "bus.on_homeassistant_restart": "use self.bus.on_homeassistant_start",
    "bus.on_state_chang": "did you mean 'self.bus.on_state_change'?",
    "bus.run_in": "use self.scheduler.run_in",
    "scheduler.remove_all_jobs": "use self.scheduler.cancel_all",
    "scheduler.list_jobs": "use self.scheduler.jobs",
    "scheduler.run_dayly": "did you mean 'self.scheduler.run_daily'?",
    "scheduler.xyz": "known: cancel_all, group, jobs, run_at_sunrise, ",
    "api.mqtt_publish": 'use self.api.call_service("mqtt.publish", …)',
    "api.on_state_change": "use self.bus.on_state_change",
    "api.turn_onn": "did you mean 'self.api.turn_on'?",
    "api.ws_send_json": "use self.api.command",
    "states.light": 'use self.states.domain("light")',
    "states.get_state": "use self.states[…]",
    "states.domian": "did you mean 'self.states.domain'?",
    "apps.notifier": 'use self.apps.get("notifier")',
    "storage.count": 'use self.storage["count"]',
    "home.areaa": "did you mean 'self.home.area'?",
    "time.get_now": "use self.time.now",
}


class Hall(App[AppConfig]):
    """Has no handlers."""


class SyncHall(SyncApp[AppConfig]):
    """Has no handlers."""


@pytest.mark.parametrize("app_class", [Hall, SyncHall])
def test_unknown_member_is_an_error_with_the_right_one(app_class: type[Hall | SyncHall], home: HomeUnderTest) -> None:
    home.add_app(app_class)
    app = home.app(app_class)
    for member, advice in MEMBERS.items():
        component, name = member.split(".")
        with pytest.raises(AttributeError) as caught:
            getattr(getattr(app, component), name)
        assert f"self.{member} does not exist; {advice}" in str(caught.value)


def test_private_member_is_an_ordinary_error(home: HomeUnderTest) -> None:
    home.add_app(Hall)
    with pytest.raises(AttributeError, match=r"'AppBus' object has no attribute '_listeners'"):
        getattr(home.app(Hall).bus, "_listeners")  # noqa: B009  a type checker refuses the attribute itself


def test_assignment_to_an_attribute_of_the_storage_is_an_error(home: HomeUnderTest) -> None:
    home.add_app(Hall)
    with pytest.raises(AttributeError, match=r'stores nothing; write self.storage\["count"\] = …'):
        setattr(home.app(Hall).storage, "count", 3)  # noqa: B010  a type checker refuses the attribute itself


MADE_BY_EXEC = """
from hassette_core import App, AppConfig

class Made(App[AppConfig]):
    async def on_initialize(self):
        self.bus.on_state_change(self.changed, "light.hall")

    async def changed(self):
        await self.api.turn_off("light.hall")
"""


def test_class_without_a_file_runs_in_the_testing_kit(home: HomeUnderTest) -> None:
    names: dict[str, type[App[AppConfig]]] = {}
    exec(MADE_BY_EXEC, names)
    home.set("light.hall", "off")
    home.add_app(names["Made"])
    home.set("light.hall", "on")
    assert home.state("light.hall") == "off"
