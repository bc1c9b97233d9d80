"""`VirtualLoop`: an event loop whose time moves only when a test lets it move."""

import asyncio
import contextvars
import selectors
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Protocol

from hassette_core.clock import Timer
from hassette_core.testing.turns import Turns, TurnThreads, submitting_call

START_US = 1_000_000_000
"""The loop's time at its start, in microseconds."""
ROUNDING_NS = 50
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
    """Decides what happens when the loop has nothing to do."""

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
        self._other_threads = 0
        self._timers = 0
        self.turns = Turns()
        self._threads = TurnThreads(self.turns, "to_thread")
        self._new_tasks: list[asyncio.Future[Any]] | None = None
        super().__init__(_IdleSelector(self._when_idle))

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
        if self._other_threads:
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
        call = submitting_call(self.turns)
        if call is None:
            return super().call_soon_threadsafe(callback, *args, context=context)
        context = context or contextvars.copy_context()
        gate = threading.Event()

        def take_over() -> None:
            created: list[asyncio.Future[Any]] = []
            self.turns.take_over(call, gate)
            self._new_tasks = created
            try:
                context.run(callback, *args)
            finally:
                self._new_tasks = None
                self.turns.after_function(call, created)

        handle = super().call_soon_threadsafe(take_over)
        self.turns.hand_over(call, gate)
        return handle

    def run_in_executor(  # pyright: ignore[reportIncompatibleMethodOverride]  typeshed declares it with a TypeVarTuple
        self, executor: Executor | None, func: Callable[..., Any], *args: Any
    ) -> "asyncio.Future[Any]":
        """Run a function in a thread. Without an executor, the function runs in turn with the loop."""
        if executor is None:
            return asyncio.ensure_future(self._threads.run(partial(func, *args)), loop=self)
        # The threads of an executor of the app run in parallel with the loop. The time does not move meanwhile.
        self._other_threads += 1
        try:
            future = super().run_in_executor(executor, func, *args)
        except BaseException:
            self._other_threads -= 1
            raise
        future.add_done_callback(self._other_thread_ended)
        return future

    def _other_thread_ended(self, _: object) -> None:
        self._other_threads -= 1

    def close(self) -> None:
        """Close the loop and its threads."""
        self._threads.close()
        super().close()


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
        return self._real.select(None)

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
