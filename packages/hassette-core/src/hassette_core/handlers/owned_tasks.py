"""Tasks that somebody owns: each is held until it has ended, and none is left behind at the end."""

import asyncio
import contextvars
import logging
from collections.abc import Callable, Coroutine

logger = logging.getLogger(__name__)

CANCEL_S = 1.0
"""How long cancelled tasks may take to end, in seconds."""


class OwnedTasks:
    """The tasks of one service.

    Each starts in the context in which this object was made: a run that one handler causes in passing must not take
    itself for a part of that handler.
    """

    def __init__(self) -> None:
        self._context = contextvars.copy_context()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    def __len__(self) -> int:
        return len(self._tasks)

    def start(
        self, work: Coroutine[object, object, None], on_end: Callable[[asyncio.Task[None]], None]
    ) -> asyncio.Task[None]:
        """Start a task; ``on_end`` is called with it when it has ended, however it ended."""
        loop = self._loop or asyncio.get_running_loop()
        self._loop = loop
        task = asyncio.Task(work, loop=loop, context=self._context.copy())
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        task.add_done_callback(on_end)
        return task

    async def stop(self, grace_s: float) -> int:
        """Wait for the tasks, cancel those that are left, and wait for these too. Return how many were cancelled.

        Args:
            grace_s: How long they may take to end by themselves, in seconds.
        """
        # The task that stops us may be one of ours: a handler that asks the framework to end.
        mine = asyncio.current_task()
        waited = [task for task in self._tasks if task is not mine]
        if not waited:
            return 0
        _, late = await asyncio.wait(waited, timeout=grace_s)
        for task in late:
            task.cancel()
        if late:
            _, stuck = await asyncio.wait(late, timeout=CANCEL_S)
            for task in stuck:
                logger.error("A run does not end although it was cancelled", extra={"task": repr(task)})
        return len(late)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and isinstance(error := task.exception(), Exception):
            # What is no Exception (sys.exit in a handler) has been recorded, and ends the process from here on.
            # The executor swallows what handlers raise, so this is ours: it stopped before us, or has a defect.
            logger.error("A run could not be handed to the executor", extra={"error": repr(error)}, exc_info=error)
