"""A service in an ``async with`` block."""

import asyncio

import pytest

from hassette_core.lifecycle import AsyncWithService


class Counter(AsyncWithService):
    """Counts its calls, and fails in ``serve`` if it has an error."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.calls: list[str] = []
        self.served = asyncio.Event()

    async def start(self) -> None:
        self.calls.append("start")

    async def serve(self) -> None:
        self.calls.append("serve")
        self.served.set()
        if self.error is not None:
            raise self.error
        await asyncio.Event().wait()

    async def stop(self) -> None:
        self.calls.append("stop")


async def test_service_runs_during_the_block() -> None:
    async with Counter() as service:
        await service.served.wait()
        task = service.serve_task
        assert task is not None
        assert not task.done()
    assert service.calls == ["start", "serve", "stop"]
    assert task.cancelled()
    assert service.serve_task is None


async def test_end_of_the_block_raises_the_error_of_serve() -> None:
    with pytest.raises(OSError, match="the port is in use"):
        async with Counter(OSError("the port is in use")) as service:
            await service.served.wait()
    assert service.calls[-1] == "stop"


async def test_error_of_the_block_is_not_replaced_by_the_error_of_serve() -> None:
    service = Counter(OSError("serve"))

    async def fail() -> None:
        async with service:
            await service.served.wait()
            raise ValueError("block")

    with pytest.raises(ValueError, match="block"):
        await fail()
    assert service.calls[-1] == "stop"
