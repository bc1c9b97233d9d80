"""Apps start, fail and stop independently of each other."""

import asyncio
import sys
from collections.abc import Sequence
from typing import Any

import pytest

from hassette_core import App, AppConfig
from hassette_core.apps import load_instance
from hassette_core.errors import AppLoadError
from hassette_executor import Status
from support.app_runner import AppDirectory, AppRunner, entry, statuses
from support.home import Home
from support.waiting import patience

LAMP = """
class Config(AppConfig):
    light: str = "light.a"

class Lamp(App[Config]):
    log = []

    async def on_initialize(self):
        self.log.append(f"init {self.app_key}.{self.instance}")
        self.bus.on_state_change(self.heard, self.config.light)
        self.scheduler.run_every(self.tick, 10)

    async def heard(self):
        self.log.append("heard")

    async def tick(self):
        self.log.append("tick")

    async def on_shutdown(self):
        self.log.append("down")
"""


def log() -> Sequence[str]:
    return sys.modules["hassette_apps.lamp"].Lamp.log


async def test_runs_of_an_app_are_recorded_under_its_key_and_instance(
    home: Home, apps: AppRunner, app_dir: AppDirectory
) -> None:
    app_dir.write("lamp", LAMP)
    service = await apps.start({"lamp": entry("lamp", "Lamp", instances=[{"name": "hall"}])})
    assert statuses(service) == {"lamp.hall": "running"}
    home.change("light.a", "on")
    await home.pass_time(10)
    first, second = await home.records(2)
    assert first.registration.key == ("lamp", "hall", "heard", "state_changed.light.a")
    assert second.registration.key == ("lamp", "hall", "tick")
    assert first.registration.handler == "hassette_apps.lamp.Lamp.heard"
    assert log() == ["init lamp.hall", "heard", "tick"]
    assert await home.lifecycle() == [("app_started", "lamp.hall", "")]


async def test_stop_ends_listeners_and_jobs_before_on_shutdown_and_retires_none(
    home: Home, apps: AppRunner, app_dir: AppDirectory
) -> None:
    app_dir.write("lamp", LAMP)
    service = await apps.start({"lamp": entry("lamp", "Lamp")})
    await service.stop()
    await service.stop()
    home.change("light.a", "on")
    await home.pass_time(30)
    await home.records(0)
    assert log() == ["init lamp.lamp", "down"]
    assert await home.retired() == [], (
        "otherwise the pages would show every listener and job as retired after a shutdown"
    )
    assert statuses(service) == {"lamp.lamp": "stopped"}
    assert await home.lifecycle() == [("app_started", "lamp.lamp", ""), ("app_stopped", "lamp.lamp", "")]


async def test_listener_with_a_run_in_progress_is_not_retired_by_stop(
    home: Home, apps: AppRunner, app_dir: AppDirectory
) -> None:
    app_dir.write(
        "lamp", "import asyncio\n" + LAMP.replace('append("heard")', 'append("heard")\n        await asyncio.sleep(9)')
    )
    service = await apps.start({"lamp": entry("lamp", "Lamp")})
    home.change("light.a", "on")
    await home.until(lambda: "heard" in log())
    await service.stop()
    await home.bus_service.stop()
    (record,) = await home.records(1)
    assert record.status is Status.CANCELLED
    assert await home.retired() == []


async def test_listener_that_an_app_cancels_after_a_restart_is_retired(
    home: Home, apps: AppRunner, app_dir: AppDirectory
) -> None:
    app_dir.write("lamp", LAMP)
    service = await apps.start({"lamp": entry("lamp", "Lamp")})
    await service.stop()
    await service.start()
    (listener,) = home.bus_service.roster.entries_of("lamp", "lamp")
    listener.cancel()
    assert await home.retired() == ["heard"]


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ("raise ValueError('no lamp')", "ValueError: no lamp"),
        ("await asyncio.Event().wait()", "it took longer than 0.05 s"),
        ("raise asyncio.CancelledError", "it was cancelled by code of the app"),
        ("raise TimeoutError('mine')", "TimeoutError: mine"),
        ("raise SystemExit('no config')", "SystemExit: no config"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("raise GeneratorExit", "GeneratorExit"),
        ("raise BaseExceptionGroup('gone', [SystemExit(3)])", "BaseExceptionGroup: gone (1 sub-exception)"),
        ("raise Unreadable", "Unreadable: <the message could not be read: SystemExit>"),
        ("asyncio.current_task().cancel(); await asyncio.sleep(0)", "it was cancelled by code of the app"),
        ("asyncio.current_task().cancel()", "it was cancelled by code of the app"),
        ("asyncio.current_task().cancel(); raise ValueError('both')", "ValueError: both"),
        ("self.bus.on_state_change(3, 'light.a')", "handler must be callable, got 3"),
    ],
)
async def test_app_that_fails_to_initialize_has_no_listeners_and_the_others_run(
    home: Home, apps: AppRunner, app_dir: AppDirectory, caplog: pytest.LogCaptureFixture, body: str, detail: str
) -> None:
    app_dir.write("lamp", LAMP)
    app_dir.write(
        "bad",
        f"""
        import asyncio
        class Unreadable(Exception):
            def __str__(self): raise SystemExit
        class Bad(App[AppConfig]):
            async def on_initialize(self):
                self.bus.on_state_change(self.heard, "light.a")
                self.scheduler.run_every(self.heard, 10)
                {body}
            async def heard(self):
                raise RuntimeError
        """,
    )
    service = await apps.start({"bad": entry("bad", "Bad"), "lamp": entry("lamp", "Lamp")}, start_timeout_s=0.05)
    assert statuses(service) == {"bad.bad": "retrying", "lamp.lamp": "running"}
    home.change("light.a", "on")
    await home.pass_time(10)
    assert {record.registration.app for record in await home.records(2)} == {"lamp"}
    assert ("app_failed", "bad.bad") in [(kind, subject) for kind, subject, _ in await home.lifecycle()]
    assert await home.retired() == ["heard", "heard"], "the listeners and jobs of a single app are retired when it ends"
    assert detail in service.statuses[0].detail
    assert [vars(line)["app"] for line in caplog.records if line.message == "App failed"] == ["bad.bad"]


async def test_app_that_cannot_be_loaded_is_reported_and_the_others_run(
    home: Home, apps: AppRunner, app_dir: AppDirectory, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    app_dir.write("lamp", LAMP)
    app_dir.write("bad", "1 / 0")
    service = await apps.start({"bad": entry("bad", "Bad"), "lamp": entry("lamp", "Lamp")})
    assert statuses(service) == {"lamp.lamp": "running", "bad": "failed"}
    (failed, _) = await home.lifecycle()
    assert failed[:2] == ("app_failed", "bad")
    assert "cannot import" in failed[2]
    (line,) = [record for record in caplog.records if record.message == "Apps started"]
    assert (vars(line)["running"], vars(line)["failed"]) == (1, 1)


async def test_init_that_raises_is_reported_as_such(home: Home, apps: AppRunner, app_dir: AppDirectory) -> None:
    app_dir.write("bad", "class Bad(App[AppConfig]):\n    def __init__(self, *args, **more):\n        1 / 0\n")
    service = await apps.start({"bad": entry("bad", "Bad")})
    assert service.statuses[0].detail == "__init__ failed: ZeroDivisionError: division by zero"


async def test_app_that_ignores_the_cancellation_of_its_start_has_failed_and_the_others_run(
    home: Home, apps: AppRunner, app_dir: AppDirectory, caplog: pytest.LogCaptureFixture
) -> None:
    app_dir.write("lamp", LAMP)
    app_dir.write(
        "bad",
        """
        import asyncio
        GO = asyncio.Event()
        class Bad(App[AppConfig]):
            async def on_initialize(self):
                while not GO.is_set():
                    try:
                        await GO.wait()
                    except asyncio.CancelledError:
                        pass
        """,
    )
    service = await apps.start({"bad": entry("bad", "Bad"), "lamp": entry("lamp", "Lamp")}, start_timeout_s=0.05)
    assert statuses(service) == {"bad.bad": "retrying", "lamp.lamp": "running"}
    assert "App ignores its cancellation and is still running" in caplog.text
    sys.modules["hassette_apps.bad"].GO.set()
    await home.settle()


async def test_task_that_a_failed_app_has_left_cannot_register_a_listener_or_job(
    home: Home, apps: AppRunner, app_dir: AppDirectory
) -> None:
    app_dir.write(
        "bad",
        """
        import asyncio
        GO, REFUSED = asyncio.Event(), []
        class Bad(App[AppConfig]):
            async def on_initialize(self):
                self.task = asyncio.create_task(self.later())
                raise ValueError
            async def later(self):
                await GO.wait()
                for register in (
                    lambda: self.bus.on_state_change(self.later, "light.a"),
                    lambda: self.scheduler.run_in(self.later, 1),
                ):
                    try:
                        register()
                    except Exception as error:
                        REFUSED.append(str(error))
        """,
    )
    await apps.start({"bad": entry("bad", "Bad")})
    module = sys.modules["hassette_apps.bad"]
    module.GO.set()
    await home.until(lambda: len(module.REFUSED) == 2)
    assert module.REFUSED[0].startswith("bad.bad has ended, so it cannot register a listener")
    assert module.REFUSED[1].startswith("bad.bad has ended, so it cannot register a job")
    assert home.bus_service.roster.entries() == []


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("raise ValueError('stuck')", "ValueError: stuck"),
        ("await asyncio.Event().wait()", "it took longer than 0.05 s"),
        ("raise SystemExit(1)", "SystemExit: 1"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("asyncio.current_task().cancel(); await asyncio.sleep(0)", "it was cancelled by code of the app"),
    ],
)
async def test_app_that_fails_to_shut_down_is_stopped_and_logged(
    home: Home, apps: AppRunner, app_dir: AppDirectory, caplog: pytest.LogCaptureFixture, body: str, problem: str
) -> None:
    app_dir.write("lamp", LAMP)
    app_dir.write(
        "bad", f"import asyncio\nclass Bad(App[AppConfig]):\n    async def on_shutdown(self):\n        {body}\n"
    )
    service = await apps.start({"bad": entry("bad", "Bad"), "lamp": entry("lamp", "Lamp")}, stop_timeout_s=0.05)
    await service.stop()
    assert statuses(service) == {"bad.bad": "stopped", "lamp.lamp": "stopped"}
    assert "down" in log()
    stopped = {subject: detail for kind, subject, detail in await home.lifecycle() if kind == "app_stopped"}
    assert stopped == {"bad.bad": f"on_shutdown failed: {problem}", "lamp.lamp": ""}
    (line,) = [line for line in caplog.records if line.message == "App failed to shut down"]
    assert (vars(line)["app"], vars(line)["problem"]) == ("bad.bad", f"on_shutdown failed: {problem}")


async def test_on_error_is_called_for_the_failures_of_its_instance_only(
    home: Home, apps: AppRunner, app_dir: AppDirectory
) -> None:
    app_dir.write(
        "bad",
        """
        class Bad(App[AppConfig]):
            errors = []
            async def on_initialize(self):
                self.bus.on_state_change(self.heard, "light.a")
            async def heard(self):
                raise ValueError(self.instance)
            async def on_error(self, context):
                self.errors.append(str(context.exception))
        """,
    )
    service = await apps.start({"bad": entry("bad", "Bad", instances=[{"name": "x"}, {"name": "y"}])})
    home.change("light.a", "on")
    errors = sys.modules["hassette_apps.bad"].Bad.errors
    await home.until(lambda: len(errors) == 2)
    assert sorted(errors) == ["x", "y"]
    assert {record.status for record in await home.records(2)} == {Status.ERROR}
    await service.stop()
    assert home.executor.hooks.find(home.bus.on_event(service.stop, "x").registration) is None


async def test_on_error_with_a_yield_is_refused(home: Home, apps: AppRunner, app_dir: AppDirectory) -> None:
    app_dir.write("bad", "class Bad(App[AppConfig]):\n    async def on_error(self, context):\n        yield\n")
    assert statuses(await apps.start({"bad": entry("bad", "Bad")})) == {"bad.bad": "retrying"}
    assert "yield" in (await home.lifecycle())[-1][2]


async def test_on_initialize_may_be_a_plain_function(home: Home, apps: AppRunner, app_dir: AppDirectory) -> None:
    app_dir.write("plain", "class Plain(App[AppConfig]):\n    def on_initialize(self):\n        self.ready = True\n")
    assert statuses(await apps.start({"plain": entry("plain", "Plain")})) == {"plain.plain": "running"}


async def test_apps_wait_for_home_assistant_and_start_once(home: Home, apps: AppRunner, app_dir: AppDirectory) -> None:
    app_dir.write("lamp", LAMP)
    ready = asyncio.Event()
    service = await apps.start({"lamp": entry("lamp", "Lamp")}, ready=ready)
    serving = asyncio.create_task(service.serve())
    await home.settle()
    assert statuses(service) == {"lamp.lamp": "loaded"}
    ready.set()
    await home.until(lambda: statuses(service) == {"lamp.lamp": "running"})
    ready.clear()
    ready.set()
    await home.settle()
    assert log() == ["init lamp.lamp"]
    await service.stop()
    await asyncio.wait_for(serving, patience(5))


async def test_service_stopped_before_home_assistant_is_ready_starts_no_app(
    home: Home, apps: AppRunner, app_dir: AppDirectory
) -> None:
    app_dir.write("lamp", LAMP)
    service = await apps.start({"lamp": entry("lamp", "Lamp")}, ready=asyncio.Event())
    serving = asyncio.create_task(service.serve())
    await home.settle()
    await service.stop()
    await asyncio.wait_for(serving, patience(5))
    assert log() == []


async def test_stop_cancels_the_start_of_an_app(home: Home, apps: AppRunner, app_dir: AppDirectory) -> None:
    app_dir.write(
        "pair",
        """
        import asyncio
        LOG = []
        class Quick(App[AppConfig]):
            async def on_shutdown(self):
                LOG.append("quick")
        class Slow(App[AppConfig]):
            async def on_initialize(self):
                self.bus.on_state_change(self.on_shutdown, "light.a")
                try:
                    await asyncio.Event().wait()
                finally:
                    LOG.append("cancelled")
            async def on_shutdown(self):
                LOG.append("slow")
        """,
    )
    ready = asyncio.Event()
    ready.set()
    service = apps.make({"quick": entry("pair", "Quick"), "slow": entry("pair", "Slow")}, ready=ready)
    await service.start()
    serving = asyncio.create_task(service.serve())
    await home.until(lambda: statuses(service) == {"quick.quick": "running", "slow.slow": "starting"})
    await service.stop()
    await asyncio.wait_for(serving, patience(5))
    assert sys.modules["hassette_apps.pair"].LOG == ["cancelled", "quick"]
    assert statuses(service) == {"quick.quick": "stopped", "slow.slow": "stopped"}
    home.change("light.a", "on")
    await home.records(0)


async def test_no_run_starts_while_an_app_shuts_down(home: Home, apps: AppRunner, app_dir: AppDirectory) -> None:
    app_dir.write(
        "lamp",
        """
        import asyncio
        DOWN, END = asyncio.Event(), asyncio.Event()
        class Lamp(App[AppConfig]):
            async def on_initialize(self):
                self.bus.on_state_change(self.heard, "light.a")
                self.scheduler.run_every(self.heard, 1)
            async def heard(self): ...
            async def on_shutdown(self):
                DOWN.set()
                await END.wait()
        """,
    )
    service = await apps.start({"lamp": entry("lamp", "Lamp")})
    module = sys.modules["hassette_apps.lamp"]
    stopping = asyncio.create_task(service.stop())
    await asyncio.wait_for(module.DOWN.wait(), patience(5))
    home.change("light.a", "on")
    await home.pass_time(3)
    module.END.set()
    await stopping
    await home.records(0)


async def test_cancelled_start_leaves_no_listener(home: Home, apps: AppRunner, app_dir: AppDirectory) -> None:
    app_dir.write(
        "slow",
        """
        import asyncio
        class Slow(App[AppConfig]):
            async def on_initialize(self):
                self.bus.on_state_change(self.on_shutdown, "light.a")
                await asyncio.Event().wait()
        """,
    )
    service = apps.make({"slow": entry("slow", "Slow")})
    starting = asyncio.create_task(service.start())
    await home.settle()
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    home.change("light.a", "on")
    await home.records(0)
    await service.stop()


class AddedConfig(AppConfig):
    light: str


class AddedApp(App[AddedConfig]):
    async def on_initialize(self) -> None:
        self.bus.on_state_change(self.heard, self.config.light)

    async def heard(self) -> None: ...


async def test_app_is_added_to_a_running_service_and_stopped_with_it(home: Home, apps: AppRunner) -> None:
    service = await apps.start({})
    status = await service.add(load_instance(AddedApp, "added", "hall", {"light": "light.a"}))
    assert (status.subject, status.status) == ("added.hall", "running")
    home.change("light.a", "on")
    (record,) = await home.records(1)
    assert record.registration.key == ("added", "hall", "heard", "state_changed.light.a")
    await service.stop()
    assert statuses(service) == {"added.hall": "stopped"}


@pytest.mark.parametrize(
    ("app_class", "settings", "problem"),
    [
        (AddedApp, {}, "its settings in .apps.added. are wrong: light is missing"),
        (AddedConfig, {"light": "light.a"}, r"class must be an App, got <class .*AddedConfig'>"),
    ],
)
def test_instance_of_a_class_with_wrong_settings_is_rejected(
    app_class: Any, settings: dict[str, object], problem: str
) -> None:
    with pytest.raises(AppLoadError, match=problem):
        load_instance(app_class, "added", "hall", settings)
