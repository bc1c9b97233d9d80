"""`CancellableWork`: the work of a service that ``stop`` ends by a cancellation."""

import asyncio
from collections.abc import Coroutine
from typing import Any


class CancellableWork:
    """The work of ``serve``, in a task. ``stop`` can cancel this task, but not the task that calls ``serve``.

    Example:
        ::

            async def serve(self) -> None:
                await self._work.run(self._stay_connected(), self.name)

            async def stop(self) -> None:
                await self._work.cancel()
    """

    def __init__(self) -> None:
        self._task: asyncio.Task[None] | None = None

    async def run(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Run the work until it ends or `cancel` is called. If the work fails, raise its error.

        Args:
            work: The coroutine to run.
            name: The name of the task.
        """
        self._task = task = asyncio.create_task(work, name=name)
        try:
            await asyncio.wait((task,))
        finally:
            task.cancel()
            await asyncio.wait((task,))
            self._task = None
        if not task.cancelled():
            task.result()

    async def cancel(self) -> None:
        """Cancel the work, and wait for its end. May be called twice."""
        if (task := self._task) is not None:
            task.cancel()
            await asyncio.wait((task,))
