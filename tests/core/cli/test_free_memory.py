"""A long-running process returns the memory that it no longer uses."""

import asyncio
import ctypes
import os
import sys
from pathlib import Path

import pytest

from hassette_core.cli.free_memory import return_free_memory
from support.waiting import eventually


def resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


@pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="needs the GNU C library"
)
async def test_memory_in_holes_between_used_blocks_is_returned() -> None:
    ctypes.CDLL(None).malloc_trim(0)  # otherwise, the blocks could fill holes that other tests have left
    before = resident_mb()
    kept = [bytearray(size) for size in [600, 40_000] * 2000]  # 80 MB; the small blocks stay in use
    del kept[1::2]
    assert resident_mb() > before + 60
    task = asyncio.create_task(return_free_memory(every_s=0.01))
    await eventually(lambda: resident_mb() < before + 20)
    task.cancel()
