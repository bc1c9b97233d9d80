"""Only the end of the main coroutine ends the event loop of the process."""

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator

import pytest

from hassette_core.containment.event_loop import run_contained
from support.waiting import eventually


def leave(error: type[BaseException] = SystemExit) -> None:
    raise error


CALLBACKS: dict[str, Callable[[asyncio.AbstractEventLoop], object]] = {
    "call_soon": lambda loop: loop.call_soon(leave),
    "call_soon, KeyboardInterrupt": lambda loop: loop.call_soon(leave, KeyboardInterrupt),
    "call_later": lambda loop: loop.call_later(0.001, leave),
    "a thread": lambda loop: loop.call_soon_threadsafe(leave),
    "a done callback": lambda loop: loop.create_task(asyncio.sleep(0)).add_done_callback(lambda _: leave()),
    "a task": lambda loop: asyncio.Task(asyncio.to_thread(leave), loop=loop),
    "fifty at once": lambda loop: [loop.call_soon(leave) for _ in range(50)],
    "stop": lambda loop: loop.stop(),
}


@pytest.fixture
def handled_signals() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, lambda *_: None)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def default_signals() -> Iterator[None]:
    """Let SIGINT raise a KeyboardInterrupt. A shell starts a background process with SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("handled_signals")
@pytest.mark.parametrize("place", CALLBACKS)
def test_callback_that_exits_does_not_end_the_loop(place: str, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> int:
        made = CALLBACKS[place](asyncio.get_running_loop())
        await asyncio.sleep(0)
        await eventually(lambda: place == "stop" or "App tried to end the process" in caplog.text)
        del made
        return 7

    assert run_contained(main()) == 7


@pytest.mark.usefixtures("handled_signals")
def test_exit_during_the_end_does_not_replace_the_result() -> None:
    async def stubborn() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            sys.exit(9)

    async def numbers() -> object:
        try:
            while True:
                yield 1
        finally:
            sys.exit(8)

    async def main() -> int:
        main.tasks = [asyncio.Task(stubborn()) for _ in range(50)]  # type: ignore[attr-defined]
        main.numbers = numbers()  # type: ignore[attr-defined]
        async for _ in main.numbers:  # type: ignore[attr-defined]
            break
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_soon(leave)
        return 7

    assert run_contained(main()) == 7


def test_task_that_ignores_its_cancellation_does_not_keep_the_loop_alive() -> None:
    async def stubborn() -> None:
        while True:
            try:
                await asyncio.sleep(600)
            except asyncio.CancelledError:
                continue

    async def main() -> None:
        main.task = asyncio.Task(stubborn())  # type: ignore[attr-defined]
        await asyncio.sleep(0)

    run_contained(main())


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(3)])
def test_error_of_the_main_coroutine_is_raised(error: BaseException) -> None:
    async def main() -> None:
        raise error

    with pytest.raises(type(error)) as raised:
        run_contained(main())
    assert raised.value is error


def test_ctrl_c_before_the_signals_are_handled_ends_the_run(default_signals: None) -> None:
    ended: list[str] = []

    async def main() -> None:
        timer = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("clean")

    with pytest.raises(KeyboardInterrupt):
        run_contained(main())
    assert ended == ["clean"]
