"""An app that rehearses: its changes are recorded and answered, and nothing but reads reaches Home Assistant."""

import asyncio
import json
import sys
import textwrap
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from hassette_core import Hassette, HassetteConfig
from hassette_core.link.reads import READS
from hassette_core.simulation.home import SimulatedHome
from hassette_executor import MemorySink, ServiceCall
from support.scripted_home import ScriptedHome
from support.waiting import eventually, patience

HEAD = """
import asyncio, contextvars, json, threading
from concurrent.futures import ThreadPoolExecutor
from hassette_core import App, AppConfig, RehearsalError, SyncApp

"""
READ_PREFIXES = ("get_", "subscribe_", "unsubscribe_", "config/", "auth/", "render_template", "extract_from_target")


@asynccontextmanager
async def running(
    folder: Path, code: str, home: ScriptedHome | SimulatedHome, **apps: dict[str, Any]
) -> AsyncIterator[tuple[Hassette, MemorySink]]:
    """Run apps of one module. Each app is called ``app`` and fires its job at the start."""
    (folder / "module.py").write_text(HEAD + textwrap.dedent(code), encoding="utf-8")
    settings: dict[str, Any] = {"url": "http://127.0.0.1:1", "token": "token"}
    transport = home if isinstance(home, ScriptedHome) else None
    if isinstance(home, SimulatedHome):
        settings = {"url": home.url, "token": home.token}
    config = HassetteConfig(
        home_assistant=settings,
        hassette={"app_dir": folder, "data_dir": folder / "data"},
        apps={key: {"module": "module", **entry} for key, entry in apps.items()},
    )
    sink = MemorySink()
    async with (
        asyncio.timeout(patience(20)),
        Hassette(config, sinks=[sink], plugins=False, transport=transport) as hassette,
    ):
        await hassette.wait_ready()
        yield hassette, sink


async def calls_of(hassette: Hassette, sink: MemorySink, runs: int = 1) -> list[ServiceCall]:
    """Wait for the records of the runs, and return the service calls in them."""
    await eventually(lambda: hassette.executor.accounting().executed >= runs)
    assert await hassette.executor.force_flush()
    return [call for record in sink.records for call in (record.effects.service_calls if record.effects else ())]


CALLS = """
class Acting(App[AppConfig]):
    results = {}

    async def on_initialize(self):
        self.scheduler.run_in(self.act, 0)

    async def act(self):
        api = self.api
        results = self.results
        results["call"] = await api.call_service("light", "turn_on", target="light.hall", expect="on", retries=2)
        results["state"] = await api.set_state("sensor.a", 1, {"b": 2})
        results["removed"] = await api.remove_state("light.hall"), await api.remove_state("light.nowhere")
        results["event"] = await api.fire_event("done", {"n": 1})
        results["command"] = await api.command("input_boolean/create", name="x")
        results["context"] = await api.command("fire_event", event_type="e")
        results["rest"] = await api.rest("POST", "/api/events/e")
        results["webhook"] = await api.rest("GET", "/api/webhook/secret")
        await api.notify("hello")
        await api.turn_off("light.hall")
"""


async def test_changes_are_recorded_as_not_sent_and_answered(tmp_path: Path) -> None:
    home = ScriptedHome({"light.hall": "off"})
    async with running(tmp_path, CALLS, home, app={"class": "Acting", "rehearse": True}) as (hassette, sink):
        calls = await calls_of(hassette, sink)
        results = hassette.apps.get("app").results if hasattr(hassette.apps, "get") else None
        assert {record.status.name for record in sink.records} == {"SUCCESS"}
        assert hassette.states["light.hall"].state == "off"
    assert [f"{call.domain}.{call.service}" for call in calls] == [
        *("light.turn_on", "api.set_state", "api.remove_state", "api.remove_state", "api.fire_event"),
        *("api.command", "api.command", "api.rest", "api.rest", "notify.notify", "light.turn_off"),
    ]
    assert all(call.rehearsed and call.error is None and call.context_id is None for call in calls)
    assert results is None or (results["removed"], results["command"]) == ((True, False), None)
    assert home.requests == []
    assert {message["type"] for message in home.received} <= READS


async def test_instances_of_one_app_can_act_and_rehearse_side_by_side(tmp_path: Path) -> None:
    home = ScriptedHome({"light.hall": "on"})
    home.http = {}
    code = """
    class Acting(App[AppConfig]):
        async def on_initialize(self):
            self.scheduler.run_in(self.act, 0)

        async def act(self):
            await self.api.turn_on("light.hall")
            raise ValueError("fails")

        async def on_error(self, context):
            await self.api.turn_off("light.hall")
    """
    instances = [{"name": "old"}, {"name": "new", "rehearse": True}]
    async with running(tmp_path, code, home, app={"class": "Acting", "instances": instances}) as (hassette, sink):
        calls = await calls_of(hassette, sink, 2)
        assert sorted(call.rehearsed for call in calls if call.service == "turn_on") == [False, True]
        await eventually(lambda: len(home.sent("call_service")) == 2)
    # The hook of the acting instance acts, and the hook of the other one does not.
    assert [message["service"] for message in home.sent("call_service")] == ["turn_on", "turn_off"]


async def test_rehearsed_call_has_the_errors_of_a_real_one(tmp_path: Path) -> None:
    home = ScriptedHome({"light.hall": "on"})
    code = """
    class Wrong(App[AppConfig]):
        async def on_initialize(self):
            for job in (self.response, self.known, self.not_json, self.wrong):
                self.scheduler.run_in(job, 0)

        async def response(self):
            await self.api.call_service("weather.get_forecasts", target="weather.home", return_response=True)

        async def known(self):
            self.api.rehearsal_responses["calendar.get_events"] = {"a": 1}
            result = await self.api.call_service("calendar.get_events", return_response=True)
            assert result.response == {"a": 1} and len(result.context_id) == 26

        async def not_json(self):
            await self.api.call_service("light.turn_on", target="light.hall", brightness=float("nan"))

        async def wrong(self):
            await self.api.call_service("light.turn_on", target="light.hall", expect={"light.hall": True})
    """
    async with running(tmp_path, code, home, app={"class": "Wrong", "rehearse": True}) as (hassette, sink):
        await calls_of(hassette, sink, 4)
        failures = {
            record.registration.name: record.failure and record.failure.type.rpartition(".")[2]
            for record in sink.records
        }
    assert failures == {
        "response": "RehearsalError",
        "known": None,
        "not_json": "ValueError",
        "wrong": "ValueError",
    }
    assert home.sent("call_service") == []


FUZZ = """
import inspect

MESSAGE = json.dumps({"id": 900, "type": "call_service", "domain": "light", "service": "turn_on"})
RESULTS = []


async def road(name, call):
    try:
        result = call()
        if inspect.isawaitable(result):
            result = await asyncio.wait_for(result, 5)
        RESULTS.append((name, "passed"))
    except BaseException as error:
        RESULTS.append((name, type(error).__name__))


def arguments(method):
    values = {"path": "/api/services/light/turn_on", "method": "POST", "target": "light.hall"}
    values |= {"entity_id": "light.hall", "domain": "light", "service": "turn_on", "command": "call_service"}
    values |= {"entities": "light.hall", "handler": print, "event_type": "fuzzed", "delay": 1}
    names = inspect.signature(method).parameters.values()
    needed = [each for each in names if each.default is each.empty and each.kind in (0, 1)]
    return [values.get(each.name, "on") for each in needed]


class Other(App[AppConfig]):
    async def on_initialize(self):
        self.job = self.scheduler.run_in(self.act, 3600)
        self.listener = self.bus.on_event(self.act, "fuzzed")

    async def act(self):
        await self.api.turn_on("light.hall")

    async def act_later(self):
        self.scheduler.run_in(self.act, 0)

    async def act_in_task(self):
        await asyncio.create_task(self.act())


class Fuzz(App[AppConfig]):
    async def on_initialize(self):
        self.scheduler.run_in(self.act, 0)

    async def act(self):
        api = self.api
        for name, method in inspect.getmembers(api, inspect.ismethod):
            if not name.startswith("_"):
                await road(name, lambda: method(*arguments(method)))
        link = api._requests.link
        connection = link.require_connection("x")
        channel = connection._channel
        fields = {"domain": "light", "service": "turn_on", "target": {"entity_id": "light.hall"}}
        send = lambda: connection.command("x", "call_service", **fields)
        await road("connection", send)
        await road("subscribe", lambda: connection.subscribe_command("x", print, "call_service", **fields))
        await road("send", lambda: connection._send(901, "x", "call_service", fields, 1))
        await road("rest", lambda: connection.rest("x", "POST", "/api/services/light/turn_on", {}))
        await road("dots", lambda: connection.rest("x", "GET", "/api/states/../webhook/secret"))
        await road("escape", lambda: connection.rest("x", "GET", "/api/%77ebhook/secret"))
        await road("state", lambda: connection.rest("x", "DELETE", "/api/states/light.hall"))
        await road("channel", lambda: channel.send(MESSAGE))
        await road("list", lambda: channel.send("[" + MESSAGE + "]"))
        await road("request", lambda: channel.request("POST", "/api/events/e", "{}", {}))
        await road("class", lambda: type(connection).command(connection, "x", "fire_event", event_type="e"))
        if hasattr(channel, "_socket"):
            headers = {"Authorization": f"Bearer {connection._token}"}
            url = link.url + "/api/services/light/turn_on"
            await road("socket", lambda: channel._socket.send_str(MESSAGE))
            await road("json", lambda: channel._socket.send_json(json.loads(MESSAGE)))
            await road("bytes", lambda: channel._socket.send_bytes(MESSAGE.encode()))
            await road("frame", lambda: channel._socket.send_frame(MESSAGE.encode(), 1))
            await road("post", lambda: channel._session.post(url, headers=headers, json={"entity_id": "light.hall"}))
        await road("task", lambda: asyncio.create_task(send()))
        await road("empty context", lambda: asyncio.create_task(send(), context=contextvars.Context()))
        loop = asyncio.get_running_loop()
        in_thread = lambda: asyncio.run_coroutine_threadsafe(send(), loop).result(5)
        public = lambda: asyncio.run_coroutine_threadsafe(api.turn_on("light.hall"), loop).result(5)
        for call in (in_thread, public):
            await road("to_thread", lambda: asyncio.to_thread(call))
            await road("default executor", lambda: loop.run_in_executor(None, call))
            with ThreadPoolExecutor() as pool:
                await road("own executor", lambda: loop.run_in_executor(pool, call))
            done = asyncio.Event()

            def work():
                try:
                    call()
                except BaseException as error:
                    RESULTS.append(("thread", type(error).__name__))
                loop.call_soon_threadsafe(done.set)

            threading.Thread(target=work).start()
            await done.wait()
        other = self.apps.get("other")
        await road("other act", other.act)
        await road("other task", other.act_in_task)
        await road("other later", other.act_later)
        await road("other api", lambda: other.api.turn_on("light.hall"))
        await road("other job", other.job.run_now)
        await road("other bus", lambda: other.bus.emit("fuzzed"))
        await road("other event", lambda: other.api.fire_event("fuzzed"))
        await road("other on_event", lambda: other.bus.on_event(self.act, "fuzzed"))
        await road("other hook", lambda: other.scheduler.run_in(print, 1, on_error=self.act))
        for owner in (other.bus, other.scheduler):
            for name, method in inspect.getmembers(owner, inspect.ismethod):
                if not name.startswith("_") and name != "wait_for":
                    await road(f"other {name}", lambda: method(*arguments(method)))
        callback = asyncio.Event()
        loop.call_later(0, lambda: (asyncio.ensure_future(send()).add_done_callback(lambda task: callback.set())))
        await callback.wait()
        self.bus.on_event(self.heard, "start")
        RESULTS.append(("end", ""))

    async def heard(self):
        await self.api.call_service("light", "turn_on", target="light.hall")


class SyncFuzz(SyncApp[AppConfig]):
    def on_initialize(self):
        self.scheduler.run_in(self.act, 0)

    def act(self):
        for name, method in inspect.getmembers(self.api, inspect.ismethod):
            if not name.startswith("_"):
                try:
                    method(*arguments(method))
                except Exception as error:
                    RESULTS.append((name, type(error).__name__))
        RESULTS.append(("sync end", ""))
"""


def results_of() -> list[tuple[str, str]]:
    """Return what each road of the fuzzing apps led to."""
    modules = [module for name, module in sys.modules.items() if name.endswith("module") and hasattr(module, "RESULTS")]
    return modules[-1].RESULTS


APPS = {
    "fuzz": {"class": "Fuzz", "rehearse": True},
    "sync": {"class": "SyncFuzz", "rehearse": True},
    "other": {"class": "Other"},
}


async def test_no_public_or_private_road_of_a_rehearsing_app_changes_the_home(tmp_path: Path) -> None:
    home = ScriptedHome({"light.hall": "off"})
    async with running(tmp_path, FUZZ, home, **APPS) as (hassette, sink):
        await eventually(lambda: {("end", ""), ("sync end", "")} <= set(results_of()))
        await calls_of(hassette, sink, 2)
        # The program itself may act.
        await hassette.api.call_service("switch", "turn_on", target="switch.a")
        results = results_of()
    sent = home.sent("call_service")
    assert [(message["domain"], message.get("target")) for message in sent] == [("switch", {"entity_id": "switch.a"})]
    (own,) = sent
    others = [message["type"] for message in home.received if message is not own]
    assert [kind for kind in others if not kind.startswith(READ_PREFIXES) and kind not in READS] == []
    assert [request for request in home.requests if request[0] != "GET"] == []
    refused = {name for name, outcome in results if outcome == "RehearsalError"}
    assert refused >= {
        "connection",
        "subscribe",
        "send",
        "rest",
        "dots",
        "escape",
        "state",
        "channel",
        "list",
        "request",
        "class",
    }
    assert refused >= {"other later", "other job", "other on_event", "other hook", "other cancel_all"}
    assert refused >= {"task", "empty context", "to_thread", "default executor", "own executor", "thread"}


async def test_no_road_to_the_socket_of_a_rehearsing_app_changes_a_listening_home(tmp_path: Path) -> None:
    async with SimulatedHome(speed=0) as home:
        heard: list[dict[str, Any]] = []
        home.core.listen("*", heard.append)
        before = json.dumps(home.core.states, sort_keys=True, default=str)
        async with running(tmp_path, FUZZ, home, **APPS) as (hassette, sink):
            await eventually(lambda: {("end", ""), ("sync end", "")} <= set(results_of()))
            await calls_of(hassette, sink, 2)
            results = results_of()
        assert [event["event_type"] for event in heard] == []
        assert json.dumps(home.core.states, sort_keys=True, default=str) == before
    refused = {name for name, outcome in results if outcome == "RehearsalError"}
    assert refused >= {"socket", "json", "bytes", "frame", "post"}


LEFT_BEHIND = """
GO, ENDED, STARTED = threading.Event(), threading.Event(), []


class Left(App[AppConfig]):
    async def on_initialize(self):
        if not STARTED:
            STARTED.append(1)
            threading.Thread(target=self.work, args=(asyncio.get_running_loop(),)).start()

    async def act(self):
        await self.api.turn_on("light.hall")
        fields = {"domain": "switch", "service": "turn_on"}
        await self.api._requests.link.require_connection("x").command("x", "call_service", **fields)

    def work(self, loop):
        GO.wait()
        try:
            asyncio.run_coroutine_threadsafe(self.act(), loop).result(5)
        except RehearsalError:
            pass
        ENDED.set()
"""


@pytest.mark.parametrize("rehearsed_before", [True, False])
async def test_code_that_an_older_version_has_left_behind_rehearses_or_acts_as_that_version_did(
    tmp_path: Path, rehearsed_before: bool
) -> None:
    home = ScriptedHome({"light.hall": "off"})
    app = {"class": "Left", "rehearse": rehearsed_before}
    async with running(tmp_path, LEFT_BEHIND, home, app=app) as (hassette, _):
        entries = hassette.config.apps
        changed = entries["app"].model_copy(update={"rehearse": not rehearsed_before})
        await hassette.apps.reload_changed({"app": changed})
        module = next(each for name, each in sys.modules.items() if name.endswith("module") and hasattr(each, "ENDED"))
        module.GO.set()
        await eventually(module.ENDED.is_set)
    expected = [] if rehearsed_before else ["light", "switch"]
    assert [message["domain"] for message in home.sent("call_service")] == expected


@pytest.mark.parametrize("value", ["yes", 1])
async def test_wrong_value_for_an_instance_is_an_error_of_the_app(tmp_path: Path, value: Any) -> None:
    home = ScriptedHome()
    instances = [{"name": "a", "rehearse": value}]
    async with running(tmp_path, CALLS, home, app={"class": "Acting", "instances": instances}) as (hassette, _):
        (status,) = hassette.apps.statuses
        assert f"rehearse of instance 'a' must be true or false, got {value!r}" in status.detail
