"""Bounded pool of daemon threads for blocking calls, with a count of stuck threads.

`concurrent.futures.ThreadPoolExecutor` is not used: the interpreter joins its threads at exit, so a handler that is
stuck in a socket call would keep the process from ending.
"""

import asyncio
import contextvars
import logging
import threading
from collections import deque
from collections.abc import Callable

from hassette_executor.errors import ExecutorStoppedError
from hassette_executor.records.failures import leave_out_frames_of
from hassette_executor.repeated_log import RepeatedLog

leave_out_frames_of(__file__)


class _ThreadCall:
    """One call that waits for a thread or runs in one."""

    __slots__ = ("abandoned", "context", "ended", "function", "future", "loop", "started")

    def __init__(self, function: Callable[[], object], context: contextvars.Context) -> None:
        self.function = function
        self.context = context
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[object] = self.loop.create_future()
        self.started = False
        self.ended = False
        self.abandoned = False


class ThreadPool:
    """A bounded pool of daemon threads. Sync handlers, error hooks, the log and OpenTelemetry use one pool each.

    Args:
        limit: Maximum number of threads; further calls wait for a free thread.
        kind: Kind of the calls; part of the names of the threads.
        log: Receives an error message if all threads are stuck; None for no message.

    Attributes:
        closed: Whether the pool refuses calls.
        busy: Number of calls that run or wait.
        leaked: Number of threads that still run a call whose caller was cancelled.
    """

    def __init__(self, limit: int, kind: str = "run", log: RepeatedLog | None = None) -> None:
        self._limit = limit
        self._kind = kind
        self._log = log
        self._calls: deque[_ThreadCall | None] = deque()
        self._lock = threading.Condition(threading.Lock())
        self._threads = 0
        self.busy = 0
        self.closed = False
        self.leaked = 0

    async def run(self, function: Callable[[], object]) -> object:
        """Run a function in a thread, with the context variables of this task, and return its result.

        Cancelling the caller cannot end the thread. A call that has not begun is dropped. A call that has begun is
        counted in `leaked` until it ends.

        Raises:
            ExecutorStoppedError: The pool is closed.
            BaseException: The exception of the function. ``StopIteration`` is replaced by ``RuntimeError``.
        """
        if self.closed:
            raise ExecutorStoppedError
        call = _ThreadCall(function, contextvars.copy_context())
        with self._lock:
            if self.busy >= self._threads and self._threads < self._limit:
                self._start_thread()
            self.busy += 1
            calls = self._calls
            calls.append(call)
            self._lock.notify()
        try:
            return await call.future
        except asyncio.CancelledError:
            with self._lock:
                call.abandoned = True
                if not call.started:
                    # If every thread is stuck, the queue would keep the call and its objects for ever.
                    calls.remove(call)
                    self.busy -= calls is self._calls
                elif not call.ended:
                    # Count the thread only if its call still runs. After the call, no code decrements `leaked`, so the
                    # count would stay too high.
                    self.leaked += 1
            if self._log is not None and self.leaked >= self._limit:
                self._log.log(
                    "leaked",
                    logging.ERROR,
                    "All threads are held by calls that did not end in time; further calls cannot begin",
                    extra={"threads": self._limit, "kind": self._kind},
                )
            raise
        finally:
            # Break a reference cycle: the traceback holds this frame, and the call's future holds the exception.
            del call

    def open(self) -> None:
        """Accept calls again after `close`, in new threads, because the old threads may be stuck."""
        with self._lock:
            if self.closed:
                self._calls = deque()
                self._threads = self.busy = 0
                self.closed = False

    def close(self) -> None:
        """Refuse calls and end idle threads. Busy threads end after their call, or with the process."""
        with self._lock:
            if not self.closed:
                self.closed = True
                self._calls.extend([None] * self._threads)
                self._lock.notify_all()

    def _start_thread(self) -> None:
        name = f"hassette-{self._kind}-{self._threads + 1}"
        threading.Thread(target=self._work, args=(self._calls,), name=name, daemon=True).start()
        self._threads += 1

    def _work(self, calls: "deque[_ThreadCall | None]") -> None:
        while (call := self._next(calls)) is not None:
            self._run(call)
            with self._lock:
                call.ended = True
                if calls is self._calls:
                    self.busy -= 1
                if call.abandoned:
                    self.leaked -= 1
            del call  # otherwise the thread would keep the call's function and context alive until the next call

    def _next(self, calls: "deque[_ThreadCall | None]") -> _ThreadCall | None:
        with self._lock:
            while not calls:
                self._lock.wait()
            call = calls.popleft()
            if call is not None:
                call.started = True
            return call

    def _run(self, call: _ThreadCall) -> None:
        try:
            result, error = call.context.run(call.function), None
        except StopIteration as stopped:  # a future cannot raise a StopIteration (PEP 479)
            result, error = None, RuntimeError(f"the call raised StopIteration({stopped.value!r})")
        except BaseException as raised:  # noqa: BLE001  raised again in the caller, whatever it is
            result, error = None, raised
        try:
            call.loop.call_soon_threadsafe(_settle, call.future, result, error)
        except RuntimeError:
            # The event loop was closed while this thread was stuck, so no caller waits for the result.
            return
        finally:
            del call, error  # breaks the same reference cycle in the thread


def _settle(future: asyncio.Future[object], result: object, error: BaseException | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
