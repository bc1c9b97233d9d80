"""The process around the framework: signals, and an end that comes."""

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from hassette_core.cli.exit_codes import ExitCode, exit_code_for
from hassette_executor import HassetteError

SIGNALS = (signal.SIGINT, signal.SIGTERM)
PATIENCE_S = 3.0
"""How long threads that nobody can stop may hold up the end of the process."""
SWITCH_INTERVAL_S = 0.0005
"""How long a thread waits for the interpreter lock before it asks for it (docs/adr/0014-switch-interval.md)."""


def run_to_the_end(main: Callable[[], Coroutine[Any, Any, int]]) -> int:
    """Run the coroutine, and see to it that the process ends after it.

    A handler's thread that hangs cannot be stopped from outside. Python waits for such threads at its end, for ever;
    systemd and Docker would then kill the process, and a clean stop would look like a crash.

    The process is ours here, so its switch interval is: threads share the interpreter with the event loop in turns of
    half a millisecond from now on.
    """
    sys.setswitchinterval(SWITCH_INTERVAL_S)

    async def run() -> int:
        code: int = ExitCode.TROUBLE
        try:
            code = await main()
        except HassetteError as error:
            code = exit_code_for(error)
            raise
        finally:
            _end_within(PATIENCE_S, code)
        return code

    return asyncio.run(run())


@contextmanager
def stop_on_signals(request_stop: Callable[[str], None], budget_s: float) -> Generator[None]:
    """Turn the first SIGINT or SIGTERM into a request to stop; the second one ends the process at once.

    Args:
        request_stop: Called on the event loop with the signal's name.
        budget_s: Seconds that the stop may take; a process that is still there well after them is ended.
    """
    loop = asyncio.get_running_loop()
    received: list[int] = []

    # signal.signal rather than loop.add_signal_handler: a handler that blocks the loop must not block the second one.
    def receive(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        name = signal.Signals(number).name
        if len(received) > 1:
            _end_now(128 + number, f"{name} again: ended without waiting any longer.")
        loop.call_soon_threadsafe(request_stop, name)
        _end_within(budget_s + PATIENCE_S, 128 + number)

    before = {number: signal.signal(number, receive) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end_within(seconds: float, code: int) -> None:
    """End the process, whatever goes on in it, if it is still there after so many seconds."""

    def end() -> None:
        waiting.wait(seconds)
        names = ", ".join(
            thread.name
            for thread in threading.enumerate()
            if not thread.daemon and thread is not threading.main_thread()
        )
        _end_now(code, f"ended without waiting for what still hangs: {names or 'the event loop'}.")

    waiting = threading.Event()  # never set: the process's own end takes this daemon thread with it
    threading.Thread(target=end, name="end of the process", daemon=True).start()


def _end_now(code: int, words: str) -> None:
    # os.write rather than print: a signal may have come in the middle of somebody else's print.
    os.write(2, f"hassette: {words}\n".encode())
    sys.stdout.flush()
    os._exit(code)
