"""Hooks of a `SyncApp` that hang in their threads: each instance holds few threads, and no other app waits."""

from typing import Any

import pytest

from hassette_executor import ExecutorSettings
from support.app_runner import AppDirectory, AppRunner, entry, module, statuses
from support.home import Home
from support.waiting import patience

HUNG = f"""
import threading
from hassette_core import SyncApp
GO = threading.Event()
CALLS = []
class Hung(SyncApp[AppConfig]):
    VERSION = 1
    def {{method}}:
        {{before}}
        CALLS.append(1)
        GO.wait({patience(20)})
class Quick(SyncApp[AppConfig]): ...
"""
START_LIMIT_S = patience(0.5)
"""Short, because each hung start takes so long, but long enough for the other apps on a busy machine."""
THREADS = ExecutorSettings().threads
STARTS = {"on_initialize(self)": "", "__init__(self, config, context)": "super().__init__(config, context)"}


@pytest.mark.parametrize("method", STARTS)
async def test_hung_start_uses_one_thread_and_is_tried_again_when_the_thread_has_ended(
    home: Home, apps: AppRunner, app_dir: AppDirectory, method: str
) -> None:
    app_dir.write("hung", HUNG.format(method=method, before=STARTS[method]))
    entries = {"hung": entry("hung", "Hung"), "quick": entry("hung", "Quick")}
    service = await apps.start(entries, start_timeout_s=START_LIMIT_S, first_retry_s=0.001)
    assert statuses(service) == {"hung.hung": "retrying", "quick.quick": "running"}
    (status,) = [each for each in service.statuses if each.has_failed]
    name = method.partition("(")[0]
    await home.until(
        lambda: status.detail == f"{name} of an earlier start has not ended, and its thread cannot be ended"
    )
    assert module("hung").CALLS == [1]
    module("hung").GO.set()
    await home.until(lambda: statuses(service)["hung.hung"] == "running")
    assert module("hung").CALLS == [1, 1]


async def test_newer_version_starts_although_the_older_one_hangs(apps: AppRunner, app_dir: AppDirectory) -> None:
    text = HUNG.format(method="on_initialize(self)", before="")
    app_dir.write("hung", text)
    service = await apps.start({"hung": entry("hung", "Hung")}, start_timeout_s=START_LIMIT_S)
    hung = module("hung")
    app_dir.write("hung", text.replace("GO.wait", "self.ended = ").replace("VERSION = 1", "VERSION = 2"))
    await service.reload_changed()
    assert statuses(service) == {"hung.hung": "running"}
    hung.GO.set()


@pytest.mark.parametrize("broken", [False, True])
async def test_reload_goes_on_although_on_shutdown_hangs(apps: AppRunner, app_dir: AppDirectory, broken: bool) -> None:
    text = HUNG.format(method="on_shutdown(self)", before="")
    app_dir.write("hung", text)
    service = await apps.start({"hung": entry("hung", "Hung")}, stop_timeout_s=0.02)
    first, went = service.running.get("hung"), module("hung").GO
    start = "    def on_initialize(self): 1 / 0\n    VERSION = 2" if broken else "    VERSION = 2"
    app_dir.write("hung", text.replace("    VERSION = 1", start))
    await service.reload_changed()
    lamp: Any = service.running.get("hung")
    assert lamp is not first
    assert (1 if broken else 2) == lamp.VERSION
    went.set()
    module("hung").GO.set()


@pytest.mark.parametrize("kind", ["App", "SyncApp"])
async def test_newer_version_has_threads_although_handlers_of_the_older_one_hang(
    home: Home, apps: AppRunner, app_dir: AppDirectory, kind: str
) -> None:
    text = f"""
import threading
from hassette_core import SyncApp
GO, BEGAN, ENDED = threading.Event(), [], []
class Hung({kind}[AppConfig]):
    {"async " * (kind == "App")}def on_initialize(self):
        self.bus.on_state_change(self.on, "light.a", mode="parallel", timeout=0.01)
    def on(self):
        BEGAN.append(1)
        GO.wait({patience(20)})
        ENDED.append(1)
"""
    app_dir.write("hung", text)
    service = await apps.start({"hung": entry("hung", "Hung")})
    hung = module("hung")
    runs = 0
    while len(hung.BEGAN) < THREADS:
        runs += 1
        home.change("light.a", str(runs))
        await home.records(runs)
    app_dir.write("hung", text.replace("GO.wait(", "str(").replace("0.01", "60"))
    await service.reload_changed()
    home.change("light.a", "on")
    await home.until(lambda: bool(module("hung").ENDED))
    hung.GO.set()
