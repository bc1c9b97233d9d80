"""Bounded pool of daemon threads for blocking calls, with a count of stuck threads.

`concurrent.futures.ThreadPoolExecutor` is not used: the interpreter joins its threads at exit, so a handler that is
stuck in a socket call would keep the process from ending. A thread that waits for the event loop (`LoopCalls`) does not
count toward the limit. Otherwise handlers that wait for effects of each other could use up all threads. Threads with
hung calls count toward the limit of their owner only. Otherwise hung calls of one app could use up the threads of all
apps.
"""

import asyncio
import contextvars
import inspect
import logging
import threading
from collections import Counter, deque
from collections.abc import Callable, Hashable

from hassette_executor.errors import ExecutorStoppedError, GeneratorReturnedError
from hassette_executor.records.failures import leave_out_frames_of
from hassette_executor.repeated_log import RepeatedLog

leave_out_frames_of(__file__)


END_S = 0.25
"""How long a cancelled call may take to end, in seconds, after its wait for the event loop was cancelled."""
MOST_THREADS = 1_000
"""Maximum number of threads of one pool, including the threads that wait for the event loop."""

_thread = threading.local()


class ThreadCall:
    """One call that waits for a thread of a pool or runs in one.

    Args:
        function: The function to call.
        context: The context variables of the call.
        calls: The queue of the pool.
        owner: The app of the call, or another value that calls have in common, and the number of its renewals.

    Attributes:
        abandoned: Whether the caller no longer waits for the call. Then the call must not wait for the event loop.
        cancel_wait: Cancels the call's wait for the event loop; None while the call does not wait.
        future: Completed when the call has ended. An exception of the function is its result.
        result: The result of the function, until `take_result`.
    """

    __slots__ = (
        "abandoned",
        "calls",
        "cancel_wait",
        "context",
        "ended",
        "function",
        "future",
        "loop",
        "owner",
        "result",
        "started",
    )

    def __init__(
        self,
        function: Callable[[], object],
        context: contextvars.Context,
        calls: "deque[ThreadCall | None]",
        owner: tuple[Hashable, int],
    ) -> None:
        self.function = function
        self.context = context
        self.calls = calls
        self.owner = owner
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[None] = self.loop.create_future()
        self.result: object = None
        self.started = False
        self.ended = False
        self.abandoned = False
        self.cancel_wait: Callable[[], object] | None = None

    def take_result(self) -> object:
        """Return the result, and release it.

        The thread keeps the call for a moment after its end. It must not keep the result: coroutines in the result that
        were never awaited must be deleted while the run that made them is in progress.
        """
        result, self.result = self.result, None
        return result


def current_thread_call() -> "tuple[ThreadPool, ThreadCall] | None":
    """Return the pool and the call of the current thread. None in a thread that belongs to no pool."""
    return getattr(_thread, "call", None)


class ThreadPool:
    """A bounded pool of daemon threads. Sync handlers, error hooks, the log and OpenTelemetry use one pool each.

    Args:
        limit: Maximum number of threads that run a call and do not wait for the event loop. Further calls wait for a
            free thread. If one owner has as many hung calls, its further calls wait until a hung call ends.
        kind: Kind of the calls; part of the names of the threads.
        log: Receives an error message if an owner has as many hung calls as allowed; None for no message.
        most: Maximum number of threads, including those that wait for the event loop, and those with hung calls.

    Attributes:
        closed: Whether the pool refuses calls.
        busy: Number of calls that run or wait.
        parked: Number of calls that wait for the event loop.
        leaked: Number of threads that still run a call whose caller was cancelled.
    """

    def __init__(
        self, limit: int, kind: str = "run", log: RepeatedLog | None = None, *, most: int = MOST_THREADS
    ) -> None:
        self._limit = limit
        self._hung: Counter[tuple[Hashable, int]] = Counter()
        self._renewed: Counter[Hashable] = Counter()
        self._most = most
        self._kind = kind
        self._log = log
        self._calls: deque[ThreadCall | None] = deque()
        self._lock = threading.Condition(threading.Lock())
        self._threads = 0
        self._started = 0
        self.busy = 0
        self.parked = 0
        self.closed = False
        self.leaked = 0

    @property
    def at_work(self) -> int:
        """Number of calls that run or wait for a thread, without those that wait for the event loop or are leaked."""
        with self._lock:
            return max(0, self.busy - self.parked - self.leaked)

    async def run(self, function: Callable[[], object], owner: Hashable = None) -> object:
        """Run a function in a thread, with the context variables of this task, and return its result.

        Cancelling the caller cannot end the thread. A call that has not begun is dropped. If the call waits for the
        event loop, its wait raises ``CancelledError``, and the call has `END_S` seconds to end. A call that still runs
        is hung. It is counted in `leaked` until it ends. Another thread takes the place of its thread, but not for
        calls of an owner with too many hung calls.

        Args:
            function: The function.
            owner: The app of the call, or another value. Hung calls delay only calls with the same owner.

        Raises:
            ExecutorStoppedError: The pool is closed.
            BaseException: The exception of the function. ``StopIteration`` is replaced by ``RuntimeError``.
        """
        if self.closed:
            raise ExecutorStoppedError
        call = ThreadCall(function, contextvars.copy_context(), self._calls, (owner, self._renewed[owner]))
        with self._lock:
            if self.busy >= self._threads:
                self._start_thread()
            self.busy += 1
            self.begin(call)
            self._calls.append(call)
            self._lock.notify()
        try:
            await call.future
            return call.take_result()
        except asyncio.CancelledError:
            if not call.future.cancelled():
                raise  # the function has raised it
            if call.cancel_wait is not None and await self._interrupted(call):
                call.future.result()  # raises the exception of the function, if there is one
                return call.take_result()
            self._abandon(call)
            raise
        finally:
            # Break a reference cycle: the traceback holds this frame, and the call's future holds the exception.
            del call

    def renew(self, owner: Hashable) -> None:
        """Let hung calls of an owner no longer delay its further calls, because a newer version of an app starts.

        This has no effect while hung calls use half of all threads. Otherwise they could use up the threads of all
        apps.
        """
        with self._lock:
            if self._hung.total() < self._most // 2:
                self._renewed[owner] += 1

    async def _interrupted(self, call: ThreadCall) -> bool:
        """Cancel the wait of a call for the event loop. Return whether the call has ended within `END_S`."""
        assert call.cancel_wait is not None  # checked by the caller
        call.future = call.loop.create_future()  # the first future is cancelled and cannot get a result
        call.cancel_wait()
        try:
            await asyncio.wait({call.future}, timeout=END_S)
        except asyncio.CancelledError:
            self._abandon(call)
            raise
        return call.future.done()

    def _abandon(self, call: ThreadCall) -> None:
        call.future.cancel()
        with self._lock:
            call.abandoned = True
            if not call.started:
                # If every thread is stuck, the queue would keep the call and its objects for ever.
                call.calls.remove(call)
                self.busy -= call.calls is self._calls
            elif not call.ended:
                # Count the thread only if its call still runs. After the call, no code decrements `leaked`, so the
                # count would stay too high.
                self.leaked += 1
                if call.calls is self._calls:
                    self._hung[call.owner] += 1
                    if self.busy > self._threads:
                        self._start_thread()
        if call.cancel_wait is not None:
            call.cancel_wait()
        if self._log is not None and self._hung[call.owner] >= self._limit:
            self._log.log(
                ("leaked", call.owner),
                logging.ERROR,
                "Hung calls hold all threads that one app may have; further calls of this app wait",
                extra={"threads": self._limit, "kind": self._kind, "owner": call.owner[0]},
            )

    def park(self, call: ThreadCall, cancel_wait: Callable[[], object]) -> None:
        """Let another call run in place of a call that begins to wait for the event loop.

        Call this on the event loop.

        Args:
            call: The call, which runs in a thread of this pool.
            cancel_wait: Cancels the wait.
        """
        call.cancel_wait = cancel_wait
        with self._lock:
            if call.calls is self._calls:
                self.parked += 1
                if self.busy > self._threads:
                    self._start_thread()

    def begin(self, call: ThreadCall) -> None:
        """Do nothing. The pool calls this method on the event loop, before a thread can begin with a call.

        The pool of the testing kit notes here that the call begins to work.
        """

    def resume(self, call: ThreadCall) -> None:
        """Do nothing. `LoopCalls` calls this method on the event loop when the call of a thread has got its result.

        The pool of the testing kit waits here, until the thread has ended or waits for the event loop again.
        """

    def unpark(self, call: ThreadCall) -> None:
        """Count a call as running again, before its thread learns that its wait has ended."""
        call.cancel_wait = None
        with self._lock:
            if call.calls is self._calls:
                self.parked -= 1
                if self._surplus() > 0:
                    self._lock.notify()  # an idle thread ends

    def open(self) -> None:
        """Accept calls again after `close`, in new threads, because the old threads may be stuck."""
        with self._lock:
            if self.closed:
                self._calls = deque()
                self._threads = self.busy = self.parked = 0
                self._hung = Counter()
                self.closed = False

    def close(self) -> None:
        """Refuse calls and end idle threads. Busy threads end after their call, or with the process."""
        with self._lock:
            if not self.closed:
                self.closed = True
                self._calls.extend([None] * self._threads)
                self._lock.notify_all()

    def _start_thread(self) -> None:
        """Start a thread, unless there are enough. The caller holds the lock."""
        if self._surplus() >= 0 or self._threads >= self._most:
            return
        self._started += 1
        name = f"hassette-{self._kind}-{self._started}"
        threading.Thread(target=self._work, args=(self._calls,), name=name, daemon=True).start()
        self._threads += 1

    def _surplus(self) -> int:
        """Number of threads above the limit, without those that wait for the event loop and those with hung calls."""
        return self._threads - self.parked - self._hung.total() - self._limit

    def _work(self, calls: "deque[ThreadCall | None]") -> None:
        while (call := self._next(calls)) is not None:
            _thread.call = (self, call)
            self._run(call)
            _thread.call = None
            with self._lock:
                call.ended = True
                if calls is self._calls:
                    self.busy -= 1
                if call.abandoned:
                    self.leaked -= 1
                    if calls is self._calls:
                        self._hung -= Counter((call.owner,))  # without owners that have no hung call
            del call  # otherwise the thread would keep the call's function and context alive until the next call

    def _next(self, calls: "deque[ThreadCall | None]") -> ThreadCall | None:
        with self._lock:
            while True:
                if calls is self._calls and self._surplus() > 0:
                    self._threads -= 1  # this thread took the place of another one, whose wait or hung call has ended
                    if calls:
                        self._lock.notify()  # this thread may have been woken for the call
                    return None
                for index, call in enumerate(calls):
                    if call is None or calls is not self._calls or self._hung[call.owner] < self._limit:
                        del calls[index]
                        if call is not None:
                            call.started = True
                        return call
                call = None  # otherwise a waiting thread would keep the objects of a call that it may not run
                self._lock.wait()

    def _run(self, call: ThreadCall) -> None:
        error: BaseException | None = None
        try:
            call.result = call.context.run(call.function)
        except StopIteration as stopped:  # a future cannot raise a StopIteration (PEP 479)
            error = RuntimeError(f"the call raised StopIteration({stopped.value!r})")
        except BaseException as raised:  # noqa: BLE001  raised again in the caller, whatever it is
            error = raised
        try:
            call.loop.call_soon_threadsafe(_settle, call, error)
        except RuntimeError:
            # The event loop was closed while this thread was stuck, so no caller waits for the result.
            return
        finally:
            del call, error  # breaks the same reference cycle in the thread


def _settle(call: ThreadCall, error: BaseException | None) -> None:
    future = call.future  # read now, because `_interrupted` may have replaced it
    if future.done():
        return
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)


async def finish_call(outcome: object) -> None:
    """Finish a call of a plain function: await its result, if it is awaitable. A lambda may call an async function.

    Raises:
        GeneratorReturnedError: The result is a generator.
    """
    if inspect.isawaitable(outcome):
        await outcome
    elif inspect.isgenerator(outcome) or inspect.isasyncgen(outcome):
        raise GeneratorReturnedError


MakeThreads = Callable[[int, str, RepeatedLog | None], ThreadPool]
"""Creates a pool of threads: `ThreadPool` itself, or a function with the same arguments."""
