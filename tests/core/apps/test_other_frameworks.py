"""An app that is written as another framework expects fails to start, and the error names the right code."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from hassette_core import App, AppConfig, AppLoadError, SyncApp
from hassette_core.apps import load_apps
from hassette_core.replacements import HOOKS
from hassette_core.testing import HomeTestError, HomeUnderTest
from support.app_runner import AppDirectory, AppRunner, entry

pytestmark = pytest.mark.heavy


@pytest.fixture
def kit(tmp_path: Path) -> Iterator[HomeUnderTest]:
    with HomeUnderTest(tmp_path) as kit:
        yield kit


def load_error(app_dir: AppDirectory, text: str) -> str:
    app_dir.write("hall", text)
    loaded, (failure,) = load_apps({"hall": entry("hall", "Hall")}, app_dir.path)
    assert loaded == []
    return str(failure.error)


@pytest.mark.parametrize("kind", ["def", "async def"])
@pytest.mark.parametrize(("method", "hook"), HOOKS.items())
def test_method_that_another_framework_calls_fails_the_app_with_the_right_name(
    app_dir: AppDirectory, method: str, hook: str, kind: str
) -> None:
    error = load_error(
        app_dir,
        f"""
        class Hall(App[AppConfig]):
            {kind} {method}(self):
                self.bus.on_event(self.rang, "doorbell")

            async def rang(self):
                pass
        """,
    )
    assert f"app hall: no code calls the method {method}; did you mean {hook!r}? Rename it, or remove it" in error
    assert "(line 4 of " in error


@pytest.mark.parametrize("method", ["on_initialise", "on_initalize", "on_intialize", "on_shutdwon", "on_eror"])
def test_misspelt_hook_fails_the_app(app_dir: AppDirectory, method: str) -> None:
    error = load_error(app_dir, f"class Hall(App[AppConfig]):\n    async def {method}(self, *_): pass")
    assert f"no code calls the method {method}; did you mean 'on_" in error


def test_hook_of_another_framework_next_to_the_right_hook_fails_the_app(app_dir: AppDirectory) -> None:
    error = load_error(
        app_dir,
        """
        class Hall(App[AppConfig]):
            async def on_initialize(self): pass
            async def initialize(self): pass
        """,
    )
    assert "no code calls the method initialize" in error


def test_hook_of_a_base_class_in_another_module_fails_the_app(app_dir: AppDirectory) -> None:
    app_dir.write("base", "class Base(App[AppConfig]):\n    def terminate(self): pass")
    error = load_error(app_dir, "from base import Base\nclass Hall(Base):\n    pass")
    assert "no code calls the method terminate" in error
    assert "base.py" in error


CALLED = {
    "by_the_app": "async def on_initialize(self): self.initialize()\n    def initialize(self): pass",
    "by_another_name": "async def on_initialize(self): getattr(self, 'initialize')()\n    def initialize(self): pass",
    "by_the_bus": "def on_initialize(self): self.bus.on_event(self.on_start, 'x')\n    def on_start(self): pass",
    "not_at_all_and_it_is_ordinary": "def start(self): pass\n    async def stop(self): pass\n    def shut(self): pass",
}


@pytest.mark.parametrize("case", CALLED)
def test_method_that_the_app_calls_itself_is_accepted(app_dir: AppDirectory, case: str) -> None:
    app_dir.write("hall", f"class Hall(App[AppConfig]):\n    {CALLED[case]}")
    loaded, failed = load_apps({"hall": entry("hall", "Hall")}, app_dir.path)
    assert (len(loaded), failed) == (1, [])


def test_method_that_another_app_calls_is_accepted(app_dir: AppDirectory) -> None:
    app_dir.write("hall", "class Hall(App[AppConfig]):\n    def terminate(self): pass")
    app_dir.write("stop", "class Stop(App[AppConfig]):\n    def now(self): self.apps.get('hall').terminate()")
    for keys in (["hall", "stop"], ["stop", "hall"]):
        loaded, failed = load_apps({key: entry(key, key.capitalize()) for key in keys}, app_dir.path)
        assert (len(loaded), failed) == (2, [])


async def test_app_with_the_hook_of_appdaemon_is_shown_as_failed_and_the_others_run(
    apps: AppRunner, app_dir: AppDirectory
) -> None:
    app_dir.write("hall", "class Hall(App[AppConfig]):\n    def initialize(self): pass")
    app_dir.write("bath", "class Bath(App[AppConfig]):\n    pass")
    service = await apps.start({"hall": entry("hall", "Hall"), "bath": entry("bath", "Bath")})
    assert [(each.subject, each.status) for each in service.statuses] == [("bath.bath", "running"), ("hall", "failed")]
    assert "did you mean 'on_initialize'" in service.statuses[1].detail


def test_test_of_an_app_with_the_hook_of_appdaemon_fails(kit: HomeUnderTest) -> None:
    class Hall(SyncApp[AppConfig]):
        def initialize(self) -> None:
            pass

    with pytest.raises(AppLoadError, match="no code calls the method initialize"):
        kit.add_app(Hall)


IMPORTS = {
    "import hassapi as hass": "derive the app from App or SyncApp of hassette_core, see the page Moving from AppDaemon",
    "import appdaemon.plugins.hass.hassapi as hass": "see the page Moving from AppDaemon",
    "import adbase as ad": "see the page Moving from AppDaemon",
    "import mqttapi as mqtt": "listen with self.bus.on_trigger",
    "import globals": "variables of a module in app_dir",
    "from hassette import App, D": "see the page Moving from hassette 0.60",
    "from homeassistant.core import HomeAssistant": "an app runs outside of Home Assistant",
    "@state_trigger('light.hall')\ndef f(): pass": "use self.bus.on_state_change and self.states of an App",
    "@time_trigger('startup')\ndef f(): pass": "use self.scheduler of an App, see the page Moving from pyscript",
    "@service\ndef f(): pass": "the name belongs to pyscript",
}


@pytest.mark.parametrize("code", IMPORTS)
def test_module_of_another_framework_is_an_error_that_names_the_replacement(app_dir: AppDirectory, code: str) -> None:
    error = load_error(app_dir, f"{code}\n\nclass Hall(App[AppConfig]):\n    pass")
    assert IMPORTS[code] in error
    assert "of " + str(app_dir.path) in error


def test_other_missing_modules_get_no_advice(app_dir: AppDirectory) -> None:
    assert "page" not in load_error(app_dir, "import no_such_library")


USES = {
    "listen_state": "self.bus.on_state_change",
    "call_service": "self.api.call_service",
    "run_daily": "self.scheduler.run_daily",
    "run_sunrise": "",
    "hass": "self.states and self.api",
    "args": "self.config",
    "app_config": "self.config",
    "cache": "self.storage",
    "get_state": "self.states[…]",
    "get_app": "self.apps.get",
    "now": "self.time.now",
    "on_state_change": "self.bus.on_state_change",
    "area": "self.home.area",
    "broken": "self.bus.on_state_change",
    "no_such_name": "",
}


@pytest.mark.parametrize("base", [App, SyncApp])
@pytest.mark.parametrize("name", USES)
def test_missing_attribute_is_an_error_that_names_the_replacement(
    kit: HomeUnderTest, name: str, base: type[App[AppConfig]]
) -> None:
    class Hall(base[AppConfig]):
        @property
        def broken(self) -> str:
            return self.listen_state

        def on_initialize(self) -> None:
            getattr(self, name)

    with pytest.raises(HomeTestError) as caught:
        kit.add_app(Hall)
    if USES[name]:
        assert f"does not exist; use {USES[name]}" in str(caught.value)
    else:
        assert f"'Hall' object has no attribute '{name}'" in str(caught.value)


PARAMETERS = {
    "entity, attribute, old, new, **kwargs": "write entity: EntityId",
    "old, new": "write old: OldState",
    "new": "write new: NewState",
    "data": "write event: Event, for event.data",
    "event_name, data, kwargs": "write event: Event, for event.event_type",
    "cb_args": "pass it in kwargs",
}


@pytest.mark.parametrize("parameters", PARAMETERS)
def test_parameters_of_callbacks_of_appdaemon_are_an_error_with_the_annotation(
    kit: HomeUnderTest, parameters: str
) -> None:
    names: dict[str, object] = {}
    exec(f"def changed(self, {parameters}): pass", names)

    class Hall(App[AppConfig]):
        changed = names["changed"]

        async def on_initialize(self) -> None:
            self.bus.on_state_change(self.changed, "light.hall")

    with pytest.raises(HomeTestError) as caught:
        kit.add_app(Hall)
    assert PARAMETERS[parameters] in str(caught.value)
