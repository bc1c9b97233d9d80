"""A run or a hook whose code drops a coroutine fails, and no other run does."""

import asyncio
import gc
import threading
import warnings
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from hassette_core import App, AppConfig, SyncApp
from hassette_core.errors import CallNotAwaitedError, WrongLoopError
from hassette_core.testing import HomeTestError, HomeUnderTest

LIGHT = "light.hall"
HELPER = "Careless.helper() was never awaited, so its code did not run: write await before it"
REQUEST = "self.api.turn_on('light.hall') was never awaited, so it was not sent: write await before it"


async def outside() -> None: ...


class Careless(App[AppConfig]):
    """Handlers that drop coroutines in different ways."""

    async def on_initialize(self) -> None:
        self.kept: list[Any] = []
        for handler in (*DROPS, *KEEPS):
            method = getattr(self, handler, None) or (lambda name=handler: LAMBDAS[name](self))
            self.bus.on_event(method, handler, name=handler)

    async def helper(self) -> None: ...

    def calls_helper(self) -> None:
        self.helper()  # pyright: ignore[reportUnusedCoroutine]  the fault is the subject

    async def calls_helper_in_async(self) -> None:
        self.helper()  # pyright: ignore[reportUnusedCoroutine]
        await asyncio.sleep(1)

    def calls_outside(self) -> None:
        outside()  # pyright: ignore[reportUnusedCoroutine]

    def returns_list(self) -> list[Awaitable[Any]]:
        return [self.api.turn_on(LIGHT), self.api.turn_on(LIGHT)]

    async def returns_list_in_async(self) -> list[Awaitable[Any]]:
        return [self.api.turn_on(LIGHT)]

    def returns_dict_of_helpers(self) -> dict[str, Awaitable[None]]:
        return {"a": self.helper()}

    async def returns_call_in_async(self) -> Awaitable[Any]:
        return self.api.turn_on(LIGHT)

    def drops_in_a_loop(self) -> None:
        for _ in range(3):
            self.helper()  # pyright: ignore[reportUnusedCoroutine]

    def returns_helper(self) -> Awaitable[None]:
        return self.helper()

    async def keeps_for_a_task(self) -> None:
        self.kept.append(asyncio.create_task(self.helper()))

    async def closes(self) -> None:
        self.helper().close()


LAMBDAS: dict[str, Callable[[Careless], object]] = {
    "lambda_with_tuple": lambda app: (app.api.turn_on(LIGHT), None),
    "lambda_with_generator": lambda app: (app.api.turn_on(each) for each in [LIGHT]),
    "lambda_with_helper": lambda app: app.helper(),
}
DROPS = {
    "calls_helper": HELPER,
    "calls_helper_in_async": HELPER,
    "calls_outside": "outside() was never awaited",
    "returns_list": REQUEST,
    "returns_list_in_async": REQUEST,
    "returns_dict_of_helpers": HELPER,
    "returns_call_in_async": REQUEST,
    "drops_in_a_loop": HELPER,
    "lambda_with_tuple": REQUEST,
    "lambda_with_generator": "the function returned a generator, which has run nothing: write a `for` loop",
}
KEEPS = ["returns_helper", "keeps_for_a_task", "closes", "lambda_with_helper"]


@pytest.mark.parametrize(("handler", "message"), DROPS.items())
def test_run_that_drops_a_coroutine_fails(home: HomeUnderTest, handler: str, message: str) -> None:
    home.add_app(Careless)
    home.fire(handler)
    home.advance(seconds=1)
    (run,) = home.runs()
    assert run.status == "error"
    assert message in (run.error or "")


@pytest.mark.parametrize("handler", KEEPS)
def test_run_whose_coroutine_is_awaited_or_closed_succeeds(home: HomeUnderTest, handler: str) -> None:
    home.add_app(Careless)
    home.fire(handler)
    assert [run.status for run in home.runs()] == ["success"]


def drop(app: Any) -> None:
    app.helper()


class Hooks(App[AppConfig]):
    async def helper(self) -> None: ...


class InInitialize(Hooks):
    async def on_initialize(self) -> None:
        drop(self)


class InPlainInitialize(Hooks):
    def on_initialize(self) -> Any:
        return [self.api.turn_on(LIGHT)]


class InInit(Hooks):
    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        drop(self)


class InSyncInitialize(SyncApp[AppConfig]):
    async def helper(self) -> None: ...

    def on_initialize(self) -> None:
        drop(self)


@pytest.mark.parametrize("app", [InInitialize, InPlainInitialize, InInit, InSyncInitialize])
def test_app_whose_start_drops_a_coroutine_does_not_start(home: HomeUnderTest, app: type[App[AppConfig]]) -> None:
    with pytest.raises(HomeTestError, match="was never awaited, so it") as caught:
        home.add_app(app)
    assert isinstance(caught.value.__cause__, CallNotAwaitedError)


class Failing(App[AppConfig]):
    async def on_initialize(self) -> None:
        self.bus.on_event(self.fail, "go")
        self.bus.on_event(self.fail, "go", name="own hook", on_error=lambda _context: [self.api.turn_on(LIGHT)])  # type: ignore[arg-type, return-value]  the fault is the subject

    async def fail(self) -> None:
        raise ValueError("no")

    def on_error(self, context: object) -> None:
        self.api.turn_on(LIGHT)  # pyright: ignore[reportUnusedCoroutine]


def test_error_hook_that_drops_a_coroutine_is_logged_as_failed(
    home: HomeUnderTest, caplog: pytest.LogCaptureFixture
) -> None:
    home.expect_failures()
    home.add_app(Failing)
    home.fire("go")
    failures = [vars(line) for line in caplog.records if line.message == "Error hook failed"]
    assert len(failures) == 2
    assert all("self.api.turn_on('light.hall') was never awaited" in each["error"] for each in failures)


class Interrupted(App[AppConfig]):
    """Handlers that end before they reach the coroutines that they have made."""

    async def on_initialize(self) -> None:
        self.bus.on_event(self.waits, "deadline", name="deadline", timeout=5)
        self.bus.on_event(self.waits, "restart", name="restart", mode="restart")
        self.bus.on_event(self.fails, "fails", name="fails")

    async def helper(self) -> None: ...

    async def waits(self) -> None:
        calls = [self.api.turn_on(LIGHT), self.helper()]
        await asyncio.sleep(10)
        await asyncio.gather(*calls)

    async def fails(self) -> None:
        calls = [self.api.turn_on(LIGHT), self.helper()]
        await asyncio.gather(*calls[:0])
        raise ValueError("no")


class InterruptedWithHook(Interrupted):
    async def on_error(self, context: object) -> None: ...


class InterruptedWithPlainHook(Interrupted):
    def on_error(self, context: object) -> None: ...


@pytest.fixture
def collected_at_the_end() -> Iterator[None]:
    """Collect garbage only at the end. Python cannot give its warning while it makes a named tuple."""
    gc.disable()
    try:
        yield
        gc.collect()
    finally:
        gc.enable()


@pytest.mark.usefixtures("collected_at_the_end")
@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited")
@pytest.mark.parametrize("app", [Interrupted, InterruptedWithHook, InterruptedWithPlainHook])
@pytest.mark.parametrize(("event", "status"), [("deadline", "timed_out"), ("restart", "cancelled"), ("fails", "error")])
def test_run_that_ends_before_it_awaits_its_coroutines_has_no_second_failure(
    home: HomeUnderTest, caplog: pytest.LogCaptureFixture, app: type[Interrupted], event: str, status: str
) -> None:
    home.set(LIGHT, "off")
    home.add_app(app)
    home.fire(event)
    home.advance(seconds=5)
    if event == "restart":
        home.fire(event)
        home.advance(seconds=10)
    assert home.runs()[0].status == status
    assert "never awaited" not in caplog.text
    home.check_failures()


class Cyclic(Hooks):
    async def on_initialize(self) -> None:
        self.bus.on_event(self.hide, "hide")
        self.bus.on_event(self.collect, "collect")

    async def hide(self) -> None:
        cycle: list[Any] = [self.helper()]
        cycle.append(cycle)

    async def collect(self) -> None:
        gc.collect()


def test_coroutine_in_a_cycle_does_not_fail_the_run_in_which_it_is_collected(home: HomeUnderTest) -> None:
    home.add_app(Cyclic)
    gc.collect()
    gc.disable()
    try:
        home.fire("hide")
        with pytest.warns(RuntimeWarning, match="helper' was never awaited"):
            home.fire("collect")
    finally:
        gc.enable()
    assert [run.status for run in home.runs()] == ["success", "success"]


def test_coroutine_that_a_test_drops_leads_to_the_usual_warning(home: HomeUnderTest) -> None:
    home.add_app(Hooks)
    with pytest.warns(RuntimeWarning, match="helper' was never awaited"):
        drop(home.app(Hooks))
    home.close()
    with pytest.warns(RuntimeWarning, match="outside' was never awaited"):
        outside()  # pyright: ignore[reportUnusedCoroutine]


class OwnLoop(App[AppConfig]):
    """Plain handlers that run coroutines of the API on a separate loop."""

    async def on_initialize(self) -> None:
        self.problem: BaseException | None = None
        for handler in (self.runs_call, self.runs_helper, self.runs_in_thread, self.waits, self.sleeps):
            self.bus.on_event(handler, handler.__name__)

    async def helper(self) -> None:
        await self.api.turn_on(LIGHT)

    def runs_call(self) -> None:
        asyncio.run(self.api.turn_on(LIGHT))

    def runs_helper(self) -> None:
        asyncio.run(self.helper())

    def waits(self) -> None:
        asyncio.run(self.bus.wait_for("never", timeout=1))  # type: ignore[arg-type]

    def sleeps(self) -> None:
        asyncio.run(self.time.sleep(1))

    def runs_in_thread(self) -> None:
        def work() -> None:
            try:
                asyncio.run(self.helper())
            except WrongLoopError as error:
                self.problem = error

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        if self.problem is not None:
            raise self.problem


@pytest.mark.parametrize("handler", ["runs_call", "runs_helper", "runs_in_thread", "waits", "sleeps"])
def test_run_that_uses_another_event_loop_fails_and_sends_nothing(home: HomeUnderTest, handler: str) -> None:
    home.set(LIGHT, "off")
    home.add_app(OwnLoop)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        home.fire(handler)
    (run,) = home.runs()
    assert "works only on the event loop of Hassette" in (run.error or "")
    assert "asyncio.run()" in (run.error or "")
    assert home.calls() == []


async def test_call_of_an_app_on_the_loop_of_the_test_is_an_error_that_names_home_run(home: HomeUnderTest) -> None:
    await home.set(LIGHT, "off")
    await home.add_app(OwnLoop)
    with pytest.raises(WrongLoopError, match=r"In a test, pass the coroutine to home.run\(\)"):
        await home.app(OwnLoop).helper()
    await home.run(home.app(OwnLoop).helper())
    assert home.state(LIGHT) == "on"
