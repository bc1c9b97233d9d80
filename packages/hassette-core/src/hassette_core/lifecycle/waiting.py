"""Wait for the first of several events, or for an event while a task runs."""

import asyncio
from typing import Any


async def first_set(*events: asyncio.Event) -> asyncio.Event:
    """Wait until one of several events is set, and return it. If several are set, return the first of them."""
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
    return next(event for event, wait in zip(events, waits, strict=True) if wait in done)


async def wait_while_running(event: asyncio.Event, task: asyncio.Task[Any] | None) -> None:
    """Wait for an event, but at most until a task ends. If the task has failed, raise its error.

    Args:
        event: The event.
        task: The task. With None, only the event counts.
    """
    if task is None:
        await event.wait()
        return
    waiting = asyncio.create_task(event.wait())
    try:
        await asyncio.wait((waiting, task), return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
    if task.done():
        task.result()
