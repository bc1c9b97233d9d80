"""`Turns`: let threads and the event loop work one after the other, so that a test always has the same result.

A thread has the turn from the start of its call until the call ends, or until the thread calls the event loop
(`call_soon_threadsafe`). While a thread has the turn, the loop waits. A thread that waits for a result of the loop
(`hassette_executor.LoopCalls`, `asyncio.run_coroutine_threadsafe`) has the turn again when it gets the result.

Threads that an app starts itself have no turn. When such a thread calls the loop, the loop no longer waits for the
thread with the turn (`Turns.overtake`).

A thread with the turn may need a lock of a thread that waits for the loop. If it makes no progress for a while, the
loop overtakes it, and later the time may move, too (`LOCK_S` and `LOCK_TIME_S`).
"""

import asyncio
import threading
from collections.abc import Callable, Generator, Hashable, Sequence
from enum import Enum, auto
from time import monotonic
from typing import Any

from hassette_executor import RepeatedLog, ThreadCall, ThreadPool, current_thread_call

GATE_S = 5.0
"""Longest real time, in seconds, for which a thread waits until the loop begins with its function. A thread that holds
a lock which the loop needs would otherwise wait for ever."""
LOCK_S = 2.0
"""Real time without progress, in seconds, after which the loop overtakes a thread while another one waits for the loop.
The other thread may hold a `threading.Lock` that the first one needs. On a busy machine, a shorter time would also
overtake threads that only compute, and the order of events would differ from run to run."""
LOCK_TIME_S = 5.0
"""The same for the virtual time. The other thread may sleep, and keep the lock until it wakes."""
MOST_THREADS = 1_000


class _State(Enum):
    WORKING = auto()
    """The thread has the turn."""
    PARALLEL = auto()
    """The thread works, and the loop, too: another thread needs the loop, and this one may wait for that thread."""
    HANDED_OVER = auto()
    """The thread has called the loop, and the loop has not begun with the function."""
    WAITING = auto()
    """The thread waits for a result of the loop."""


class Turns:
    """Knows which threads have the turn, and lets the loop wait for them."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._states: dict[ThreadCall, _State] = {}
        self._counts = dict.fromkeys(_State, 0)
        self._ended = False
        self._progress_at = monotonic()

    @property
    def working(self) -> bool:
        """Whether a thread has the turn."""
        return self._counts[_State.WORKING] > 0

    @property
    def parallel(self) -> bool:
        """Whether a thread and the loop work at the same time. The run of the thread is still in progress."""
        with self._changed:
            calls = [call for call, state in self._states.items() if state is _State.PARALLEL]
        return not self._ended and not all(call.abandoned for call in calls)

    @property
    def stops_time(self) -> bool:
        """Whether the time must not move, because a thread works or has just called the loop."""
        if self._counts[_State.HANDED_OVER] > 0:
            return True  # the call came after the loop had looked for calls
        return self.parallel and not (self._needs_loop and monotonic() - self._progress_at > LOCK_TIME_S)

    def begin(self, call: ThreadCall) -> None:
        """Give the turn to a new call. Call this on the loop, before the call starts."""
        with self._changed:
            self._set(call, _State.WORKING)

    def wait(self) -> None:
        """Wait on the loop until no thread has the turn."""
        with self._changed:
            while self.working and not self._ended:
                if not self._changed.wait(LOCK_S) and self._needs_loop:
                    self.overtake()

    @property
    def _needs_loop(self) -> bool:
        """Whether a thread can continue only when the loop works."""
        return self._counts[_State.WAITING] > 0 or self._counts[_State.HANDED_OVER] > 0

    def overtake(self) -> None:
        """Let the loop work now, because another thread needs it.

        The thread with the turn may wait for that thread, for example in `threading.Thread.join`, or for its lock.
        """
        with self._changed:
            for call, state in self._states.items():
                if state is _State.WORKING:
                    self._set(call, _State.PARALLEL)

    def end(self) -> None:
        """Let the loop never wait again, so that it can stop although a thread is stuck."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def hand_over(self, call: ThreadCall, gate: threading.Event) -> None:
        """End the turn of the calling thread, and wait until the loop begins with the function of the thread."""
        with self._changed:
            # The loop may have begun with the function already, if it worked at the same time as the thread.
            if not gate.is_set() and self._states.get(call) in (_State.WORKING, _State.PARALLEL):
                self._set(call, _State.HANDED_OVER)
        gate.wait(GATE_S)

    def take_over(self, call: ThreadCall, gate: threading.Event) -> None:
        """Give the turn back to a thread, because the loop begins with the thread's function."""
        with self._changed:
            if self._states.get(call) in (_State.HANDED_OVER, _State.PARALLEL):
                self._set(call, _State.WORKING)
            gate.set()

    def after_function(self, call: ThreadCall, created: Sequence["asyncio.Future[Any]"]) -> None:
        """Pass the turn on after the function of a thread. If the thread gets the turn, wait until it ends.

        Args:
            call: The call of the thread.
            created: The tasks that the function has created.
        """
        with self._changed:
            if call.future.done():  # the function has set the result of the call, or no code waits for the call
                self._forget(call)
            elif created and self._states.get(call) is _State.WORKING:
                # asyncio.run_coroutine_threadsafe: the thread waits for the task, as far as the loop knows.
                self._set(call, _State.WAITING)
                created[-1].add_done_callback(lambda _: self.give_back(call))
        self.wait()

    def park(self, call: ThreadCall) -> None:
        """Take the turn from a thread that begins to wait for the loop."""
        with self._changed:
            if self._states.get(call) is _State.WORKING:
                self._set(call, _State.WAITING)

    def give_back(self, call: ThreadCall) -> None:
        """Give the turn to a thread that has got its result, and wait until its turn is over."""
        with self._changed:
            if call.abandoned:
                self._forget(call)
            elif self._states.get(call) is _State.WAITING:
                self._set(call, _State.WORKING)
        self.wait()

    def _set(self, call: ThreadCall, state: _State) -> None:
        if (before := self._states.get(call)) is not None:
            self._counts[before] -= 1
        self._counts[state] += 1
        self._states[call] = state
        self._progress_at = monotonic()
        self._changed.notify_all()

    def _forget(self, call: ThreadCall) -> None:
        if (state := self._states.pop(call, None)) is not None:
            self._counts[state] -= 1
            self._progress_at = monotonic()
            self._changed.notify_all()


class TurnThreads(ThreadPool):
    """A pool of threads that take turns with the event loop.

    Args:
        turns: The turns of the loop.
        kind: Kind of the calls; part of the names of the threads.
        log: Receives an error message if all threads are stuck.
    """

    def __init__(self, turns: Turns, kind: str, log: RepeatedLog | None = None) -> None:
        # A call must begin at once, because the loop waits for it.
        super().__init__(MOST_THREADS, kind, log)
        self.turns = turns

    async def run(self, function: Callable[[], object], owner: Hashable = None) -> object:
        """Run a function in a thread; see `ThreadPool.run`."""
        return await _FirstTurn(super().run(function, owner), self.turns)

    def begin(self, call: ThreadCall) -> None:
        """Give the turn to a thread that begins; see `ThreadPool.begin`."""
        self.turns.begin(call)

    def park(self, call: ThreadCall, cancel_wait: Callable[[], object]) -> None:
        """Let another thread run; see `ThreadPool.park`."""
        super().park(call, cancel_wait)
        self.turns.park(call)

    def resume(self, call: ThreadCall) -> None:
        """Give the turn back to a thread; see `ThreadPool.resume`."""
        self.turns.give_back(call)


class _FirstTurn:
    """Awaits a coroutine that starts a thread, and gives the thread its first turn after the start."""

    def __init__(self, coroutine: Any, turns: Turns) -> None:
        self._coroutine = coroutine
        self._turns = turns

    def __await__(self) -> Generator[Any, Any, object]:
        coroutine = self._coroutine
        waits_for = coroutine.send(None)  # starts the thread
        self._turns.wait()
        while True:
            try:
                try:
                    sent = yield waits_for
                except GeneratorExit:
                    coroutine.close()
                    raise
                except BaseException as error:  # noqa: BLE001  passed on to the coroutine, whatever it is
                    waits_for = coroutine.throw(error)
                else:
                    waits_for = coroutine.send(sent)
            except StopIteration as ended:
                return ended.value


def submitting_call(turns: Turns) -> ThreadCall | None:
    """Return the call of the current thread, if the thread takes turns with the loop. Otherwise return None."""
    current = current_thread_call()
    if current is None:
        return None
    pool, call = current
    return call if isinstance(pool, TurnThreads) and pool.turns is turns and not call.abandoned else None
