"""A long-running process returns the memory that it no longer uses."""

import ctypes
import subprocess
import sys

import pytest

from support.waiting import patience

PROGRAM = """
import asyncio, os, sys
from pathlib import Path
from hassette_core.cli.free_memory import return_free_memory

def resident_mb():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6

async def main():
    before = resident_mb()
    kept = [bytearray(size) for size in [600, 40_000] * 2000]  # 80 MB; the small blocks stay in use
    del kept[1::2]
    assert resident_mb() > before + 60, (before, resident_mb())
    task = asyncio.create_task(return_free_memory(every_s=0.01))
    while resident_mb() >= before + 20:
        await asyncio.sleep(0.01)
    task.cancel()

asyncio.run(asyncio.wait_for(main(), float(sys.argv[1])))
"""


@pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="needs the GNU C library"
)
def test_memory_in_holes_between_used_blocks_is_returned() -> None:
    # A new process has no holes of earlier tests. If the small blocks filled such holes, nothing would lie between the
    # large ones, and the C library would return their memory at once.
    command = [sys.executable, "-c", PROGRAM, str(patience(10))]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=patience(40), check=False)
    assert ended.returncode == 0, ended.stderr
