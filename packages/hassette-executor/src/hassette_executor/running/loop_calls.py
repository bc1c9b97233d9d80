"""`LoopCalls`: let threads call functions and coroutines on the event loop, and wait for the results."""

import asyncio
import contextvars
import threading
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar, cast

from hassette_executor.errors import CalledOnLoopError, LoopCallsClosedError
from hassette_executor.records.failures import leave_out_frames_of
from hassette_executor.running.threads import ThreadCall, ThreadPool, current_thread_call

leave_out_frames_of(__file__)

T = TypeVar("T")


class _LoopCall:
    """One call of a thread.

    Attributes:
        what: The call, for error messages.
        work: The function to call on the event loop.
        thread: The pool and the call of the thread. None if the thread belongs to no pool.
        ended: Set when `result` or `error` is known.
    """

    __slots__ = ("ended", "error", "result", "task", "thread", "what", "work")

    def __init__(self, what: str, work: Callable[[], object]) -> None:
        self.what = what
        self.work = work
        self.thread: tuple[ThreadPool, ThreadCall] | None = current_thread_call()
        self.task: asyncio.Future[object] | None = None
        self.result: object = None
        self.error: BaseException | None = None
        self.ended = threading.Event()

    def end(self, result: object, error: BaseException | None) -> None:
        """Pass the result to the thread."""
        self.result, self.error = result, error
        self.ended.set()
        if self.thread is not None:
            pool, call = self.thread
            pool.resume(call)


class LoopCalls:
    """Lets threads call functions and coroutines on the event loop, and wait for the results.

    While a thread of a `ThreadPool` waits, it does not count as one of the pool's threads. If the run of the thread is
    cancelled meanwhile, `run` raises ``CancelledError`` in the thread.

    Example::

        calls = LoopCalls()
        calls.open()  # on the event loop
        calls.run("fetch", lambda: fetch("light.hall"))  # in a thread; returns the result of the coroutine
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False
        self._waiting: set[_LoopCall] = set()

    def open(self) -> None:
        """Use the running event loop, and accept calls from all threads."""
        self._loop = asyncio.get_running_loop()
        self._closed = False

    def close(self) -> None:
        """Refuse and end the calls of threads that belong to no pool. Call this on the event loop.

        A call from a pool ends with its run, because the end of the run cancels it.
        """
        self._closed = True
        for call in tuple(self._waiting):
            if call.thread is None:
                assert call.task is not None  # the call waits for it
                call.task.cancel()
                # Do not wait for the task: if it ignores its cancellation, the thread would keep the process alive.
                self._end(call, None, LoopCallsClosedError(call.what))

    def run(self, what: str, work: Callable[[], Awaitable[T] | T]) -> T:
        """Call a function on the event loop, wait for its result and return it. Call this in a thread.

        The function runs with the context variables of the thread. If it returns an awaitable, the loop awaits it.

        Args:
            what: The call, for error messages, such as ``self.api.call_service``.
            work: The function.

        Raises:
            CalledOnLoopError: The caller runs on the event loop.
            LoopCallsClosedError: The app of the thread or the framework has stopped.
            asyncio.CancelledError: The run of the thread was cancelled, or the function raised this error.
            BaseException: The error of the function or of the awaitable.
        """
        loop = self._loop
        if loop is None:
            raise LoopCallsClosedError(what)
        if _running_loop() is loop:
            raise CalledOnLoopError(what)
        call = _LoopCall(what, work)
        try:
            loop.call_soon_threadsafe(self._start, call, context=contextvars.copy_context())
        except RuntimeError:  # the loop is closed
            raise LoopCallsClosedError(what) from None
        call.ended.wait()
        try:
            if call.error is not None:
                raise call.error
            return cast("T", call.result)
        finally:
            del call, work  # the error's traceback holds this frame, and the call holds the error

    def _start(self, call: _LoopCall) -> None:
        if call.thread is None:
            if self._closed:
                call.end(None, LoopCallsClosedError(call.what))
                return
        elif call.thread[1].abandoned:
            call.end(None, asyncio.CancelledError("the run has ended"))
            return
        try:
            outcome = call.work()
            if not isinstance(outcome, Awaitable):
                call.end(outcome, None)
                return
            task = call.task = asyncio.ensure_future(cast("Awaitable[object]", outcome))
        except BaseException as error:  # noqa: BLE001  raised again in the thread, whatever it is
            call.end(None, error)
            return
        self._waiting.add(call)
        if call.thread is not None:
            pool, thread = call.thread
            pool.park(thread, task.cancel)
        # In the current context, the callback would run in the context of the app.
        task.add_done_callback(partial(self._task_ended, call), context=contextvars.Context())

    def _task_ended(self, call: _LoopCall, task: "asyncio.Future[Any]") -> None:
        if task.cancelled():
            self._end(call, None, asyncio.CancelledError())
        elif (error := task.exception()) is not None:
            self._end(call, None, error)
        else:
            self._end(call, task.result(), None)

    def _end(self, call: _LoopCall, result: object, error: BaseException | None) -> None:
        if call not in self._waiting:
            return  # `close` has ended it
        self._waiting.discard(call)
        if call.thread is not None:
            pool, thread = call.thread
            pool.unpark(thread)
        call.end(result, error)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
