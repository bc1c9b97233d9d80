"""Run the framework as a process: exit codes, signals, and an end that always comes."""

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from enum import IntEnum
from types import FrameType
from typing import Any

from hassette_core.errors import AuthenticationError, ConfigError, UrlError
from hassette_executor import HassetteError

SIGNALS = (signal.SIGINT, signal.SIGTERM)
EXIT_LIMIT_S = 3.0
"""Time for threads that cannot be stopped to end by themselves before the process ends without them."""
SWITCH_INTERVAL_S = 0.0005
"""Time that a thread waits for the interpreter lock before it requests it (docs/adr/0014-switch-interval.md)."""


class ExitCode(IntEnum):
    """Exit codes of ``hassette``."""

    OK = 0
    """Success, including a clean stop by a signal."""
    FAILURE = 1
    """The command failed; it may succeed later."""
    USAGE = 2
    """The command line or the configuration is wrong."""
    AUTHENTICATION = 3
    """Home Assistant refused the token."""


def exit_code_for(error: Exception) -> ExitCode:
    """Return the exit code for an error."""
    if isinstance(error, AuthenticationError):
        return ExitCode.AUTHENTICATION
    return ExitCode.USAGE if isinstance(error, ConfigError | UrlError) else ExitCode.FAILURE


def run_to_the_end(main: Callable[[], Coroutine[Any, Any, int]]) -> int:
    """Run the coroutine, and make sure that the process ends after it.

    A hung thread of a handler cannot be stopped from outside, and Python waits for such threads without a limit. Then
    systemd or Docker would kill the process, and a clean stop would look like a crash.

    This also sets the process's switch interval, so that threads yield to the event loop after half a millisecond.
    """
    sys.setswitchinterval(SWITCH_INTERVAL_S)

    async def run() -> int:
        code: int = ExitCode.FAILURE
        try:
            code = await main()
        except HassetteError as error:
            code = exit_code_for(error)
            raise
        finally:
            _end_within(EXIT_LIMIT_S, code)
        return code

    return asyncio.run(run())


@contextmanager
def stop_on_signals(request_stop: Callable[[str], None], budget_s: float) -> Generator[None]:
    """Request a stop on the first SIGINT or SIGTERM; end the process immediately on the second one.

    Args:
        request_stop: Called on the event loop with the name of the signal.
        budget_s: Seconds for the stop. A process that exceeds them by more than `EXIT_LIMIT_S` is ended.
    """
    loop = asyncio.get_running_loop()
    received: list[int] = []

    # Not loop.add_signal_handler: a handler that blocks the event loop would block the second signal.
    def receive(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        name = signal.Signals(number).name
        if len(received) > 1:
            _end_now(128 + number, f"ended immediately after a second {name}")
        loop.call_soon_threadsafe(request_stop, name)
        _end_within(budget_s + EXIT_LIMIT_S, 128 + number)

    before = {number: signal.signal(number, receive) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end_within(seconds: float, code: int) -> None:
    """End the process if it still runs after the given number of seconds."""

    def end() -> None:
        never.wait(seconds)
        names = ", ".join(
            thread.name
            for thread in threading.enumerate()
            if not thread.daemon and thread is not threading.main_thread()
        )
        _end_now(code, f"ended without waiting for hung threads: {names or 'the event loop'}")

    never = threading.Event()  # never set: this daemon thread ends together with the process
    threading.Thread(target=end, name="end of the process", daemon=True).start()


def _end_now(code: int, message: str) -> None:
    # Not print: a signal handler may interrupt another print.
    os.write(2, f"hassette: {message}\n".encode())
    sys.stdout.flush()
    os._exit(code)
