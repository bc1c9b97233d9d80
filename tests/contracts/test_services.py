"""Every long-lived component keeps the promises of `Service`. It can be stopped at any time and started again."""

import asyncio
import inspect
import socket
import sys
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from hassette_core.api import Api
from hassette_core.apps import AppService
from hassette_core.bus import BusService
from hassette_core.clock import ManualClock
from hassette_core.home import HomeData, HomeRegistry, HomeService
from hassette_core.lifecycle import Resource, Service
from hassette_core.link import HomeAssistantLink
from hassette_core.scheduler import SchedulerService
from hassette_core.session import HomeFacts
from hassette_core.simulation.home import SimulatedHome
from hassette_core.states import StateCache
from hassette_core.triggers import TriggerService
from hassette_executor import CommandExecutor, MemorySink, Record
from hassette_executor.otel.settings import OpenTelemetrySettings
from hassette_executor.otel.sink import OpenTelemetrySink
from hassette_store import DatabaseService
from hassette_sync import DataSyncService
from hassette_sync.settings import WebSettings
from hassette_sync.web.service import WebService
from support.records import invoke, nothing
from support.sinks import FaultySink
from support.waiting import eventually, patience

Make = Callable[[Path], Any]
"""A function that creates a service, whose files are in the given folder."""


def make_link(_: Path) -> HomeAssistantLink:
    return HomeAssistantLink("http://127.0.0.1:9", "a-token", cache=StateCache(), on_event=lambda event: None)


def make_bus(_: Path) -> BusService:
    return BusService(CommandExecutor(MemorySink()), states=StateCache().states)


def make_apps(folder: Path) -> AppService:
    executor = CommandExecutor(MemorySink())
    states = StateCache().states
    bus = BusService(executor, states=states)
    scheduler = SchedulerService(executor)
    link = make_link(folder)
    return AppService(
        {},
        folder,
        data_dir=folder,
        executor=executor,
        bus=bus,
        scheduler=scheduler,
        api=Api(link),
        states=states,
        home=HomeRegistry(HomeData(states)),
    )


def make_home_facts(folder: Path) -> HomeFacts:
    executor = CommandExecutor(MemorySink())
    return HomeFacts(make_link(folder), executor, SchedulerService(executor))


def make_home_service(folder: Path) -> HomeService:
    link = make_link(folder)
    return HomeService(link, HomeData(link.cache.states), ManualClock())


def make_trigger_service(folder: Path) -> TriggerService:
    link, bus = make_link(folder), make_bus(folder)
    return TriggerService(link, bus.triggers, bus.dispatch, ManualClock())


SERVICES: dict[str, Make] = {
    "home registries": make_home_service,
    "triggers": make_trigger_service,
    "executor": lambda _: CommandExecutor(MemorySink()),
    "bus": make_bus,
    "scheduler": lambda _: SchedulerService(CommandExecutor(MemorySink())),
    "apps": make_apps,
    "link": make_link,
    "home settings": make_home_facts,
    "simulated home": lambda _: SimulatedHome(speed=0),
    "database": lambda folder: DatabaseService(folder / "hassette.db"),
    "opentelemetry": lambda _: OpenTelemetrySink(OpenTelemetrySettings(endpoint="http://127.0.0.1:9")),
    "web": lambda folder: WebService(DataSyncService(folder / "hassette.db"), WebSettings(port=0)),
}


@pytest.fixture(params=SERVICES)
def service(request: pytest.FixtureRequest, tmp_path: Path) -> Service:
    return SERVICES[request.param](tmp_path)


def waits(task: asyncio.Task[None]) -> bool:
    """Return whether a task has begun and waits."""
    coroutine: Any = task.get_coro()
    return inspect.getcoroutinestate(coroutine) == inspect.CORO_SUSPENDED


@asynccontextmanager
async def serving(service: Service) -> AsyncGenerator[asyncio.Task[None]]:
    """Run ``serve`` in a task, and cancel the task at the end. Fail if the task ends at once by itself."""
    task = asyncio.create_task(service.serve())
    await eventually(lambda: task.done() or waits(task))
    assert not task.done(), "serve() ended by itself"
    yield task
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_service_has_the_shape_of_the_protocol(service: Service) -> None:
    assert isinstance(service, Resource)
    assert isinstance(service, Service)
    assert service.name


async def test_service_can_be_stopped_before_its_first_start(service: Service) -> None:
    await service.stop()
    await service.start()
    await service.stop()


async def test_service_can_be_stopped_twice(service: Service) -> None:
    await service.start()
    async with serving(service):
        pass
    await service.stop()
    await service.stop()


async def test_two_callers_can_stop_a_service_at_the_same_time(service: Service) -> None:
    await service.start()
    async with serving(service):
        await asyncio.gather(service.stop(), service.stop())


async def test_service_can_be_started_again_and_again(service: Service) -> None:
    for _ in range(3):
        await service.start()
        async with serving(service):
            pass
        await service.stop()


async def test_cancelled_serve_ends_and_the_service_can_be_restarted(service: Service) -> None:
    await service.start()
    async with serving(service) as task:
        task.cancel()
        async with asyncio.timeout(patience(10)):
            with pytest.raises(asyncio.CancelledError):
                await task
    await service.stop()
    await service.start()
    async with serving(service):
        pass
    await service.stop()


@pytest.mark.parametrize("cancellations", [1, 2])
@pytest.mark.parametrize("steps", [0, 1, 2, 4, 8, 32, 128, 512])
async def test_service_can_be_started_after_a_cancelled_start(service: Service, steps: int, cancellations: int) -> None:
    starting = asyncio.create_task(service.start())
    for _ in range(steps):
        if not starting.done():
            await asyncio.sleep(0)
    for _ in range(cancellations):
        starting.cancel()
        await asyncio.sleep(0)
    await asyncio.wait({starting})
    await service.stop()
    await service.start()
    async with serving(service):
        pass
    await service.stop()


async def test_service_is_an_async_context_manager(service: Any) -> None:
    for _ in range(2):
        async with service as entered:
            assert entered is service


@pytest.fixture
def port_in_use() -> Iterator[socket.socket]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener


@pytest.mark.parametrize("kind", ["simulated home", "web"])
async def test_service_starts_after_a_failed_start_once_its_port_is_free(
    kind: str, port_in_use: socket.socket, tmp_path: Path
) -> None:
    port = port_in_use.getsockname()[1]
    service: Service
    if kind == "web":
        service = WebService(DataSyncService(tmp_path / "hassette.db"), WebSettings(port=port))
    else:
        service = SimulatedHome(speed=0, port=port)
    with pytest.raises(OSError, match=str(port)):
        await service.start()
    await service.stop()
    port_in_use.close()
    await service.start()
    async with serving(service):
        pass
    await service.stop()


async def test_database_starts_after_a_failed_start_once_its_folder_is_free(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.write_text("a file where the folder should be", encoding="utf-8")
    service = DatabaseService(folder / "hassette.db")
    with pytest.raises(Exception, match="data"):
        await service.start()
    await service.stop()
    folder.unlink()
    await service.start()
    async with serving(service):
        pass
    await service.stop()


async def test_opentelemetry_starts_after_a_failed_start_once_its_exporter_can_be_imported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    service = SERVICES["opentelemetry"](Path())
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "hassette_executor.otel.otlp", None)
        with pytest.raises(ImportError):
            await service.start()
        await service.stop()
    await service.start()
    async with serving(service):
        pass
    await service.stop()


async def test_executor_starts_after_a_cancelled_start() -> None:
    class SlowAtFirst(MemorySink):
        slow = True

        async def last_id(self) -> int:
            if self.slow:
                await asyncio.Event().wait()
            return await super().last_id()

    service = CommandExecutor(sink := SlowAtFirst())
    starting = asyncio.create_task(service.start())
    await asyncio.sleep(0)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    await service.stop()
    sink.slow = False
    await service.start()
    async with serving(service):
        pass
    await service.stop()


async def test_executor_starts_while_its_sink_cannot_be_read() -> None:
    service = CommandExecutor(sink := FaultySink())
    made: list[Record] = []
    for _ in range(2):
        sink.mode = "fail"
        await service.start()
        made.append(await service.execute(invoke(nothing)))
        sink.mode = "ok"
        await service.stop()
    assert [record.status for record in made] == ["success"] * 2
    assert sink.records == made
