"""`AsyncWithService`: a base class for services that also run in an ``async with`` block, without a supervisor."""

import asyncio
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self


class AsyncWithService(ABC):
    """A service that an ``async with`` block can start and stop.

    A subclass implements the methods ``start``, ``serve`` and ``stop`` of the protocol `Service`.

    ``serve`` runs in a task during the block. If ``serve`` fails, the end of the block raises the error of ``serve``.
    If the block itself has also failed, only the error of the block is raised.

    Example:
        >>> async with HomeAssistantLink(url, token, cache=cache, on_event=print) as link:
        ...     await link.wait_ready()

    Attributes:
        serve_task: The task that runs ``serve``. None outside of an ``async with`` block.
    """

    serve_task: "asyncio.Task[None] | None" = None

    @abstractmethod
    async def start(self) -> None: ...

    @abstractmethod
    async def serve(self) -> None: ...

    @abstractmethod
    async def stop(self) -> None: ...

    async def __aenter__(self) -> Self:
        await self.start()
        self.serve_task = asyncio.create_task(self.serve(), name=f"serve {type(self).__name__}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        task, self.serve_task = self.serve_task, None
        assert task is not None  # __aenter__ has set it
        await self.stop()
        task.cancel()
        await asyncio.wait({task})
        if not task.cancelled() and (failure := task.exception()) is not None and error is None:
            raise failure
