"""`VirtualLoop`: an event loop whose time moves only when a test lets it move."""

import asyncio
import contextvars
import selectors
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from concurrent.futures import Future as SourceFuture
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Protocol

from hassette_core.clock import Timer
from hassette_core.containment import current_app
from hassette_core.simulation.turns import Turns, TurnThreads, submitting_call
from hassette_executor import ThreadCall

POLL_S = 0.5
"""Longest real time, in seconds, until the loop checks again whether the time may move."""
START_US = 1_000_000_000
"""The loop's time at its start, in microseconds."""
ROUNDING_NS = 500
"""A timer is due up to this much earlier than its time, because asyncio computes times with floats."""
MICROSECOND = timedelta(microseconds=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class _TimerTime(float):
    """The time of a timer. Timers with equal times fire in the order in which they were set.

    The heap of asyncio does not keep this order.

    Attributes:
        number: The number of the timer.
    """

    number: int

    def __lt__(self, other: object) -> bool:
        if isinstance(other, _TimerTime) and float(self) == float(other):
            return self.number < other.number
        return float(self) < other  # type: ignore[operator]


class IdleHandler(Protocol):
    """Chooses the next step of a loop that has nothing to do, and receives the calls of the test's thread."""

    def takes_call(self, call: Callable[[], object]) -> bool:
        """Return False if the current thread is not a thread of the test. Otherwise call a function on the loop later.

        If the function returns an awaitable, the time moves until its end.
        """
        ...

    def loop_is_idle(self, next_timer_us: int | None) -> bool:
        """Return True if there is something to do now: time was moved, or a callback was added. False to wait.

        The loop's thread calls this method. Another thread ends the wait with ``call_soon_threadsafe``.

        Args:
            next_timer_us: Microseconds from now to the next timer. None if there is no timer.
        """
        ...


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop with a virtual clock. Timers, `asyncio.sleep` and `asyncio.timeout` follow this clock.

    The loop handles sockets and threads as every event loop does. When it has nothing to do, it asks the idle handler
    whether time may move.

    Functions of ``asyncio.to_thread`` run in turn with the loop: the loop waits while such a function runs.

    Args:
        idle: Moves the time with `move`.

    Attributes:
        turns: Lets threads and the loop take turns.
    """

    def __init__(self, idle: IdleHandler) -> None:
        self._now_us = START_US
        self._idle = idle
        self._timers = 0
        self._others = OtherThreads()
        self._waiting_threads = 0
        self.turns = Turns()
        self._threads = TurnThreads(self.turns, "to_thread")
        self._new_tasks: list[asyncio.Future[Any]] | None = None
        super().__init__(_IdleSelector(self._when_idle))
        # asyncio runs a timer if its time is less than now plus this resolution. The default is 1 ns. After half a
        # year, a float is less exact than that, and asyncio would wait for ever for a timer that is due.
        self._clock_resolution = ROUNDING_NS / 1e9

    @property
    def now_us(self) -> int:
        """The virtual time, in whole microseconds."""
        return self._now_us

    def time(self) -> float:
        """Return the virtual time in seconds."""
        return self._now_us / 1e6

    def move(self, microseconds: int) -> None:
        """Move the time forward. The idle handler calls this method."""
        self._now_us += microseconds

    def _when_idle(self, timeout_s: float | None) -> bool:
        if (deliver := self._others.next_result()) is not None:
            self.call_soon(deliver)
            return True
        if (self._others or self.turns.stops_time) and not self._waiting_threads:
            return False  # wait for the threads in real time
        if timeout_s is None:
            return self._idle.loop_is_idle(None)
        # At least 1 µs: otherwise a rest below `ROUNDING_NS` would keep the loop busy for ever.
        return self._idle.loop_is_idle(max(1, -(-(round(timeout_s * 1e9) - ROUNDING_NS) // 1_000)))

    def call_at(  # pyright: ignore[reportIncompatibleMethodOverride]  typeshed declares it with a TypeVarTuple
        self, when: float, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        """Call a function at a time. Functions with equal times are called in the order of these calls."""
        self._timers += 1
        ordered = _TimerTime(when)
        ordered.number = self._timers
        return super().call_at(ordered, callback, *args, context=context)

    def create_task(self, coro: Any, **options: Any) -> asyncio.Task[Any]:
        """Create a task. Remember it if a thread has caused it."""
        task = super().create_task(coro, **options)
        if self._new_tasks is not None:
            self._new_tasks.append(task)
        return task

    def call_soon_threadsafe(
        self, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        """Call a function on the loop. A thread that runs in turn with the loop ends its turn with this call."""
        context = context or contextvars.copy_context()
        if (call := submitting_call(self.turns)) is not None:
            return self._call_in_turn(call, partial(context.run, callback, *args))
        if self._runs_here():
            return super().call_soon_threadsafe(callback, *args, context=context)
        if current_app() is not None:
            return self._call_from_app(partial(context.run, callback, *args))
        if self._idle.takes_call(partial(self._last_task_of, partial(context.run, callback, *args))):
            return self.wake()
        return super().call_soon_threadsafe(callback, *args, context=context)

    def wake(self, callback: Callable[[], object] = lambda: None) -> asyncio.Handle:
        """End the loop's wait for something to do, and call a function. May be called in any thread."""
        return super().call_soon_threadsafe(callback)

    def _runs_here(self) -> bool:
        try:
            return asyncio.get_running_loop() is self
        except RuntimeError:
            return False

    def _call_in_turn(self, call: ThreadCall, callback: Callable[[], object]) -> asyncio.Handle:
        gate = threading.Event()

        def take_over() -> None:
            self.turns.take_over(call, gate)
            created: list[asyncio.Future[Any]] = []
            try:
                created = self._tasks_of(callback)
            finally:
                self.turns.after_function(call, created)

        handle = super().call_soon_threadsafe(take_over)
        self.turns.hand_over(call, gate)
        return handle

    def _call_from_app(self, callback: Callable[[], object]) -> asyncio.Handle:
        def call() -> None:
            if (task := self._last_task_of(callback)) is not None:  # the thread waits for it, as far as the loop knows
                self._waiting_threads += 1
                task.add_done_callback(self._waiting_thread_continues)

        handle = super().call_soon_threadsafe(call)
        self.turns.overtake()
        return handle

    def _waiting_thread_continues(self, _: object) -> None:
        self._waiting_threads -= 1

    def _last_task_of(self, callback: Callable[[], object]) -> "asyncio.Future[Any] | None":
        return next(reversed(self._tasks_of(callback)), None)

    def _tasks_of(self, callback: Callable[[], object]) -> list[asyncio.Future[Any]]:
        """Call a function, and return the tasks that it has created."""
        self._new_tasks = created = list[asyncio.Future[Any]]()
        try:
            callback()
        finally:
            self._new_tasks = None
        return created

    def run_in_executor(  # pyright: ignore[reportIncompatibleMethodOverride]  typeshed declares it with a TypeVarTuple
        self, executor: Executor | None, func: Callable[..., Any], *args: Any
    ) -> "asyncio.Future[Any]":
        """Run a function in a thread. Without an executor, the function runs in turn with the loop.

        The threads of an executor of the app run in parallel with the loop. The time does not move meanwhile.
        """
        if executor is None:
            return asyncio.ensure_future(self._threads.run(partial(func, *args)), loop=self)
        # `asyncio.wrap_future` passes a result on at once if the function has already ended. Then the order of two
        # results would depend on the speed of the threads.
        source = executor.submit(func, *args)
        future = self.create_future()
        self._others.expect(source, future)
        source.add_done_callback(self._wake_for_result)
        return future

    def _wake_for_result(self, _: object) -> None:
        if not self.is_closed():
            self.wake()

    def close(self) -> None:
        """Close the loop and its threads."""
        self._threads.close()
        super().close()


class OtherThreads:
    """The results of functions that run in an executor of an app.

    The loop receives the results when it has nothing else to do, in the order in which the functions were passed to the
    executor. Otherwise the order of events would depend on the speed of the threads.
    """

    def __init__(self) -> None:
        self._expected: dict[asyncio.Future[Any], SourceFuture[Any]] = {}

    def __bool__(self) -> bool:
        return bool(self._expected)

    def expect(self, source: "SourceFuture[Any]", future: "asyncio.Future[Any]") -> None:
        """Expect a result, and set it in a future of the loop later.

        If the app cancels the future, the function is cancelled unless it has begun.
        """
        self._expected[future] = source
        future.add_done_callback(self._discard)

    def _discard(self, future: "asyncio.Future[Any]") -> None:
        """Expect no result any more, because the loop no longer waits for it."""
        if (source := self._expected.pop(future, None)) is not None and future.cancelled():
            source.cancel()

    def next_result(self) -> Callable[[], object] | None:
        """Remove the oldest result, and return the function that passes it on. None if it is not known yet."""
        future, source = next(iter(self._expected.items()), (None, None))
        if future is None or source is None or not source.done():
            return None
        del self._expected[future]
        return partial(_copy_result, source, future)


def _copy_result(source: "SourceFuture[Any]", future: "asyncio.Future[Any]") -> None:
    """Set the result of a function that has ended."""
    if future.done():
        return  # the app has cancelled the future meanwhile
    if source.cancelled():
        future.cancel()
    elif (error := source.exception()) is not None:
        future.set_exception(error)
    else:
        future.set_result(source.result())


class _IdleSelector(selectors.BaseSelector):
    """The selector of the system. Before it waits, it calls a function that may move the time instead."""

    def __init__(self, when_idle: Callable[[float | None], bool]) -> None:
        self._real = selectors.DefaultSelector()
        self._when_idle = when_idle

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.modify(fileobj, events, data)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = self._real.select(0)
        if ready or (timeout is not None and timeout <= 0) or self._when_idle(timeout):
            return ready
        return self._real.select(POLL_S)

    def close(self) -> None:
        self._real.close()

    def get_key(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.get_key(fileobj)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()


class VirtualClock:
    """The clock of a `VirtualLoop`: a `hassette_core.clock.TimerClock`.

    Args:
        loop: The event loop.
        now: The wall clock's time now (aware).
    """

    def __init__(self, loop: VirtualLoop, now: datetime) -> None:
        self._loop = loop
        self._context = contextvars.Context()
        self.set(now)

    def set(self, now: datetime) -> None:
        """Set the wall clock. The monotonic clock does not move."""
        self._offset_us = (now - EPOCH) // MICROSECOND - self._loop.now_us

    def now(self) -> datetime:
        """Return the wall clock's time (aware, UTC)."""
        return EPOCH + timedelta(microseconds=self._offset_us + self._loop.now_us)

    def wall_ns(self) -> int:
        """Return the wall clock's time in nanoseconds since the Unix epoch."""
        return (self._offset_us + self._loop.now_us) * 1_000

    def monotonic_ns(self) -> int:
        """Return the loop's time in nanoseconds."""
        return self._loop.now_us * 1_000

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> Timer:
        """Call a function after a delay of the virtual time."""
        return self._loop.call_later(max(0.0, delay_s), callback, context=self._context)
