"""What happens when a run is due and the one before has not ended: the four modes of Home Assistant's automations."""

import asyncio
import inspect
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Generic, Literal, NamedTuple, TypeVar, get_args

from hassette_core.errors import RegistrationError
from hassette_core.handlers.owned_tasks import OwnedTasks

Mode = Literal["single", "restart", "queued", "parallel"]
"""``single`` skips the new run, ``restart`` cancels the old one first, ``queued`` runs one after the other in order,
``parallel`` runs them side by side."""

AT_ONCE = 50
"""How many runs of one parallel listener or job run side by side; more wait their turn."""
MAX_WAITING = 1_000
"""How many runs of one listener or job may wait; more are skipped, and counted as ``back_pressure``."""

_Item = TypeVar("_Item")


class _Limits(NamedTuple):
    at_once: int
    waiting: int
    reason: str


_LIMITS: dict[str, _Limits] = {
    "single": _Limits(1, 0, "overlap"),
    "restart": _Limits(1, 1, "overlap"),
    "queued": _Limits(1, MAX_WAITING, "back_pressure"),
    "parallel": _Limits(AT_ONCE, MAX_WAITING, "back_pressure"),
}


def check_mode(mode: object) -> None:
    """Check the name of a mode.

    Raises:
        RegistrationError: There is no such mode.
    """
    if not isinstance(mode, str) or mode not in _LIMITS:
        raise RegistrationError(f"mode={mode!r} is not known; it is one of {', '.join(get_args(Mode))}")


class Lane(Generic[_Item]):
    """Runs of one listener or job, arranged by its mode. No run of it starts anywhere else.

    Args:
        mode: See `Mode`.
        tasks: Who owns the runs.
        run: The work for one item.
        skipped: Told about what does not run: the reason and how often.
        drained: Called once, when the lane is closed and its last run has ended, however it ended.
    """

    def __init__(
        self,
        mode: Mode,
        tasks: OwnedTasks,
        run: Callable[[_Item], Coroutine[object, object, None]],
        skipped: Callable[[str, int], None],
        drained: Callable[[], None],
    ) -> None:
        self._restart = mode == "restart"
        self._limits = _LIMITS[mode]
        self._tasks = tasks
        self._run = run
        self._skipped = skipped
        self._drained = drained
        self._closed = False
        self._running: dict[asyncio.Task[None], Coroutine[object, object, None]] = {}
        self._waiting: deque[_Item] = deque()

    def offer(self, item: _Item) -> None:
        """Run it now, later, or not at all, as the mode says."""
        if len(self._running) < self._limits.at_once:
            self._begin(item)
        elif self._restart:
            self._replace(item)
        elif len(self._waiting) < self._limits.waiting:
            self._waiting.append(item)
        else:
            self._skipped(self._limits.reason, 1)

    def close(self) -> None:
        """Start nothing more: what runs goes on, what waits is skipped."""
        if not self._closed:
            self._closed = True
            self.skip_waiting()
            if not self._running:
                self._drained()

    def skip_waiting(self) -> None:
        """Leave out what waits; what runs goes on, and what comes next is taken as ever."""
        if self._waiting:
            self._skipped(self._limits.reason, len(self._waiting))
            self._waiting.clear()

    def _replace(self, item: _Item) -> None:
        # The new run starts when the old one has ended, so that the old one's clean-up never meets the new one's work.
        self.skip_waiting()
        self._waiting.append(item)
        for task, work in self._running.items():
            if task.cancelling():
                continue  # it is ending; cancelled twice, it could not finish its clean-up
            if inspect.getcoroutinestate(work) == inspect.CORO_CREATED:
                # It has not taken its first step: cancelled now, it never reaches the executor and leaves no record.
                self._skipped(self._limits.reason, 1)
            task.cancel()

    def _begin(self, item: _Item) -> None:
        work = self._run(item)
        self._running[self._tasks.start(work, self._ended)] = work

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._running[task]
        if self._waiting:
            self._begin(self._waiting.popleft())
        elif self._closed and not self._running:
            self._drained()
