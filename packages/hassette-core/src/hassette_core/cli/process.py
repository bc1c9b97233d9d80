"""Run the framework as a process: exit codes, signals, and an exit that is not blocked by hung threads."""

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
"""Seconds that the process waits for hung threads before it exits."""
SWITCH_INTERVAL_S = 0.0005
"""Seconds that a thread may keep the interpreter lock while another thread waits for it
(docs/adr/0014-switch-interval.md)."""


class ExitCode(IntEnum):
    """Exit codes of the ``hassette`` commands, for service managers and scripts."""

    OK = 0
    """Success, including a clean stop by a signal."""
    FAILURE = 1
    """The command failed; it may succeed later."""
    USAGE = 2
    """The command line or the configuration is wrong."""
    AUTHENTICATION = 3
    """Home Assistant refused the token."""


def exit_code_for(error: Exception) -> ExitCode:
    """Return the exit code of a command that ended with the error."""
    if isinstance(error, AuthenticationError):
        return ExitCode.AUTHENTICATION
    return ExitCode.USAGE if isinstance(error, ConfigError | UrlError) else ExitCode.FAILURE


def run_to_the_end(main: Callable[[], Coroutine[Any, Any, int]]) -> int:
    """Run the coroutine, and make sure that the process exits afterwards.

    App code can start threads, for example with ``asyncio.to_thread``. If such a thread hangs, it cannot be stopped,
    and Python would wait for it. Then systemd or Docker would kill the process, and a clean stop would look like a
    crash. Python does not wait for the threads of sync handlers, because they are daemon threads.

    This function also sets the switch interval of the process, so that threads yield to the event loop after half a
    millisecond.
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
        budget_s: Time limit of the stop, in seconds. A process that still runs `EXIT_LIMIT_S` later is ended.
    """
    loop = asyncio.get_running_loop()
    received: list[int] = []

    # loop.add_signal_handler is not used, because it would call `receive` on the event loop. While a handler of an
    # app blocks the event loop, a second signal would have no effect.
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
    """End the process if it still runs after this many seconds."""

    def end() -> None:
        never.wait(seconds)
        names = ", ".join(
            thread.name
            for thread in threading.enumerate()
            if not thread.daemon and thread is not threading.main_thread()
        )
        _end_now(code, f"ended without waiting for hung threads: {names or 'the event loop'}")

    never = threading.Event()  # this event is never set; the daemon thread ends together with the process
    threading.Thread(target=end, name="end of the process", daemon=True).start()


def _end_now(code: int, message: str) -> None:
    # print() is not used, because a signal handler may interrupt another print().
    os.write(2, f"hassette: {message}\n".encode())
    sys.stdout.flush()
    os._exit(code)
