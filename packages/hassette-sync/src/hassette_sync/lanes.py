"""Two lanes for questions, so that slow questions do not delay fast ones.

Each question starts in the fast lane. A question that is still running after `SLOW_AFTER_S` moves to the slow lane: it
frees its place in the fast lane, and waits in its thread until the slow lane has a place. While it waits, it uses no
processor.
"""

import asyncio
import os
import threading
import time
from typing import Final

SLOW_AFTER_S: Final = 0.025
"""Time after which a question counts as slow."""

# A slow question is mostly work of SQLite, which a processor core does for one question at a time. One core stays free.
_SLOW_PLACES: Final = max(1, (os.cpu_count() or 1) - 1)
# Four searches at once leave at least one place for a fast question, also on a machine with one core.
_FAST_PLACES: Final = max(5, 2 * (os.cpu_count() or 1))
_MAX_WAITING: Final = 16
# A waiting question notices this soon that it was cancelled.
_CHECK_INTERVAL_S: Final = 0.05


class Lanes:
    """Places in the two lanes.

    Args:
        fast: Number of questions in the fast lane at the same time.
        slow: Number of questions in the slow lane at the same time.
        waiting: Maximum number of questions that wait for a place in the slow lane. A further one is stopped.
    """

    def __init__(self, *, fast: int = _FAST_PLACES, slow: int = _SLOW_PLACES, waiting: int = _MAX_WAITING) -> None:
        self.threads = fast + slow + waiting
        self._fast = asyncio.Semaphore(fast)
        self._slow = threading.Semaphore(slow)
        self._demoted = threading.Semaphore(slow + waiting)

    async def enter(self, question: "RunningQuestion") -> None:
        """Wait for a place in the fast lane.

        Raises:
            TimeoutError: The deadline of the question has passed.
        """
        async with asyncio.timeout(question.deadline - time.monotonic()):
            await self._fast.acquire()
        question.loop = asyncio.get_running_loop()

    def leave(self, question: "RunningQuestion") -> None:
        """Free the place of a question that has ended. Call it in the thread of the event loop."""
        if not question.is_slow:
            self._fast.release()
            return
        if question.has_slow_place:
            self._slow.release()
        if question.is_demoted:
            self._demoted.release()

    def demote(self, question: "RunningQuestion") -> None:
        """Move a question to the slow lane, and wait for a place there. Call it in the thread of the question."""
        question.is_slow = True
        question.loop.call_soon_threadsafe(self._fast.release)
        question.is_demoted = self._demoted.acquire(blocking=False)
        if not question.is_demoted:
            question.stop()
        while not question.is_over:
            if self._slow.acquire(timeout=_CHECK_INTERVAL_S):
                question.has_slow_place = True
                return


class RunningQuestion:
    """One question in a lane.

    Attributes:
        deadline: Deadline on the monotonic clock.
        loop: Event loop of the caller.
        is_slow: Whether the question has left the fast lane.
        is_demoted: Whether the question counts among those in the slow lane or waiting for it.
        has_slow_place: Whether the question has a place in the slow lane.
    """

    loop: asyncio.AbstractEventLoop

    def __init__(self, lanes: Lanes, deadline_s: float) -> None:
        self.deadline = time.monotonic() + deadline_s
        self.is_slow = False
        self.is_demoted = False
        self.has_slow_place = False
        self._lanes = lanes
        self._slow_at = 0.0

    @property
    def is_over(self) -> bool:
        """Whether the deadline has passed, or the question was stopped."""
        return time.monotonic() > self.deadline

    def begin(self) -> None:
        """Start the time after which the question is slow."""
        self._slow_at = time.monotonic() + SLOW_AFTER_S

    def stop(self) -> None:
        """Stop the question at its next check. May be called in any thread."""
        self.deadline = 0.0

    def check(self) -> bool:
        """Return whether the question must stop. If it has become slow, change its lane first."""
        if not self.is_slow and time.monotonic() > self._slow_at:
            self._lanes.demote(self)
        return self.is_over
