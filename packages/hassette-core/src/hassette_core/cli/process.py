"""`run_to_the_end`: run the framework as a process whose exit is not blocked by hung threads."""

import asyncio
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from hassette_core.cli.collection import collect_rarely
from hassette_core.cli.exit_codes import ExitCode, exit_code_for
from hassette_core.cli.free_memory import return_free_memory
from hassette_core.cli.stop_guard import end_within
from hassette_core.containment import run_contained
from hassette_executor import HassetteError

EXIT_LIMIT_S = 3.0
"""Seconds that the process waits for hung threads before it exits."""
SWITCH_INTERVAL_S = 0.0005
"""Seconds that a thread may keep the interpreter lock while another thread waits for it
(docs/adr/0014-switch-interval.md)."""


def run_to_the_end(main: Callable[[], Coroutine[Any, Any, int]]) -> int:
    """Run the coroutine, and make sure that the process exits afterwards.

    App code can start threads, for example with ``asyncio.to_thread``. If such a thread hangs, it cannot be stopped,
    and Python would wait for it. Then systemd or Docker would kill the process, and a clean stop would look like a
    crash. Python does not wait for the threads of sync handlers, because they are daemon threads.

    This function also sets the switch interval of the process, so that threads yield to the event loop after half a
    millisecond, lets the garbage collector run less often, and returns free memory to the operating system.
    """
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    collect_rarely()

    async def run() -> int:
        code: int = ExitCode.FAILURE
        memory = asyncio.create_task(return_free_memory(), name="hassette-free-memory")
        try:
            code = await main()
        except HassetteError as error:
            code = exit_code_for(error)
            raise
        finally:
            memory.cancel()
            end_within(EXIT_LIMIT_S, code)
        return code

    return run_contained(run())
