"""Return the free memory of a long-running process to the operating system."""

import asyncio
import ctypes
import sys
from collections.abc import Callable

RETURN_EVERY_S = 600.0
"""Seconds between two returns. One return of 15 MB takes 4 ms, in a thread and without the interpreter lock."""


async def return_free_memory(every_s: float = RETURN_EVERY_S) -> None:
    """Return memory that the C library holds but does not use, again and again until the task is cancelled.

    Bursts and batches leave small holes between objects that live long. The GNU C library keeps the pages of these
    holes, so the resident memory of a busy process grows for hours (by 27 MB in 40 minutes of ``scripts/soak.py``),
    although the memory in use stays the same. With another C library, this function does nothing.

    Args:
        every_s: Seconds between two returns.
    """
    trim = _malloc_trim()
    while trim is not None:
        await asyncio.sleep(every_s)
        await asyncio.to_thread(trim, 0)


def _malloc_trim() -> Callable[[int], int] | None:
    """Return the function of the GNU C library; None where there is no such library."""
    if sys.platform != "linux":
        return None
    return getattr(ctypes.CDLL(None), "malloc_trim", None)
