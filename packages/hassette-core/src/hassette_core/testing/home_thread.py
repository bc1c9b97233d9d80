"""`HomeThread`: run the home under test in a thread, and move its time on request."""

import asyncio
import sys
import threading
import traceback
import weakref
from collections import deque
from collections.abc import Awaitable, Callable, Generator
from concurrent.futures import Future
from time import monotonic
from typing import Any, Generic, TypeVar, cast

from hassette_core.containment import current_app, run_contained
from hassette_core.simulation.turns import submitting_call
from hassette_core.simulation.virtual_loop import VirtualLoop
from hassette_core.testing.errors import HomeTestError, NotSettledError

T = TypeVar("T")

POLL_S = 0.25
STUCK_PATIENCE_S = 1.0
"""Maximum real time in seconds for the stop of a home that has made no progress before."""
FRAMES = 6
"""Maximum number of frames of a thread in the error message."""
MOST_US = 24 * 3_600 * 1_000_000
"""Longest virtual time for which the home waits for a coroutine, in microseconds."""


class HomeRequest:
    """One request of the test to the home.

    Args:
        work: The function to call in the home. It may return an awaitable: the time then moves until the result is
            known.
        moved_us: Microseconds by which the time moves after the call.

    Attributes:
        future: The result. It is set when the home has settled.
    """

    def __init__(self, work: Callable[[], object], moved_us: Callable[[], int]) -> None:
        self.future: Future[Any] = Future()
        self._work = work
        self._moved_us = moved_us
        self._task: asyncio.Future[Any] | None = None
        self._result: object = None
        self._until_us = 0

    def begin(self, loop: VirtualLoop) -> None:
        """Call the function, on the loop."""
        self._until_us = loop.now_us
        try:
            self._result = result = self._work()
            if isinstance(result, Awaitable):
                self._task = asyncio.ensure_future(cast("Awaitable[Any]", result))
                self._until_us += MOST_US
            else:
                self._until_us += self._moved_us()
        except BaseException as error:  # noqa: BLE001  raised again in the test, whatever it is
            self._fail(error)

    def remaining_us(self, loop: VirtualLoop) -> int:
        """Return the microseconds by which the time must still move; 0 if the command has ended. The loop is idle."""
        if self._task is not None and not self._task.done():
            if self._until_us <= loop.now_us:
                self._fail(NotSettledError("it still waits after 24 h of the home's time"))
                self._task.cancel()
                return 0
            return self._until_us - loop.now_us
        return 0 if self._task is not None else max(0, self._until_us - loop.now_us)

    @property
    def waits(self) -> bool:
        """Whether a coroutine of the command is still running."""
        return self._task is not None and not self._task.done()

    def finish(self) -> None:
        """Set the result."""
        if self.future.done():
            return
        if self._task is None:
            self.future.set_result(self._result)
        elif self._task.cancelled():
            self.future.set_exception(asyncio.CancelledError())
        elif (error := self._task.exception()) is not None:
            self.future.set_exception(error)
        else:
            self.future.set_result(self._task.result())

    def _fail(self, error: BaseException) -> None:
        self._until_us = 0
        if not self.future.done():
            self.future.set_exception(error)


class HomeThread:
    """Runs a `VirtualLoop` in a thread. Commands run one after the other, each until the home has settled.

    The home has settled when the loop has nothing to do before its next timer.

    Args:
        patience_s: Longest real time without progress, in seconds.

    Attributes:
        loop: The event loop.
    """

    def __init__(self, patience_s: float) -> None:
        self._patience_s = patience_s
        self._commands: deque[HomeRequest] = deque()
        self._current: HomeRequest | None = None
        self._finished = 0
        self._closing = False
        self._stuck_at: tuple[int, int] | None = None
        self._test_threads = weakref.WeakSet[threading.Thread]()
        self._stop = asyncio.Event()
        self.loop = VirtualLoop(self)
        self._thread = threading.Thread(target=self._run, name="home under test", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        run_contained(self._main(), lambda: self.loop)

    async def _main(self) -> None:
        await self._stop.wait()

    def loop_is_idle(self, next_timer_us: int | None) -> bool:
        """Move the time, or end the current command and begin the next one; see `IdleHandler`."""
        command = self._current
        if command is not None:
            remaining_us = command.remaining_us(self.loop)
            if command.waits and next_timer_us is None:
                return False  # only another thread or the network can end the wait
            if remaining_us:
                self.loop.move(remaining_us if next_timer_us is None else min(remaining_us, next_timer_us))
                return True
            command.finish()
            self._current = None
            self._finished += 1
        if self._commands:
            self._current = self._commands.popleft()
            self.loop.call_soon(self._current.begin, self.loop)
            return True
        if self._closing and next_timer_us is not None:
            self.loop.move(next_timer_us)
            return True
        return False

    @property
    def is_current(self) -> bool:
        """Whether the calling code runs in the home: on its loop, or in a thread of a handler or of an app."""
        return (
            threading.current_thread() is self._thread
            or submitting_call(self.loop.turns) is not None
            or current_app() is not None
        )

    @property
    def is_stuck(self) -> bool:
        """Whether a method has raised `NotSettledError`, and the home has made no progress since then."""
        return self._stuck_at is not None and self._stuck_at == self._progress()

    def takes_call(self, call: Callable[[], object]) -> bool:
        """Turn a call of the loop into a request if a thread of the test makes it; see `IdleHandler`.

        The test has called a method of an app that waits, such as one of a `SyncApp`.
        """
        if threading.current_thread() not in self._test_threads:
            return False
        self._commands.append(HomeRequest(call, lambda: 0))
        return True

    def _check_caller(self) -> None:
        # The home would wait for the caller, and the caller for the home.
        if self.is_current:
            raise HomeTestError(
                "the test must make this request, but code that runs in the home made it. Within home.run() and apps,"
                " use home.simulated, home.app() and home.state()"
            )

    def submit(self, work: Callable[[], object], moved_us: Callable[[], int] = lambda: 0) -> "Future[Any]":
        """Add a command, and return its result. The arguments are those of `HomeRequest`.

        Raises:
            HomeTestError: The caller is code that runs in the home.
            NotSettledError: The home makes no progress since an earlier command.
        """
        self._check_caller()
        command = HomeRequest(work, moved_us)
        if not self._thread.is_alive():
            raise NotSettledError("its thread has ended")
        if self.is_stuck and not self._closing:
            raise NotSettledError("it still makes no progress since an earlier request, which raised this error")
        self._test_threads.add(threading.current_thread())
        self._commands.append(command)
        self.loop.wake()
        return command.future

    def wait(self, future: "Future[T]") -> T:
        """Wait in the calling thread for the result of a command.

        Raises:
            HomeTestError: The caller is code that runs in the home.
            NotSettledError: The home makes no progress.
        """
        if not future.done():
            self._check_caller()
        patience = self._patience()
        while not future.done():
            try:
                return future.result(POLL_S)
            except TimeoutError:
                if not future.done():
                    next(patience)
        return future.result()

    async def wait_async(self, future: "Future[T]") -> T:
        """Wait on another event loop for the result of a command.

        Raises:
            HomeTestError: The caller is code that runs in the home.
            NotSettledError: The home makes no progress.
        """
        self._check_caller()
        patience = self._patience()
        wrapped = asyncio.wrap_future(future)
        while not wrapped.done():
            await asyncio.wait({wrapped}, timeout=POLL_S)
            if not wrapped.done():
                next(patience)
        return wrapped.result()

    def _patience(self) -> Generator[None]:
        """Raise the error when there was no progress for too long."""
        seen, since = self._progress(), monotonic()
        while True:
            yield
            if (progress := self._progress()) != seen:
                seen, since = progress, monotonic()
            elif monotonic() - since > self._patience_s:
                self._stuck_at = progress
                raise NotSettledError(f"it makes no progress for {self._patience_s:g} s.{self._stacks()}")

    def _progress(self) -> tuple[int, int]:
        return self._finished, self.loop.now_us

    def _stacks(self) -> str:
        """Return the stacks of the home's threads."""
        frames = sys._current_frames()  # pyright: ignore[reportPrivateUsage]  documented, in spite of its name
        text, busy = "", self.loop.turns.working or self.loop.turns.parallel
        for thread in threading.enumerate():
            shown = thread.name.startswith("hassette-") if busy else thread is self._thread
            if shown and (frame := frames.get(thread.ident or 0)) is not None:
                stack = "".join(traceback.format_list(traceback.extract_stack(frame)[-FRAMES:]))
                text += f"\nThread {thread.name!r} is here:\n{stack}"
        return text

    def prepare_close(self) -> None:
        """Let a home that makes no progress continue as far as it can, so that it can stop soon."""
        if self.is_stuck:
            self._closing = True
            self._patience_s = min(self._patience_s, STUCK_PATIENCE_S)
        if self.is_stuck or self.loop.turns.parallel:  # a handler may wait for a thread that waits for the home
            self.loop.turns.end()

    def close(self) -> None:
        """End the loop and its thread. If code of an app blocks the loop, leave the thread behind."""
        if self._thread.is_alive():
            self._closing = True
            self.loop.wake(self._stop.set)
            self._thread.join(self._patience_s)


class Done(Generic[T]):
    """The result of a request to the home. In an ``async def`` test, await it; otherwise it is complete already.

    Args:
        thread: The thread of the home.
        future: The result of the command.

    Attributes:
        read: Whether the test has read the result or awaited it.
    """

    def __init__(self, thread: HomeThread, future: "Future[T]") -> None:
        self._thread = thread
        self._future = future
        self.read = False

    @property
    def ended(self) -> bool:
        """Whether the result is known."""
        return self._future.done()

    @property
    def result(self) -> T:
        """The result. Wait for it if it is not known yet.

        Raises:
            NotSettledError: The home makes no progress.
        """
        self.read = True
        return self._thread.wait(self._future)

    def __await__(self) -> Generator[Any, None, T]:
        self.read = True
        if self._future.done():
            return self._future.result()
        return (yield from self._thread.wait_async(self._future).__await__())
