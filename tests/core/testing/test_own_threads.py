"""Threads that an app or a test starts call the app, and the home neither stops nor depends on their speed."""

import asyncio
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from hassette_core import App, AppConfig, SyncApp
from hassette_core.errors import AppLookupError
from hassette_core.testing import HomeUnderTest, NotSettledError
from hassette_executor import LoopCallsClosedError

ROOMS = [f"light.room_{number}" for number in range(5)]


def in_thread(work: Callable[[], object]) -> None:
    """Run a function in a thread, and wait for it."""
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


class Locking(SyncApp[AppConfig]):
    """Handlers that share a lock, which one of them holds while it calls the home."""

    def on_initialize(self) -> None:
        self.lock = threading.Lock()
        self.seen: list[str] = []
        self.bus.on_event(self.switch, "switch")
        self.bus.on_state_change(self.note, "light.*")

    def switch(self) -> None:
        with self.lock:
            self.api.turn_on(ROOMS[0])
            self.time.sleep(5)
            self.seen.append("switched")

    def note(self) -> None:
        with self.lock:
            self.seen.append("noted")


def test_handlers_of_a_sync_app_can_share_a_lock(home: HomeUnderTest) -> None:
    home.set(ROOMS[0], "off")
    home.add_app(Locking)
    home.fire("switch")
    assert home.app(Locking).seen == []
    home.advance(seconds=5)
    assert home.app(Locking).seen == ["switched", "noted"]


class Threads(SyncApp[AppConfig]):
    """Handlers that wait for threads that they have started."""

    def on_initialize(self) -> None:
        self.worked = queue.Queue[str]()
        self.work = queue.Queue[str | None]()
        self.worker = threading.Thread(target=self.serve)
        self.worker.start()
        in_thread(lambda: self.bus.on_event(self.joins, "joins"))
        for handler in (self.pool, self.joins_and_sleeps, self.nested, self.asks_worker, self.many):
            self.bus.on_event(handler, handler.__name__)

    def on_shutdown(self) -> None:
        self.work.put(None)
        in_thread(lambda: self.api.turn_off(ROOMS[0]))
        self.worker.join()

    def serve(self) -> None:
        while (light := self.work.get()) is not None:
            self.api.turn_on(light)
            self.worked.put(light)

    def joins(self) -> None:
        in_thread(lambda: self.api.turn_on(ROOMS[0]))

    def pool(self) -> None:
        with ThreadPoolExecutor() as pool:
            list(pool.map(self.api.turn_on, ROOMS))

    def joins_and_sleeps(self) -> None:
        in_thread(lambda: self.time.sleep(60))
        self.api.turn_on(ROOMS[0])
        in_thread(lambda: self.api.turn_on(ROOMS[1]))

    def nested(self) -> None:
        in_thread(lambda: in_thread(lambda: self.api.turn_on(ROOMS[0])))

    def asks_worker(self) -> None:
        self.work.put(ROOMS[0])
        self.worked.get()

    def many(self) -> None:
        for light in ROOMS:
            in_thread(partial(self.api.turn_on, light))
            self.api.turn_off(light)
            in_thread(partial(self.api.turn_on, light))


@pytest.mark.parametrize(
    ("handler", "seconds", "on"),
    [
        ("joins", 0, ROOMS[:1]),
        ("pool", 0, ROOMS),
        ("joins_and_sleeps", 60, ROOMS[:2]),
        ("nested", 0, ROOMS[:1]),
        ("asks_worker", 0, ROOMS[:1]),
        ("many", 0, ROOMS),
    ],
)
def test_handler_can_wait_for_its_threads(home: HomeUnderTest, handler: str, seconds: int, on: list[str]) -> None:
    for light in ROOMS:
        home.set(light, "off")
    home.add_app(Threads)
    home.fire(handler)
    if seconds:
        assert home.runs() == []
        home.advance(seconds=seconds)
    (run,) = home.runs()
    assert (run.status, run.duration_s) == ("success", seconds)
    assert [light for light in ROOMS if home.state(light) == "on"] == on


class AsyncThreads(App[AppConfig]):
    """A plain handler whose thread uses the loop itself."""

    async def on_initialize(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.bus.on_event(self.asks, "go")

    def asks(self) -> None:
        def ask() -> None:
            asyncio.run_coroutine_threadsafe(self.api.turn_on(ROOMS[0]), self.loop).result()

        in_thread(ask)


def test_thread_of_a_plain_handler_can_use_the_loop(home: HomeUnderTest) -> None:
    home.set(ROOMS[0], "off")
    home.add_app(AsyncThreads)
    home.fire("go")
    assert [run.status for run in home.runs()] == ["success"]
    assert home.state(ROOMS[0]) == "on"


class Waiting(SyncApp[AppConfig]):
    def on_initialize(self) -> None: ...

    def wait(self, seconds: float = 5) -> str:  # type: ignore[override]  a name that apps may use
        self.time.sleep(seconds)
        self.api.turn_on(ROOMS[0])
        return "done"

    def fail(self) -> None:
        self.api.call_service("no", "such")

    def look_up(self) -> None:
        self.apps.get("missing")


def test_test_can_call_a_method_of_a_sync_app_that_waits(home: HomeUnderTest) -> None:
    home.set(ROOMS[0], "off")
    home.add_app(Waiting)
    began = home.now
    assert home.app(Waiting).wait() == "done"
    assert home.run(home.app(Waiting).wait).result == "done"
    assert home.run(partial(home.app(Waiting).wait, 3)).result == "done"
    assert (home.now - began).total_seconds() == 13
    assert home.state(ROOMS[0]) == "on"
    for request in (home.app(Waiting).fail, lambda: home.run(home.app(Waiting).fail)):
        with pytest.raises(Exception, match="Home Assistant"):
            request()
    for request in (home.app(Waiting).look_up, lambda: home.run(home.app(Waiting).look_up)):
        with pytest.raises(AppLookupError):
            request()


async def test_async_test_can_call_a_method_of_a_sync_app_that_waits(home: HomeUnderTest) -> None:
    await home.add_app(Waiting)
    assert home.app(Waiting).wait() == "done"
    assert await home.run(home.app(Waiting).wait) == "done"
    home.set(ROOMS[1], "on")
    assert home.app(Waiting).wait(0) == "done"
    assert home.state(ROOMS[1]) == "on"


class Stuck(SyncApp[AppConfig]):
    """A handler that waits for ever, and a thread that needs the home."""

    def on_initialize(self) -> None:
        self.never = threading.Event()
        self.ended = Future[BaseException]()
        self.bus.on_event(self.hang, "hang")
        self.bus.on_event(self.hang_with_thread, "hang with thread")

    def hang(self) -> None:
        self.never.wait()

    def hang_with_thread(self) -> None:
        threading.Thread(target=self.sleep).start()
        self.hang()

    def sleep(self) -> None:
        try:
            self.time.sleep(1_000_000)
        except BaseException as error:  # noqa: BLE001  the test checks it
            self.ended.set_result(error)


def test_home_that_makes_no_progress_costs_its_time_limit_once(tmp_path: Path) -> None:
    home = HomeUnderTest(tmp_path, patience_s=3)
    home.add_app(Stuck)
    never = home.app(Stuck).never
    with pytest.raises(NotSettledError, match=r"(?s)no progress for 3 s.*self.never.wait\(\)"):
        home.fire("hang")
    for request in (lambda: home.set(ROOMS[0], "on"), lambda: home.advance(seconds=1), lambda: home.run(lambda: 1)):
        with pytest.raises(NotSettledError, match="still makes no progress since an earlier request"):
            request()
    assert "app stuck.stuck running" in str(home.timeline())
    assert home.runs() == []
    with pytest.raises(NotSettledError, match="it had made no progress before its end"):
        home.close()
    never.set()


def test_thread_of_an_app_that_waits_for_the_home_ends_with_the_home(tmp_path: Path) -> None:
    with HomeUnderTest(tmp_path) as home:
        home.add_app(Stuck)
        app = home.app(Stuck)
        home.fire("hang with thread")
        home.advance(minutes=5)
        assert home.runs() == []
    assert isinstance(app.ended.result(10), LoopCallsClosedError)
    app.never.set()


class Order(App[AppConfig]):
    async def on_initialize(self) -> None:
        self.seen: list[int] = []
        self.bus.on_event(self.work, "go")

    async def work(self) -> None:
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(4) as threads:
            waits = [loop.run_in_executor(threads, time.sleep, (4 - number) / 100) for number in range(4)]
            for number, wait in enumerate(waits):
                wait.add_done_callback(lambda _, number=number: self.seen.append(number))
            await asyncio.gather(*waits)


def test_results_of_an_executor_arrive_in_the_order_of_the_calls(home: HomeUnderTest) -> None:
    home.add_app(Order)
    home.fire("go")
    assert home.app(Order).seen == [0, 1, 2, 3]


class AtOnce(Executor):
    """Functions have ended when asyncio gets their futures, as those of a fast thread on a busy machine."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001  as each executor does
            future.set_exception(error)
        return future


class FastAndSlow(App[AppConfig]):
    async def on_initialize(self) -> None:
        self.seen: list[object] = []
        self.bus.on_event(self.work, "go")

    async def work(self) -> None:
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1) as threads:
            waits = [
                loop.run_in_executor(threads, time.sleep, 0.02),
                loop.run_in_executor(AtOnce(), int, "7"),
                loop.run_in_executor(AtOnce(), int, "seven"),
            ]
            for wait in waits:
                wait.add_done_callback(lambda wait: self.seen.append(wait.exception() or wait.result()))
            await asyncio.wait(waits)


def test_result_that_is_known_at_once_arrives_after_results_of_earlier_calls(home: HomeUnderTest) -> None:
    home.add_app(FastAndSlow)
    home.fire("go")
    first, second, third = home.app(FastAndSlow).seen
    assert (first, second) == (None, 7)
    assert isinstance(third, ValueError)


class Dependent(App[AppConfig]):
    """The first function waits for an effect of the second one."""

    async def on_initialize(self) -> None:
        self.bus.on_event(self.work, "go")

    async def work(self) -> None:
        loop, ready = asyncio.get_running_loop(), threading.Event()
        with ThreadPoolExecutor(2) as threads:
            first = loop.run_in_executor(threads, ready.wait)
            await loop.run_in_executor(threads, ready.set)
            cancelled: Any = loop.run_in_executor(threads, time.sleep, 0.001)
            cancelled.cancel()
            await first


def test_function_of_an_executor_may_wait_for_another_one(home: HomeUnderTest) -> None:
    home.add_app(Dependent)
    home.fire("go")
    assert [run.status for run in home.runs()] == ["success"]
