"""`LoopLag`: the time that this process's event loop takes to answer a call."""

import asyncio
import contextvars
import selectors
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from types import FrameType
from typing import NamedTuple

INTERVAL_S = 0.5
"""Seconds between two checks of the event loop."""
WINDOW_S = 30.0
"""Seconds for which a delay counts. Home Assistant disconnects a client that does not answer a ping for that long."""
_LATE_S = 0.25
"""If the thread itself is late by this many seconds, one call of the loop may not have released the interpreter lock.
Then the thread measures the loop even if it waits for events again."""
CALLBACK = asyncio.Handle._run.__code__  # pyright: ignore[reportPrivateUsage, reportUnknownMemberType, reportAttributeAccessIssue, reportUnknownVariableType]
"""The code in which an event loop runs each callback."""
TURN = "_run_once"
"""The method in which an event loop waits for events and then runs all callbacks that are due."""


class Delay(NamedTuple):
    """A measured delay of the event loop.

    Attributes:
        asked_s: The time from which the loop was measured, by `time.monotonic`.
        seconds: Seconds until the loop has answered.
        cpu_s: The CPU time that the process has used since the check before, in seconds.
    """

    asked_s: float
    seconds: float
    cpu_s: float


class LoopLag:
    """Measures in a thread how long the event loop takes to answer a call, from `start` to `stop`.

    Every half second, the thread checks whether the loop waits for events. If so, the loop is not late, and the thread
    does not wake it up. Otherwise the thread asks the loop for a call, and waits for it. Code that blocks the event
    loop delays the call. A slow network does not.

    Args:
        blocked_s: Seconds after which a loop that has not answered counts as blocked.
        blocked: Called in the thread during a block, with `Delay.asked_s`, until it returns True (code found).
        measured: Called on the event loop with each delay.

    Attributes:
        unanswered_s: The `Delay.asked_s` of the call that the loop has not answered yet; None if there is none.
    """

    def __init__(
        self,
        blocked_s: float = WINDOW_S,
        blocked: Callable[[float], bool] = lambda asked_s: True,
        measured: Callable[[Delay], None] = lambda delay: None,
    ) -> None:
        self._blocked_s = blocked_s
        self._blocked = blocked
        self._measured = measured
        self.unanswered_s: float | None = None
        self._delays: deque[Delay] = deque()
        self._ended = threading.Event()

    @property
    def worst_s(self) -> float:
        """The longest delay of the last half minute, in seconds."""
        self._forget_old()
        return max((delay.seconds for delay in self._delays), default=0.0)

    def start(self) -> None:
        """Forget earlier delays, and start measuring the running event loop."""
        self.stop()
        self._delays.clear()
        self._ended = threading.Event()
        watched = (asyncio.get_running_loop(), threading.get_ident(), self._ended)
        threading.Thread(target=self._watch, args=watched, name="hassette-loop-watch", daemon=True).start()

    def stop(self) -> None:
        """Stop measuring. `worst_s` still counts the delays until now."""
        self._ended.set()

    def _watch(self, loop: asyncio.AbstractEventLoop, thread_id: int, ended: threading.Event) -> None:
        """Check the loop again and again. The thread calls this."""
        due_s, cpu_s = time.monotonic() + INTERVAL_S, time.process_time()
        while not ended.wait(max(0.0, due_s - time.monotonic())):
            frame = sys._current_frames().get(thread_id)  # pyright: ignore[reportPrivateUsage]  documented
            is_late = time.monotonic() - due_s >= _LATE_S
            if is_late or (frame is not None and not waits_for_events(frame)):
                del frame  # it would keep the objects of the running code alive
                self._measure(loop, due_s, cpu_s, ended)
            due_s, cpu_s = time.monotonic() + INTERVAL_S, time.process_time()

    def _measure(self, loop: asyncio.AbstractEventLoop, asked_s: float, cpu_s: float, ended: threading.Event) -> None:
        answered = threading.Event()

        def answer() -> None:
            self.unanswered_s = None
            if not ended.is_set():
                now_s = time.monotonic()
                self._forget_old()
                self._delays.append(delay := Delay(asked_s, now_s - asked_s, time.process_time() - cpu_s))
                self._measured(delay)
            answered.set()

        self.unanswered_s = asked_s
        try:
            # The call must not inherit the context of an app.
            loop.call_soon_threadsafe(answer, context=contextvars.Context())
        except RuntimeError:
            ended.set()  # the loop is closed
            return
        is_found, wait_s = False, max(0.0, asked_s + self._blocked_s - time.monotonic())
        while not answered.wait(wait_s) and not ended.is_set() and not loop.is_closed():
            is_found, wait_s = is_found or self._blocked(asked_s), INTERVAL_S

    def _forget_old(self) -> None:
        oldest_s = time.monotonic() - WINDOW_S
        while self._delays and self._delays[0].asked_s + self._delays[0].seconds < oldest_s:
            self._delays.popleft()


def waits_for_events(frame: FrameType) -> bool:
    """Return whether this is the frame of an event loop that has nothing to do."""
    if frame.f_code.co_filename != selectors.__file__:
        return False
    # Code in a callback of the loop may also wait there: `subprocess.run` does.
    turn = frame.f_back
    while turn is not None and turn.f_code is not CALLBACK and turn.f_code.co_name != TURN:
        turn = turn.f_back
    return turn is not None and turn.f_code is not CALLBACK
