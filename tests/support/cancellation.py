"""Code that ignores its cancellation."""

import asyncio


async def ignore_cancellation(until: asyncio.Event) -> None:
    """Run until an event is set, and ignore every cancellation before that."""
    while not until.is_set():
        try:
            await until.wait()
        except asyncio.CancelledError:
            continue
